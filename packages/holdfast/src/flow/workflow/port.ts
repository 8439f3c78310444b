import type { Clock, EpochMs, Millis } from '../../base/index.ts'
import type { AtomState, FlowState } from '../../state/index.ts'
import type { FlowJournal } from '../../store/index.ts'
import type { Failure } from './failure.ts'

/** How what is in a flow is ordered: by symbols and links, one after the other, or not at all. */
export type FlowType = 'graph' | 'linear' | 'unordered'

/** What a task is told beside its inputs. */
export interface TaskContext {
  readonly flow: string
  readonly task: string
  /** Starts of the body so far, this one included. */
  readonly attempt: number
  /** Equal in every attempt until what earlier ones did was taken back: send it along, and a doubled call does no harm. */
  readonly key: string
  /** Aborted at the time limit of the task and when the run is interrupted. */
  readonly signal: AbortSignal
  /** Between 0 and 1; kept in the journal, and told to listeners. */
  progress(done: number, details?: unknown): void
}
export interface UndoContext extends TaskContext {
  /** Key of the execution that is taken back; `key` is the undo's own. */
  readonly executeKey: string
}
/** Values by argument name. */
export type Inputs = Readonly<Record<string, any>>
/** What an undo learns: what its task returned, or the {@link Failure} it ended with; and every failure of the flow, by task. */
export interface Outcome {
  readonly result: any
  readonly flowFailures: Readonly<Record<string, Failure>>
}

/** Another symbol for an argument: by position against `requires`, or by name. */
export type Rebind = readonly string[] | Readonly<Record<string, string>>

/** What a task is called, needs and gives, and how it is taken back. All of it is optional. */
export interface TaskOptions {
  /** Unique in the whole flow. Default: the name of the function. */
  readonly name?: string
  /** Names of inputs that must be there. */
  readonly requires?: readonly string[]
  /** Names of inputs that may be missing. */
  readonly optional?: readonly string[]
  /** A name: the whole result. A list: its positions. A set: its keys. */
  readonly provides?: string | readonly string[] | ReadonlySet<string>
  /** Inputs of this task alone, fixed when it is made. */
  readonly inject?: Readonly<Record<string, unknown>>
  readonly rebind?: Rebind
  /** Takes back what the task did, a half-done attempt included. Receives its inputs with `result` and `flowFailures` beside them. */
  readonly undo?: (ctx: UndoContext, inputs: Inputs & Outcome, outcome: Outcome) => unknown
  /** Default: as `requires` and `rebind`. */
  readonly undoRequires?: readonly string[]
  readonly undoRebind?: Rebind
  readonly preExecute?: (ctx: TaskContext) => unknown
  readonly postExecute?: (ctx: TaskContext) => unknown
  readonly preUndo?: (ctx: TaskContext) => unknown
  readonly postUndo?: (ctx: TaskContext) => unknown
  /** Longest time one attempt may take: milliseconds, or `'2m'`. */
  readonly timeout?: Millis | string
  /** The task is tried again by itself. */
  readonly retry?: Retry
  /** Stands in the place of the name in the key, so that a task can be renamed. */
  readonly key?: string
  /** A change of it is a change of the flow. Default '1.0'. */
  readonly version?: string
  /** Of those that may start, the highest starts first. Default 0. */
  readonly priority?: number
}
export interface RemoteOptions extends Omit<TaskOptions, 'undo' | 'preExecute' | 'postExecute' | 'preUndo' | 'postUndo'> {
  /** What a worker must have registered; it carries out execute and undo. */
  readonly type: string
  readonly undo?: boolean
  /** How long a call may wait for a worker. Default one minute. */
  readonly claimWithin?: Millis | string
}

/** A task as it stands in a flow: made by `createTask`, never changed. */
export interface Task {
  readonly name: string
  readonly requires: readonly string[]
  readonly optional: readonly string[]
  readonly provides: readonly string[]
}

export interface HistoryEntry {
  /** What the controller gave for the attempt. */
  readonly value: unknown
  /** What failed in it, by task. */
  readonly failures: Readonly<Record<string, Failure>>
}
export type History = readonly HistoryEntry[]
/** What a controller says about a failure: once more; take back what it owns, and ask the controller around it; take everything back. */
export type Decision = 'RETRY' | 'REVERT' | 'REVERT_ALL'

/** A controller that owns the flow or task it is given to. Its functions decide: they are called again with the same history after a crash. */
export interface Retry {
  /** Default: `<flow>_retry`. */
  readonly name: string | undefined
  readonly requires: readonly string[]
  readonly provides: string | undefined
  readonly rebind: Rebind | undefined
  /** Gives the value of the next attempt. */
  execute(history: History, inputs: Inputs): unknown
  onFailure(history: History, inputs: Inputs): Decision
  /** Called when it gives up. */
  revert?(history: History, inputs: Inputs): unknown
  /** How long to wait before the next attempt. */
  delayMs?(history: History): Millis
}

/** Tasks and flows in one unit: made by `buildFlow`, changed by `addTasks` and `linkTask`. */
export interface Flow {
  readonly name: string
  readonly kind: FlowType
  readonly retry: Retry | undefined
  /** In the order they were added. */
  readonly nodes: readonly (Task | Flow)[]
}
export interface FlowOptions {
  readonly retry?: Retry
}

/** How much is ignored with a task that its decider refused; see `LinkOptions.depth`. */
export type Depth = 'ALL' | 'FLOW' | 'NEIGHBORS' | 'ATOM'
export interface LinkOptions {
  /** Asked right before `v` would start, with the results of the tasks that lead to it under a decider and were not ignored themselves. False: `v` is ignored. */
  readonly decider?: (history: Readonly<Record<string, unknown>>) => boolean
  /** What is ignored with it: everything behind it (default), what is behind it in the same flow, the tasks right behind it, or nothing else. */
  readonly depth?: Depth
}

export interface FlowDetails {
  readonly flow: string
  readonly id: string
  readonly old: FlowState
}
export interface TaskDetails {
  readonly flow: string
  readonly id: string
  readonly task: string
  readonly kind: 'task' | 'retry'
  readonly old: AtomState
  readonly attempt: number
  /** A crash or the death of a worker cut the last attempt short. */
  readonly restarted?: boolean
  readonly result?: unknown
  readonly failure?: Failure
}
/** Told after the state was stored. What they throw harms nothing; it stands in `report.warnings`. */
export interface Listeners {
  onFlow?(state: FlowState, details: FlowDetails): void
  onTask?(state: AtomState, details: TaskDetails): void
  onProgress?(task: string, done: number, details: unknown): void
}

/** How a flow is run. Without `journal` it lives in memory and ends with the process. */
export interface EngineOptions {
  /** Values given from outside, by symbol. With a journal they are kept: plain data, in clear, and a later run may leave them out. */
  readonly store?: Readonly<Record<string, unknown>>
  /** Makes the flow durable, under `id`. */
  readonly journal?: FlowJournal
  /** Default with a journal: the name of the flow. */
  readonly id?: string
  /** Most tasks that run at the same time. Default 64; 1 runs them one by one. */
  readonly parallelism?: number
  readonly listeners?: Listeners | readonly Listeners[]
  /** When a nested flow gives up and nobody above retries, everything is taken back (default). `false`: the outer tasks stay. */
  readonly deferReverts?: boolean
  /** A failure stops the flow, and nothing is taken back. */
  readonly neverResolve?: boolean
  /** Goes on with an unfinished flow although its structure was changed; what changed stands in `report.warnings`. */
  readonly acceptChanges?: boolean
  /** How a `FlowWorker` builds the flow again, should this process die. */
  readonly factory?: FlowFactory
  readonly clock?: Clock
}

/** A function that builds a flow: registered with the worker under a name, or the export of a module. */
export type FlowFactory = ({ readonly name: string } | { readonly module: string; readonly export: string }) & { readonly args?: unknown }

/** What happened to a task or a controller in a run. */
export type TraceEvent = 'executing' | 'succeeded' | 'failed' | 'reverting' | 'reverted' | 'retrying'
export interface TaskReport {
  readonly name: string
  readonly state: AtomState
  readonly attempt: number
  readonly failure?: Failure
  readonly undoFailure?: Failure
  readonly undoResult?: unknown
}
/** What became of a run. Later runs have reports of their own. */
export interface FlowReport {
  readonly id: string
  readonly state: FlowState
  /** What happened in this run, in order. A controller appears when it starts its flow once more. */
  readonly trace: readonly { readonly task: string; readonly event: TraceEvent }[]
  readonly outputs: Readonly<Record<string, unknown>>
  readonly tasks: readonly TaskReport[]
  readonly failures: Readonly<Record<string, Failure>>
  readonly warnings: readonly string[]
  readonly endedAt: EpochMs
}

/** A compiled flow that can be run, any number of times, one run at a time. */
export interface FlowEngine {
  readonly flow: Flow
  readonly state: FlowState
  /** Of the last run, also when that run rejected. */
  readonly report: FlowReport | undefined
  /** Stops starting; what runs ends and is stored, and the run resolves with SUSPENDED. A flow at rest stays as it is. */
  suspend(): void
  /** Goes on from where the flow stands: the same as {@link WorkFlowEngine.runEngine}. */
  resume(signal?: AbortSignal): Promise<FlowReport>
  /**
   * Everything is pending again, and every result forgotten; nothing is taken back.
   *
   * Durable  on return, with a journal: one commit.
   * Fails    HF3212 while somebody runs the flow; the failures of the journal.
   */
  reset(): Promise<void>
  /** Only the task and what it depends on run. `undefined`: everything again. Fails HF3210 for a task that is not in the flow, HF3211 during a run. */
  setTarget(target: Task | string | undefined): void
}

/**
 * A workflow engine: what a flow is made of, and how it is run. Proven by `flowSuite` of holdfast/testing. Founding contract 3.
 *
 * What any of them is given that it has not made itself is refused: HF3201 (`InvalidTaskFlowObject`).
 */
export interface WorkFlowEngine {
  /**
   * Gives    an empty flow. `linear`: one after the other; `unordered`: at once; `graph` (default): by symbols and links. `options.retry` owns all that is in it.
   * Fails    HF3202 for another type, HF3203 without a name.
   */
  buildFlow(name: string, type?: FlowType, options?: FlowOptions): Flow
  /**
   * Takes    `run`: the body. It may be called again under the same key after a crash, so what it does outside takes the key along.
   * Gives    a task, frozen: what is changed in `options` afterwards changes nothing.
   * Fails    HF3203 when the declaration contradicts itself.
   */
  createTask(run: (ctx: TaskContext, inputs: Inputs) => unknown, options?: TaskOptions): Task
  /**
   * Adds in this order; a graph links what it is given by symbol. What stands in it already is passed over.
   *
   * Fails    HF3206 when two tasks give a symbol that one needs, HF3207 for a circle. The flow is as it was then.
   * Costs    in proportion to the nodes that are added, and their symbols.
   */
  addTasks(flow: Flow, ...nodes: (Task | Flow)[]): void
  /** `u` before `v`. Fails HF3208 when the flow is no graph or lacks one of them, HF3207 for a circle; the graph is as it was then. */
  linkTask(flow: Flow, u: Task | Flow, v: Task | Flow, options?: LinkOptions): void
  /** A task by its name, nested flows included. Costs a walk over the flow. */
  searchTask(flow: Flow, name: string): Task | undefined
  /**
   * Compiles the flow: it is what it is now, and what is added to it later is not in the engine. Nothing runs and nothing is stored.
   *
   * Fails    HF3204 for a name that stands twice, HF3203 for options that are not valid.
   * Costs    in proportion to tasks and links.
   */
  getEngine(flow: Flow, options?: EngineOptions): FlowEngine
  /**
   * Runs the flow, or goes on with it.
   *
   * Takes    `signal`: aborted, running bodies are told through theirs, nothing more begins, and the next run goes on.
   * Gives    the report, when the flow ends SUCCESS or SUSPENDED. In every other case `engine.report` has it.
   * Durable  with a journal, each step before anybody hears of it and before the next body begins; steps that are ready together share one commit.
   * Fails    with the cause: what the task threw, or HF3213 when several failed or the process that saw it is gone; HF3217 stuck, HF3106 interrupted.
   *          Before anything runs: HF3205 and HF3209 for symbols, HF3212 while somebody else runs it, HF3216 when it is not the flow that the journal knows.
   *          HF4203 when another process took it over; the failures of the journal: what is stored counts then.
   * Costs    one commit per step of a linear flow (bench/flow.bench.mjs).
   */
  runEngine(engine: FlowEngine, signal?: AbortSignal): Promise<FlowReport>
  /** One symbol, or all that was produced. Fails HF3210 for a symbol that nobody gave, or that was taken back. */
  output(engine: FlowEngine, symbol?: string): unknown
}
