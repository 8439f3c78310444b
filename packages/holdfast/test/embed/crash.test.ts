import { expect, test } from 'vitest'
import { dieEverywhere, scenarios } from './die.ts'

// Every moment of every scenario in every class: test/verify/embed-kill.test.ts.
const some = [['B', 4, 6], ['A', 1, 13], ['C', 4, 13]] as const
for (const s of scenarios) {
  test(`S003-21 S003-27 S003-31 ${s.name}: a process that dies at a write of a begin or an end, or around a call, leaves an unreliable snapshot; the next apply recovers, and makes nothing twice`, async () => {
    let deaths = { unreliable: 0, open: 0 }
    for (const [cls, parallelism, every] of some) {
      if (s.classes && !s.classes.includes(cls)) continue
      const { unreliable, open } = await dieEverywhere(s, cls, { parallelism, every, offset: 3 })
      deaths = { unreliable: deaths.unreliable + unreliable, open: deaths.open + open }
    }
    expect(deaths.unreliable).toBeGreaterThan(3)
    expect(deaths.open).toBeGreaterThan(2)
  })
}
