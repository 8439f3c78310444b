import { expect, test } from 'vitest'
import { dieEverywhere, scenarios } from './die.ts'

// Every moment of every scenario in every class: test/verify/embed-kill.test.ts.
const some = [['B', 4, 2], ['A', 1, 5], ['C', 4, 4]] as const
for (const s of scenarios) {
  test(`S003-21 S003-27 S003-31 ${s.name}: a process that dies at a write of a begin or an end, or around a call, leaves an unreliable snapshot; the next apply recovers, and makes nothing twice`, async () => {
    for (const [cls, parallelism, every] of some) {
      const { unreliable, open } = await dieEverywhere(s, cls, { parallelism, every })
      expect(unreliable).toBeGreaterThan(2)
      expect(open).toBeGreaterThan(1)
    }
  })
}
