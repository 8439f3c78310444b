import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 1 of 4', { firstSeed: 101, seeds: 3, killsPerSeed: 17 })
