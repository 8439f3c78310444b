import { assert, mutant, type Millis } from '../base/index.ts'
import type { Heap } from './heap.ts'
import type { FlowSpec, TaskSpec } from './spec.ts'

/** State of a task (spec/flow-protection.md 1.6). `withdrawn` lies between the two halves of an undo. */
export type NodeState = 'pending' | 'running' | 'waiting' | 'success' | 'skipped' | 'failure' | 'unknown' | 'withdrawing' | 'withdrawn' | 'restoring' | 'reverted' | 'revertFailure' | 'kept'

export interface TaskNode {
  readonly spec: TaskSpec
  state: NodeState
  intention: 'execute' | 'revert'
  attempt: number
  /** Predecessors that have not succeeded yet. */
  missing: number
  after: readonly TaskNode[]
  before: TaskNode[]
  /** Position in the order of completion; higher is later. */
  completed: number
  /** Dependants that still stand in the way of the withdrawal; things of the base that must be restored first. */
  standing: number
  unrestored: number
  restores: TaskNode[]
  /** What it replaced stands beside what it made: nothing has to be restored before something may refer to that again. */
  beside: boolean
  /** What is withdrawn only after this is restored. */
  frees: TaskNode[]
}

/**
 * A flow in motion. Only {@link step} moves it, in place, so that one event costs what it changes and not what the flow holds;
 * it depends on nothing but the spec and the events so far: the same events give the same acts.
 */
export interface Flow {
  readonly spec: FlowSpec
  readonly nodes: ReadonlyMap<string, TaskNode>
  phase: 'execute' | 'drain' | 'asking' | 'revert' | 'ended'
  /** As the spec says, until somebody answers otherwise. */
  onFailure: FlowSpec['onFailure']
  running: number
  readonly runningOf: Map<string, number>
  /** Ready to execute, per class, in order of the spec. */
  readonly ready: Map<string, Queue>
  /** Halves of undos that may start, per class, the last completed first. */
  readonly readyUndo: Map<string, Heap<HalfUndo>>
  unfinished: number
  completions: number
  failed: boolean
  cancelled: boolean
  unknown: boolean
}

export interface HalfUndo { readonly node: TaskNode; readonly half: 'withdraw' | 'restore' }
interface Queue { items: TaskNode[]; head: number }

export type FlowEvent =
  | { readonly kind: 'start' }
  /** Taking back what is `done`, nothing is executed. */
  | { readonly kind: 'revert' }
  | { readonly kind: 'succeeded'; readonly id: string; readonly beside?: boolean }
  | { readonly kind: 'skipped'; readonly id: string }
  | { readonly kind: 'failed'; readonly id: string; readonly retry: boolean }
  | { readonly kind: 'unknown'; readonly id: string }
  | { readonly kind: 'woke'; readonly id: string }
  | { readonly kind: 'undone'; readonly id: string; readonly half: 'withdraw' | 'restore' }
  | { readonly kind: 'undoFailed'; readonly id: string; readonly half: 'withdraw' | 'restore'; readonly unknown: boolean }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'answered'; readonly onFailure: 'revert' | 'keep' }

/** In the order in which they must become true. */
export type Act =
  | { readonly kind: 'start'; readonly id: string; readonly attempt: number }
  | { readonly kind: 'wake'; readonly id: string; readonly afterMs: Millis; readonly attempt: number }
  | { readonly kind: 'undo'; readonly id: string; readonly half: 'withdraw' | 'restore' }
  /** The flow rests until it is `answered`. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'end'; readonly outcome: FlowOutcome }

/**
 * `success`     every task succeeded or was skipped, and nothing that ended before is unknown.
 * `reverted`    everything that had succeeded was taken back.
 * `kept`        stopped early; what succeeded stands.
 * `incomplete`  something could not be taken back, or its outcome is unknown.
 */
export type FlowOutcome = 'success' | 'reverted' | 'kept' | 'incomplete'

/** Most tasks of a large flow have no neighbours: they share this one list. */
export const NONE: TaskNode[] = []
export const added = (list: TaskNode[], n: TaskNode): TaskNode[] => {
  if (list === NONE) return [n]
  list.push(n)
  return list
}

export function node(flow: Flow, id: string): TaskNode {
  const n = flow.nodes.get(id)
  assert(n, `step: no task ${id}`)
  return n
}

export function leave(flow: Flow, id: string, from: NodeState): TaskNode {
  const n = node(flow, id)
  assert(n.state === from, `step: ${id} is ${n.state}, not ${from}`)
  flow.running--
  flow.runningOf.set(n.spec.limit, (flow.runningOf.get(n.spec.limit) as number) - 1)
  return n
}

export function enter(flow: Flow, n: TaskNode): void {
  flow.running++
  flow.runningOf.set(n.spec.limit, (flow.runningOf.get(n.spec.limit) ?? 0) + 1)
}

export const room = (flow: Flow, limit: string): boolean => mutant('limit-ignored') || (flow.runningOf.get(limit) ?? 0) < (flow.spec.limits[limit] ?? Number.POSITIVE_INFINITY)
