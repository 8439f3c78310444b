/**
 * Every record the store keeps, and the legal moves of those that have a life.
 *
 * Pure: types and tables. May import base, model.
 * @module
 */
export { isKept, keptFor } from './kept.ts'
export { PART_TAGS } from './records.ts'
export { runMayBecome, runMoves, taskMoves, txMoves, unresolved } from './moves.ts'
export type {
  ChainRow, ClaimRow, ComponentRow, EnvRow, EventRow, Holder, LeaseMode, LeaseRow, OpenPart, OutputsRow, PlanApproval, PlanRow, ReferenceRow, RequestRow, ResolvedRow, ResourceDocs, ResourceMeta, ResourceRow, RunRow, RunStatus, SecretRow, StoreMeta, StoredRules,
  TaskKind, TaskRow, TaskState, TicketRow, TrashRow, TxOp, TxRow, TxStatus, TxTarget,
} from './records.ts'
export type { AtomState, FlowCallRow, FlowRow, FlowState, FlowTaskRow, Intention } from './flow-records.ts'
