import { emptyTables, fold, type Tables } from '../../src/journal/index.ts'
import type { Clock, Random } from '../../src/base/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { rules } from '../../src/store/doctor.ts'
import type { Committed } from './process.ts'

/** What is wrong with the rows between two commits; the history of events is looked at after each operation. */
export function validPrefix(t: Tables): string | undefined {
  const checks = rules({
    envs: () => t.envs.values(),
    *resources() {
      for (const rows of t.resources.values()) for (const { row } of rows.values()) yield row
    },
    docsMissing: () => [], txs: () => t.txs.values(), claims: () => t.claims.values(), events: () => [], chains: () => [], runs: () => t.runs.keys(), plans: () => t.plans.values(),
    leases: () => t.leases.values(), tickets: () => t.tickets.values(), fenceSeq: t.fenceSeq,
  })
  const wrong = checks.find((c) => !c.ok && c.name !== 'the history is as it was written')
  return wrong && `${wrong.name}: ${wrong.detail}`
}

const tables = ['envs', 'runs', 'plans', 'resources', 'claims', 'txs', 'tasks', 'outputs', 'events', 'chains', 'unresolvedOf', 'lookup', 'uidsOf', 'bySince', 'byUntil', 'claimsOfUid', 'leavingClaims'] as const

/** Folds every commit onto nothing. Gives the first table that is not as it stands; undefined: all are. */
export function replayed(live: Tables, commits: readonly Committed[]): string | undefined {
  const again = emptyTables(live.meta)
  for (const { entries, options } of commits) fold(again, entries, { env: options.env })
  return tables.find((name) => text(again[name]) !== text(live[name]))
}

/** Moves the state, as it is at this moment, to a store that was empty. Gives the first table that is not the same there; undefined: all are. */
export async function moved(live: Tables, clock: Clock, random: Random): Promise<string | undefined> {
  const again = emptyTables()
  const to = new MemoryStore({ clock, random, tables: again })
  await to.import(new MemoryStore({ clock, random, tables: live }).export())
  const name = ([...tables, 'leases', 'tickets'] as const).find((n) => text(again[n]) !== text(live[n]))
  return name && `${name}: ${text(live[name])} became ${text(again[name])}`
}

/** Maps and sets as lists, and objects, in the order of their keys; empty maps stand for nothing. */
const text = (v: unknown): string => JSON.stringify(v, (_, x: unknown) => {
  if (x instanceof Map) return [...x].filter(([, y]) => !((y instanceof Map || y instanceof Set) && y.size === 0)).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  if (x instanceof Set) return [...x].sort()
  return typeof x === 'object' && x !== null && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1))) : x
})
