import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 3 of 3', { firstSeed: 301, seeds: 4, killsPerSeed: 18, together: 2 })
