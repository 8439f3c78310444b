import type { Tables } from '../../journal/index.ts'
import { rules, type RuleSource } from '../doctor.ts'

/** The rules between rows, over tables in memory. */
export function checkTables(t: Tables): { readonly name: string; readonly ok: boolean; readonly detail?: string }[] {
  const source: RuleSource = {
    envs: () => t.envs.values(),
    *resources() {
      for (const rows of t.resources.values()) for (const { row } of rows.values()) yield row
    },
    docsMissing: () => [],
    txs: () => t.txs.values(),
    claims: () => t.claims.values(),
    *events() {
      for (const list of t.events.values()) yield* list
    },
    chains: () => t.chains.values(),
    runs: () => t.runs.keys(),
    plans: () => t.plans.values(),
    leases: () => t.leases.values(),
    tickets: () => t.tickets.values(),
    fenceSeq: t.fenceSeq,
  }
  return rules(source)
}
