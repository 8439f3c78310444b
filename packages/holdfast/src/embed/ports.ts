import type { Entry } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import type { ClaimRow, EnvRow, Holder, ResourceMeta, ResourceRow, RunRow, StoreMeta, TrashRow, TxOp, TxRow, TxStatus } from '../state/index.ts'

/** Gives the values of secrets that a program declares. Asked before every plan; what it gives is sealed before it is kept anywhere. */
export interface SecretReader {
  /** Undefined: the target has no such secret. */
  get(name: string): Promise<string | undefined>
}

/** Where a program is applied to. */
export interface Target {
  readonly name: string
  /** Values of the program's `config`, over those of its environment of the same name. */
  readonly config: Readonly<Record<string, unknown>>
  readonly secrets: SecretReader
  /** Put on every node that has no tag of the same name. */
  readonly tags: Readonly<Record<string, string>>
}

export interface TargetProvider {
  /**
   * Takes    a name that {@link checkTargetName} accepts.
   * Fails    HF6011 ({@link TargetNotFound}) when there is no such target.
   */
  getTarget(name: string): Promise<Target>
}

/** One resource, complete: what the engine needs to go on from it. Plain JSON, secrets sealed. Kept and given back as it is. */
export interface ResourceRecord {
  readonly uid: string
  readonly address: Address
  readonly type: string
  readonly status: ResourceRow['status']
  /** First revision that shows it, and the first that does not any more. Beyond the revision of the snapshot: an open run wrote it. */
  readonly since: number
  readonly until?: number
  readonly ordinal: number
  readonly fingerprint: string
  readonly shape: string
  readonly meta: ResourceMeta
  readonly seq: number
  /** Canonical JSON text. */
  readonly inputs: string
  readonly outputs: string
  /** Physical things that it owns. */
  readonly claims: readonly { readonly key: string; readonly until?: number }[]
}

/** A change that was begun and whose end is not known. With the last snapshot it is all that a recovery needs. */
export interface OpenChange {
  /** Equal over all attempts, processes and recoveries of one change. */
  readonly id: string
  readonly address: Address
  readonly type: string
  readonly op: TxOp
  readonly status: TxStatus
  /** ISO time. */
  readonly since: string
  readonly evidence?: string
  /** Who began it. */
  readonly by: Holder
  /** Plain JSON, secrets sealed. Kept and given back as it is. */
  readonly record: OpenRecord
}

export interface OpenRecord {
  readonly v: 1
  readonly store: StoreIdentity
  readonly env: EnvRow
  readonly run: RunRow | undefined
  readonly tx: TxRow
  /** What became true together with the intent. */
  readonly entries: readonly Entry[]
}

/** What sealed values are bound to. */
export type StoreIdentity = Pick<StoreMeta, 'storeId' | 'createdAt'> & { readonly keyCheck?: string | undefined }

/** What of a target is no resource. Plain JSON, secrets sealed. Kept and given back as it is. */
export interface SnapshotHead {
  readonly store: StoreIdentity
  readonly env: EnvRow
  readonly runs: readonly RunRow[]
  readonly outputs?: { readonly since: number; readonly doc: string }
  /** Claims of what is being made and has no record yet. */
  readonly claims: readonly ClaimRow[]
  readonly trash: readonly TrashRow[]
  /** Open changes whose intent stands in this snapshot already. */
  readonly opened: readonly string[]
}

/** What the engine believes of one target. */
export interface Snapshot {
  /** Version of this form. */
  readonly v: 1
  readonly target: string
  /** Committed applies; 0: none yet. */
  readonly revision: number
  /** ISO time. */
  readonly at: string
  /** No change is open: it can be assumed to represent the actual state. */
  readonly reliable: boolean
  readonly open: readonly OpenChange[]
  /** Over everything but `reliable` and `open`. */
  readonly digest: string
  /** Of the committed revision; secrets are masked. */
  readonly outputs: Readonly<Record<string, unknown>>
  /** Undefined: nothing was persisted yet, and a change is open. */
  readonly head: SnapshotHead | undefined
  /** In no particular order. Of a snapshot that `end` was given: to be read before `end` resolves. */
  resources(): AsyncIterable<ResourceRecord>
}

/** A bracket around a change of the world. */
export interface SnapshotMutation {
  readonly id: string
  /**
   * What was begun is over.
   *
   * Durable  on return, in one step: the snapshot, and that this mutation is open no more. After a crash at any moment a reader finds the former
   *          snapshot and the mutation open, or the new snapshot and the mutation ended.
   * Fails    by rejecting: the run fails, and the mutation stays open until a later run takes it over.
   * Costs    the engine pays in proportion to the change; the provider, for what it reads of `snapshot`.
   */
  end(snapshot: Snapshot): Promise<void>
}

/**
 * Keeps snapshots, and knows which of them are being mutated.
 *
 * Always true of one: `getSnapshot().reliable` is "no mutation is open, and the persisted snapshot has no open change", never a flag of its own.
 */
export interface SnapshotProvider {
  /**
   * Gives    the last persisted snapshot, with `reliable: false` and the open changes while a mutation is open ({@link withOpen}); undefined for a target
   *          that nothing was ever begun for.
   * Fails    HF4011 damaged, HF4002 written by a newer version. What is kept is not touched then.
   */
  getSnapshot(name: string): Promise<Snapshot | undefined>
  /**
   * Marks the target as being mutated: its snapshot cannot be assumed to represent the actual state until `end`.
   *
   * Takes    `about`: the change; absent for the bracket around a whole run. Many may be open. An open mutation about the same `id` is taken over, with
   *          what is known of it now.
   *          `by`: who mutates. A mutation that nobody lives for ({@link holderLives}) holds nobody up; one around a run is forgotten then.
   * Durable  on return: the mark. When it rejects, no provider of resources is called.
   * Fails    HF4204 ({@link MutationOpen}) while a mutation of another live holder is open.
   */
  beginMutation(name: string, about: OpenChange | undefined, by: Holder): Promise<SnapshotMutation>
}
