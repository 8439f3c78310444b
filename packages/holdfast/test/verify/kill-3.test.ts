import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills, part 3 of 4', { firstSeed: 301, seeds: 3, killsPerSeed: 17 })
