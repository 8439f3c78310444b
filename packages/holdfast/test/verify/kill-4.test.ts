import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 4 of 4', { firstSeed: 401, seeds: 3, killsPerSeed: 17 })
