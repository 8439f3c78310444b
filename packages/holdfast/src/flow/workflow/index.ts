/**
 * `import ... from 'holdfast/flow'`: workflows of tasks that can be taken back, in memory or durable.
 *
 * Always true: what happens is decided by `Machine`, which is pure but for the functions a flow is made of; `Drive` stores each step before anybody hears of it and
 * before the next body starts; a task that is stored as ended never runs again by itself. May import what flow/ may.
 * @module
 */
export { TaskFlowEngine } from './engine.ts'
export { Failure, type FailureDoc } from './failure.ts'
export { callMoves, flowMoves, retryMoves, taskMoves } from './moves.ts'
export { alwaysRevert, alwaysRevertAll, forEach, parameterizedForEach, retry, times, type RetryOptions } from './retries.ts'
export { Worker, loadEngine, type EngineName, type OperationRequest, type OperationType, type WorkerOptions } from './worker.ts'
export { FlowWorker, postFlow, type BuildFlow, type FlowWorkerOptions, type WorkedFlow } from './flow-worker.ts'
export { TaskWorker, type TaskHandler, type TaskWorkerOptions } from './task-worker.ts'
export { openFlowJournal, MemoryFlowJournal, type FlowJournal, type FlowJournalOptions, type ForgetQuery } from '../../store/index.ts'
export type { AtomState, FlowState } from '../../state/index.ts'
export type {
  Decision, Depth, EngineOptions, Flow, FlowDetails, FlowEngine, FlowFactory, FlowOptions, FlowReport, FlowType, History, HistoryEntry, Inputs, LinkOptions, Listeners, Outcome, Rebind, RemoteOptions,
  Retry, Task, TaskContext, TaskDetails, TaskOptions, TaskReport, TraceEvent, UndoContext, WorkFlowEngine,
} from './port.ts'
