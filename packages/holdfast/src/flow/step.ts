import { assert, type Millis } from '../base/index.ts'
import { added, enter, leave, node, NONE, room, type Act, type Flow, type FlowEvent, type FlowOutcome, type TaskNode } from './motion.ts'
import { beginRevert, restored, revertOutcome, undoNext, withdrawn } from './revert.ts'
import type { FlowSpec } from './spec.ts'

export const backoffMs = (attempt: number): Millis => Math.min(30_000, 500 * 2 ** (attempt - 1))

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
