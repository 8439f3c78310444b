import { killSuite } from '../support/kill/suite.ts'

killSuite('random kills', { firstSeed: 1, seeds: 6, killsPerSeed: 18, together: 2 })
