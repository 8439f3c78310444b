import { emptyTables, fold, type Tables } from '../../src/journal/index.ts'
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

/** Maps and sets as lists, in the order of their keys; empty ones stand for nothing. */
const text = (v: unknown): string => JSON.stringify(v, (_, x: unknown) => {
  if (x instanceof Map) return [...x].filter(([, y]) => !((y instanceof Map || y instanceof Set) && y.size === 0)).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  return x instanceof Set ? [...x].sort() : x
})
