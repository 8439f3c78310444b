import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 1 of 6', { firstSeed: 101, seeds: 2, killsPerSeed: 17 })
