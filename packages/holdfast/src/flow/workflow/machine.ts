import type { EpochMs } from '../../base/index.ts'
import type { FlowState } from '../../state/index.ts'
import { Atoms } from './atoms.ts'
import { behind, type Compiled, type Vertex } from './compile.ts'
import { decision, nextValue, takeBack, withFailure } from './controllers.ts'
import { against, ignoredWith, inside } from './deciders.ts'
import { Failure } from './failure.ts'
import { ends, type Atom, type Event, type MachineOptions, type Step } from './motion.ts'
import { outcomeOf } from './outcome.ts'
import type { Decision, Inputs } from './port.ts'
import type { Readiness } from './readiness.ts'

/** Values for the vertex's execution or undo; throws when a required one has no value. */
export type Resolve = (atom: Atom, half: 'execute' | 'undo') => Inputs

/**
 * A compiled flow in motion: what may start, what is taken back, who is asked about a failure. Moved by {@link step} alone, in place, so that an event
 * costs what it changes. It depends on nothing but the compiled flow, what was loaded, and the events; a decider or controller that throws fails its task.
 */
export class Machine {
  readonly compiled: Compiled
  readonly options: MachineOptions
  readonly #resolve: Resolve
  readonly #atoms: Atoms
  readonly #readiness: Readiness
  #now: EpochMs = 0
  #halted = false
  #suspending = false
  /** An undo had failed before this run began. */
  #wasStuck = false

  constructor(compiled: Compiled, options: MachineOptions, resolve: Resolve) {
    this.compiled = compiled
    this.options = options
    this.#resolve = resolve
    this.#atoms = new Atoms(compiled.vertices, options.target, (a) => this.#passes(a))
    this.#readiness = this.#atoms.readiness
  }

  get atoms(): readonly Atom[] {
    return this.#atoms.all
  }
  /** Those whose execution has failed, until they are forgotten. */
  get failed(): ReadonlySet<Atom> {
    return this.#atoms.failed
  }
  atom(v: Vertex): Atom {
    return this.#atoms.of(v)
  }

  /** Nothing runs, nothing may start, and no timer is awaited. */
  get atRest(): boolean {
    return this.#atoms.running === 0 && (this.#suspending || this.#atoms.waiting === 0)
  }

  step(event: Event, now: EpochMs): Step {
    const atoms = this.#atoms
    const step = atoms.newStep()
    this.#now = now
    switch (event.kind) {
      case 'begin': this.#begin(); break
      case 'suspend': this.#suspending = true; break
      case 'succeeded':
        atoms.left(event.atom)
        atoms.succeeded(event.atom, event.result)
        break
      case 'failed':
        atoms.left(event.atom)
        this.#fail(event.atom, event.failure)
        break
      case 'interrupted':
        atoms.left(event.atom)
        event.atom.restarted = true
        break
      case 'withdrawn': atoms.withdrawn(event.atom, event.restarted); break
      case 'undone': atoms.undone(event.atom, event.result); break
      case 'undoFailed': atoms.undoLeft(event.atom, event.failure); break
      case 'woke':
        if (atoms.woke(event.atom)) this.#again(event.atom)
        break
      default: event satisfies never
    }
    this.#schedule()
    return step
  }

  // what is known at the beginning

  /** Counts what stands before and behind each vertex, then goes on with whatever a crash or a suspension left half done. */
  #begin(): void {
    const { order } = this.compiled
    const atoms = this.#atoms
    atoms.count(order)
    const loaded = order.map((v) => atoms.of(v)).filter((a) => !ends(a))
    this.#wasStuck = loaded.some((a) => a.state === 'REVERT_FAILURE')
    for (const a of loaded) {
      if (a.state === 'RUNNING' && a.intention === 'REVERT') this.#fail(a, Failure.of(new Error('the process ended while the task ran')))
      else if (a.state === 'RUNNING') a.restarted = true
      if (a.state === 'REVERTED' && a.history.length > 0) atoms.set(a, { history: [] })
    }
    for (const a of loaded) {
      if (a.state === 'FAILURE' && a.failure) this.#resolveFailure(a, a.failure)
      if (a.intention === 'RETRY') this.#spread(a)
      if (a.state === 'RETRYING') {
        this.#spread(a)
        this.#again(a)
      } else if (a.wakeAt !== undefined && a.intention === 'RETRY') atoms.wait(a)
    }
    for (const v of order) this.#readiness.begin(atoms.of(v))
  }

  // forward

  #schedule(): void {
    const atoms = this.#atoms
    for (;;) {
      if (this.#suspending || this.#halted) return
      const next = atoms.running < this.options.parallelism ? this.#readiness.nextStart() : undefined
      if (next) {
        this.#start(next)
        continue
      }
      if (atoms.draining > 0 || atoms.running >= this.options.parallelism) return
      const undo = this.#readiness.nextUndo()
      if (!undo) return
      this.#takeBack(undo)
    }
  }

  #start(a: Atom): void {
    try {
      if (a.v.kind === 'task' && !a.restarted && !this.#asked(a)) return
      const inputs = this.#resolve(a, 'execute')
      const { restarted } = a
      a.restarted = false // before anybody looks whether it may start
      a.attempt++
      this.#atoms.to(a, 'RUNNING', restarted ? { restarted } : {})
      if (a.v.kind === 'retry') this.#attempt(a, inputs)
      else this.#atoms.begun({ kind: 'start', atom: a, inputs })
    } catch (e) {
      if (a.state === 'PENDING') {
        a.attempt++
        this.#atoms.to(a, 'RUNNING')
      }
      a.restarted = false
      this.#fail(a, Failure.of(e))
    }
  }

  /** A controller gives the value of its next attempt. */
  #attempt(r: Atom, inputs: Inputs): void {
    this.#atoms.gave(r, nextValue(r, inputs))
  }

  /** Whether those who decide let it start; the begin of a flow is asked for the flow. */
  #asked(a: Atom): boolean {
    const depth = against(a, (v) => this.atom(v))
    if (depth === undefined) return true
    for (const v of ignoredWith(a, depth)) {
      const n = this.atom(v)
      if (ends(n) || n.state !== 'PENDING') continue
      n.intention = 'IGNORE'
      this.#atoms.to(n, 'IGNORE')
    }
    return ends(a) // order goes through a flow that is ignored
  }

  /** Whether order goes on behind the begin or end of a flow. A decider that throws fails the first task of its flow. */
  #passes(a: Atom): boolean {
    try {
      return this.#asked(a)
    } catch (e) {
      const first = inside(a.v).map((v) => this.atom(v)).find((n) => n.v.kind === 'task' && n.state === 'PENDING')
      if (!first) throw e
      first.attempt++
      this.#atoms.to(first, 'RUNNING')
      this.#fail(first, Failure.of(e))
      return false
    }
  }

  // backward

  #fail(a: Atom, failure: Failure): void {
    this.#atoms.fail(a, failure)
    this.#resolveFailure(a, failure)
  }

  #resolveFailure(a: Atom, failure: Failure): void {
    if (this.options.neverResolve) this.#halted = true
    else this.#decide(a, failure)
  }

  /** The nearest controller decides; one that gives up asks the one above it. */
  #decide(a: Atom, failure: Failure): void {
    let first: Atom | undefined
    for (let v = a.v.owner; v; v = v.owner) {
      const r = this.atom(v)
      const history = withFailure(r.history, a.v.name, failure)
      if (history) this.#atoms.set(r, { history })
      const decided = this.#ask(r)
      if (decided === 'RETRY') {
        // Somebody has already decided to take it back for good.
        if (r.intention === 'REVERT') return
        this.#atoms.set(r, { intention: 'RETRY', wakeAt: undefined })
        this.#spread(r)
        return
      }
      if (decided === 'REVERT_ALL') return this.#revertAll()
      first ??= r
      if (!this.options.deferReverts && !v.owner) {
        this.#atoms.revert(first)
        this.#spread(first)
        return
      }
    }
    this.#revertAll()
  }

  /** A controller that cannot decide gives up. */
  #ask(r: Atom): Decision {
    if (r.state === 'FAILURE' || r.history.length === 0) return 'REVERT'
    try {
      return decision(r, this.#resolve(r, 'execute'))
    } catch (e) {
      r.failure ??= Failure.of(e)
      this.#atoms.failed.add(r)
      return 'REVERT'
    }
  }

  #spread(r: Atom): void {
    for (const v of behind(r.v)) this.#atoms.revert(this.atom(v))
  }

  #revertAll(): void {
    for (const a of this.atoms) this.#atoms.revert(a)
  }

  #takeBack(a: Atom): void {
    if (a.v.kind === 'retry') {
      if (a.intention === 'RETRY') this.#retryLater(a)
      else this.#giveUp(a)
      return
    }
    let inputs: Inputs
    try {
      inputs = this.#resolve(a, 'undo')
    } catch (e) {
      this.#atoms.to(a, 'REVERTING')
      this.#atoms.undoFailed(a, Failure.of(e))
      return
    }
    this.#atoms.to(a, 'REVERTING')
    this.#atoms.begun({ kind: 'undo', atom: a, inputs })
  }

  #giveUp(r: Atom): void {
    this.#atoms.to(r, 'REVERTING')
    try {
      r.undoResult = takeBack(r, () => this.#resolve(r, 'execute'))
      r.history = []
      this.#atoms.to(r, 'REVERTED')
    } catch (e) {
      this.#atoms.undoFailed(r, Failure.of(e))
    }
  }

  #retryLater(r: Atom): void {
    const delayMs = r.v.retry?.delayMs?.(r.history) ?? 0
    if (delayMs <= 0) return this.#again(r)
    this.#atoms.set(r, { wakeAt: this.#now + delayMs })
    this.#atoms.wait(r)
  }

  /** Everything behind the controller is pending once more, and it gives its next value. */
  #again(r: Atom): void {
    const atoms = this.#atoms
    this.#readiness.wake(r)
    atoms.to(r, 'RETRYING')
    for (const v of behind(r.v)) {
      const a = atoms.of(v)
      if (!ends(a)) atoms.forget(a)
    }
    atoms.set(r, { intention: 'EXECUTE' })
    r.attempt++
    atoms.to(r, 'RUNNING')
    try {
      this.#attempt(r, this.#resolve(r, 'execute'))
    } catch (e) {
      this.#fail(r, Failure.of(e))
    }
  }

  /** Everything is pending: what a reset makes true. Gives the atoms that changed. */
  reset(): Step {
    return this.#forget(() => true)
  }

  /** What was taken back may run again; what stands stays. */
  resetReverted(): Step {
    return this.#forget((a) => a.state === 'REVERTED' || (a.state === 'PENDING' && a.intention === 'REVERT'))
  }

  #forget(which: (a: Atom) => boolean): Step {
    const step = this.#atoms.newStep()
    for (const a of this.atoms) if (!ends(a) && which(a)) this.#atoms.forget(a)
    return step
  }

  /** The state of the flow, once it is at rest. */
  outcome(): FlowState {
    return outcomeOf(this.atoms, this.options.target, { wasStuck: this.#wasStuck, halted: this.#halted, suspending: this.#suspending, waiting: this.#atoms.waiting > 0 })
  }
}
