import type { ClaimRow, EnvRow, EventRow, LeaseRow, ResourceRow, TxRow } from '../state/index.ts'
import { unresolved } from '../state/index.ts'

export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail?: string
}

/** Where the rules read their rows from; each is walked once or a few times, never kept. */
export interface RuleSource {
  envs(): Iterable<EnvRow>
  resources(): Iterable<ResourceRow>
  /** `address (uid) since n` of ready rows without documents. */
  docsMissing(): Iterable<string>
  txs(): Iterable<Pick<TxRow, 'token' | 'uid' | 'status' | 'applied' | 'env'>>
  claims(): Iterable<ClaimRow>
  events(): Iterable<Pick<EventRow, 'env' | 'seq' | 'n'>>
  leases(): Iterable<LeaseRow>
  readonly fenceSeq: number
}

/** What must be true between rows, whatever happened to the process that wrote them. The same list for every store. */
export function rules(source: RuleSource): Check[] {
  const envs = new Map<string, EnvRow>()
  for (const e of source.envs()) envs.set(e.id, e)
  const found: Record<RuleName, string[]> = {
    'rows belong to an environment': [], 'one unresolved change per object': [], 'no row is ahead of its environment': [], 'provisional rows belong to an open run': [],
    'one row without an end per object': [], 'claims belong to live objects': [], 'ready rows have documents': [...source.docsMissing()], 'dependencies resolve': [],
    'events are gapless': [], 'lease fences were granted': [],
  }

  const open = new Map<string, string>()
  for (const tx of source.txs()) {
    if (!unresolved(tx)) continue
    const other = open.get(tx.uid)
    if (other !== undefined) found['one unresolved change per object'].push(`${tx.uid}: ${other} and ${tx.token}`)
    open.set(tx.uid, tx.token)
  }

  const endless = new Set<string>()
  const live = new Set<string>()
  const committed = new Map<string, Set<string>>()
  for (const row of source.resources()) {
    const env = envs.get(row.env)
    const who = `${row.address} (${row.uid}) since ${row.since}`
    if (!env) {
      found['rows belong to an environment'].push(who)
      continue
    }
    if (row.since > env.revision + 1 || (row.until ?? 0) > env.revision + 1 || row.seq > env.seq) found['no row is ahead of its environment'].push(who)
    if (env.openRun === undefined && (row.since > env.revision || (row.until ?? 0) > env.revision)) found['provisional rows belong to an open run'].push(who)
    if (row.until === undefined) {
      if (endless.has(row.uid)) found['one row without an end per object'].push(who)
      endless.add(row.uid)
    }
    if (row.until === undefined || row.until > env.revision) live.add(row.uid)
    if (visible(row, env.revision)) {
      let names = committed.get(env.id)
      if (!names) committed.set(env.id, (names = new Set()))
      names.add(row.address)
    }
  }
  for (const row of source.resources()) {
    const env = envs.get(row.env)
    if (!env || !visible(row, env.revision)) continue
    for (const dep of row.meta.deps) if (!committed.get(env.id)?.has(dep)) found['dependencies resolve'].push(`${row.address} needs ${dep}`)
  }

  for (const claim of source.claims()) {
    const env = envs.get(claim.env)
    if (!env || (!live.has(claim.uid) && !open.has(claim.uid))) found['claims belong to live objects'].push(`${claim.key} of ${claim.uid}`)
    else if (claim.until !== undefined && env.openRun === undefined) found['provisional rows belong to an open run'].push(`claim ${claim.key}`)
  }

  const last = new Map<string, { seq: number; n: number }>()
  for (const e of source.events()) {
    const before = last.get(e.env)
    const follows = before?.seq === e.seq ? e.n === before.n + 1 : e.n === 0 && e.seq > (before?.seq ?? 0)
    if (!follows || e.seq > (envs.get(e.env)?.seq ?? 0)) found['events are gapless'].push(`event ${e.seq}.${e.n}`)
    last.set(e.env, { seq: e.seq, n: e.n })
  }

  for (const l of source.leases()) if (l.fence > source.fenceSeq) found['lease fences were granted'].push(`${l.scope} at ${l.fence}`)

  return (Object.keys(found) as RuleName[]).map((name) => verdict(name, found[name]))
}

type RuleName =
  | 'rows belong to an environment' | 'one unresolved change per object' | 'no row is ahead of its environment' | 'provisional rows belong to an open run'
  | 'one row without an end per object' | 'claims belong to live objects' | 'ready rows have documents' | 'dependencies resolve' | 'events are gapless' | 'lease fences were granted'

const visible = (row: ResourceRow, revision: number) => row.since <= revision && (row.until === undefined || row.until > revision) && row.status !== 'deleting'

const SHOWN = 5
/** A check that holds, or fails with the first few cases in plain words. */
export function verdict(name: string, cases: readonly string[]): Check {
  if (cases.length === 0) return { name, ok: true }
  const rest = cases.length - SHOWN
  return { name, ok: false, detail: `${cases.slice(0, SHOWN).join('; ')}${rest > 0 ? `; and ${rest} more` : ''}` }
}
