import { assert, limits, mutant, unreachable } from '../base/index.ts'
import { PART_TAGS, runMoves, txMoves, unresolved, type ChainRow, type ClaimRow, type ComponentRow, type EnvRow, type EventRow, type ReferenceRow, type RequestRow, type ResourceRow, type TxRow } from '../state/index.ts'
import { chainHash, compactedChain, newChain, type ChainedEvent } from './chain.ts'
import type { Entry } from './entry.ts'
import { baseOf } from './lone-change.ts'
import { refusals } from './refusals.ts'
import { retagTarget } from './retag.ts'
import { GONE, lookupKeys, referenceKey, REQUEST_KEPT_MS, REQUESTS_SWEPT, under, type StoredResource, type Tables } from './tables.ts'

export interface FoldOptions {
  /** Environment whose `seq` moves and that the entries belong to. */
  readonly env: string
  /** Refused with HF4203 when the lease of `scope`, or of one of the others, is not at this fence. */
  readonly fence?: { readonly scope: string; readonly fence: number; readonly also?: readonly { readonly scope: string; readonly fence: number }[] | undefined } | undefined
  /** Refused with HF2401 when the environment is not at this seq (0: it does not exist yet). */
  readonly expectSeq?: number | undefined
}

/** History rows and outputs taken away by one `env.commit`, at most; what is left waits for the next. */
export const COMPACT_ROWS_MAX = 1000

/**
 * What a list of entries means. Changes the tables, all or nothing: after a failure they are as before.
 *
 * Gives  the `seq` of the commit; every row it touched is stamped with it.
 * Fails  HF4203, HF2401, HF2403, HF2404, HF4101, HF2105; a Bug for what the engine promised never to ask (an illegal move, a row that is not there).
 * Costs  in proportion to the entries, not to the tables.
 */
export function fold(tables: Tables, entries: readonly Entry[], options: FoldOptions): { readonly seq: number } {
  const change = new Change(tables, options)
  try {
    return change.run(entries)
  } catch (e) {
    change.takeBack()
    throw e
  }
}

const OTHER_ENV = 'belongs to another environment than the commit'

/** What can be seen without the tables: every entry belongs to the environment of the commit, and lies in the scopes of its leases (`app/env:path`); a revision grows. A Bug otherwise. */
export function checkEntries(entries: readonly Entry[], env: string, scopes: readonly string[] = []): void {
  const held = scopes.map((s) => /^[^:]*\/[^:]*:(.+)$/.exec(s)?.[1])
  // The lease of a whole environment covers all of it.
  const within = held.length > 0 && held.every((h) => h !== undefined) ? (held as string[]) : undefined
  for (const e of entries) {
    if (within) assert(!('row' in e) || !('address' in e.row) || liesIn(e.row.address, within), `${e.t}: ${'row' in e && 'address' in e.row ? e.row.address : ''} does not lie in ${within.join(', ')}, whose lease the commit names`)
    let owner: string | undefined
    if (e.t === 'env.create') owner = e.row.id
    else if ('env' in e) owner = e.env
    else if ('row' in e && 'env' in e.row) owner = e.row.env
    assert(owner === undefined || owner === env, `${e.t}: ${OTHER_ENV}`)
    if (e.t === 'env.commit') assert(e.to > e.from, 'env.commit: the revision must grow')
  }
}

/** `.` stands for the nodes outside of every component, `./a` for one of them. Of a scope that names a node, that is the only one inside. */
const liesIn = (address: string, within: readonly string[]): boolean => {
  const path = address.includes('/') ? address : `./${address}`
  return within.some((w) => path === w || path.startsWith(`${w}/`))
}

/** The scopes that a commit is fenced by. */
export const scopesOf = (fence: { readonly scope: string; readonly also?: readonly { readonly scope: string }[] | undefined } | undefined): readonly string[] =>
  fence ? [fence.scope, ...(fence.also ?? []).map((f) => f.scope)] : []

class Change {
  private readonly t: Tables
  private readonly options: FoldOptions
  private readonly undo: (() => void)[] = []
  private seq = 0
  private readonly said: ChainedEvent[] = []

  constructor(tables: Tables, options: FoldOptions) {
    this.t = tables
    this.options = options
  }

  takeBack(): void {
    for (let i = this.undo.length - 1; i >= 0; i--) (this.undo[i] as () => void)()
  }

  run(entries: readonly Entry[]): { readonly seq: number } {
    const { env: id, fence, expectSeq } = this.options
    checkEntries(entries, id, scopesOf(fence))
    for (const f of fence ? [fence, ...(fence.also ?? [])] : []) if (!mutant('no-fence-check') && !holds(this.t, f)) throw refusals.fenceLost(f.scope)
    const before = this.t.envs.get(id)
    if (expectSeq !== undefined && (before?.seq ?? 0) !== expectSeq) throw refusals.stale(expectSeq, before?.seq ?? 0)
    this.seq = (before?.seq ?? 0) + 1
    if (before) this.set(this.t.envs, id, { ...before, seq: this.seq })
    else {
      const first = entries[0]
      assert(first?.t === 'env.create' && first.row.id === id, `commit: there is no environment ${id}, and the first entry does not create it`)
    }
    for (const e of entries) this.apply(e)
    if (this.said.length > 0) {
      const chain = this.chain()
      this.set(this.t.chains, id, { ...chain, seq: this.seq, hash: chainHash(chain.hash, id, this.seq, this.said) })
    }
    return { seq: this.seq }
  }

  private apply(e: Entry): void {
    const { t } = this
    switch (e.t) {
      case 'env.create': {
        for (const other of t.envs.values()) {
          if (other.id === e.row.id || (other.app === e.row.app && other.name === e.row.name)) throw refusals.envExists(e.row.app, e.row.name)
        }
        this.set(t.chains, e.row.id, newChain(e.row.id))
        return this.set(t.envs, e.row.id, { ...e.row, seq: this.seq })
      }
      case 'env.commit': return this.commit(e)
      case 'env.open':
        return this.set(t.envs, e.env, { ...this.env(), openRun: e.run })
      case 'part.open': {
        const parts = this.env().parts ?? []
        assert(!parts.some((p) => p.tag === e.part.tag) && e.part.tag >= PART_TAGS, `part.open: ${e.part.tag} is no tag of a new part`)
        return this.set(t.envs, e.env, { ...this.env(), parts: [...parts, e.part] })
      }
      case 'part.close': return this.closePart(e)
      case 'run.put': {
        const old = t.runs.get(e.row.id)
        assert(!old || old.status === e.row.status || (runMoves[old.status] as readonly string[]).includes(e.row.status), `run.put: ${e.row.id} cannot move from ${old?.status} to ${e.row.status}`)
        return this.set(t.runs, e.row.id, e.row)
      }
      case 'plan.put':
        return this.set(t.plans, e.row.id, e.row)
      case 'plan.use': {
        const plan = t.plans.get(e.id)
        if (!plan) throw refusals.planUnknown(e.id)
        if (plan.usedBy !== undefined && plan.usedBy !== e.run) throw refusals.planUsed(e.id, plan.usedBy)
        return this.set(t.plans, e.id, { ...plan, usedBy: e.run })
      }
      case 'plan.approve': {
        const plan = t.plans.get(e.id)
        if (!plan) throw refusals.planUnknown(e.id)
        if (plan.usedBy !== undefined) throw refusals.planUsed(e.id, plan.usedBy)
        return this.set(t.plans, e.id, { ...plan, approval: e.approval })
      }
      case 'tx.open':
        assert(!t.txs.has(e.row.token), `tx.open: ${e.row.token} exists already`)
        this.putTx(undefined, e.row)
        if (e.row.target.change !== undefined) this.guardLone(e.row, e.row.target.change)
        return
      case 'tx.move': {
        const old = t.txs.get(e.token)
        assert(old, `tx.move: there is no transaction ${e.token}`)
        assert(old.env === this.options.env, `tx.move: ${OTHER_ENV}`)
        assert((txMoves[old.status] as readonly string[]).includes(e.to), `tx.move: ${e.token} cannot move from ${old.status} to ${e.to}`)
        return this.putTx(old, { ...old, ...e.set, status: e.to })
      }
      case 'resource.put': return this.putResource(e)
      case 'resource.until': {
        const old = t.resources.get(e.uid)?.get(e.since)
        assert(old && old.row.env === this.options.env, `resource.until: there is no row ${e.uid} since ${e.since}`)
        return this.store(old, { row: { ...old.row, until: e.until, seq: this.seq }, docs: old.docs })
      }
      case 'resource.drop': {
        const old = t.resources.get(e.uid)?.get(e.since)
        if (old && old.row.env === this.options.env) this.store(old, undefined)
        return
      }
      case 'claim.put': {
        const old = t.claims.get(e.row.key)
        if (old && old.uid !== e.row.uid) {
          // What gives the key up with this revision hands it over within its environment; taking back gives it back first.
          if (old.until === undefined || old.env !== e.row.env) throw this.claimTaken(old)
          this.putClaim(old, undefined)
          return this.putClaim(undefined, e.row)
        }
        return this.putClaim(old, e.row)
      }
      case 'claim.drop': {
        const keys = e.key === undefined ? [...(t.claimsOfUid.get(e.uid) ?? [])] : [e.key]
        for (const key of keys) {
          const old = t.claims.get(key)
          if (old && old.uid === e.uid && old.env === this.options.env) this.putClaim(old, undefined)
        }
        return
      }
      case 'task.put': return this.set(under(t.tasks, e.row.run, () => new Map()), e.row.id, e.row)
      case 'outputs.put':
        return this.set(under(t.outputs, e.row.env, () => new Map()), e.row.since, e.row)
      case 'secret.put':
        return this.set(under(t.secrets, e.row.env, () => new Map()), e.row.name, e.row)
      case 'secret.drop':
        return this.drop(under(t.secrets, e.env, () => new Map()), e.name)
      case 'trash.put':
        return this.set(t.trash, e.row.id, e.row)
      case 'trash.drop': return this.drop(t.trash, e.id)
      case 'env.drop': return this.dropEnv()
      case 'component.put': return this.putComponent(e.row)
      case 'component.drop': {
        const old = t.components.get(e.uid)
        if (!old || old.env !== this.options.env) return
        for (const [key, r] of [...t.references]) if (r.env === e.env && r.component === e.uid) this.dropReference(key, r)
        this.drop(under(t.componentAt, old.env, () => new Map()), old.name)
        return this.drop(t.components, e.uid)
      }
      case 'reference.put': return this.putReference(e.row)
      case 'reference.drop': {
        const key = referenceKey(e)
        const old = t.references.get(key)
        if (old) this.dropReference(key, old)
        return
      }
      case 'resolved.put': return this.set(t.resolved, e.row.uid, e.row)
      case 'resolved.drop': {
        if (t.resolved.get(e.uid)?.env === e.env) this.drop(t.resolved, e.uid)
        return
      }
      case 'request.put': return this.putRequest(e.row)
      case 'meta.keyCheck': {
        const old = t.meta
        t.meta = { ...old, keyCheck: e.value }
        this.undo.push(() => { t.meta = old })
        return
      }
      case 'event': {
        const list = under(t.events, this.options.env, () => [])
        list.push({ env: this.options.env, seq: this.seq, n: this.said.length, at: e.at, kind: e.kind, data: e.data })
        this.said.push([e.at, e.kind, e.data])
        this.undo.push(() => { list.pop() })
        return
      }
      case 'events.compact': {
        const upTo = Math.min(e.upTo, this.seq - 1)
        const list = t.events.get(e.env) ?? []
        const kept = list.filter((v) => v.seq > upTo)
        this.set(t.chains, e.env, compactedChain(this.chain(), upTo, list.slice(0, list.length - kept.length)))
        return this.set<string, EventRow[]>(t.events, e.env, kept)
      }
      default: return unreachable(e, 'fold')
    }
  }

  private closePart(e: Extract<Entry, { t: 'part.close' }>): void {
    const { t } = this
    const { parts, ...env } = this.env()
    const rest = (parts ?? []).filter((p) => p.tag !== e.tag)
    assert(rest.length < (parts ?? []).length, `part.close: there is no part ${e.tag}`)
    this.set(t.envs, env.id, rest.length > 0 ? { ...env, parts: rest } : env)
    if (e.to === undefined) return
    for (const token of [...t.unresolvedOf.values()]) {
      const tx = t.txs.get(token) as TxRow
      if (tx.env === env.id && !mutant('part-tags-stay-in-changes')) this.set(t.txs, token, { ...tx, target: retagTarget(tx.target, e.tag, e.to) })
    }
    for (const uid of [...(t.bySince.get(env.id)?.get(e.tag) ?? [])]) {
      const old = t.resources.get(uid)?.get(e.tag) as StoredResource
      assert(!t.resources.get(uid)?.has(e.to), `part.close: ${uid} has a row since ${e.to} already`)
      this.store(old, undefined)
      this.store(undefined, { ...old, row: { ...old.row, since: e.to } })
    }
    for (const { uid, since } of [...(t.byUntil.get(env.id)?.get(e.tag) ?? [])].map(parseKey)) {
      const old = t.resources.get(uid)?.get(since) as StoredResource
      this.store(old, { ...old, row: { ...old.row, until: e.to } })
    }
    for (const key of [...(t.leavingClaims.get(env.id) ?? [])]) {
      const claim = t.claims.get(key) as ClaimRow
      if (claim.until === e.tag && !mutant('part-claims-kept')) this.putClaim(claim, e.to <= env.revision ? undefined : { ...claim, until: e.to })
    }
  }

  private commit(e: Extract<Entry, { t: 'env.commit' }>): void {
    const { t } = this
    const env = this.env()
    if (env.revision !== e.from) throw refusals.revisionMoved(e.from, env.revision)
    this.set(t.envs, env.id, { ...env, revision: e.to, partial: e.partial })
    for (const key of [...(t.leavingClaims.get(env.id) ?? [])]) {
      const claim = t.claims.get(key) as ClaimRow
      if ((claim.until as number) <= e.to && !mutant('claims-kept-after-commit')) this.putClaim(claim, undefined)
    }
    this.compact(env.id, e.to - limits.historyRevisions)
  }

  /** Takes away the oldest rows that ended at `upTo` or before, and outputs that no kept revision shows. Bounded. */
  private compact(env: string, upTo: number): void {
    if (upTo < 1) return
    const buckets = this.t.byUntil.get(env)
    let left = COMPACT_ROWS_MAX
    for (const until of [...(buckets?.keys() ?? [])].filter((u) => u <= upTo).sort((a, b) => a - b)) {
      if (left <= 0) break
      const rows = [...(buckets?.get(until) ?? [])].map(parseKey).sort((a, b) => (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : a.since - b.since))
      for (const { uid, since } of rows.slice(0, left)) this.store(this.t.resources.get(uid)?.get(since), undefined)
      left -= rows.length
    }
    const outputs = this.t.outputs.get(env)
    if (!outputs) return
    const old = [...outputs.keys()].filter((s) => s <= upTo).sort((a, b) => a - b)
    for (const since of old.slice(0, -1)) this.drop(outputs, since)
  }

  private putResource(e: Extract<Entry, { t: 'resource.put' }>): void {
    const rows = this.t.resources.get(e.row.uid)
    const old = rows?.get(e.row.since)
    assert(e.docs || old, `resource.put: ${e.row.address} comes without documents, and there is no row since ${e.row.since}`)
    this.store(old, { row: { ...e.row, seq: this.seq }, docs: e.docs ?? (old as StoredResource).docs })
  }

  /** The only place where resource rows and their indexes change. */
  private store(old: StoredResource | undefined, now: StoredResource | undefined): void {
    const { t } = this
    const row = (now ?? old)?.row as ResourceRow
    const rows = under(t.resources, row.uid, () => new Map<number, StoredResource>())
    assert(!old || old.row.env === row.env, `${row.uid} belongs to two environments`)
    if (old?.row.until !== undefined) this.leave(under(t.byUntil, row.env, () => new Map()), old.row.until, keyOf(row))
    this.index(old?.row, now?.row)
    if (!now) {
      this.drop(rows, row.since)
      this.leave(under(t.bySince, row.env, () => new Map()), row.since, row.uid)
      if (rows.size === 0) this.remove(under(t.uidsOf, row.env, () => new Set()), row.uid)
      return
    }
    this.set(rows, row.since, now)
    if (row.until === undefined) {
      let openEnded = 0
      for (const r of rows.values()) if (r.row.until === undefined) openEnded++
      assert(openEnded === 1, `${row.uid} would have two rows without an end`)
    }
    this.add(under(t.uidsOf, row.env, () => new Set()), row.uid)
    this.add(under(under(t.bySince, row.env, () => new Map<number, Set<string>>()), row.since, () => new Set()), row.uid)
    if (row.until !== undefined) this.add(under(under(t.byUntil, row.env, () => new Map<number, Set<string>>()), row.until, () => new Set()), keyOf(row))
  }

  private index(old: ResourceRow | undefined, now: ResourceRow | undefined): void {
    const row = (now ?? old) as ResourceRow
    const was = old ? lookupKeys(old) : []
    const is = now ? lookupKeys(now) : []
    const buckets = under(this.t.lookup, row.env, () => new Map<string, Set<string>>())
    for (const k of was) if (!is.includes(k)) this.leave(buckets, k, keyOf(row))
    for (const k of is) if (!was.includes(k)) this.add(under(buckets, k, () => new Set()), keyOf(row))
  }

  private dropEnv(): void {
    const { t } = this
    const env = this.env()
    const name = env.app.startsWith('/') ? env.name : `${env.app}/${env.name}`
    const inUse = (by: string) => refusals.stateInUse(name, by)
    for (const uid of t.uidsOf.get(env.id) ?? []) for (const { row } of t.resources.get(uid)?.values() ?? []) if (row.until === undefined) throw inUse('it has resources')
    if (t.componentAt.get(env.id)?.size) throw inUse('it has components')
    for (const other of t.envs.values()) if (other.app === `/${env.id}`) throw inUse('it has children')
    for (const token of t.unresolvedOf.values()) if (t.txs.get(token)?.env === env.id) throw inUse('it has changes that are not settled')
    this.set(t.envs, env.id, { ...env, app: GONE, name: env.id })
  }

  private putComponent(row: ComponentRow): void {
    const { t } = this
    const at = under(t.componentAt, row.env, () => new Map<string, string>())
    const other = at.get(row.name)
    if (other !== undefined && other !== row.uid) throw refusals.componentExists(row.name)
    const old = t.components.get(row.uid)
    assert(!old || old.env === row.env, `${row.uid} belongs to two environments`)
    if (old && old.name !== row.name) this.drop(at, old.name)
    this.set(at, row.name, row.uid)
    this.set(t.components, row.uid, row)
  }

  private putReference(row: ReferenceRow): void {
    const { t } = this
    const key = referenceKey(row)
    const old = t.references.get(key)
    if (!old) {
      const busy = t.unresolvedOf.get(row.targetUid)
      const tx = busy === undefined ? undefined : t.txs.get(busy)
      if (tx?.op === 'delete') throw refusals.busy(row.address, tx.token, tx.run)
      let stands = false
      for (const r of t.resources.get(row.targetUid)?.values() ?? []) if (r.row.env === row.targetEnv && r.row.until === undefined && r.row.status !== 'deleting') stands = true
      if (!stands) throw refusals.targetMissing(row.address)
      this.add(under(t.referencesTo, row.targetUid, () => new Set()), key)
    }
    this.set(t.references, key, row)
  }

  private dropReference(key: string, row: ReferenceRow): void {
    this.drop(this.t.references, key)
    this.remove(under(this.t.referencesTo, row.targetUid, () => new Set()), key)
  }

  /** A change that no run plans was decided on what its caller read: that must still be so. */
  private guardLone(tx: TxRow, change: string): void {
    const base = baseOf(change)
    if (tx.op === 'delete') this.refuseReferenced(tx.uid, tx.address)
    let stands = false
    if (base === undefined) {
      for (const key of this.t.lookup.get(tx.env)?.get(`@${tx.address}`) ?? []) {
        const { uid, since } = parseKey(key)
        const row = this.t.resources.get(uid)?.get(since)?.row
        if (row?.until === undefined && row?.type === tx.type) stands = true
      }
      if (stands) throw refusals.moved(tx.address)
      return
    }
    for (const { row } of this.t.resources.get(tx.uid)?.values() ?? []) if (row.env === tx.env && row.until === undefined && row.fingerprint === base) stands = true
    if (!stands) throw refusals.moved(tx.address)
  }

  private refuseReferenced(uid: string, address: string): void {
    const keys = this.t.referencesTo.get(uid)
    if (!keys?.size) return
    const names = [...keys].map((k) => this.t.components.get((this.t.references.get(k) as ReferenceRow).component)?.name ?? '?')
    throw refusals.referenced(address, names.sort())
  }

  private putRequest(row: RequestRow): void {
    const { requests } = this.t
    const key = `${row.scope} ${row.id}`
    if (requests.has(key)) throw refusals.requestKnown(row.id)
    this.sweepRequests(row.at - REQUEST_KEPT_MS)
    this.set(requests, key, row)
  }

  /** Looks at the oldest few, and drops those made before `atMs`. */
  private sweepRequests(atMs: number): void {
    const { requests } = this.t
    const oldest: [string, RequestRow][] = []
    for (const entry of requests) {
      if (oldest.length === REQUESTS_SWEPT) break
      oldest.push(entry)
    }
    const gone = oldest.filter(([, r]) => r.at < atMs)
    if (gone.length === 0) return
    for (const [k] of gone) requests.delete(k)
    // Taken back, they are the oldest again, in the order they had.
    this.undo.push(() => {
      const rest = [...requests]
      requests.clear()
      for (const [k, r] of [...oldest, ...rest]) requests.set(k, r)
    })
  }

  private putTx(old: TxRow | undefined, now: TxRow): void {
    const open = this.t.unresolvedOf
    if (unresolved(now)) {
      const other = open.get(now.uid)
      if (other !== undefined && other !== now.token) throw refusals.busy(now.address, other, (this.t.txs.get(other) as TxRow).run)
      if (other === undefined) this.set(open, now.uid, now.token)
    } else if (old && unresolved(old)) this.drop(open, now.uid)
    this.set(this.t.txs, now.token, now)
  }

  private putClaim(old: ClaimRow | undefined, now: ClaimRow | undefined): void {
    const { t } = this
    const row = (now ?? old) as ClaimRow
    const leaving = under(t.leavingClaims, row.env, () => new Set())
    if (old?.until !== undefined && now?.until === undefined) this.remove(leaving, row.key)
    if (now?.until !== undefined) this.add(leaving, row.key)
    const ofUid = under(t.claimsOfUid, row.uid, () => new Set())
    if (now) {
      this.set(t.claims, row.key, now)
      this.add(ofUid, row.key)
    } else {
      this.drop(t.claims, row.key)
      this.remove(ofUid, row.key)
    }
  }

  private claimTaken(owner: ClaimRow) {
    const env = this.t.envs.get(owner.env)
    let newest: ResourceRow | undefined
    for (const { row } of this.t.resources.get(owner.uid)?.values() ?? []) if (!newest || row.since > newest.since) newest = row
    return refusals.claimTaken(owner.key, { app: env?.app ?? '?', env: env?.name ?? '?', uid: owner.uid, address: newest?.address })
  }

  private chain(): ChainRow {
    return this.t.chains.get(this.options.env) as ChainRow
  }

  private env(): EnvRow {
    return this.t.envs.get(this.options.env) as EnvRow
  }

  // Every change goes through these, so that it can be taken back.
  private set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const had = map.has(key)
    const old = map.get(key) as V
    map.set(key, value)
    this.undo.push(had ? () => map.set(key, old) : () => map.delete(key))
  }
  private drop<K, V>(map: Map<K, V>, key: K): void {
    if (!map.has(key)) return
    const old = map.get(key) as V
    map.delete(key)
    this.undo.push(() => map.set(key, old))
  }
  private add<V>(set: Set<V>, value: V): void {
    if (set.has(value)) return
    set.add(value)
    this.undo.push(() => set.delete(value))
  }
  private remove<V>(set: Set<V>, value: V): void {
    if (set.delete(value)) this.undo.push(() => set.add(value))
  }
  /** As `remove`, and an empty bucket goes: the number of buckets stays the number of revisions in use. */
  private leave<K, V>(buckets: Map<K, Set<V>>, key: K, value: V): void {
    const set = buckets.get(key) as Set<V>
    this.remove(set, value)
    if (set.size === 0) this.drop(buckets, key)
  }
}

/** The lease is held at this fence, in a mode that may change something. */
const holds = (t: Tables, { scope, fence }: { readonly scope: string; readonly fence: number }): boolean =>
  t.leases.get(scope)?.fence === fence || t.leases.get(`${scope} ${fence}`)?.mode === 'IX'

const keyOf = (row: { readonly uid: string; readonly since: number }) => `${row.since} ${row.uid}`
const parseKey = (key: string) => {
  const at = key.indexOf(' ')
  return { since: Number(key.slice(0, at)), uid: key.slice(at + 1) }
}
