import type { Address } from '../model/index.ts'
import type { ChangeDocument, FindingDocument } from '../plan/index.ts'
import type { RunStatus } from '../state/index.ts'

export type { ChangeAction, ChangeDocument, FindingDocument, PathChange } from '../plan/index.ts'

/** What `plan` prints with --json (contract.md 3), less `v`, `app` and `env`, which the command adds. */
export interface PlanDocument {
  readonly id: string
  /** Committed revision the plan starts from. */
  readonly revision: number
  readonly changes: readonly ChangeDocument[]
  /** A count per action that occurs, and `unchanged`. */
  readonly summary: Readonly<Record<string, number>>
  /** Objects of earlier runs that are still to be deleted. */
  readonly pending?: readonly Address[]
  /** What policies warn of. */
  readonly findings?: readonly FindingDocument[]
  /** Nodes that the command was restricted from touching (--target, --exclude). */
  readonly untouched?: number
  /** Nodes and components whose protection is lifted for this plan. */
  readonly unprotect?: readonly Address[]
  /** Run that is neither committed nor taken back and that an apply of this plan takes over. */
  readonly openRun?: string
}

export type Outcome = 'applied' | 'reverted' | 'kept' | 'incomplete' | 'cancelled' | 'unchanged'

/** What `apply`, `destroy`, `run resume` and `run revert` print with --json. */
export interface RunDocument {
  readonly run: string | null
  readonly plan: string | null
  readonly revision: { readonly from: number; readonly to: number }
  readonly outcome: Outcome
  /** The revision it ends at holds only what succeeded, of this run or of an earlier one: a restricted command leaves that as it is. */
  readonly partial?: true
  readonly phase: 'plan' | 'expand' | 'commit' | 'contract' | 'revert' | 'done'
  readonly summary: Readonly<Record<string, number>>
  readonly tasks: readonly TaskDocument[]
  readonly reverted: readonly { readonly address: Address; readonly identity: 'same' | 'new' }[]
  /** Old objects that are still to be deleted. */
  readonly pending: readonly Address[]
  readonly outputs: Readonly<Record<string, unknown>>
  readonly error?: Readonly<Record<string, unknown>>
}

export interface TaskDocument {
  readonly address: Address
  readonly op: string
  readonly outcome: 'succeeded' | 'failed' | 'reverted' | 'revertFailed' | 'skipped' | 'unknown'
  readonly attempts: number
  readonly ms: number
  readonly downMs?: number
  /** Hooks that ran, by when. */
  readonly hooks?: Readonly<Record<string, string>>
  readonly error?: Readonly<Record<string, unknown>>
}

export interface OpenChangeDocument {
  readonly tx: string
  readonly address: Address
  readonly op: string
  readonly status: string
  /** ISO time. */
  readonly since: string
  readonly evidence: string | null
  /** What `run settle TX` accepts: `--retry`, `--adopt ID`, `--absent`, `--to previous`, `--to new`, `--abandon`. */
  readonly actions: readonly string[]
}

export interface PartDocument {
  readonly run: string
  readonly scopes: readonly string[]
  /** Somebody is at work on it. */
  readonly alive: boolean
}

export interface StatusDocument {
  readonly revision: number
  readonly partial: boolean
  readonly resources: number
  /** No change is open: the record can be assumed to represent the actual state. */
  readonly reliable: boolean
  readonly open: readonly OpenChangeDocument[]
  readonly pendingDeletes: readonly Address[]
  readonly leases: readonly { readonly scope: string; readonly host: string; readonly pid: number; readonly since: string; readonly expires: string; readonly alive: boolean; readonly kept?: boolean }[]
  readonly lastRun: { readonly run: string; readonly kind: string; readonly status: RunStatus; readonly outcome: string | null; readonly startedAt: string; readonly endedAt: string | null } | null
  readonly openRun: string | null
  /** Runs that hold a part each, and are neither committed nor taken back. Absent: none. */
  readonly parts?: readonly PartDocument[]
  readonly warnings: readonly string[]
}

export interface ResourceDocument {
  readonly address: Address
  readonly type: string
  readonly uid: string
  readonly status: string
  /** First revision that shows this row. */
  readonly revision: number
  readonly physicalId?: string
  /** ISO times; null where they were not noted: by an older version, or by a caller of the state itself. */
  readonly created: string | null
  readonly modified: string | null
  /** From then on a plan makes a new object; absent where the type does not say. */
  readonly renewAt?: string
  /** It was taken over, not made. */
  readonly adopted?: boolean
  readonly protect: boolean
  readonly retain: boolean
  readonly dependsOn: readonly Address[]
  /** The next plan makes a new object. */
  readonly tainted?: true
  /** Further options, as the state keeps them; `replaceWhen` as a digest. */
  readonly options?: Readonly<Record<string, unknown>>
  readonly tags?: Readonly<Record<string, string>>
  readonly outputs?: unknown
  readonly inputs?: unknown
}

export interface DriftDocument {
  readonly drifted: readonly { readonly address: Address; readonly kind: 'changed' | 'gone'; readonly paths: readonly string[] }[]
}

