/**
 * Resources: how they differ, what is to be done, doing it, taking it back, finding out what became of a lost call.
 *
 * Always true: the intent is durable before a provider is called; the outcome, the outputs and the row become true in one commit; what is taken
 * back is found by comparing what stands with the base, so it does not matter which process did it.
 * May import everything above but builtin.
 * @module
 */
export { predictedBy } from './asked.ts'
export type { AdoptOptions, AdoptProblem } from './adopt.ts'
export { ask, callContext, lookup, withDeadline, type CallTarget } from './call.ts'
export { attempt, complete, conclude, event, fail, openOutputs, send, taskRow, type Change, type RowDraft, type Work } from './change.ts'
export { freeze } from './compile.ts'
export type { EngineContext, EngineEvent, EventType } from './context.ts'
export { diffResources, makeScope, type DiffOptions, type EnvDiff, type NodeDiff } from './diff.ts'
export { diffAndCompile } from './gone-with.ts'
export { callInputs, partOf, receiveOutputs, resolveInputs, type Fields } from './facts.ts'
export { TaskLog, type TaskRecord } from './log.ts'
export { givenUpEntries, owesOnly } from './remove.ts'
export { readWorld, refreshEntries, type Seen } from './refresh.ts'
export { assetsIn } from './rows.ts'
export { sealSecret } from './secrets.ts'
export { giveUp, nameOfObject, searchMark, settle, type Settled } from './settle.ts'
export { keepOutcome, openRecord, type Spooled, type SpooledOutcome } from './spool.ts'
export { reachOf } from './restrict.ts'
export { EnvState, type Part } from './state.ts'
export { ResourceTasks } from './tasks.ts'
export { orderDeletions, tiedTo } from './together.ts'
export { forgetBound, type GoneData } from './trash.ts'
export { forgetProvisional } from './undo.ts'
export { driftIn, readDriftOf, type Drifted } from './verify.ts'
