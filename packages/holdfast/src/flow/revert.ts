import { mutant } from '../base/index.ts'
import { withoutCircles, type Edge } from './circles.ts'
import { Heap } from './heap.ts'
import { added, enter, room, type Act, type Flow, type FlowOutcome, type HalfUndo, type TaskNode } from './motion.ts'

/**
 * Taking back, in two halves: a withdrawal starts when those of all dependants have ended, a restore when what it read is restored. Of those ready, the last
 * completed starts first.
 */

/** A skipped task has nothing to take back, but it stands between others: order passes through it. */
const ended = (n: TaskNode): boolean => n.state === 'success' || n.state === 'failure' || n.state === 'skipped'
const undoable = (n: TaskNode): boolean => ended(n) && n.spec.undo !== 'none'

export function beginRevert(flow: Flow): void {
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
 * What a restore waits for, and which withdrawals wait for a restore. What was taken over must be free again, that is fixed. The rest holds as far as it
 * closes no circle, the first before the last: that nothing is withdrawn while something that stays lies in it; that nothing is restored on what is not yet
 * restored itself; that nothing is withdrawn while something refers to it; that nothing is restored on what stands, as it was, on what is not yet restored.
 */
function orderRestores(flow: Flow, todo: readonly TaskNode[], byId: ReadonlySet<TaskNode>): void {
  const at = new Map(todo.map((n, i) => [n, i]))
  const withdrawal = (n: TaskNode) => 2 * (at.get(n) as number)
  const restore = (n: TaskNode) => 2 * (at.get(n) as number) + 1
  const nodeOf = (half: number) => todo[half >> 1] as TaskNode
  const fixed: Edge[] = []
  const reads: Edge[] = []
  const refers: Edge[] = []
  /** What would go with another that is withdrawn. */
  const within: Edge[] = []
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
    for (const id of n.spec.undo.within ?? []) {
      const host = flow.nodes.get(id)
      if (host && host !== n && byId.has(host)) within.push({ from: restore(n), to: withdrawal(host) })
    }
    for (const b of n.before) {
      if (!byId.has(b)) continue
      fixed.push({ from: withdrawal(b), to: withdrawal(n) })
      if (n.spec.undo.makes) refers.push({ from: restore(b), to: withdrawal(n) })
    }
  }
  const moved = withoutCircles(2 * todo.length, fixed, within)
  const direct = withoutCircles(2 * todo.length, [...fixed, ...moved], reads)
  const held = [...moved, ...withoutCircles(2 * todo.length, [...fixed, ...moved, ...direct], refers)]
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

export function withdrawn(flow: Flow, n: TaskNode): void {
  n.state = 'withdrawn'
  for (const p of n.after) if (p.intention === 'revert' && --p.standing === 0 && ended(p)) enqueueUndo(flow, p, 'withdraw')
  if (n.unrestored === 0) enqueueUndo(flow, n, 'restore')
}

export function restored(flow: Flow, n: TaskNode): void {
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

export function undoNext(flow: Flow, acts: Act[]): void {
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

export function revertOutcome(flow: Flow): FlowOutcome {
  if (flow.unknown) return 'incomplete'
  for (const n of flow.nodes.values()) if (n.intention === 'revert' && n.state !== 'reverted') return 'incomplete'
  return 'reverted'
}
