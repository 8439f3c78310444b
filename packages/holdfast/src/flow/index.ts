/**
 * The only way anything is ever done: tasks with execute and undo, in order, in parallel, taken back when one fails.
 *
 * Always true: `step` decides and is pure; `runFlow` acts; a task starts only after what it waits for has ended well; an undo starts only after the
 * undos of what came after it. May import base, model, secret, state, journal, store.
 * @module
 */
export { withoutCircles, type Edge } from './circles.ts'
export { graph, linear, unordered, type FlowSpec, type TaskSpec } from './spec.ts'
export type { Act, Flow, FlowEvent, FlowOutcome, NodeState } from './motion.ts'
export { backoffMs, makeFlow, step } from './step.ts'
export { DeadlinePassed, runFlow, type Executor, type RunOptions, type TaskResult, type UndoResult } from './run.ts'
