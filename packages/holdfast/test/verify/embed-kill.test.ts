import { describe, expect, test } from 'vitest'
import { dieEverywhere, scenarios } from '../embed/die.ts'
import { killedAt } from '../embed/kill.ts'

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
/** A number of the seed, small and spread. */
const spread = (n: number): number => 1 + ((n * 7919 + seed * 104_729) % 37)

describe('the example, as real processes', () => {
  for (const before of ['nothing', 'deployed'] as const) {
    test(`S003-18 S003-27 killed at every step of every write of a begin and an end, ${before === 'nothing' ? 'on the first apply' : 'on a change'}`, async () => {
      let n = 0
      for (let killed = true; killed;) {
        // Two at a time: a process mostly waits for its disk.
        const pair = await Promise.all([++n, ++n].map((i) => killedAt({ DIE_AT: String(i) }, before, i % 8 === 0)))
        killed = pair.every((p) => p.killed)
      }
      expect(n).toBeGreaterThan(20)
    })
  }
  test('S003-21 killed in the provider of the resource, at each of its calls', async () => {
    for (const page of ['index', 'about']) expect(await killedAt({ DIE_AFTER: `PAGES/${page}.html` }, 'nothing', true)).toEqual({ killed: true, marks: 2 })
  })
})

describe(`the engine over a provider in memory, seed ${seed}`, () => {
  for (const s of scenarios) {
    for (const cls of s.classes ?? (['A', 'B', 'C'] as const)) {
      test(`S003-31 ${s.name}, class ${cls}: dead at every moment, and once more while it recovers`, async () => {
        await dieEverywhere(s, cls, { parallelism: 4, again: spread })
        await dieEverywhere(s, cls, { parallelism: 1, every: 2, again: spread })
      })
    }
  }
})
