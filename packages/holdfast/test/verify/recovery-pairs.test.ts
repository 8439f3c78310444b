import { expect, test } from 'vitest'
import { allCases, inMacrotask, newTally, withDeaths } from '../recovery/life.ts'

/** Two holders, and a death of the second while it recovers: every pair. */
for (const pauseMs of [8_000, 33_000, 100_000]) {
  test(`the first holder is stopped for ${pauseMs / 1000} s and goes on, and the one that recovers dies before and after each of its commits and calls`, async () => {
    const tally = newTally()
    await inMacrotask(() => {
      for (const c of allCases) if (c.point !== 'none') withDeaths(tally, { ...c, pauseMs })
    })
    console.log(`${tally.cases} cases, ${tally.wrong.length} wrong, ${tally.unknown} questions for a person (class D only)`)
    expect(tally.wrong).toEqual([])
    expect(tally.cases).toBeGreaterThan(1_000)
  })
}
