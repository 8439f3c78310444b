import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 6 of 6', { firstSeed: 601, seeds: 2, killsPerSeed: 17 })
