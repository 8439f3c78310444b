import type { Millis } from '../base/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import type { Address } from '../model/index.ts'
import type { DriftDocument } from './documents.ts'
export type { EngineContext, EngineEvent, EventType } from '../resource/index.ts'

export interface PlanRequest {
  /** `undefined`: everything is to go (destroy). */
  readonly graph: DesiredGraph | undefined
  readonly allowDeletes?: number | undefined
  readonly targets?: readonly Address[]
  readonly excludes?: readonly Address[]
  readonly replace?: readonly Address[]
  /** What was found to differ: the program wins, and what is gone is made again. */
  readonly repair?: DriftDocument | undefined
  /** Objects that are taken over, and nothing else is done: every row must be possible. */
  readonly adopt?: readonly AdoptRow[] | undefined
  /** Also what belongs to somebody else, as far as its type can tell. */
  readonly adoptOther?: boolean | undefined
}

/** One object that exists, and the node that is to have it. */
export interface AdoptRow {
  readonly address: Address
  readonly id: string
}

export interface ApplyOptions {
  readonly onFailure: 'revert' | 'keep'
  readonly lockTimeoutMs: Millis
  /** Aborted by the first Ctrl-C: no further task starts. */
  readonly stop: AbortSignal
  /** Aborted by the second: running calls are told to end. */
  readonly abort: AbortSignal
  /** Asked when the run was stopped before its commit and all that ran has ended: take back, or keep. Without it, `onFailure` holds. Never rejects. */
  readonly onStopped?: () => Promise<'revert' | 'keep'>
}
