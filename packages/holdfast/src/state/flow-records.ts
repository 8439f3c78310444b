import type { EpochMs } from '../base/index.ts'
import type { Holder } from './records.ts'

/** State of a flow of the public engine. Terminal ones may be run again: `flowMoves` in flow/workflow says how. */
export type FlowState = 'PENDING' | 'RUNNING' | 'SUCCESS' | 'FAILURE' | 'REVERTED' | 'PARTIALLY_REVERTED' | 'STUCK' | 'SUSPENDING' | 'SUSPENDED' | 'RESUMING'
/** State of a task or of a retry controller: what happened. */
export type AtomState = 'PENDING' | 'RUNNING' | 'SUCCESS' | 'FAILURE' | 'REVERTING' | 'REVERTED' | 'REVERT_FAILURE' | 'RETRYING' | 'IGNORE'
/** What the engine wants next with it. */
export type Intention = 'EXECUTE' | 'REVERT' | 'RETRY' | 'IGNORE'

export interface FlowRow {
  readonly id: string
  readonly name: string
  readonly state: FlowState
  /** One line for each thing that must not change while the flow is unfinished. */
  readonly structure: string
  /** Canonical JSON of the values given from outside. */
  readonly store: string | undefined
  /** JSON: how a worker builds the flow. */
  readonly factory: string | undefined
  /** Why no worker tries it again. */
  readonly rejected: string | undefined
  readonly holder: Holder | undefined
  readonly fence: number
  readonly expiresAt: EpochMs | undefined
  readonly createdAt: EpochMs
  readonly endedAt: EpochMs | undefined
  /** Its first fence; part of its keys. Above zero only where flows were forgotten before it was made. */
  readonly born: number
}

/** One task or retry controller of a flow. Rows exist from the first change on. */
export interface FlowTaskRow {
  /** Order in which they first began: the key, together with the flow. */
  readonly at: number
  readonly name: string
  readonly kind: 'task' | 'retry'
  readonly state: AtomState
  readonly intention: Intention
  /** Starts of its body, those that a crash cut short included. */
  readonly attempt: number
  /** Moves on when everything the earlier attempts did was taken back; part of the key. */
  readonly epoch: number
  /** Canonical JSON. */
  readonly result: string | undefined
  readonly failure: string | undefined
  readonly undoResult: string | undefined
  readonly undoFailure: string | undefined
  readonly history: string | undefined
  /** A retry that waits for its time. */
  readonly wakeAt: EpochMs | undefined
  readonly progress: string | undefined
}

/** A call of a task that runs in another process. */
export interface FlowCallRow {
  readonly id: string
  readonly flow: string
  readonly task: string
  /** What a worker must be able to do. */
  readonly type: string
  readonly action: 'execute' | 'undo'
  /** Canonical JSON: inputs, key, attempt, and for an undo what the task gave. */
  readonly doc: string
  readonly state: 'WAITING' | 'RUNNING' | 'SUCCESS' | 'FAILURE'
  readonly worker: string | undefined
  /** Grows when the call is handed out: an answer under an older one is not taken. */
  readonly fence: number
  readonly attempt: number
  readonly expiresAt: EpochMs | undefined
  readonly answer: string | undefined
  readonly createdAt: EpochMs
  /** Canonical JSON of what the worker said last. */
  readonly progress?: string | undefined
}
