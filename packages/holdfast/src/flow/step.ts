import { assert, mutant, type Millis } from '../base/index.ts'
import { withoutCircles, type Edge } from './circles.ts'
import { Heap } from './heap.ts'
import type { FlowSpec, TaskSpec } from './spec.ts'

/** State of a task (spec/flow-protection.md 1.6). `withdrawn` lies between the two halves of an undo. */
export type NodeState = 'pending' | 'running' | 'waiting' | 'success' | 'skipped' | 'failure' | 'unknown' | 'withdrawing' | 'withdrawn' | 'restoring' | 'reverted' | 'revertFailure' | 'kept'

interface TaskNode {
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

interface HalfUndo { readonly node: TaskNode; readonly half: 'withdraw' | 'restore' }
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

export const backoffMs = (attempt: number): Millis => Math.min(30_000, 500 * 2 ** (attempt - 1))

/** Most tasks of a large flow have no neighbours: they share this one list. */
const NONE: TaskNode[] = []
const added = (list: TaskNode[], n: TaskNode): TaskNode[] => {
  if (list === NONE) return [n]
  list.push(n)
  return list
}

/** Costs O(tasks + edges). Fails (assert) on a duplicate id; a circle never starts, so callers check before. */
export function makeFlow(spec: FlowSpec): Flow {
  const nodes = new Map<string, TaskNode>()
  let completions = 0
  let unfinished = 0
  for (const t of spec.tasks) {
    assert(!nodes.has(t.id), `makeFlow: two tasks ${t.id}`)
    if (!t.done) unfinished++
    nodes.set(t.id, {
      spec: t, state: t.done === 'unknown' ? 'unknown' : t.done ? 'success' : 'pending', intention: 'execute', attempt: 0, missing: 0, after: NONE, before: NONE,
      completed: t.done ? ++completions : 0, standing: 0, unrestored: 0, restores: NONE, frees: NONE, beside: false,
    })
  }
  for (const n of nodes.values()) {
    if (n.spec.after.length === 0) continue
    const after = n.spec.after.flatMap((id) => nodes.get(id) ?? [])
    n.after = after
    for (const p of after) {
      p.before = added(p.before, n)
      if (p.state !== 'success') n.missing++
    }
  }
  return {
    spec, nodes, phase: 'execute', onFailure: spec.onFailure, running: 0, runningOf: new Map(), ready: new Map(), readyUndo: new Map(), unfinished, completions,
    // A change of an earlier flow that is not settled is part of what this one leaves: nothing is kept as a revision of its own before it is.
    failed: false, cancelled: false, unknown: spec.tasks.some((t) => t.done === 'unknown'),
  }
}

/** Same flow and event, same answer. */
export function step(flow: Flow, event: FlowEvent): Act[] {
  const acts: Act[] = []
  assert(flow.phase !== 'ended', `step: ${event.kind} after the end`)
  switch (event.kind) {
    case 'start':
      for (const n of flow.nodes.values()) if (n.state === 'pending' && n.missing === 0) enqueue(flow, n)
      break
    case 'revert':
      assert(flow.running === 0, 'step: revert while tasks run')
      assert(flow.spec.onFailure === 'revert', 'step: revert of a flow that keeps')
      flow.failed = true
      break
    case 'cancel':
      flow.cancelled = true
      break
    case 'answered':
      assert(flow.phase === 'asking', 'step: answered without a question')
      flow.onFailure = event.onFailure
      rest(flow, acts)
      break
    case 'succeeded': case 'skipped': {
      const n = leave(flow, event.id, 'running')
      n.state = event.kind === 'succeeded' ? 'success' : 'skipped'
      n.beside = event.kind === 'succeeded' && event.beside === true
      n.completed = ++flow.completions
      flow.unfinished--
      for (const next of n.before) if (--next.missing === 0 && next.state === 'pending') enqueue(flow, next)
      break
    }
    case 'failed': {
      const n = leave(flow, event.id, 'running')
      if (event.retry && n.attempt <= n.spec.retries && !stopping(flow)) {
        n.state = 'waiting'
        acts.push({ kind: 'wake', id: n.spec.id, afterMs: backoffMs(n.attempt), attempt: n.attempt + 1 })
      } else {
        n.state = 'failure'
        n.completed = ++flow.completions
        flow.failed = true
      }
      break
    }
    case 'unknown': {
      const n = leave(flow, event.id, 'running')
      n.state = 'unknown'
      flow.failed = flow.unknown = true
      break
    }
    case 'woke': {
      const n = node(flow, event.id)
      assert(n.state === 'waiting', `step: ${event.id} woke in state ${n.state}`)
      if (stopping(flow)) {
        n.state = 'failure'
        n.completed = ++flow.completions
        flow.failed = true
      } else {
        n.state = 'pending'
        enqueue(flow, n)
      }
      break
    }
    case 'undone': {
      const n = leave(flow, event.id, event.half === 'withdraw' ? 'withdrawing' : 'restoring')
      if (event.half === 'withdraw') withdrawn(flow, n)
      else restored(flow, n)
      break
    }
    case 'undoFailed': {
      const n = leave(flow, event.id, event.half === 'withdraw' ? 'withdrawing' : 'restoring')
      n.state = 'revertFailure'
      if (event.unknown) flow.unknown = true
      break
    }
  }
  return schedule(flow, acts)
}

const stopping = (flow: Flow): boolean => flow.cancelled || (flow.failed && flow.spec.onFailure !== 'continue')

function node(flow: Flow, id: string): TaskNode {
  const n = flow.nodes.get(id)
  assert(n, `step: no task ${id}`)
  return n
}

function leave(flow: Flow, id: string, from: NodeState): TaskNode {
  const n = node(flow, id)
  assert(n.state === from, `step: ${id} is ${n.state}, not ${from}`)
  flow.running--
  flow.runningOf.set(n.spec.limit, (flow.runningOf.get(n.spec.limit) as number) - 1)
  return n
}

function enter(flow: Flow, n: TaskNode): void {
  flow.running++
  flow.runningOf.set(n.spec.limit, (flow.runningOf.get(n.spec.limit) ?? 0) + 1)
}

const room = (flow: Flow, limit: string): boolean => mutant('limit-ignored') || (flow.runningOf.get(limit) ?? 0) < (flow.spec.limits[limit] ?? Number.POSITIVE_INFINITY)

function enqueue(flow: Flow, n: TaskNode): void {
  const q = flow.ready.get(n.spec.limit)
  if (q) q.items.push(n)
  else flow.ready.set(n.spec.limit, { items: [n], head: 0 })
}

function schedule(flow: Flow, acts: Act[]): Act[] {
  if (flow.phase === 'execute') {
    if (stopping(flow)) {
      flow.phase = 'drain'
      failWaiting(flow)
    }
    else {
      for (const [limit, q] of flow.ready) {
        while (q.head < q.items.length && flow.running < flow.spec.parallelism && room(flow, limit)) {
          const n = q.items[q.head++] as TaskNode
          if (n.state !== 'pending') continue
          n.state = 'running'
          n.attempt++
          enter(flow, n)
          acts.push({ kind: 'start', id: n.spec.id, attempt: n.attempt })
        }
        if (q.head === q.items.length) q.items.length = q.head = 0
      }
      if (flow.unfinished === 0) return end(flow, acts, flow.unknown ? 'incomplete' : 'success')
      if (flow.failed && flow.running === 0 && !waiting(flow)) return end(flow, acts, flow.unknown ? 'incomplete' : 'kept')
    }
  }
  // What runs is never pre-empted: it ends, and is taken back afterwards.
  if (flow.phase === 'drain' && flow.running === 0 && !waiting(flow)) {
    if (flow.cancelled && flow.spec.asks) {
      flow.phase = 'asking'
      acts.push({ kind: 'ask' })
    } else rest(flow, acts)
  }
  if (flow.phase === 'revert') {
    undoNext(flow, acts)
    if (flow.running === 0 && ![...flow.readyUndo.values()].some((h) => h.size > 0)) return end(flow, acts, revertOutcome(flow))
  }
  return acts
}

/** Everything that ran has ended, and the flow does not go on. */
function rest(flow: Flow, acts: Act[]): void {
  if (flow.onFailure !== 'revert') end(flow, acts, flow.unknown ? 'incomplete' : 'kept')
  else beginRevert(flow)
}

/** A task that waits for a place for its next attempt gets none: it has failed, and what its last attempt left is taken back. */
function failWaiting(flow: Flow): void {
  for (const q of flow.ready.values()) for (let i = q.head; i < q.items.length; i++) {
    const n = q.items[i] as TaskNode
    if (n.state !== 'pending' || n.attempt === 0) continue
    n.state = 'failure'
    n.completed = ++flow.completions
  }
}

/** A task that sleeps before its next attempt has failed as far as a stopping flow is concerned; its timer is awaited, not cut. */
function waiting(flow: Flow): boolean {
  if (!flow.spec.tasks.some((t) => t.retries > 0)) return false
  for (const n of flow.nodes.values()) if (n.state === 'waiting') return true
  return false
}

function end(flow: Flow, acts: Act[], outcome: FlowOutcome): Act[] {
  flow.phase = 'ended'
  acts.push({ kind: 'end', outcome })
  return acts
}

/** A skipped task has nothing to take back, but it stands between others: order passes through it. */
const ended = (n: TaskNode): boolean => n.state === 'success' || n.state === 'failure' || n.state === 'skipped'
const undoable = (n: TaskNode): boolean => ended(n) && n.spec.undo !== 'none'

function beginRevert(flow: Flow): void {
  flow.phase = 'revert'
  // While an outcome is unknown, what it may refer to is kept (decisions 1.3).
  const keep: TaskNode[] = [...flow.nodes.values()].filter((n) => n.state === 'unknown')
  if (keep.length) flow.unknown = true
  for (let n = keep.pop(); n; n = keep.pop()) for (const p of n.after) if (p.state !== 'kept' && p.state !== 'unknown') {
    if (ended(p)) p.state = 'kept'
    keep.push(p)
  }
  const todo = [...flow.nodes.values()].filter(undoable)
  const byId = new Set(todo)
  for (const n of todo) n.intention = 'revert'
  for (const n of todo) n.standing = mutant('undo-ignores-dependants') ? 0 : n.before.filter((b) => byId.has(b) || b.state === 'kept' || b.state === 'unknown').length
  orderRestores(flow, todo, byId)
  for (const n of todo) if (n.standing === 0) enqueueUndo(flow, n, 'withdraw')
}

/**
 * What a restore waits for, and which withdrawals wait for a restore. What was taken over must be free again, that is fixed; that nothing is
 * restored on what is not yet restored itself, and that nothing is withdrawn while something refers to it, holds as far as it closes no circle; last,
 * that nothing is restored on what stands, as it was, on what is not yet restored.
 */
function orderRestores(flow: Flow, todo: readonly TaskNode[], byId: ReadonlySet<TaskNode>): void {
  const at = new Map(todo.map((n, i) => [n, i]))
  const withdrawal = (n: TaskNode) => 2 * (at.get(n) as number)
  const restore = (n: TaskNode) => 2 * (at.get(n) as number) + 1
  const nodeOf = (half: number) => todo[half >> 1] as TaskNode
  const fixed: Edge[] = []
  const reads: Edge[] = []
  const refers: Edge[] = []
  /** Reads of something that the run left alone: it stands as in the base, on what is perhaps still to be restored. */
  const through: Edge[] = []
  const restoresOf = (n: TaskNode, ids: readonly string[] | undefined, into: Edge[]) => {
    for (const id of ids ?? []) {
      const r = flow.nodes.get(id)
      if (!r || r === n || (into === reads && r.beside)) continue
      // What is kept stays as the run made it: an old service would start on a new configuration, so it does not.
      if (r.state === 'kept' || r.state === 'unknown') n.unrestored++
      else if (byId.has(r)) (into === reads && r.state === 'skipped' ? through : into).push({ from: restore(r), to: restore(n) })
    }
  }
  for (const n of todo) {
    if (n.spec.undo === 'none') continue
    fixed.push({ from: withdrawal(n), to: restore(n) })
    restoresOf(n, n.spec.undo.freedBy, fixed)
    if (!mutant('restore-ignores-base-order')) restoresOf(n, n.spec.undo.restoreAfter, reads)
    for (const b of n.before) {
      if (!byId.has(b)) continue
      fixed.push({ from: withdrawal(b), to: withdrawal(n) })
      if (n.spec.undo.makes) refers.push({ from: restore(b), to: withdrawal(n) })
    }
  }
  const direct = withoutCircles(2 * todo.length, fixed, reads)
  const held = withoutCircles(2 * todo.length, [...fixed, ...direct], refers)
  const kept = [...direct, ...withoutCircles(2 * todo.length, [...fixed, ...direct, ...held], through)]
  for (const e of [...fixed, ...kept]) {
    if (e.from % 2 === 0 || e.to % 2 === 0) continue // the order of withdrawals is counted by `standing`
    nodeOf(e.to).unrestored++
    const r = nodeOf(e.from)
    r.restores = added(r.restores, nodeOf(e.to))
  }
  for (const e of held) {
    nodeOf(e.to).standing++
    const r = nodeOf(e.from)
    r.frees = added(r.frees, nodeOf(e.to))
  }
}

function withdrawn(flow: Flow, n: TaskNode): void {
  n.state = 'withdrawn'
  for (const p of n.after) if (p.intention === 'revert' && --p.standing === 0 && ended(p)) enqueueUndo(flow, p, 'withdraw')
  if (n.unrestored === 0) enqueueUndo(flow, n, 'restore')
}

function restored(flow: Flow, n: TaskNode): void {
  n.state = 'reverted'
  for (const r of n.restores) if (--r.unrestored === 0 && r.state === 'withdrawn') enqueueUndo(flow, r, 'restore')
  for (const p of n.frees) if (--p.standing === 0 && ended(p)) enqueueUndo(flow, p, 'withdraw')
}

/** Of those ready, the last completed starts first. */
const sooner = (a: HalfUndo, b: HalfUndo): boolean =>
  mutant('undo-in-order-of-creation') ? a.node.completed < b.node.completed : a.node.completed > b.node.completed

function enqueueUndo(flow: Flow, node: TaskNode, half: HalfUndo['half']): void {
  const { limit } = node.spec
  const known = flow.readyUndo.get(limit)
  const heap = known ?? new Heap(sooner)
  if (!known) flow.readyUndo.set(limit, heap)
  heap.push({ node, half })
}

function undoNext(flow: Flow, acts: Act[]): void {
  while (flow.running < flow.spec.parallelism) {
    let best: Heap<HalfUndo> | undefined
    for (const [limit, heap] of flow.readyUndo) {
      const first = heap.peek()
      if (first && room(flow, limit) && (!best || sooner(first, best.peek() as HalfUndo))) best = heap
    }
    const next = best?.pop()
    if (!next) return
    next.node.state = next.half === 'withdraw' ? 'withdrawing' : 'restoring'
    enter(flow, next.node)
    acts.push({ kind: 'undo', id: next.node.spec.id, half: next.half })
  }
}

function revertOutcome(flow: Flow): FlowOutcome {
  if (flow.unknown) return 'incomplete'
  for (const n of flow.nodes.values()) if (n.intention === 'revert' && n.state !== 'reverted') return 'incomplete'
  return 'reverted'
}
