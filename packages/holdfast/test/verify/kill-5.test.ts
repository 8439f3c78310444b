import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 5 of 6', { firstSeed: 501, seeds: 2, killsPerSeed: 17 })
