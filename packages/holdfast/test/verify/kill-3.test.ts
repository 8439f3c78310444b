import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 3 of 6', { firstSeed: 301, seeds: 2, killsPerSeed: 17 })
