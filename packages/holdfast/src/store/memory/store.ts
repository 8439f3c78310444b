import { assert, makeIds, type Clock, type Millis, type Random } from '../../base/index.ts'
import { emptyTables, fold, GONE, refusals, type Entry, type Tables } from '../../journal/index.ts'
import { unresolved, type ClaimRow, type ComponentRow, type EnvRow, type EventRow, type Holder, type LeaseRow, type OutputsRow, type PlanRow, type ReferenceRow, type RequestRow, type ResolvedRow, type ResourceDocs, type ResourceRow, type RunRow, type SecretRow, type StoreMeta, type TaskRow, type TrashRow, type TxRow, type TxStatus } from '../../state/index.ts'
import type { CommitOptions, Hold, Leases, Lookup, ResourceView, Store, StoreTraits } from '../port.ts'
import { byAddress, byReference, compareText, exportLine, inView, leaseVerdict, type TableName } from '../rows.ts'
import { checkTables } from './check.ts'

export interface MemoryStoreOptions {
  readonly clock: Clock
  readonly random: Random
  readonly storeId?: string
  /** Tables of another MemoryStore: two stores over one set of tables stand for two processes over one file. */
  readonly tables?: Tables
  /** Whether the process behind a lease is known to be gone. Default: never known. */
  readonly isDead?: (holder: Holder) => boolean
  /** Called around the n-th durable commit of this store (leases count), before it is decided and before it is acknowledged. A rejection reaches the caller. */
  readonly faults?: { before?(n: number): Promise<void>; after?(n: number): Promise<void> }
}

/** Who keeps which lease, beside the tables: a kept lease is renewed when somebody looks at it, as a heartbeat would have done. */
const keepers = new WeakMap<Tables, Map<string, Kept>>()
interface Kept {
  readonly fence: number
  readonly ttlMs: Millis
  readonly by: MemoryStore
  readonly onLost: (reason: string) => void
}

export class MemoryStore implements Store {
  readonly traits: StoreTraits = { name: 'memory', durable: false, severalWriters: true }
  readonly path = undefined
  readonly tables: Tables
  readonly lease: Leases
  private readonly options: MemoryStoreOptions
  private readonly kept: Map<string, Kept>
  private commits = 0
  private state: 'open' | 'closed' | 'crashed' = 'open'

  constructor(options: MemoryStoreOptions) {
    this.options = options
    this.tables = options.tables ?? emptyTables({
      storeId: options.storeId ?? makeIds(options.clock, options.random).next('st'), schema: 2, createdAt: options.clock.now(), keyCheck: undefined,
    })
    this.kept = keepers.get(this.tables) ?? new Map<string, Kept>()
    keepers.set(this.tables, this.kept)
    this.lease = {
      acquire: (scope, holder, ttlMs) => this.write(() => this.acquire(scope, holder, ttlMs)),
      keep: (lease, _everyMs, onLost) => this.keep(lease, onLost),
      keepLater: (lease, _everyMs, onLost) => this.keep(lease, onLost),
      unkeep: ({ scope, fence }) => {
        if (this.kept.get(scope)?.fence === fence) this.kept.delete(scope)
      },
      release: (lease) => this.write(() => this.release(lease)),
    }
  }

  /** Number of durable commits asked of this store so far. */
  get commitsMade(): number {
    return this.commits
  }

  /**
   * The process dies: kept leases are renewed no more, and no call of this store is ever decided or answered again.
   * The tables stay; open another store over them.
   */
  crash(): void {
    this.state = 'crashed'
    this.forgetKept()
  }

  async commit(entries: readonly Entry[], options: CommitOptions): Promise<{ readonly seq: number }> {
    return this.write(() => {
      if (options.hold) this.check(options.hold)
      const done = fold(this.tables, entries, options)
      if (options.hold) this.settleHold(options.hold)
      return done
    })
  }

  private async write<T>(act: () => T): Promise<T> {
    assert(this.state !== 'closed', 'the store is closed')
    const n = ++this.commits
    if (this.options.faults?.before) await this.options.faults.before(n)
    if (this.state === 'crashed') return never()
    const result = act()
    if (this.options.faults?.after) await this.options.faults.after(n)
    return (this.state as string) === 'crashed' ? never() : result
  }

  private async read<T>(look: (t: Tables) => T): Promise<T> {
    assert(this.state !== 'closed', 'the store is closed')
    return this.state === 'crashed' ? never() : look(this.tables)
  }

  meta(): Promise<StoreMeta> {
    return this.read((t) => t.meta)
  }
  envs(app?: string): Promise<EnvRow[]> {
    return this.read((t) => [...t.envs.values()].filter((e) => (app === undefined || e.app === app) && e.app !== GONE).sort((a, b) => compareText(a.app, b.app) || compareText(a.name, b.name)))
  }
  env(app: string, name: string): Promise<EnvRow | undefined> {
    return this.read((t) => [...t.envs.values()].find((e) => e.app === app && e.name === name))
  }
  envById(id: string): Promise<EnvRow | undefined> {
    return this.read((t) => t.envs.get(id))
  }
  find(env: string, view: 'committed' | 'current', by: Lookup): Promise<ResourceRow[]> {
    return this.read((t) => {
      const revision = t.envs.get(env)?.revision ?? 0
      const key = 'address' in by ? `@${by.address}` : 'component' in by ? `/${by.component}` : 'fingerprint' in by ? `#${by.fingerprint}` : by.value === undefined ? `=${by.tag}` : `=${by.tag}=${by.value}`
      const rows: ResourceRow[] = []
      for (const k of t.lookup.get(env)?.get(key) ?? []) {
        const at = k.indexOf(' ')
        const row = t.resources.get(k.slice(at + 1))?.get(Number(k.slice(0, at)))?.row
        if (row && inView(view, row, revision)) rows.push(row)
      }
      return rows.sort(byAddress)
    })
  }
  components(env: string): Promise<ComponentRow[]> {
    return this.read((t) => [...(t.componentAt.get(env)?.values() ?? [])].map((uid) => t.components.get(uid) as ComponentRow).sort((a, b) => compareText(a.name, b.name)))
  }
  component(env: string, name: string): Promise<ComponentRow | undefined> {
    return this.read((t) => t.components.get(t.componentAt.get(env)?.get(name) ?? ''))
  }
  references(filter: { readonly env: string } | { readonly targetEnv: string } | { readonly targetUid: string }): Promise<ReferenceRow[]> {
    return this.read((t) => {
      const all = 'targetUid' in filter ? [...(t.referencesTo.get(filter.targetUid) ?? [])].map((k) => t.references.get(k) as ReferenceRow) : [...t.references.values()]
      return all.filter((r) => ('env' in filter ? r.env === filter.env : 'targetEnv' in filter ? r.targetEnv === filter.targetEnv : true)).sort(byReference)
    })
  }
  resolved(uids: readonly string[]): Promise<(ResolvedRow | undefined)[]> {
    return this.read((t) => uids.map((uid) => t.resolved.get(uid)))
  }
  request(scope: string, id: string): Promise<RequestRow | undefined> {
    return this.read((t) => t.requests.get(`${scope} ${id}`))
  }
  resources(env: string, view: ResourceView): Promise<ResourceRow[]> {
    return this.read((t) => {
      const revision = t.envs.get(env)?.revision ?? 0
      const uids = view === 'open' ? openUids(t, env, revision + 1) : (t.uidsOf.get(env) ?? [])
      const rows: ResourceRow[] = []
      for (const uid of uids) for (const { row } of t.resources.get(uid)?.values() ?? []) if (inView(view, row, revision)) rows.push(row)
      return rows.sort(byAddress)
    })
  }
  docs(keys: readonly { readonly uid: string; readonly since: number }[]): Promise<(ResourceDocs | undefined)[]> {
    return this.read((t) => keys.map((k) => t.resources.get(k.uid)?.get(k.since)?.docs))
  }
  claims(keys: readonly string[]): Promise<(ClaimRow | undefined)[]> {
    return this.read((t) => keys.map((k) => t.claims.get(k)))
  }
  claimsOf(env: string): Promise<ClaimRow[]> {
    return this.read((t) => [...t.claims.values()].filter((c) => c.env === env).sort((a, b) => compareText(a.key, b.key)))
  }
  txs(filter: { readonly env?: string; readonly unresolved?: boolean; readonly uid?: string; readonly run?: string; readonly status?: TxStatus }): Promise<TxRow[]> {
    return this.read((t) => {
      const candidates = filter.unresolved ? [...t.unresolvedOf.values()].map((token) => t.txs.get(token) as TxRow) : [...t.txs.values()]
      return candidates.filter((x) =>
        (filter.env === undefined || x.env === filter.env) && (filter.uid === undefined || x.uid === filter.uid) && (filter.run === undefined || x.run === filter.run)
        && (filter.status === undefined || x.status === filter.status) && (filter.unresolved === undefined || unresolved(x) === filter.unresolved),
      ).sort((a, b) => compareText(a.token, b.token))
    })
  }
  tx(token: string): Promise<TxRow | undefined> {
    return this.read((t) => t.txs.get(token))
  }
  runs(env: string, limit: number): Promise<RunRow[]> {
    return this.read((t) => [...t.runs.values()].filter((r) => r.env === env).sort((a, b) => b.startedAt - a.startedAt || compareText(b.id, a.id)).slice(0, limit))
  }
  run(id: string): Promise<RunRow | undefined> {
    return this.read((t) => t.runs.get(id))
  }
  tasks(run: string): Promise<TaskRow[]> {
    return this.read((t) => [...(t.tasks.get(run)?.values() ?? [])].sort((a, b) => a.startedAt - b.startedAt || compareText(a.id, b.id)))
  }
  plans(env: string, limit: number): Promise<PlanRow[]> {
    return this.read((t) => [...t.plans.values()].filter((p) => p.env === env).sort((a, b) => b.createdAt - a.createdAt || compareText(b.id, a.id)).slice(0, limit))
  }
  plan(id: string): Promise<PlanRow | undefined> {
    return this.read((t) => t.plans.get(id))
  }
  outputs(env: string, revision: number): Promise<OutputsRow | undefined> {
    return this.read((t) => {
      let newest: OutputsRow | undefined
      for (const row of t.outputs.get(env)?.values() ?? []) if (row.since <= revision && row.since > (newest?.since ?? -1)) newest = row
      return newest
    })
  }
  secrets(env: string): Promise<SecretRow[]> {
    return this.read((t) => [...(t.secrets.get(env)?.values() ?? [])].sort((a, b) => compareText(a.name, b.name)))
  }
  trash(env: string): Promise<TrashRow[]> {
    return this.read((t) => [...t.trash.values()].filter((x) => x.env === env).sort((a, b) => compareText(a.id, b.id)))
  }
  events(env: string, after: { readonly seq: number }, limit: number): Promise<EventRow[]> {
    return this.read((t) => {
      const list = t.events.get(env) ?? []
      let low = 0
      for (let high = list.length; low < high;) {
        const mid = (low + high) >> 1
        if ((list[mid] as EventRow).seq <= after.seq) low = mid + 1
        else high = mid
      }
      return list.slice(low, low + limit)
    })
  }
  leases(): Promise<LeaseRow[]> {
    return this.read((t) => {
      this.renewKept()
      return [...t.leases.values()].sort((a, b) => compareText(a.scope, b.scope))
    })
  }

  private acquire(scope: string, holder: Holder, ttlMs: Millis): { readonly granted: LeaseRow; readonly tookOver: LeaseRow | undefined } | { readonly heldBy: LeaseRow } {
    const { clock, isDead } = this.options
    this.renewKept()
    const now = clock.now()
    const held = this.tables.leases.get(scope)
    if (leaseVerdict(held, now, (l) => (isDead?.(l.holder) ? false : undefined)) === 'held') return { heldBy: held as LeaseRow }
    const granted: LeaseRow = { scope, holder, fence: ++this.tables.fenceSeq, grantedAt: now, expiresAt: now + ttlMs }
    this.tables.leases.set(scope, granted)
    const loser = this.kept.get(scope)
    this.kept.delete(scope)
    loser?.onLost('another process took the lease over')
    return { granted, tookOver: held }
  }

  private check(hold: Hold): void {
    this.renewKept()
    const held = this.tables.leases.get(hold.scope)
    if (!held || held.holder.id === hold.holder.id) return
    if (leaseVerdict(held, hold.nowMs, (l) => (this.options.isDead?.(l.holder) ? false : undefined)) === 'held') throw refusals.heldBy(held, hold.nowMs)
  }

  private settleHold({ scope, holder, ttlMs, nowMs, after }: Hold): void {
    const held = this.tables.leases.get(scope)
    const own = held?.holder.id === holder.id
    if (after === 'release') {
      if (own) this.tables.leases.delete(scope)
      return
    }
    if (own && held.expiresAt >= nowMs + ttlMs / 2) return
    this.tables.leases.set(scope, own ? { ...held, expiresAt: nowMs + ttlMs } : { scope, holder, fence: ++this.tables.fenceSeq, grantedAt: nowMs, expiresAt: nowMs + ttlMs })
    if (own) return
    const loser = this.kept.get(scope)
    this.kept.delete(scope)
    loser?.onLost('another process took the lease over')
  }

  private keep(lease: LeaseRow, onLost: (reason: string) => void): void {
    if (this.tables.leases.get(lease.scope)?.fence !== lease.fence) {
      queueMicrotask(() => onLost('another process took the lease over'))
      return
    }
    this.kept.set(lease.scope, { fence: lease.fence, ttlMs: lease.expiresAt - lease.grantedAt, by: this, onLost })
  }

  private release(lease: LeaseRow): void {
    if (this.kept.get(lease.scope)?.fence === lease.fence) this.kept.delete(lease.scope)
    if (this.tables.leases.get(lease.scope)?.fence === lease.fence) this.tables.leases.delete(lease.scope)
  }

  private renewKept(): void {
    const now = this.options.clock.now()
    for (const [scope, k] of this.kept) {
      const row = this.tables.leases.get(scope)
      if (row?.fence === k.fence && !this.options.isDead?.(row.holder)) this.tables.leases.set(scope, { ...row, expiresAt: Math.max(row.expiresAt, now + k.ttlMs) })
    }
  }

  private forgetKept(): void {
    for (const [scope, k] of this.kept) if (k.by === this) this.kept.delete(scope)
  }

  doctor(): Promise<{ readonly name: string; readonly ok: boolean; readonly detail?: string }[]> {
    return this.read(checkTables)
  }

  async *export(): AsyncIterable<string> {
    const t = await this.read((x) => x)
    const text = (k: string) => k
    const rows: Record<TableName, readonly object[]> = {
      meta: [t.meta],
      envs: sortedBy(t.envs.values(), (e) => e.id),
      runs: sortedBy(t.runs.values(), (r) => r.id),
      plans: sortedBy(t.plans.values(), (p) => p.id),
      resources: sortedBy(t.resources.keys(), text).flatMap((uid) =>
        [...(t.resources.get(uid)?.values() ?? [])].sort((a, b) => a.row.since - b.row.since).map(({ row, docs }) => ({ ...row, docs }))),
      claims: sortedBy(t.claims.values(), (c) => c.key),
      txs: sortedBy(t.txs.values(), (x) => x.token),
      tasks: sortedBy(t.tasks.keys(), text).flatMap((run) => sortedBy(t.tasks.get(run)?.values() ?? [], (x) => x.id)),
      outputs: sortedBy(t.outputs.keys(), text).flatMap((env) => [...(t.outputs.get(env)?.values() ?? [])].sort((a, b) => a.since - b.since)),
      secrets: sortedBy(t.secrets.keys(), text).flatMap((env) => sortedBy(t.secrets.get(env)?.values() ?? [], (s) => s.name)),
      trash: sortedBy(t.trash.values(), (x) => x.id),
      components: sortedBy(t.components.values(), (c) => c.uid),
      references: [...t.references.values()].sort(byReference),
      resolved: sortedBy(t.resolved.values(), (r) => r.uid),
      requests: [...t.requests.values()].sort((a, b) => compareText(a.scope, b.scope) || compareText(a.id, b.id)),
      events: sortedBy(t.events.keys(), text).flatMap((env) => t.events.get(env) ?? []),
      leases: sortedBy(t.leases.values(), (l) => l.scope),
    }
    for (const table of Object.keys(rows) as TableName[]) for (const row of rows[table]) yield exportLine(table, row)
  }

  async close(): Promise<void> {
    if (this.state === 'open') this.state = 'closed'
    this.forgetKept()
  }
}

const never = <T>(): Promise<T> => new Promise(() => {})

const sortedBy = <T>(items: Iterable<T>, key: (item: T) => string): T[] => [...items].sort((a, b) => compareText(key(a), key(b)))

function openUids(t: Tables, env: string, revision: number): Set<string> {
  const uids = new Set(t.bySince.get(env)?.get(revision) ?? [])
  for (const key of t.byUntil.get(env)?.get(revision) ?? []) uids.add(key.slice(key.indexOf(' ') + 1))
  return uids
}
