import { afterAll, describe, expect, test } from 'vitest'
import { limits, plantMutant, type MutantName } from '../../src/base/index.ts'
import { add, allCases, inMacrotask, newTally, withDeaths, type Tally } from '../recovery/life.ts'

/** The exhaustive model, extended: a crash during recovery, a first holder that is only stopped, services that turn requests away. */
const total = { cases: 0, unknown: 0 }
afterAll(() => console.log(`${total.cases} cases in all, ${total.unknown} questions for a person (class D only)`))

async function expectClean(act: (tally: Tally) => void): Promise<void> {
  const tally = newTally()
  await inMacrotask(() => act(tally))
  total.cases += tally.cases
  total.unknown += tally.unknown
  console.log(`${tally.cases} cases, ${tally.wrong.length} wrong, ${tally.unknown} questions for a person`)
  expect(tally.wrong).toEqual([])
}

describe('nothing is doubled, lost or forgotten, and only class D asks a person', () => {
  test('when the recovery dies before and after each of its commits and calls', () => expectClean((t) => {
    for (const c of allCases) withDeaths(t, c)
  }))
  for (const pauseMs of [3_000, 8_000, 20_000, 33_000, 62_000, 100_000]) {
    test(`when the first holder is stopped for ${pauseMs / 1000} s and goes on, beside the one that recovers`, () => expectClean((t) => {
      // What stops for less than the margin of the lease goes on without writing its intent again; in two records it would have to.
      for (const c of allCases) if (c.point !== 'none' && !(c.point === 'after R1' && pauseMs < limits.leaseMarginMs)) add(t, { ...c, pauseMs })
    }))
  }
  for (const turnedAway of [1, 2, 3]) {
    test(`when ${turnedAway} of the requests that follow are turned away (F1)`, () => expectClean((t) => {
      for (const c of allCases) add(t, { ...c, turnedAway })
    }))
  }
})

describe('the model finds a planted bug', () => {
  const mutants: readonly (readonly [MutantName, (t: Tally) => void])[] = [
    ['no-quarantine', (t) => allCases.forEach((c) => void add(t, c))],
    ['token-renewed-on-retry', (t) => allCases.forEach((c) => void add(t, c))],
    ['status-before-outputs', (t) => allCases.forEach((c) => void add(t, c))],
    ['intent-after-call', (t) => allCases.forEach((c) => void add(t, c))],
    ['no-fence-check', (t) => allCases.forEach((c) => void add(t, { ...c, pauseMs: 33_000 }))],
    ['rejection-settles-all', (t) => allCases.forEach((c) => void add(t, { ...c, turnedAway: 1 }))],
  ]
  for (const [name, run] of mutants) {
    test(name, async () => {
      const tally = newTally()
      plantMutant(name)
      try {
        await inMacrotask(() => run(tally))
      } finally {
        plantMutant(undefined)
      }
      console.log(`${name}: ${tally.wrong.length} findings, the first: ${tally.wrong[0]}`)
      expect(tally.wrong).not.toEqual([])
    })
  }
})
