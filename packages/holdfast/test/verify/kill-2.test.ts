import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 2 of 6', { firstSeed: 201, seeds: 2, killsPerSeed: 17 })
