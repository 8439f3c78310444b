import { expect, test } from 'vitest'
import { probeDrain } from '../sim/drain.ts'
import { add, allCases, inMacrotask, newTally } from './life.ts'

test('every crash of every change of every class: nothing is doubled, lost or forgotten, and only class D asks a person, always', async () => {
  const tally = newTally()
  await inMacrotask(() => {
    expect(probeDrain()).toBe(true)
    for (const c of allCases) add(tally, c)
  })
  console.log(`${tally.cases} cases, ${tally.wrong.length} wrong, ${tally.unknown} questions for a person (class D only)`)
  expect(tally.wrong).toEqual([])
  expect(tally.cases).toBe(504)
  expect(tally.unknown).toBeGreaterThan(20)
}, 240_000)
