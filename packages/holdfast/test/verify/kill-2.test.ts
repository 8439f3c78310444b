import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 2 of 4', { firstSeed: 201, seeds: 3, killsPerSeed: 17 })
