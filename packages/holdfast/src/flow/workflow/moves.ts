import { failure } from '../../base/index.ts'
import type { AtomState, FlowCallRow, FlowState } from '../../state/index.ts'

/** Legal moves of a flow. What is not here is refused, except {@link ignoredFlowMoves}. */
export const flowMoves = {
  PENDING: ['RUNNING'],
  RUNNING: ['SUCCESS', 'FAILURE', 'REVERTED', 'PARTIALLY_REVERTED', 'STUCK', 'SUSPENDING', 'RESUMING'],
  SUCCESS: ['RUNNING', 'PENDING'],
  FAILURE: ['RUNNING', 'PENDING'],
  REVERTED: ['PENDING'], // a run that begins here resets everything first
  PARTIALLY_REVERTED: ['RUNNING', 'PENDING'],
  STUCK: ['RUNNING', 'PENDING'],
  SUSPENDING: ['SUSPENDED', 'SUCCESS', 'FAILURE', 'REVERTED', 'PARTIALLY_REVERTED', 'STUCK', 'RESUMING'],
  SUSPENDED: ['RUNNING', 'PENDING'],
  RESUMING: ['SUSPENDED'], // found unfinished in the journal: at rest, until the run begins
} as const satisfies Record<FlowState, readonly FlowState[]>

/** Asking a flow at rest to suspend asks for nothing. */
const ignoredFlowMoves = {
  from: ['PENDING', 'FAILURE', 'SUCCESS', 'SUSPENDED', 'REVERTED', 'PARTIALLY_REVERTED', 'STUCK'],
  to: ['SUSPENDING', 'SUSPENDED', 'RESUMING'],
} as const satisfies Record<'from' | 'to', readonly FlowState[]>

/** Legal moves of a task. `REVERT_FAILURE` is the end: only a reset leads out of it, as out of every other state. */
export const taskMoves = {
  PENDING: ['RUNNING', 'IGNORE'],
  RUNNING: ['SUCCESS', 'FAILURE', 'RUNNING'], // again: a crash cut the last attempt short, or a worker died
  SUCCESS: ['REVERTING'],
  FAILURE: ['REVERTING'],
  REVERTING: ['REVERTED', 'REVERT_FAILURE', 'REVERTING'],
  REVERTED: ['PENDING'],
  REVERT_FAILURE: [],
  IGNORE: ['PENDING'],
  RETRYING: [],
} as const satisfies Record<AtomState, readonly AtomState[]>

/** Those of a retry controller. */
export const retryMoves = {
  ...taskMoves,
  SUCCESS: ['REVERTING', 'RETRYING'],
  RETRYING: ['RUNNING', 'RETRYING'],
} as const satisfies Record<AtomState, readonly AtomState[]>

/** A call that a worker carries out: no worker may answer what it has not taken. */
export const callMoves = {
  WAITING: ['RUNNING', 'FAILURE'],
  RUNNING: ['SUCCESS', 'FAILURE', 'WAITING'], // waiting again: its worker was not heard of in time
  SUCCESS: [],
  FAILURE: [],
} as const satisfies Record<FlowCallRow['state'], readonly FlowCallRow['state'][]>

/** Whether the flow moves. Fails HF3211 when the move is illegal and not one that asks for nothing. */
export function flowMove(from: FlowState, to: FlowState): boolean {
  if ((flowMoves[from] as readonly FlowState[]).includes(to)) return true
  if (from === to || ((ignoredFlowMoves.from as readonly FlowState[]).includes(from) && (ignoredFlowMoves.to as readonly FlowState[]).includes(to))) return false
  throw failure('HF3211', { message: `A flow that is ${from} cannot become ${to}.`, details: { kind: 'InvalidState', from, to } })
}

export const atomMayMove = (kind: 'task' | 'retry', from: AtomState, to: AtomState): boolean =>
  ((kind === 'retry' ? retryMoves : taskMoves)[from] as readonly AtomState[]).includes(to)
