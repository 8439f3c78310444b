import type { EpochMs, Millis } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import type {
  ClaimRow, ComponentRow, EnvRow, EventRow, Holder, LeaseMode, LeaseRow, OutputsRow, PlanRow, ReferenceRow, RequestRow, ResolvedRow, ResourceDocs, ResourceRow, RunRow, SecretRow, StoreMeta, TaskRow, TicketRow, TrashRow, TxRow, TxStatus,
} from '../state/index.ts'
import type { Acquired } from './grant.ts'
import type { Imported } from './transfer.ts'
import type { WatchOptions } from './watch.ts'

/** What a store can do. The engine asks the trait, never the name of the store. */
export interface StoreTraits {
  readonly name: string
  /** Survives the process. */
  readonly durable: boolean
  /** Several processes may write at the same time. */
  readonly severalWriters: boolean
}

/** The proof that a writer still holds its lease; checked inside the transaction. */
export interface Fence {
  readonly scope: string
  readonly fence: number
  /** Further leases that must be held. What the commit changes lies in the scope of one of them all. */
  readonly also?: readonly { readonly scope: string; readonly fence: number }[] | undefined
}

export interface CommitOptions {
  /** Environment whose `seq` moves and that the events belong to. */
  readonly env: string
  /** Refused with HF4203 when the lease of `scope` is not at this fence. */
  readonly fence?: Fence | undefined
  /** Refused with HF2401 when the environment is not at this seq. */
  readonly expectSeq?: number | undefined
  /** Takes the lease of a scope in the same transaction, or checks that nobody else has it: no further commit for a change that stands alone. */
  readonly hold?: Hold | undefined
}

/**
 * Refused with HF4201, naming the holder, while another holder has the scope. A dead or expired one is taken over.
 * `keep`: the holder has the lease when the commit is durable. `release`: it has not; where it had none, nothing is written.
 */
export interface Hold {
  /** Fences of leases that are taken away though their holders may live, and whoever waits is overtaken. Any other living holder is still in the way. */
  readonly force?: readonly number[]
  readonly scope: string
  readonly holder: Holder
  readonly ttlMs: Millis
  readonly nowMs: EpochMs
  readonly after: 'keep' | 'release'
}

export interface Committed {
  readonly seq: number
  /** What `hold` has granted, or made last longer. */
  readonly lease?: LeaseRow
}

/** What a resource is looked up by. `component`: the path before the last segment of the address, `.` where there is none. A tag without a value: any value. */
export type Lookup = { readonly address: Address } | { readonly component: string } | { readonly fingerprint: string } | { readonly tag: string; readonly value?: string | undefined }

export type ResourceView = 'committed' | 'base' | 'current' | 'open' | 'all'

/**
 * The truth about every resource, and the journal of how it came to be: one set of tables.
 *
 * Takes    entries: plain data, secrets sealed already.
 * Durable  when `commit` resolves. Many concurrent commits share one fsync (group commit); each is all or nothing on its own.
 * Fails    by failure codes (HF4xxx, HF2105, HF2403); nothing of that transaction is written then.
 */
export interface Store {
  readonly traits: StoreTraits
  readonly path: string | undefined

  commit(entries: readonly Entry[], options: CommitOptions): Promise<Committed>

  meta(): Promise<StoreMeta>
  envs(app?: string): Promise<EnvRow[]>
  env(app: string, name: string): Promise<EnvRow | undefined>
  envById(id: string): Promise<EnvRow | undefined>

  /**
   * Rows of an environment without their documents, in address order.
   * `committed`: what readers see (since <= revision < until). `current`: the committed rows as the open run has changed them, pending deletes included.
   * `base`: the committed rows and the pending deletes of that revision, whatever open runs have written. `open`: what the open run has written or closed (since or until = revision + 1); cost follows the change.
   * `all`: every stored row (history too).
   */
  resources(env: string, view: ResourceView): Promise<ResourceRow[]>
  /** Rows of an environment by what they are called, in address order. Cost follows the answer, not the environment. */
  find(env: string, view: 'committed' | 'current', by: Lookup): Promise<ResourceRow[]>
  /** By name. */
  components(env: string): Promise<ComponentRow[]>
  component(env: string, name: string): Promise<ComponentRow | undefined>
  /** References that components of `env` hold, or that point into `targetEnv` or at one resource. */
  references(filter: { readonly env: string } | { readonly targetEnv: string } | { readonly targetUid: string }): Promise<ReferenceRow[]>
  /** In the order asked for. */
  resolved(uids: readonly string[]): Promise<(ResolvedRow | undefined)[]>
  request(scope: string, id: string): Promise<RequestRow | undefined>
  /** Documents by `uid` and `since`, in the order asked for; undefined where there is none. One round trip. */
  docs(keys: readonly { readonly uid: string; readonly since: number }[]): Promise<(ResourceDocs | undefined)[]>
  claims(keys: readonly string[]): Promise<(ClaimRow | undefined)[]>
  claimsOf(env: string): Promise<ClaimRow[]>

  txs(filter: { readonly env?: string; readonly unresolved?: boolean; readonly uid?: string; readonly run?: string; readonly status?: TxStatus }): Promise<TxRow[]>
  tx(token: string): Promise<TxRow | undefined>
  runs(env: string, limit: number): Promise<RunRow[]>
  run(id: string): Promise<RunRow | undefined>
  tasks(run: string): Promise<TaskRow[]>
  plans(env: string, limit: number): Promise<PlanRow[]>
  plan(id: string): Promise<PlanRow | undefined>
  /** Newest outputs with `since <= revision`. */
  outputs(env: string, revision: number): Promise<OutputsRow | undefined>
  secrets(env: string): Promise<SecretRow[]>
  trash(env: string): Promise<TrashRow[]>
  /** Events after a commit, or after one event of it (`n`), in order. */
  events(env: string, after: { readonly seq: number; readonly n?: number }, limit: number): Promise<EventRow[]>
  /** How many events of an environment are there. Cost does not follow the number. */
  eventsKept(env: string): Promise<number>
  leases(): Promise<LeaseRow[]>
  /**
   * Events of one environment (or of all), as they are committed by whichever process, in commit order within each environment; from any commit on, none
   * twice, none left out. A watcher that is slow holds nothing up: it reads on from the table. Ends at the signal, or when the store is closed.
   * Fails  HF6009 when the events after that commit were compacted: list the state, then watch from its `seq`.
   * Costs  a commit of another process is given within 50 ms; waiting costs next to nothing (bench/watch.bench.mjs).
   */
  watch(env: string | undefined, options: WatchOptions): AsyncIterable<EventRow>
  /** Who waits for a lease, first come first. */
  tickets(): Promise<TicketRow[]>

  readonly lease: Leases

  /** Checks of the file and of the rules between rows, each with a plain-words detail when it does not hold. */
  doctor(): Promise<{ readonly name: string; readonly ok: boolean; readonly detail?: string }[]>
  /** Every table as NDJSON lines `{table, row}`, secrets sealed; the first says schema and store, the last how many there are and what they add up to. */
  export(): AsyncIterable<string>
  /**
   * Reads an export into this store, which must be empty; the id of the exported store becomes its own, so that sealed values open.
   * All or nothing, also when the process dies. Exports of older versions are read.
   * Fails  HF4008 not empty, HF4002 newer, HF4009 not a whole export.
   */
  import(lines: AsyncIterable<string> | Iterable<string>): Promise<Imported>
  /** Everything is in the main file when it resolves; no write-ahead log is left beside it. */
  close(): Promise<void>
}

/** How a lease is asked for, beyond the plain way: exclusive, and without waiting. */
export interface AcquireOptions {
  /** Default `X`. */
  readonly mode?: LeaseMode
  /** `new`: when it cannot be had now, take a place in the queue; its id: ask again from that place. Places are served in order. */
  readonly ticket?: number | 'new'
}

/**
 * Leases with fencing: no two live holders whose scopes and modes conflict; every grant has a higher fence.
 * Scopes have levels, told by their names: `*` the store, `app/env` a state, `app/env:path` a component. See grant.ts for what goes together.
 */
export interface Leases {
  /**
   * Grants the lease at once when it is free, expired, or its holder is dead on this host (same boot id, pid gone or started at another time).
   * Otherwise gives the holder, or who has waited longer. Never waits; the caller polls. A place in the queue (`ticket`) goes when its holder is
   * dead, or has not asked for `limits.ticketTtlMs`; who asks without one does not overtake those who wait.
   */
  acquire(scope: string, holder: Holder, ttlMs: Millis, options?: AcquireOptions): Promise<Acquired>
  /** From now on the store renews the lease by itself, beside the main thread where it can; `onLost` is called once when it could not. */
  keep(lease: LeaseRow, everyMs: Millis, onLost: (reason: string) => void): void
  release(lease: LeaseRow): Promise<void>
  /**
   * Hands a lease over without a gap: scope, mode and the moment of the grant stay, and nobody who waits comes in between. It has a new, higher fence,
   * so that who gave it away writes nothing under it any more. A kept lease is not kept any more.
   * Fails  HF4203 when it is not there any more at its fence.
   */
  transfer(lease: Pick<LeaseRow, 'scope' | 'fence'>, to: Holder, ttlMs: Millis): Promise<LeaseRow>
  /** As {@link keep}, but the first renewal comes after `everyMs`: what ends before that has cost nothing. */
  keepLater(lease: LeaseRow, everyMs: Millis, onLost: (reason: string) => void): void
  /** Renews no more; the lease itself stays until it ends, or a commit releases it. */
  unkeep(lease: Pick<LeaseRow, 'scope' | 'fence'>): void
  /** Gives a place in the queue up. */
  leave(ticket: TicketRow): Promise<void>
}

export type { EpochMs }
