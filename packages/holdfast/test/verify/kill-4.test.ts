import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 4 of 6', { firstSeed: 401, seeds: 2, killsPerSeed: 17 })
