import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isFailure, systemClock, type Clock } from '../base/index.ts'
import { firstCommits, randomCommit, seeded } from '../testing/store-fuzz.ts'
import { ENV, holder } from '../testing/store-fixtures.ts'
import { MemoryStore } from './memory/index.ts'
import type { Store } from './port.ts'
import { openSqliteStore } from './sqlite/index.ts'

const clock: Clock = { ...systemClock, now: () => 1_000_000 }
const SEEDS = Number(process.env.HOLDFAST_SEEDS ?? 12)
const COMMITS = 150

const outcome = async (act: Promise<{ readonly seq: number }>): Promise<unknown> => {
  try {
    return (await act).seq
  } catch (e) {
    return isFailure(e) ? [e.code, e.message, e.address, e.details] : [(e as Error).name, (e as Error).message]
  }
}

async function everything(store: Store): Promise<unknown> {
  const lines: string[] = []
  for await (const line of store.export()) lines.push(line)
  const views: unknown[] = []
  for (const env of [ENV, 'e-2']) {
    for (const view of ['committed', 'base', 'current', 'open', 'all'] as const) views.push([env, view, (await store.resources(env, view)).map((r) => ({ ...r }))])
    for (const view of ['committed', 'current'] as const) {
      for (const by of [{ address: 'app/u1' }, { component: 'app' }, { component: '.' }, { fingerprint: 'f1:u2' }, { tag: 'k' }, { tag: 'l', value: 'w' }]) views.push([env, view, by, await store.find(env, view, by)])
    }
    views.push(await store.components(env), await store.component(env, 'db'), await store.references({ env }), await store.references({ targetEnv: env }), await store.envById(env), await store.envs())
    views.push(await store.txs({ env, unresolved: true }), await store.runs(env, 9), await store.plans(env, 9), await store.claimsOf(env), await store.events(env, { seq: 20 }, 50), await store.outputs(env, 7))
  }
  views.push(await store.references({ targetUid: 'u1' }), await store.resolved(['u1', 'xu2', 'none']), await store.request('', 'q-1'))
  for (const run of ['r-1', `${ENV}-r-1`, `r-${ENV}-0`, `r-${ENV}-1`]) views.push(await store.tasks(run), await store.txs({ run }), await store.run(run))
  return { lines, views }
}

describe('two stores, one meaning', () => {
  const first = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 1e9))
  for (let seed = first; seed < first + SEEDS; seed++) {
    test(`random lists of entries give equal answers and equal rows (seed ${seed})`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'hf-diff-'))
      const memory = new MemoryStore({ clock, random: seeded(seed) })
      const sqlite = await openSqliteStore({ path: join(folder, 'state.db'), clock, random: seeded(seed) })
      try {
        const dice = seeded(seed + 0.5)
        // One after another at first (inline), then many at a time (the thread, with batches that hold refused ones).
        for (const store of [memory, sqlite]) {
          for (const c of firstCommits) await store.commit(c.entries, c.options)
          for (const scope of ['s1', 's2', 's1']) await store.lease.acquire(scope, holder(), 60_000)
        }
        const commits = Array.from({ length: COMMITS }, () => randomCommit(dice))
        for (let from = 0, size = 1; from < commits.length; from += size, size = 1 + dice.int(40)) {
          const batch = commits.slice(from, from + size)
          const [a, b] = await Promise.all([memory, sqlite].map((store) => Promise.all(batch.map((c) => outcome(store.commit(c.entries, c.options))))))
          expect(b).toEqual(a)
        }
        expect(await everything(sqlite)).toEqual(await everything(memory))
      } finally {
        await sqlite.close()
        rmSync(folder, { recursive: true, force: true })
      }
    })
  }
})
