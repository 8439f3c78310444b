import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 2 of 3', { firstSeed: 201, seeds: 4, killsPerSeed: 18, together: 2 })
