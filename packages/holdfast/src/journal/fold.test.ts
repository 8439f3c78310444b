import { describe, expect, test } from 'vitest'
import { createEnv, ENV, event, put, resourceRow } from '../testing/store-fixtures.ts'
import { firstCommits, randomCommit, seeded } from '../testing/store-fuzz.ts'
import { fold } from './fold.ts'
import { emptyTables, type Tables } from './tables.ts'

/** Tables as plain data; an empty bucket says as much as none. */
function plain(v: unknown): unknown {
  if (v instanceof Map) return Object.fromEntries([...v].map(([k, x]) => [String(k), plain(x)] as const).filter(([, x]) => !isEmpty(x)).sort(([a], [b]) => (a < b ? -1 : 1)))
  if (v instanceof Set) return [...v].sort()
  return v
}
const isEmpty = (v: unknown) => typeof v === 'object' && v !== null && Object.keys(v).length === 0
const all = (t: Tables) => Object.fromEntries(Object.entries(t).map(([k, v]) => [k, plain(v)]))

function ready(): Tables {
  const tables = emptyTables()
  for (const c of firstCommits) fold(tables, c.entries, c.options)
  return tables
}

describe('fold', () => {
  const first = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 1e9))
  for (let seed = first; seed < first + 20; seed++) {
    test(`what is refused changes nothing, indexes included (seed ${seed})`, () => {
      const tables = ready()
      const dice = seeded(seed)
      let refused = 0
      for (let i = 0; i < 200; i++) {
        const { entries, options } = randomCommit(dice)
        const before = all(tables)
        try {
          fold(tables, entries, options)
        } catch {
          refused++
          expect(all(tables)).toEqual(before)
        }
      }
      expect(refused).toBeGreaterThan(20)
      expect(refused).toBeLessThan(200)
    })
  }

  test('rows that were read stay as they were', () => {
    const tables = emptyTables()
    fold(tables, [createEnv(), put(resourceRow('a'))], { env: ENV })
    const row = tables.resources.get('a')?.get(1)?.row
    fold(tables, [{ t: 'resource.until', uid: 'a', since: 1, until: 2 }], { env: ENV })
    expect(row?.until).toBeUndefined()
    expect(tables.resources.get('a')?.get(1)?.row).toMatchObject({ until: 2, seq: 2 })
  })

  test('a commit costs what it changes, not what there is', () => {
    const tables = emptyTables()
    fold(tables, [createEnv(), ...Array.from({ length: 20_000 }, (_, i) => put(resourceRow(`u${i}`)))], { env: ENV })
    // A walk over all rows in each of these would take minutes.
    const start = performance.now()
    for (let i = 0; i < 20_000; i++) fold(tables, [put(resourceRow(`u${i}`, { ordinal: 2 })), event('e')], { env: ENV })
    expect(performance.now() - start).toBeLessThan(10_000)
  })
})
