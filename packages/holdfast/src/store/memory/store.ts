import { assert, makeIds, type Clock, type Millis, type Random } from '../../base/index.ts'
import { emptyTables, fold, GONE, leaseKey, refusals, type Entry, type Tables } from '../../journal/index.ts'
import { unresolved, type ClaimRow, type ComponentRow, type EnvRow, type EventRow, type Holder, type LeaseRow, type OutputsRow, type PlanRow, type ReferenceRow, type RequestRow, type ResolvedRow, type ResourceDocs, type ResourceRow, type RunRow, type SecretRow, type StoreMeta, type TaskRow, type TicketRow, type TrashRow, type TxRow, type TxStatus } from '../../state/index.ts'
import { grant, handOver, hold, type Acquired, type GrantActs } from '../grant.ts'
import type { AcquireOptions, Committed, CommitOptions, Hold, Leases, Lookup, ResourceView, Store, StoreTraits } from '../port.ts'
import { byAddress, byReference, compareText, exportLine, inView, TABLES, type TableName } from '../rows.ts'
import { framed, type Imported } from '../transfer.ts'
import { Bell, watchEvents, type WatchOptions } from '../watch.ts'
import { migrations } from '../sqlite/migrations.ts'
import { checkTables } from './check.ts'
import { loadTables } from './load.ts'

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

/** Who keeps which lease (by fence), beside the tables: a kept lease is renewed when somebody looks at it, as a heartbeat would have done. */
const keepers = new WeakMap<Tables, Map<number, Kept>>()
interface Kept {
  readonly key: string
  readonly ttlMs: Millis
  readonly by: MemoryStore
  readonly onLost: (reason: string) => void
}

/** Rung by every commit to a set of tables, through whichever store. */
const bells = new WeakMap<Tables, Bell>()

/** The store of one process, gone with it. Several may be open over one set of tables, as several processes over a file. */
export class MemoryStore implements Store {
  readonly traits: StoreTraits = { name: 'memory', durable: false, severalWriters: true }
  readonly path = undefined
  readonly tables: Tables
  readonly lease: Leases
  private readonly options: MemoryStoreOptions
  private readonly kept: Map<number, Kept>
  private readonly bell: Bell
  private commits = 0
  private state: 'open' | 'closed' | 'crashed' = 'open'

  constructor(options: MemoryStoreOptions) {
    this.options = options
    this.tables = options.tables ?? emptyTables({
      storeId: options.storeId ?? makeIds(options.clock, options.random).next('st'), schema: migrations.length, createdAt: options.clock.now(), keyCheck: undefined,
    })
    this.kept = keepers.get(this.tables) ?? new Map<number, Kept>()
    keepers.set(this.tables, this.kept)
    this.bell = bells.get(this.tables) ?? new Bell()
    bells.set(this.tables, this.bell)
    this.lease = {
      acquire: (scope, holder, ttlMs, options) => this.write(() => this.acquire(scope, holder, ttlMs, options ?? {})),
      keep: (lease, _everyMs, onLost) => this.keep(lease, onLost),
      keepLater: (lease, _everyMs, onLost) => this.keep(lease, onLost),
      unkeep: ({ fence }) => void this.kept.delete(fence),
      release: (lease) => this.write(() => this.release(lease)),
      transfer: (lease, to, ttlMs) => this.write(() => this.transfer(lease, to, ttlMs)),
      leave: (ticket) => this.write(() => void this.tables.tickets.delete(ticket.id)),
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

  async commit(entries: readonly Entry[], options: CommitOptions): Promise<Committed> {
    return this.write(() => {
      const acts = options.hold && this.holdActs(options.hold)
      const committed = fold(this.tables, entries, options)
      if (acts) this.perform(acts)
      this.bell.ring()
      return acts?.putLease ? { ...committed, lease: acts.putLease } : committed
    })
  }

  watch(env: string | undefined, options: WatchOptions): AsyncIterable<EventRow> {
    assert(this.state !== 'closed', 'the store is closed')
    const { tables: t, bell } = this
    const isClosed = () => this.state !== 'open'
    return watchEvents({
      heads: (id) => [...t.envs.values()].filter((e) => id === undefined || e.id === id).map((e) => ({ id: e.id, seq: e.seq, compactedTo: t.chains.get(e.id)?.compactedTo ?? 0 })).sort((a, b) => compareText(a.id, b.id)),
      events: (id, after, limit) => eventsAfter(t, id, after, limit),
      mark: () => bell.mark,
      changed: (mark, signal) => bell.changed(mark, signal),
      get closed() {
        return isClosed()
      },
    }, env, options)
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
  events(env: string, after: { readonly seq: number; readonly n?: number }, limit: number): Promise<EventRow[]> {
    return this.read((t) => eventsAfter(t, env, after, limit))
  }
  eventsKept(env: string): Promise<number> {
    return this.read((t) => t.events.get(env)?.length ?? 0)
  }
  leases(): Promise<LeaseRow[]> {
    return this.read((t) => {
      this.renewKept()
      return [...t.leases.values()].sort((a, b) => compareText(a.scope, b.scope) || a.fence - b.fence)
    })
  }
  tickets(): Promise<TicketRow[]> {
    return this.read((t) => [...t.tickets.values()].sort((a, b) => a.id - b.id))
  }

  private acquire(scope: string, holder: Holder, ttlMs: Millis, { mode = 'X', ticket }: AcquireOptions): Acquired {
    const { answer, acts } = grant(this.grantRows(), { scope, mode, holder, ttlMs, ticket, nowMs: this.options.clock.now() }, this.alive)
    this.perform(acts)
    return answer
  }

  private holdActs(wish: Hold): GrantActs {
    const decided = hold(this.grantRows(), wish, this.alive)
    if ('heldBy' in decided) throw refusals.heldBy(decided.heldBy, wish.nowMs)
    return decided.acts
  }

  private readonly alive = (holder: Holder) => (this.options.isDead?.(holder) ? false : undefined)

  private grantRows() {
    this.renewKept()
    return { leases: [...this.tables.leases.values()], tickets: [...this.tables.tickets.values()], fenceSeq: this.tables.fenceSeq }
  }

  private perform(acts: GrantActs): void {
    const { leases, tickets } = this.tables
    for (const l of acts.dropLeases) leases.delete(leaseKey(l))
    for (const t of acts.dropTickets) tickets.delete(t.id)
    if (acts.putLease) leases.set(leaseKey(acts.putLease), acts.putLease)
    if (acts.putTicket) tickets.set(acts.putTicket.id, acts.putTicket)
    this.tables.fenceSeq = Math.max(this.tables.fenceSeq, acts.putLease?.fence ?? 0, acts.putTicket?.id ?? 0)
    for (const l of acts.dropLeases) {
      const loser = this.kept.get(l.fence)
      this.kept.delete(l.fence)
      if (acts.putLease) loser?.onLost('another process took the lease over')
    }
  }

  private keep(lease: LeaseRow, onLost: (reason: string) => void): void {
    const key = leaseKey(lease)
    if (this.tables.leases.get(key)?.fence !== lease.fence) {
      queueMicrotask(() => onLost('another process took the lease over'))
      return
    }
    this.kept.set(lease.fence, { key, ttlMs: lease.expiresAt - lease.grantedAt, by: this, onLost })
  }

  private release(lease: LeaseRow): void {
    this.kept.delete(lease.fence)
    const key = leaseKey(lease)
    if (this.tables.leases.get(key)?.fence === lease.fence) this.tables.leases.delete(key)
  }

  private transfer({ scope, fence }: Pick<LeaseRow, 'scope' | 'fence'>, to: Holder, ttlMs: Millis): LeaseRow {
    this.kept.delete(fence)
    const done = handOver(this.grantRows(), { scope, fence, to, ttlMs, nowMs: this.options.clock.now() })
    if (!done) throw refusals.fenceLost(scope)
    this.perform(done.acts)
    return done.granted
  }

  private renewKept(): void {
    const now = this.options.clock.now()
    for (const [fence, k] of this.kept) {
      const row = this.tables.leases.get(k.key)
      if (row?.fence === fence && !this.options.isDead?.(row.holder)) this.tables.leases.set(k.key, { ...row, expiresAt: Math.max(row.expiresAt, now + k.ttlMs) })
    }
  }

  private forgetKept(): void {
    for (const [fence, k] of this.kept) if (k.by === this) this.kept.delete(fence)
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
      requests: [...t.requests.values()], // oldest first: that is the order in which they go
      events: sortedBy(t.events.keys(), text).flatMap((env) => t.events.get(env) ?? []),
      chains: sortedBy(t.chains.values(), (c) => c.env),
      leases: [...t.leases.values()].sort((a, b) => compareText(a.scope, b.scope) || a.fence - b.fence),
      tickets: [...t.tickets.values()].sort((a, b) => a.id - b.id),
    }
    const lines = function* (): Generator<string> {
      for (const table of TABLES) for (const row of rows[table]) yield exportLine(table, row)
    }
    yield* framed({ storeId: t.meta.storeId, schema: t.meta.schema, fenceSeq: t.fenceSeq }, lines())
  }

  async import(lines: AsyncIterable<string> | Iterable<string>): Promise<Imported> {
    const imported = await loadTables(this.tables, lines)
    this.bell.ring()
    return imported
  }

  async close(): Promise<void> {
    if (this.state === 'open') this.state = 'closed'
    this.forgetKept()
    this.bell.ring() // who watches sees that it is over
  }
}

const never = <T>(): Promise<T> => new Promise(() => {})

function eventsAfter(t: Tables, env: string, after: { readonly seq: number; readonly n?: number }, limit: number): EventRow[] {
  const list = t.events.get(env) ?? []
  const n = after.n ?? Number.POSITIVE_INFINITY
  let low = 0
  for (let high = list.length; low < high;) {
    const mid = (low + high) >> 1
    const at = list[mid] as EventRow
    if (at.seq < after.seq || (at.seq === after.seq && at.n <= n)) low = mid + 1
    else high = mid
  }
  return list.slice(low, low + limit)
}

const sortedBy = <T>(items: Iterable<T>, key: (item: T) => string): T[] => [...items].sort((a, b) => compareText(key(a), key(b)))

function openUids(t: Tables, env: string, revision: number): Set<string> {
  const uids = new Set(t.bySince.get(env)?.get(revision) ?? [])
  for (const key of t.byUntil.get(env)?.get(revision) ?? []) uids.add(key.slice(key.indexOf(' ') + 1))
  return uids
}
