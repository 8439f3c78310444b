import { emptyTables, leaseKey, lookupKeys, newChain, referenceKey, type Tables } from '../../journal/index.ts'
import type { ClaimRow, ComponentRow, EnvRow, EventRow, LeaseRow, OutputsRow, ReferenceRow, RequestRow, ResolvedRow, ResourceDocs, ResourceRow, SecretRow, TaskRow, TicketRow, TxRow } from '../../state/index.ts'
import { unresolved } from '../../state/index.ts'
import { migrations } from '../sqlite/migrations.ts'
import { notEmpty, readExport, type Imported, type ImportedRow } from '../transfer.ts'

/** Reads an export into tables that are empty: all of it at the end, or nothing. Fails as the import of every store does. */
export async function loadTables(into: Tables, lines: AsyncIterable<string> | Iterable<string>): Promise<Imported> {
  if (into.envs.size > 0) throw notEmpty(into.envs.size)
  const t = emptyTables()
  return readExport(lines, migrations.length, {
    begin: ({ fenceSeq }) => { t.fenceSeq = Math.max(into.fenceSeq, fenceSeq) },
    row: (row) => put(t, row),
    end: () => {
      for (const e of t.envs.values()) if (!t.chains.has(e.id)) t.chains.set(e.id, { ...newChain(e.id), baseSeq: e.seq, seq: e.seq })
      if (into.envs.size > 0) throw notEmpty(into.envs.size)
      into.meta = { ...t.meta, schema: migrations.length }
      into.fenceSeq = t.fenceSeq
      for (const [name, rows] of Object.entries(t)) {
        if (!(rows instanceof Map)) continue
        const target = into[name as 'envs'] as Map<unknown, unknown>
        target.clear()
        for (const [k, v] of rows) target.set(k, v)
      }
    },
  })
}

function put(t: Tables, { table, row }: ImportedRow): void {
  switch (table) {
    case 'meta': t.meta = row; break
    case 'envs': t.envs.set((row as EnvRow).id, row); break
    case 'runs': t.runs.set(row.id as string, row); break
    case 'plans': t.plans.set(row.id as string, row); break
    case 'resources': {
      const { docs, ...rest } = row as ResourceRow & { docs: ResourceDocs }
      nested(t.resources, rest.uid).set(rest.since, { row: rest, docs })
      inSet(t.uidsOf, rest.env).add(rest.uid)
      for (const k of lookupKeys(rest)) inSet(nested(t.lookup, rest.env), k).add(`${rest.since} ${rest.uid}`)
      inSet(nested(t.bySince, rest.env), rest.since).add(rest.uid)
      if (rest.until !== undefined) inSet(nested(t.byUntil, rest.env), rest.until).add(`${rest.since} ${rest.uid}`)
      break
    }
    case 'claims': {
      const c = row as ClaimRow
      t.claims.set(c.key, c)
      inSet(t.claimsOfUid, c.uid).add(c.key)
      if (c.until !== undefined) inSet(t.leavingClaims, c.env).add(c.key)
      break
    }
    case 'txs': {
      const x = { applied: undefined, ...row } as TxRow
      t.txs.set(x.token, x)
      if (unresolved(x)) t.unresolvedOf.set(x.uid, x.token)
      break
    }
    case 'tasks': nested(t.tasks, (row as TaskRow).run).set(row.id as string, row); break
    case 'outputs': nested(t.outputs, (row as OutputsRow).env).set(row.since as number, row); break
    case 'secrets': nested(t.secrets, (row as SecretRow).env).set(row.name as string, row); break
    case 'trash': t.trash.set(row.id as string, row); break
    case 'components': {
      const c = row as ComponentRow
      t.components.set(c.uid, c)
      nested(t.componentAt, c.env).set(c.name, c.uid)
      break
    }
    case 'references': {
      const key = referenceKey(row as ReferenceRow)
      t.references.set(key, row)
      inSet(t.referencesTo, (row as ReferenceRow).targetUid).add(key)
      break
    }
    case 'resolved': t.resolved.set((row as ResolvedRow).uid, row); break
    case 'requests': t.requests.set(`${(row as RequestRow).scope} ${(row as RequestRow).id}`, row); break
    case 'events': {
      const list = t.events.get((row as EventRow).env)
      if (list) list.push(row)
      else t.events.set((row as EventRow).env, [row])
      break
    }
    case 'chains': t.chains.set(row.env as string, row); break
    case 'leases': {
      const l: LeaseRow = { mode: 'X', ...row }
      t.leases.set(leaseKey(l), l)
      t.fenceSeq = Math.max(t.fenceSeq, l.fence)
      break
    }
    case 'tickets': t.tickets.set((row as TicketRow).id, row); break
    default: table satisfies never
  }
}

function nested<K, L, V>(map: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let inner = map.get(key)
  if (!inner) map.set(key, (inner = new Map()))
  return inner
}
function inSet<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  let set = map.get(key)
  if (!set) map.set(key, (set = new Set()))
  return set
}
