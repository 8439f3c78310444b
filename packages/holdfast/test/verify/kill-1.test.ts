import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 1 of 3', { firstSeed: 101, seeds: 4, killsPerSeed: 18, together: 2 })
