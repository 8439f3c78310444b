import type { Digest, EpochMs, Millis } from '../base/index.ts'
import type { Address, CallOp, Capability, HookNames, ResolvedOptions } from '../model/index.ts'

/**
 * One environment of one app: the unit that is leased, planned, applied and committed.
 * A state that belongs to no app has the app `/`, a child of another `/` and the parent's id, and one that was deleted `/gone`: no app is called that.
 */
export interface EnvRow {
  readonly id: string
  readonly app: string
  readonly name: string
  /** Number of committed applies: what a person sees (decisions 1.2). 0: nothing was ever applied. */
  readonly revision: number
  /** The revision holds only what succeeded (`--on-failure keep`). */
  readonly partial: boolean
  /** Commit number of this state: +1 with every durable transaction that touches it. */
  readonly seq: number
  /** The one run of the whole environment that is neither committed nor taken back. */
  readonly openRun: string | undefined
  /** Runs that hold a part of the environment each, and are neither committed nor taken back. Absent: none. Beside an open run of the whole there is none. */
  readonly parts?: readonly OpenPart[] | undefined
}

/**
 * A run that changes a part of an environment while others change other parts. Its rows have a number of their own where those of a run of the whole
 * have `revision + 1`, far above every revision: no reader sees them, whichever run commits first. With its commit they get the revision's number.
 */
export interface OpenPart {
  /** `PART_TAGS` + the first fence of its leases: never given twice. */
  readonly tag: number
  readonly run: string
  /** Scopes that it changes something in (store/grant.ts). */
  readonly scopes: readonly string[]
}

/** From here on, `since` and `until` are no revisions. */
export const PART_TAGS = 2 ** 40

/**
 * What the store keeps about one node, for a span of revisions. `since`/`until`: first revision that shows the row, first that no longer does.
 * Open runs write `since = revision + 1` (provisional) and set `until = revision + 1` on the row they replace; a reader filters by the committed revision.
 * A run of a part writes its tag there ({@link OpenPart}).
 * `ready`     the object exists with these inputs and outputs.
 * `partial`   a step failed half-way; outputs hold what is known (perhaps only some).
 * `deleting`  the object is to be deleted (pending delete); not part of the desired state any more.
 */
export interface ResourceRow {
  readonly env: string
  readonly uid: string
  readonly address: Address
  readonly type: string
  readonly since: number
  readonly until: number | undefined
  readonly status: 'ready' | 'partial' | 'deleting'
  /** Objects this uid has had; part of the mark. */
  readonly ordinal: number
  /** Identity of the inputs, `f1:...` (decisions 5). */
  readonly fingerprint: string
  /** As the fingerprint, but secrets by their `fp`: equal means unchanged, without opening anything. No shape is like a fingerprint: with that in its place a row differs from whatever the program says. */
  readonly shape: string
  readonly meta: ResourceMeta
  /** `seq` of the commit that wrote the row: order of completion. */
  readonly seq: number
}

export interface ResourceMeta {
  readonly typeVersion: number
  /** `package@version#export` of the definition, to find it when the program dropped it. */
  readonly provider: string
  /** Addresses the node reads or names, at the time. */
  readonly deps: readonly Address[]
  readonly claims: readonly string[]
  readonly protect: boolean
  readonly retain: boolean
  readonly tags: Readonly<Record<string, string>>
  readonly physicalName?: string
  readonly physicalId?: string
  /** Digests of the assets the inputs name. */
  readonly assets?: readonly Digest[]
  /** A `lookup`: nothing of ours stands behind it. */
  readonly lookup?: boolean
  /** With status `partial`: it was whole before an update of it failed half-way, so another full update makes it whole again. */
  readonly whole?: boolean
  /** It was made without outputs; the document of them is empty. */
  readonly noOutputs?: boolean
  /** It was taken over, not made: taking that back gives it up and deletes nothing. */
  readonly adopted?: boolean
  /** When the object was made or taken over, and when it was last changed. */
  readonly createdAt?: EpochMs
  readonly modifiedAt?: EpochMs
  /**
   * The hook after the step that made the row so: it has not ended well yet. With `afterDelete` the row has status `deleting`, its object is gone, it
   * owns nothing, and it goes when the hook has ended.
   */
  readonly due?: 'afterCreate' | 'afterUpdate' | 'afterDelete'
  /** Hooks of the node, for the deletion after it has left the program. */
  readonly hooks?: HookNames
  /** Deadlines of its calls, where the node has its own. */
  readonly timeouts?: { readonly [K in CallOp]?: Millis }
  /** Options that not every node has. */
  readonly rules?: StoredRules
  /** Uids that the nodes of `replaceWith` and `deletedWith` had when the object was made, by address. */
  readonly tied?: Readonly<Record<Address, string>>
  /** The inputs that refer to outputs of other nodes, as expressions, in canonical JSON; sealed, where the program wrote a secret into them. */
  readonly wires?: string
  /** From this moment on, a plan makes a new object (`renewAt` of the type). */
  readonly renewAt?: EpochMs
  /** A person asked for a new object: the next plan makes one. */
  readonly tainted?: boolean
  readonly site?: string
}

/** Options of a node as they hold after it has left the program (model/types.ts). */
export interface StoredRules extends Pick<ResolvedOptions, 'ignore' | 'replaceOn' | 'replaceWith' | 'deletedWith' | 'deleteFirst'> {
  /** Digest of the value of `replaceWhen`, secrets by HMAC. */
  readonly replaceWhen?: string
}

/** The documents of a row: canonical JSON in which secrets are sealed. Read only when needed. */
export interface ResourceDocs {
  readonly inputs: string
  readonly outputs: string
}

export type TxOp = 'create' | 'update' | 'delete' | 'read'
export type TxStatus = 'open' | 'sent' | 'completed' | 'failed' | 'unknown' | 'abandoned'

/** A change transaction: one change of one object, from the intent to a proven outcome. */
export interface TxRow {
  readonly token: string
  readonly env: string
  readonly run: string
  readonly task: string
  readonly uid: string
  readonly address: Address
  readonly type: string
  readonly op: TxOp
  readonly status: TxStatus
  /** With `failed`: what stands in the world. `no` blocks nothing. */
  readonly applied: 'no' | 'partly' | undefined
  /** Takes something of this run back. */
  readonly undo: boolean
  readonly ordinal: number
  /** Moves on only when all earlier attempts are proven not applied; part of the call key. */
  readonly epoch: number
  readonly attempts: number
  readonly payloadDigest: Digest
  readonly capability: Capability
  readonly fence: number
  readonly openedAt: EpochMs
  /** First time anything was sent in this epoch; and the last. */
  readonly firstSentAt: EpochMs | undefined
  readonly lastSentAt: EpochMs | undefined
  readonly endedAt: EpochMs | undefined
  readonly evidence: string | undefined
  /** The row as it becomes when the change completes, with resolved inputs sealed: what a recovery needs, without the program. */
  readonly target: TxTarget
}

export interface TxTarget {
  /** Row to be written on completion; absent for a delete. */
  readonly row?: Omit<ResourceRow, 'seq'>
  /** Sealed inputs of the call. */
  readonly inputs: string
  /** Sealed prior state, for update and delete. */
  readonly prior?: ResourceDocs
  /** What `partial()` reported, or what a reader found. */
  readonly partial?: string
  /** Journal entries that become true with the row, however far the change went: they close what it replaces. */
  readonly before?: readonly object[]
  /** Journal entries that become true with the completion alone. */
  readonly also?: readonly object[]
  /** A change that no run plans: the difference as its caller described it. JSON. */
  readonly change?: string
  /** What its caller said when it failed; canonical JSON, secrets sealed. */
  readonly failed?: string
}

export type RunStatus = 'running' | 'committed' | 'reverted' | 'incomplete' | 'kept'
export interface RunRow {
  readonly id: string
  readonly env: string
  /** `change`: one task that no plan asked for. `refresh`: the record was brought to what the world is. */
  readonly kind: 'apply' | 'destroy' | 'revert' | 'resume' | 'repair' | 'refresh' | 'change'
  readonly plan: string
  readonly status: RunStatus
  readonly phase: 'expand' | 'commit' | 'contract' | 'revert' | 'done'
  readonly from: number
  readonly to: number | undefined
  readonly holder: Holder
  readonly startedAt: EpochMs
  readonly endedAt: EpochMs | undefined
  /** The run document of contract.md 3, once it has ended. */
  readonly result: string | undefined
}

/** Who holds a lease. */
export interface Holder {
  readonly id: string
  readonly host: string
  readonly bootId: string
  readonly pid: number
  /** Start of the process, so that a reused pid is not mistaken for it. */
  readonly startedAt: string
  /** When the machine booted, by its clock as it was then: whoever counts another moment on that machine knows that the clock was put on. */
  readonly bootAt?: EpochMs
}

/**
 * What a holder may do with a scope, and what others may do with it meanwhile. `X`: change it, alone. `S`: rely on it, together with other `S`.
 * `IX`, `IS`: change or rely on something inside of it; whoever holds a scope inside has these on all around it, without a row.
 */
export type LeaseMode = 'IS' | 'IX' | 'S' | 'X'

export interface LeaseRow {
  readonly scope: string
  readonly mode: LeaseMode
  readonly holder: Holder
  readonly fence: number
  readonly grantedAt: EpochMs
  readonly expiresAt: EpochMs
}

/** A place in the queue for a lease: first come, first served. It goes with its holder, or when it is not asked about any more. */
export interface TicketRow {
  readonly id: number
  readonly scope: string
  readonly mode: LeaseMode
  readonly holder: Holder
  readonly askedAt: EpochMs
  readonly expiresAt: EpochMs
}

/** A person's word that a plan may be applied. */
export interface PlanApproval {
  readonly by: string
  readonly at: EpochMs
  /** By the one who made the plan. */
  readonly own: boolean
  /** SHA-256 of the plan as it was then. */
  readonly digest: string
  /** Under the key of the environment, over plan, name and time. */
  readonly mac: string
}

export interface PlanRow {
  readonly id: string
  readonly env: string
  readonly createdAt: EpochMs
  /** Environment revision and seq the plan was made on. */
  readonly revision: number
  readonly seq: number
  readonly usedBy: string | undefined
  /** Canonical JSON of the frozen plan (secrets sealed) with its MAC. */
  readonly doc: string
  /** Who made it; absent in plans of older versions. */
  readonly madeBy?: string
  readonly approval?: PlanApproval
}

/** One task of a run (decisions 4). Rows exist from the first attempt on; what has not begun stands in the plan. */
export interface TaskRow {
  readonly run: string
  readonly id: string
  readonly address: Address
  readonly kind: TaskKind
  readonly state: TaskState
  readonly intention: 'execute' | 'revert'
  readonly attempt: number
  readonly tx: string | undefined
  readonly failure: string | undefined
  readonly startedAt: EpochMs
  readonly endedAt: EpochMs | undefined
  /** How an undone object differs: `new` identity. */
  readonly note: string | undefined
}
export type TaskKind = 'create' | 'update' | 'replace' | 'delete' | 'read' | 'move' | 'forget' | 'adopt'
export type TaskState = 'running' | 'success' | 'failure' | 'reverting' | 'reverted' | 'revertFailure' | 'skipped'

export interface ClaimRow {
  readonly key: string
  readonly env: string
  readonly uid: string
  /** Goes with the commit of this revision (the object gave the key up, but taking back would want it again). */
  readonly until: number | undefined
}

export interface EventRow {
  readonly env: string
  readonly seq: number
  readonly n: number
  readonly at: EpochMs
  readonly kind: string
  /** JSON, redacted. */
  readonly data: string
}

/** What the events of an environment add up to; one for each environment (journal/chain.ts). */
export interface ChainRow {
  readonly env: string
  /** Events of commits up to here were taken away. */
  readonly compactedTo: number
  /** `hash` covers the events of commits after `baseSeq`, beginning with `baseHash`. */
  readonly baseSeq: number
  readonly baseHash: string
  /** Last commit that had events, and the hash after it. */
  readonly seq: number
  readonly hash: string
}

export interface SecretRow {
  readonly env: string
  readonly name: string
  readonly fp: string
  readonly sealed: string
  readonly at: EpochMs
}

/** Outputs of the app for a span of revisions; canonical JSON with sealed secrets. */
export interface OutputsRow {
  readonly env: string
  readonly since: number
  readonly doc: string
}

export interface TrashRow {
  readonly id: string
  readonly env: string
  readonly address: Address
  readonly type: string
  readonly at: EpochMs
  /** JSON: where it was, where it is, and the rows of what was bound to it (sealed). */
  readonly doc: string
}

/** A component that has an identity of its own: it was renamed, made without resources, or asked for its uid. The name is a path, `.` for nodes outside any. */
export interface ComponentRow {
  readonly env: string
  readonly uid: string
  readonly name: string
  /** What its namespace token is made of: the name it had first, or its uid. */
  readonly seed: string
  /** It exists without resources, too. */
  readonly declared: boolean
  /** What others may refer to, as JSON; undefined: everything. */
  readonly exports: string | undefined
}

/** A component uses a resource of another. The target may not go while the row stands. */
export interface ReferenceRow {
  /** Of the component that refers. */
  readonly env: string
  readonly component: string
  readonly targetEnv: string
  readonly targetUid: string
  /** Where the target was when the reference was made, or last renamed: it is found there again when it was replaced. */
  readonly address: Address
  readonly type: string
}

/** What of other resources was read to make a resource as it stands. */
export interface ResolvedRow {
  readonly env: string
  readonly uid: string
  /** Canonical JSON, secrets sealed. */
  readonly doc: string
}

/** The answer to a request that may come again. */
export interface RequestRow {
  /** Id of the environment, or empty for what belongs to none. */
  readonly scope: string
  readonly id: string
  readonly method: string
  readonly digest: Digest
  readonly result: string
  readonly at: EpochMs
}

export interface StoreMeta {
  readonly storeId: string
  readonly schema: number
  readonly createdAt: EpochMs
  /** Tells a wrong key from a damaged record; absent until a key was needed. */
  readonly keyCheck: string | undefined
}

