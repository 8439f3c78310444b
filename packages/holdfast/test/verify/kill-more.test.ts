import { killSuite } from '../support/kill/suite.ts'

killSuite('more random kills', { firstSeed: 101, seeds: 6, killsPerSeed: 18, together: 2 })
