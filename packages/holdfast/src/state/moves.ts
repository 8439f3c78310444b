import type { RunStatus, TaskState, TxStatus } from './records.ts'

/** Legal moves of a change transaction. The store, the documentation and the tests read this table. */
export const txMoves = {
  open: ['sent', 'failed'], // failed from here: nothing was sent
  sent: ['sent', 'completed', 'failed', 'unknown'], // sent again: a further attempt of the same request
  unknown: ['sent', 'unknown', 'completed', 'failed', 'abandoned'], // unknown again: more is known about it; out of it only with proof or a person's word, never by time alone
  failed: ['completed', 'failed', 'abandoned'], // 'partly' only: recovered, or given up; applied 'no' blocks nothing
  completed: [],
  abandoned: [],
} as const satisfies Record<TxStatus, readonly TxStatus[]>

export const runMoves = {
  running: ['committed', 'reverted', 'incomplete', 'kept'],
  incomplete: ['running', 'committed', 'reverted', 'kept'],
  committed: [],
  reverted: [],
  kept: [],
} as const satisfies Record<RunStatus, readonly RunStatus[]>

/** A run may be written again as it is. */
export const runMayBecome = (from: RunStatus, to: RunStatus): boolean => from === to || (runMoves[from] as readonly RunStatus[]).includes(to)

export const taskMoves = {
  running: ['success', 'failure', 'running', 'skipped'],
  success: ['reverting'],
  failure: ['reverting', 'running'],
  reverting: ['reverted', 'revertFailure', 'reverting'],
  reverted: [],
  revertFailure: ['reverting'],
  skipped: [],
} as const satisfies Record<TaskState, readonly TaskState[]>

/** Blocks its resource until it is settled. */
export const unresolved = (tx: { readonly status: TxStatus; readonly applied: 'no' | 'partly' | undefined }): boolean =>
  tx.status === 'open' || tx.status === 'sent' || tx.status === 'unknown' || (tx.status === 'failed' && tx.applied === 'partly')
