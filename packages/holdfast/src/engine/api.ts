import type { Millis } from '../base/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import type { Address } from '../model/index.ts'
import type { Restriction } from '../plan/index.ts'
import type { DriftDocument } from './documents.ts'
export type { EngineContext, EngineEvent, EventType } from '../resource/index.ts'

export interface PlanRequest {
  /** `undefined`: everything is to go (destroy). */
  readonly graph: DesiredGraph | undefined
  readonly allowDeletes?: number | undefined
  /** Only these nodes; all others keep their state exactly. Addresses, or patterns: `*` within a segment, `**` across (HF2107 where an edge would break). */
  readonly targets?: readonly string[]
  /** And what depends on them. */
  readonly targetDependents?: boolean
  /** Not these nodes. */
  readonly excludes?: readonly string[]
  /** Nor what depends on them. */
  readonly excludeDependents?: boolean
  readonly replace?: readonly Address[]
  /** Nodes and components whose protection does not count in this plan. */
  readonly unprotect?: readonly Address[]
  /** What was found to differ: the program wins, and what is gone is made again. */
  readonly repair?: DriftDocument | undefined
  /** Objects that are taken over, and nothing else is done: every row must be possible. */
  readonly adopt?: readonly AdoptRow[] | undefined
  /** Also what belongs to somebody else, as far as its type can tell. */
  readonly adoptOther?: boolean | undefined
}

/** What a request names, in full. */
export const restrictionOf = ({ targets = [], excludes = [], targetDependents = false, excludeDependents = false }: PlanRequest): Restriction => ({ targets, excludes, targetDependents, excludeDependents })

/** One object that exists, and the node that is to have it. */
export interface AdoptRow {
  readonly address: Address
  readonly id: string
}

export type OnFailure = 'revert' | 'keep' | 'continue'

export interface ApplyOptions {
  /** Take everything back; stop, and keep what succeeded; or do all that does not wait for what failed, and keep it. */
  readonly onFailure: OnFailure
  readonly lockTimeoutMs: Millis
  /** Aborted by the first Ctrl-C: no further task starts. */
  readonly stop: AbortSignal
  /** Aborted by the second: running calls are told to end. */
  readonly abort: AbortSignal
  /** Asked when the run was stopped before its commit and all that ran has ended: take back, or keep. Without it, `onFailure` holds. Never rejects. */
  readonly onStopped?: () => Promise<'revert' | 'keep'>
}
