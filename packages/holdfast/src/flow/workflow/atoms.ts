import { assert, type EpochMs } from '../../base/index.ts'
import type { AtomState } from '../../state/index.ts'
import type { Vertex } from './compile.ts'
import { Failure } from './failure.ts'
import { ends, kindOf, type Act, type Atom, type Step } from './motion.ts'
import { atomMayMove } from './moves.ts'
import { Readiness } from './readiness.ts'

/**
 * The vertices of a flow in motion. Every move goes through here: it is checked against the table of moves, noted in the step, and seen by those before and
 * behind it. What moves, and when, is decided by the machine.
 */
export class Atoms {
  readonly all: readonly Atom[]
  /** Those whose execution has failed, until they are forgotten. */
  readonly failed = new Set<Atom>()
  readonly readiness: Readiness
  #step: Step = emptyStep()
  #running = 0
  #draining = 0
  #waiting = 0
  #completions = 0

  /** `passes`: whether order goes on behind the begin or end of a flow. */
  constructor(vertices: readonly Vertex[], target: ReadonlySet<Vertex> | undefined, passes: (a: Atom) => boolean) {
    this.all = vertices.map((v) => ({
      v, state: 'PENDING', intention: 'EXECUTE', attempt: 0, epoch: 0, result: undefined, failure: undefined, undoResult: undefined, undoFailure: undefined, history: [], wakeAt: undefined,
      missing: 0, standing: 0, done: false, cleared: true, completed: 0, restarted: false,
    }))
    this.readiness = new Readiness(this.all, target, passes)
  }

  of(v: Vertex): Atom {
    return this.all[v.i] as Atom
  }

  /** Bodies that run. */
  get running(): number {
    return this.#running
  }
  /** Bodies that run and will be taken back: no undo starts before they have ended, so each is told every failure. */
  get draining(): number {
    return this.#draining
  }
  /** Controllers that wait for their next attempt. */
  get waiting(): number {
    return this.#waiting
  }

  newStep(): Step {
    return (this.#step = emptyStep())
  }

  /** As they were loaded. */
  count(order: readonly Vertex[]): void {
    for (const a of this.all) {
      if (a.failure) this.failed.add(a)
      this.#completions = Math.max(this.#completions, a.completed)
    }
    this.readiness.count(order)
  }

  to(a: Atom, state: AtomState, more: { result?: unknown; failure?: Failure; restarted?: boolean } = {}): void {
    const old = a.state
    assert(atomMayMove(kindOf(a), old, state), `flow: ${a.v.name} cannot go from ${old} to ${state}`)
    a.state = state
    this.#step.dirty.add(a)
    this.#step.notices.push({ atom: a, old, state, ...more })
    this.readiness.settle(a)
  }

  set(a: Atom, to: Partial<Pick<Atom, 'intention' | 'history' | 'wakeAt'>>): void {
    Object.assign(a, to)
    this.#step.dirty.add(a)
    if (to.intention !== undefined) this.readiness.settle(a)
  }

  /** Its body begins with the end of the step. */
  begun(act: Act): void {
    this.#running++
    this.#step.acts.push(act)
  }

  /** The body of its execution has ended. */
  left(a: Atom): void {
    this.#running--
    if (a.intention === 'REVERT') this.#draining--
  }

  succeeded(a: Atom, result: unknown): void {
    a.result = result
    a.failure = undefined
    this.failed.delete(a)
    a.completed = ++this.#completions
    this.to(a, 'SUCCESS', { result })
  }

  /** A controller has given the value of its next attempt. */
  gave(r: Atom, value: unknown): void {
    r.result = value
    r.history = [...r.history, { value, failures: {} }]
    r.completed = ++this.#completions
    this.to(r, 'SUCCESS', { result: value })
  }

  fail(a: Atom, failure: Failure): void {
    a.failure = failure
    this.failed.add(a)
    a.result = undefined
    a.completed = ++this.#completions
    this.to(a, 'FAILURE', { failure })
  }

  undone(a: Atom, result: unknown): void {
    this.#running--
    a.undoResult = result
    this.to(a, 'REVERTED', { result })
  }

  undoLeft(a: Atom, failure: Failure): void {
    this.#running--
    this.undoFailed(a, failure)
  }

  undoFailed(a: Atom, failure: Failure): void {
    a.undoFailure = failure
    this.to(a, 'REVERT_FAILURE', { failure })
  }

  /** A body that the last step began, and that was called off before it did. */
  withdrawn(a: Atom, restarted: boolean): void {
    if (a.state === 'RUNNING') {
      this.left(a)
      a.attempt--
      a.restarted = restarted
      a.state = restarted ? 'RUNNING' : 'PENDING'
    } else {
      this.#running--
      a.state = a.failure ? 'FAILURE' : 'SUCCESS'
    }
    this.#step.dirty.add(a)
    this.readiness.settle(a)
  }

  /** It is to be taken back, as soon as nothing stands on it. */
  revert(a: Atom): void {
    if (ends(a) || a.intention === 'REVERT' || a.state === 'IGNORE') return
    if (a.state === 'RUNNING' && a.v.kind === 'task') {
      if (a.restarted) return this.#failRestarted(a)
      this.#draining++
    }
    if (a.wakeAt !== undefined) {
      this.#waiting--
      this.readiness.wake(a)
      a.wakeAt = undefined
    }
    this.set(a, { intention: 'REVERT' })
  }

  /** Begun by a process that is gone, and not to be begun again: it may have half happened, so it is taken back as a failure. */
  #failRestarted(a: Atom): void {
    a.restarted = false
    a.intention = 'REVERT'
    this.fail(a, Failure.of(new Error('the process ended while the task ran')))
  }

  /** A controller waits until `wakeAt`. */
  wait(r: Atom): void {
    this.#waiting++
    this.readiness.sleep(r)
    this.#step.acts.push({ kind: 'wake', atom: r, at: r.wakeAt as EpochMs })
  }

  /** Gives false when it was taken back meanwhile. */
  woke(r: Atom): boolean {
    if (r.wakeAt === undefined) return false
    this.#waiting--
    r.wakeAt = undefined
    return true
  }

  /** As if it had never run, but for its attempts. */
  forget(a: Atom): void {
    const old = a.state
    const changed = old !== 'PENDING' || a.intention !== 'EXECUTE'
    Object.assign(a, { state: 'PENDING', intention: 'EXECUTE', result: undefined, failure: undefined, undoResult: undefined, undoFailure: undefined, history: [], wakeAt: undefined, restarted: false })
    this.failed.delete(a)
    if (!changed) return
    if (old !== 'PENDING') a.epoch++
    this.#step.dirty.add(a)
    if (old !== 'PENDING') this.#step.notices.push({ atom: a, old, state: 'PENDING' })
    this.readiness.settle(a)
  }
}

const emptyStep = (): Step => ({ dirty: new Set(), notices: [], acts: [] })
