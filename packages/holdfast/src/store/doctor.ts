import { sha256hex } from '../base/index.ts'
import { linksOf } from '../journal/index.ts'
import type { ChainRow, ClaimRow, EnvRow, EventRow, LeaseRow, PlanRow, ResourceRow, TicketRow, TxRow } from '../state/index.ts'
import { unresolved } from '../state/index.ts'

/** The one check that says nothing of what is stored. */
export const OWNER_ONLY = 'only the owner can read the files'

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
  /** Environment by environment, in order. */
  events(): Iterable<EventRow>
  chains(): Iterable<ChainRow>
  runs(): Iterable<string>
  plans(): Iterable<Pick<PlanRow, 'id' | 'doc' | 'madeBy' | 'approval'>>
  leases(): Iterable<LeaseRow>
  tickets(): Iterable<TicketRow>
  readonly fenceSeq: number
}

/** What must be true between rows, whatever happened to the process that wrote them. The same list for every store. */
export function rules(source: RuleSource): Check[] {
  const envs = new Map<string, EnvRow>()
  for (const e of source.envs()) envs.set(e.id, e)
  const found: Record<RuleName, string[]> = {
    'rows belong to an environment': [], 'one unresolved change per object': [], 'no row is ahead of its environment': [], 'provisional rows belong to an open run': [],
    'one row without an end per object': [], 'claims belong to live objects': [], 'ready rows have documents': [...source.docsMissing()], 'dependencies resolve': [],
    'the open run is known': [], 'events are gapless': [], 'the history is as it was written': [], 'lease fences were granted': [], 'approvals fit their plans': [],
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
    const marks = [row.since, row.until ?? 0].filter((r) => r > env.revision)
    const ofPart = (mark: number) => env.parts?.some((p) => p.tag === mark) === true
    if (marks.some((m) => m > env.revision + 1 && !ofPart(m)) || row.seq > env.seq) found['no row is ahead of its environment'].push(who)
    if (env.openRun === undefined && marks.some((m) => !ofPart(m))) found['provisional rows belong to an open run'].push(who)
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
    // In a revision that was kept half-way, a node may stand whose dependency has gone first, or has another address already.
    if (!env || env.partial || !visible(row, env.revision)) continue
    for (const dep of row.meta.deps) if (!committed.get(env.id)?.has(dep)) found['dependencies resolve'].push(`${row.address} needs ${dep}`)
  }

  for (const claim of source.claims()) {
    const env = envs.get(claim.env)
    if (!env || (!live.has(claim.uid) && !open.has(claim.uid))) found['claims belong to live objects'].push(`${claim.key} of ${claim.uid}`)
    else if (claim.until !== undefined && env.openRun === undefined && !env.parts?.some((p) => p.tag === claim.until)) found['provisional rows belong to an open run'].push(`claim ${claim.key}`)
  }

  const runs = new Set(source.runs())
  for (const e of envs.values()) for (const run of [e.openRun, ...(e.parts ?? []).map((p) => p.run)]) if (run !== undefined && !runs.has(run)) found['the open run is known'].push(`${run} of ${e.app}/${e.name}`)

  const chains = new Map<string, ChainRow>()
  for (const c of source.chains()) chains.set(c.env, c)
  for (const e of envs.values()) if (!chains.has(e.id)) found['the history is as it was written'].push(`${e.app}/${e.name} has no record of its events`)
  const seen = new Set<string>()
  const history = (env: string, events: Iterable<EventRow>) => {
    seen.add(env)
    const row = envs.get(env)
    const chain = chains.get(env)
    const name = row ? `${row.app}/${row.name}` : env
    let before: EventRow | undefined
    const watched = function* () {
      for (const e of events) {
        const follows = before?.seq === e.seq ? e.n === before.n + 1 : e.n === 0 && e.seq > (before?.seq ?? 0)
        if (!follows || e.seq > (row?.seq ?? 0)) found['events are gapless'].push(`event ${e.seq}.${e.n} of ${name}`)
        if (chain && e.seq <= chain.compactedTo) found['the history is as it was written'].push(`event ${e.seq}.${e.n} of ${name} was taken away, and is there`)
        before = e
        yield e
      }
    }
    if (!chain) return void [...watched()]
    let at = { seq: chain.baseSeq, hash: chain.baseHash }
    for (const link of linksOf(chain, watched())) at = link
    const upTo = Math.max(chain.seq, chain.baseSeq)
    const whole = at.hash === chain.hash && (at.seq === chain.seq || chain.seq <= chain.baseSeq)
    if (!whole) found['the history is as it was written'].push(at.seq < upTo ? `${name}: events up to commit ${upTo} were written, and they end at ${at.seq}` : `${name}: an event of commits ${chain.baseSeq + 1} to ${upTo} was changed, added or taken away`)
  }
  for (const [env, events] of byEnv(source.events())) history(env, events)
  for (const env of chains.keys()) if (!seen.has(env)) history(env, [])

  for (const p of source.plans()) {
    if (p.approval && (p.approval.digest !== sha256hex(p.doc) || p.approval.own !== (p.approval.by === p.madeBy))) found['approvals fit their plans'].push(`${p.id}, by ${p.approval.by}`)
  }

  for (const t of source.tickets()) if (t.id > source.fenceSeq) found['lease fences were granted'].push(`place ${t.id} for ${t.scope}`)
  for (const l of source.leases()) if (l.fence > source.fenceSeq) found['lease fences were granted'].push(`${l.scope} at ${l.fence}`)

  return (Object.keys(found) as RuleName[]).map((name) => verdict(name, found[name]))
}

type RuleName =
  | 'rows belong to an environment' | 'one unresolved change per object' | 'no row is ahead of its environment' | 'provisional rows belong to an open run'
  | 'one row without an end per object' | 'claims belong to live objects' | 'ready rows have documents' | 'dependencies resolve' | 'the open run is known' | 'events are gapless'
  | 'the history is as it was written' | 'lease fences were granted' | 'approvals fit their plans'

const visible = (row: ResourceRow, revision: number) => row.since <= revision && (row.until === undefined || row.until > revision) && row.status !== 'deleting'

/** Events of one environment after the other; each walk must be finished before the next begins. */
function* byEnv(events: Iterable<EventRow>): Generator<[env: string, events: Iterable<EventRow>]> {
  const it = events[Symbol.iterator]()
  let next = it.next()
  while (!next.done) {
    const { env } = next.value
    const own = function* (): Generator<EventRow> {
      while (!next.done && next.value.env === env) {
        yield next.value
        next = it.next()
      }
    }
    yield [env, own()]
  }
}

const SHOWN = 5
/** A check that holds, or fails with the first few cases in plain words. */
export function verdict(name: string, cases: readonly string[]): Check {
  if (cases.length === 0) return { name, ok: true }
  const rest = cases.length - SHOWN
  return { name, ok: false, detail: `${cases.slice(0, SHOWN).join('; ')}${rest > 0 ? `; and ${rest} more` : ''}` }
}
