import type { ReferenceRow, ResourceRow } from '../state/index.ts'
import type { ResourceView } from './port.ts'

/** Whether a row belongs to a view of an environment that is at `revision`. */
export function inView(view: ResourceView, row: Pick<ResourceRow, 'since' | 'until' | 'status'>, revision: number): boolean {
  switch (view) {
    case 'committed': return row.since <= revision && (row.until === undefined || row.until > revision) && row.status !== 'deleting'
    case 'base': return row.since <= revision && (row.until === undefined || row.until > revision)
    case 'current': return row.until === undefined
    case 'open': return row.since === revision + 1 || row.until === revision + 1
    case 'all': return true
  }
}

/** Address order, in code units; rows of one address by age. */
export function byAddress(a: ResourceRow, b: ResourceRow): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : a.since - b.since || (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0)
}

export const byReference = (a: ReferenceRow, b: ReferenceRow): number =>
  compareText(a.env, b.env) || compareText(a.component, b.component) || compareText(a.targetUid, b.targetUid)

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Order of tables in `export()`. */
export const TABLES = ['meta', 'envs', 'runs', 'plans', 'resources', 'claims', 'txs', 'tasks', 'outputs', 'secrets', 'trash', 'components', 'references', 'resolved', 'requests', 'events', 'chains', 'leases', 'tickets'] as const
export type TableName = (typeof TABLES)[number]

/** One line of `export()`. Keys sorted: two stores with equal rows give equal lines. */
export function exportLine(table: TableName | 'export' | 'end', row: object): string {
  return JSON.stringify({ table, row: sorted(row) })
}

function sorted(v: unknown): unknown {
  if (typeof v !== 'object' || v === null) return v
  if (Array.isArray(v)) return v.map(sorted)
  const out: Record<string, unknown> = {}
  for (const k of Object.keys(v).sort()) out[k] = sorted((v as Record<string, unknown>)[k])
  return out
}
