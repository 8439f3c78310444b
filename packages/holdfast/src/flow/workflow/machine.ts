import { assert, textOf, type EpochMs } from '../../base/index.ts'
import type { AtomState, FlowState } from '../../state/index.ts'
import { behind, type Compiled, type Vertex } from './compile.ts'
import { Failure } from './failure.ts'
import { atOnce, failing } from './kinds.ts'
import { atomMayMove } from './moves.ts'
import type { Atom, Event, MachineOptions, Step } from './motion.ts'
import type { Decision, Depth, Inputs } from './port.ts'
import { Heap } from '../heap.ts'

/** Values for the vertex's execution or undo; throws when a required one has no value. */
export type Resolve = (atom: Atom, half: 'execute' | 'undo') => Inputs

/**
 * A compiled flow in motion: what may start, what is taken back, who is asked about a failure. Moved by {@link step} alone, in place, so that an event
 * costs what it changes. It depends on nothing but the compiled flow, what was loaded, and the events; a decider or controller that throws fails its task.
 */
export class Machine {
  readonly compiled: Compiled
  readonly options: MachineOptions
  readonly atoms: readonly Atom[]
  /** Those whose execution has failed, until they are forgotten. */
  readonly failed = new Set<Atom>()
  readonly #resolve: Resolve
  readonly #ready = new Heap<Atom>((a, b) => (a.v.priority === b.v.priority ? a.v.i < b.v.i : a.v.priority > b.v.priority))
  readonly #undoable = new Heap<Atom>((a, b) => (a.v.priority === b.v.priority ? a.completed > b.completed : a.v.priority > b.v.priority))
  /** What stands in the heaps; what it waited for may have changed since, so it is looked at again when its turn comes. */
  readonly #starting = new Set<Atom>()
  readonly #reverting = new Set<Atom>()
  #step: Step = emptyStep()
  #now: EpochMs = 0
  #running = 0
  /** Bodies that run and will be taken back: no undo starts before they have ended, so each is told every failure. */
  #draining = 0
  #waiting = 0
  #completions = 0
  #halted = false
  #suspending = false
  /** An undo had failed before this run began. */
  #wasStuck = false

  constructor(compiled: Compiled, options: MachineOptions, resolve: Resolve) {
    this.compiled = compiled
    this.options = options
    this.#resolve = resolve
    this.atoms = compiled.vertices.map((v) => ({
      v, state: 'PENDING', intention: 'EXECUTE', attempt: 0, epoch: 0, result: undefined, failure: undefined, undoResult: undefined, undoFailure: undefined, history: [], wakeAt: undefined,
      missing: 0, standing: 0, done: false, cleared: true, completed: 0, restarted: false,
    }))
  }

  atom(v: Vertex): Atom {
    return this.atoms[v.i] as Atom
  }

  get running(): number {
    return this.#running
  }
  /** Something would go on if it might. */
  get #more(): boolean {
    const { target } = this.options
    return this.#waiting > 0 || this.atoms.some((a) => !ends(a) && (a.state === 'REVERTING' || a.state === 'RUNNING'
      || (a.standing === 0 && (a.state === 'SUCCESS' || a.state === 'FAILURE') && (a.intention === 'REVERT' || a.intention === 'RETRY'))
      || (a.missing === 0 && a.state === 'PENDING' && a.intention === 'EXECUTE' && (!target || target.has(a.v)))))
  }
  /** Nothing runs, nothing may start, and no timer is awaited. */
  get atRest(): boolean {
    return this.#running === 0 && (this.#suspending || this.#waiting === 0)
  }

  step(event: Event, now: EpochMs): Step {
    this.#step = emptyStep()
    this.#now = now
    switch (event.kind) {
      case 'begin': this.#begin(); break
      case 'suspend': this.#suspending = true; break
      case 'succeeded': {
        const { atom } = event
        this.#left(atom)
        atom.result = event.result
        atom.failure = undefined
        this.failed.delete(atom)
        atom.completed = ++this.#completions
        this.#to(atom, 'SUCCESS', { result: event.result })
        break
      }
      case 'failed':
        this.#left(event.atom)
        this.#fail(event.atom, event.failure)
        break
      case 'interrupted':
        this.#left(event.atom)
        event.atom.restarted = true
        break
      case 'withdrawn': this.#withdrawn(event.atom, event.restarted); break
      case 'undone': {
        const { atom } = event
        this.#running--
        atom.undoResult = event.result
        this.#to(atom, 'REVERTED', { result: event.result })
        break
      }
      case 'undoFailed': {
        const { atom } = event
        this.#running--
        atom.undoFailure = event.failure
        this.#to(atom, 'REVERT_FAILURE', { failure: event.failure })
        break
      }
      case 'woke':
        if (event.atom.wakeAt === undefined) break // taken back meanwhile
        this.#waiting--
        event.atom.wakeAt = undefined
        this.#again(event.atom)
        break
      default: event satisfies never
    }
    this.#schedule()
    return this.#step
  }

  // what is known at the beginning

  /** Counts what stands before and behind each vertex, then goes on with whatever a crash or a suspension left half done. */
  #begin(): void {
    const { order } = this.compiled
    for (const a of this.atoms) {
      if (a.failure) this.failed.add(a)
      a.missing = a.v.prev.length
      a.standing = a.v.next.length
      a.done = a.cleared = false
    }
    for (const v of order) {
      const a = this.atom(v)
      a.done = passive(a) ? a.missing === 0 && (a.state === 'IGNORE' || v.deciders.length === 0) : a.state === 'SUCCESS' && a.intention === 'EXECUTE'
      if (a.done) for (const n of v.next) this.atom(n).missing--
      this.#completions = Math.max(this.#completions, a.completed)
    }
    for (const v of [...order].reverse()) {
      const a = this.atom(v)
      a.cleared = passive(a) ? a.standing === 0 : a.state === 'PENDING' || a.state === 'REVERTED'
      if (a.cleared) for (const p of v.prev) this.atom(p).standing--
    }
    const loaded = order.map((v) => this.atom(v)).filter((a) => !ends(a))
    this.#wasStuck = loaded.some((a) => a.state === 'REVERT_FAILURE')
    for (const a of loaded) {
      if (a.state === 'RUNNING' && a.intention === 'REVERT') this.#fail(a, Failure.of(new Error('the process ended while the task ran')))
      else if (a.state === 'RUNNING') a.restarted = true
      if (a.state === 'REVERTED' && a.history.length > 0) this.#set(a, { history: [] })
    }
    for (const a of loaded) {
      if (a.state === 'FAILURE' && a.failure) this.#resolveFailure(a, a.failure)
      if (a.intention === 'RETRY') this.#spread(a)
      if (a.state === 'RETRYING') {
        this.#spread(a)
        this.#again(a)
      } else if (a.wakeAt !== undefined && a.intention === 'RETRY') this.#wait(a)
    }
    for (const v of order) {
      const a = this.atom(v)
      if (ends(a)) {
        if (!a.done && a.missing === 0 && this.#passes(a)) this.#done(a, true)
        continue
      }
      this.#mayStart(a)
      this.#mayUndo(a)
      if (a.state === 'REVERTING') this.#undoable.push(a)
    }
  }

  // moves

  #to(a: Atom, state: AtomState, more: { result?: unknown; failure?: Failure; restarted?: boolean } = {}): void {
    const old = a.state
    assert(atomMayMove(kindOf(a), old, state), `flow: ${a.v.name} cannot go from ${old} to ${state}`)
    a.state = state
    this.#step.dirty.add(a)
    this.#step.notices.push({ atom: a, old, state, ...more })
    this.#settle(a)
  }

  #set(a: Atom, to: Partial<Pick<Atom, 'intention' | 'history' | 'wakeAt'>>): void {
    Object.assign(a, to)
    this.#step.dirty.add(a)
    if (to.intention !== undefined) this.#settle(a)
  }

  /** What others see of it, after its state or its intention changed. */
  #settle(a: Atom): void {
    this.#done(a, passive(a) ? a.missing === 0 : a.state === 'SUCCESS' && a.intention === 'EXECUTE')
    this.#cleared(a, passive(a) ? a.standing === 0 : a.state === 'PENDING' || a.state === 'REVERTED')
    this.#mayStart(a)
    this.#mayUndo(a)
  }

  #done(first: Atom, to: boolean): void {
    const open: [Atom, boolean][] = [[first, to]]
    for (let next = open.pop(); next; next = open.pop()) {
      const [a, done] = next
      if (a.done === done) continue
      a.done = done
      for (const v of a.v.next) {
        const n = this.atom(v)
        n.missing += done ? -1 : 1
        if (ends(n) && done && n.missing === 0) {
          if (this.#passes(n)) open.push([n, true])
        } else if (passive(n)) open.push([n, n.missing === 0])
        else if (done) this.#mayStart(n)
      }
    }
  }

  #cleared(first: Atom, to: boolean): void {
    const open: [Atom, boolean][] = [[first, to]]
    for (let next = open.pop(); next; next = open.pop()) {
      const [a, cleared] = next
      if (a.cleared === cleared) continue
      a.cleared = cleared
      for (const v of a.v.prev) {
        const p = this.atom(v)
        p.standing += cleared ? -1 : 1
        if (passive(p)) open.push([p, p.standing === 0])
        else if (cleared) this.#mayUndo(p)
      }
    }
  }

  #mayStart(a: Atom): void {
    const { target } = this.options
    if (a.missing > 0 || a.intention !== 'EXECUTE' || (a.state !== 'PENDING' && !(a.state === 'RUNNING' && a.restarted)) || ends(a) || this.#starting.has(a) || (target && !target.has(a.v))) return
    this.#starting.add(a)
    this.#ready.push(a)
  }

  #mayUndo(a: Atom): void {
    if (a.standing > 0 || (a.intention !== 'REVERT' && a.intention !== 'RETRY') || (a.state !== 'SUCCESS' && a.state !== 'FAILURE') || ends(a) || this.#reverting.has(a)) return
    this.#reverting.add(a)
    this.#undoable.push(a)
  }

  #left(a: Atom): void {
    this.#running--
    if (a.intention === 'REVERT') this.#draining--
  }

  #withdrawn(a: Atom, restarted: boolean): void {
    if (a.state === 'RUNNING') {
      this.#left(a)
      a.attempt--
      a.restarted = restarted
      a.state = restarted ? 'RUNNING' : 'PENDING'
    } else {
      this.#running--
      a.state = a.failure ? 'FAILURE' : 'SUCCESS'
    }
    this.#step.dirty.add(a)
    this.#settle(a)
  }

  // forward

  #schedule(): void {
    for (;;) {
      if (this.#suspending || this.#halted) return
      const next = this.#running < this.options.parallelism ? this.#ready.pop() : undefined
      if (next) {
        this.#starting.delete(next)
        if (next.intention === 'EXECUTE' && next.missing === 0 && (next.state === 'PENDING' || next.restarted)) this.#start(next)
        continue
      }
      if (this.#draining > 0 || this.#running >= this.options.parallelism) return
      const undo = this.#undoable.pop()
      if (!undo) return
      this.#reverting.delete(undo)
      if (undo.standing === 0 && (undo.intention === 'REVERT' || undo.intention === 'RETRY')) this.#takeBack(undo)
    }
  }

  #start(a: Atom): void {
    try {
      if (a.v.kind === 'task' && !a.restarted && !this.#asked(a)) return
      const inputs = this.#resolve(a, 'execute')
      const { restarted } = a
      a.restarted = false // before anybody looks whether it may start
      a.attempt++
      this.#to(a, 'RUNNING', restarted ? { restarted } : {})
      if (a.v.kind === 'retry') this.#attempt(a, inputs)
      else {
        this.#running++
        this.#step.acts.push({ kind: 'start', atom: a, inputs })
      }
    } catch (e) {
      if (a.state === 'PENDING') {
        a.attempt++
        this.#to(a, 'RUNNING')
      }
      a.restarted = false
      this.#fail(a, Failure.of(e))
    }
  }

  /** A controller gives the value of its next attempt. */
  #attempt(a: Atom, inputs: Inputs): void {
    const value = atOnce(a.v.retry?.execute(a.history, inputs), `The controller ${a.v.name}`)
    a.result = value
    a.history = [...a.history, { value, failures: {} }]
    a.completed = ++this.#completions
    this.#to(a, 'SUCCESS', { result: value })
  }

  /** Whether those who decide let it start; the begin of a flow is asked for the flow. */
  #asked(a: Atom): boolean {
    const { deciders } = a.v
    if (deciders.length === 0) return true
    const voters = deciders.map((d) => ({ ...d, from: d.from.map((v) => this.atom(v)).filter((f) => f.state !== 'IGNORE') })).filter((d) => d.from.length > 0)
    const history = Object.fromEntries(voters.flatMap((d) => d.from.map((f) => [f.v.name, f.result])))
    const against = voters.filter((d) => !atOnce(d.decide(history), `The decider of ${a.v.name}`)).map((d) => d.depth)
    if (against.length === 0) return true
    this.#ignore(a, WIDEST.find((d) => against.includes(d)) as Depth)
    return ends(a) // order goes through a flow that is ignored
  }

  #ignore(a: Atom, depth: Depth): void {
    const level = a.v.place.level
    const own = ends(a) ? this.#inside(a.v) : [a.v]
    const after = depth === 'ATOM' ? [] : depth === 'NEIGHBORS' ? (ends(a) ? level.end : a.v).next.filter((v) => v.kind === 'task')
      : behind(ends(a) ? level.end : a.v).filter((v) => depth === 'ALL' || (v.kind === 'task' && v.place.level === (ends(a) ? level.parent?.level : level)))
    for (const v of [...own, ...after]) {
      const n = this.atom(v)
      if (ends(n) || n.state !== 'PENDING') continue
      n.intention = 'IGNORE'
      this.#to(n, 'IGNORE')
    }
  }

  #inside(begin: Vertex): Vertex[] {
    const { end } = begin.place.level
    const after = new Set(behind(end))
    return behind(begin).filter((v) => v !== end && !after.has(v))
  }

  /** Whether order goes on behind the begin or end of a flow. A decider that throws fails the first task of its flow. */
  #passes(a: Atom): boolean {
    try {
      return this.#asked(a)
    } catch (e) {
      const first = this.#inside(a.v).map((v) => this.atom(v)).find((n) => n.v.kind === 'task' && n.state === 'PENDING')
      if (!first) throw e
      first.attempt++
      this.#to(first, 'RUNNING')
      this.#fail(first, Failure.of(e))
      return false
    }
  }

  // backward

  #fail(a: Atom, failure: Failure): void {
    a.failure = failure
    this.failed.add(a)
    a.result = undefined
    a.completed = ++this.#completions
    this.#to(a, 'FAILURE', { failure })
    this.#resolveFailure(a, failure)
  }

  #resolveFailure(a: Atom, failure: Failure): void {
    if (this.options.neverResolve) {
      this.#halted = true
      return
    }
    this.#decide(a, failure)
  }

  /** The nearest controller decides; one that gives up asks the one above it. */
  #decide(a: Atom, failure: Failure): void {
    let first: Atom | undefined
    for (let v = a.v.owner; v; v = v.owner) {
      const r = this.atom(v)
      this.#record(r, a.v.name, failure)
      const decision = this.#ask(r)
      if (decision === 'RETRY') {
        // Somebody has already decided to take it back for good.
        if (r.intention === 'REVERT') return
        this.#set(r, { intention: 'RETRY', wakeAt: undefined })
        this.#spread(r)
        return
      }
      if (decision === 'REVERT_ALL') return this.#revertAll()
      first ??= r
      if (!this.options.deferReverts && !v.owner) {
        this.#intend(first, 'REVERT')
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
      const decision = atOnce(r.v.retry?.onFailure(r.history, this.#resolve(r, 'execute')) ?? 'REVERT', `The controller ${r.v.name}`)
      if (!DECISIONS.includes(decision)) throw failing('HF3203', { message: `The controller ${r.v.name} decided ${textOf(decision)}, which is none of ${DECISIONS.join(', ')}.` })
      return decision
    } catch (e) {
      r.failure ??= Failure.of(e)
      this.failed.add(r)
      return 'REVERT'
    }
  }

  #record(r: Atom, name: string, failure: Failure): void {
    const last = r.history[r.history.length - 1]
    if (!last || name in last.failures) return
    this.#set(r, { history: [...r.history.slice(0, -1), { value: last.value, failures: { ...last.failures, [name]: failure } }] })
  }

  #spread(r: Atom): void {
    for (const v of behind(r.v)) this.#intend(this.atom(v), 'REVERT')
  }

  #revertAll(): void {
    for (const a of this.atoms) this.#intend(a, 'REVERT')
  }

  #intend(a: Atom, intention: 'REVERT'): void {
    if (ends(a) || a.intention === intention || a.state === 'IGNORE') return
    if (a.state === 'RUNNING' && a.v.kind === 'task') {
      if (a.restarted) return this.#failRestarted(a)
      this.#draining++
    }
    if (a.wakeAt !== undefined) {
      this.#waiting--
      this.#reverting.delete(a)
      a.wakeAt = undefined
    }
    this.#set(a, { intention })
  }

  /** Begun by a process that is gone, and not to be begun again: it may have half happened, so it is taken back as a failure. */
  #failRestarted(a: Atom): void {
    a.restarted = false
    a.failure = Failure.of(new Error('the process ended while the task ran'))
    this.failed.add(a)
    a.completed = ++this.#completions
    a.intention = 'REVERT'
    this.#to(a, 'FAILURE', { failure: a.failure })
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
      a.undoFailure = Failure.of(e)
      this.#to(a, 'REVERTING')
      this.#to(a, 'REVERT_FAILURE', { failure: a.undoFailure })
      return
    }
    this.#to(a, 'REVERTING')
    this.#running++
    this.#step.acts.push({ kind: 'undo', atom: a, inputs })
  }

  #giveUp(a: Atom): void {
    this.#to(a, 'REVERTING')
    try {
      a.undoResult = atOnce(a.v.retry?.revert?.(a.history, this.#resolve(a, 'execute')), `The controller ${a.v.name}`)
      a.history = []
      this.#to(a, 'REVERTED')
    } catch (e) {
      a.undoFailure = Failure.of(e)
      this.#to(a, 'REVERT_FAILURE', { failure: a.undoFailure })
    }
  }

  #retryLater(a: Atom): void {
    const delayMs = a.v.retry?.delayMs?.(a.history) ?? 0
    if (delayMs <= 0) return this.#again(a)
    this.#set(a, { wakeAt: this.#now + delayMs })
    this.#wait(a)
  }

  #wait(a: Atom): void {
    this.#waiting++
    this.#reverting.add(a) // until its time has come
    this.#step.acts.push({ kind: 'wake', atom: a, at: a.wakeAt as EpochMs })
  }

  /** Everything behind the controller is pending once more, and it gives its next value. */
  #again(r: Atom): void {
    this.#reverting.delete(r)
    this.#to(r, 'RETRYING')
    for (const v of behind(r.v)) {
      const a = this.atom(v)
      if (!ends(a)) this.#forget(a)
    }
    this.#set(r, { intention: 'EXECUTE' })
    let inputs: Inputs
    r.attempt++
    this.#to(r, 'RUNNING')
    try {
      inputs = this.#resolve(r, 'execute')
      this.#attempt(r, inputs)
    } catch (e) {
      this.#fail(r, Failure.of(e))
    }
  }

  /** As if it had never run, but for its attempts. */
  #forget(a: Atom): void {
    const old = a.state
    const changed = old !== 'PENDING' || a.intention !== 'EXECUTE'
    Object.assign(a, { state: 'PENDING', intention: 'EXECUTE', result: undefined, failure: undefined, undoResult: undefined, undoFailure: undefined, history: [], wakeAt: undefined, restarted: false })
    this.failed.delete(a)
    if (!changed) return
    if (old !== 'PENDING') a.epoch++
    this.#step.dirty.add(a)
    if (old !== 'PENDING') this.#step.notices.push({ atom: a, old, state: 'PENDING' })
    this.#settle(a)
  }

  /** Everything is pending: what a reset makes true. Gives the atoms that changed. */
  reset(): Step {
    this.#step = emptyStep()
    for (const a of this.atoms) if (!ends(a)) this.#forget(a)
    return this.#step
  }

  /** What was taken back may run again; what stands stays. */
  resetReverted(): Step {
    this.#step = emptyStep()
    for (const a of this.atoms) if (!ends(a) && (a.state === 'REVERTED' || (a.state === 'PENDING' && a.intention === 'REVERT'))) this.#forget(a)
    return this.#step
  }

  /** The state of the flow, from that of its tasks: it is never called reverted while anything stands. */
  outcome(): FlowState {
    const real = this.atoms.filter((a) => !ends(a))
    const { target } = this.options
    const wanted = target ? real.filter((a) => target.has(a.v)) : real
    if (real.some((a) => a.state === 'REVERT_FAILURE')) return this.#wasStuck ? 'STUCK' : 'FAILURE'
    if (wanted.every((a) => (a.state === 'SUCCESS' && a.intention === 'EXECUTE') || a.state === 'IGNORE')) return 'SUCCESS'
    if (this.#halted) return 'FAILURE'
    if (this.#suspending && this.#more) return 'SUSPENDED'
    return real.every((a) => a.state === 'REVERTED' || a.state === 'PENDING' || a.state === 'IGNORE') ? 'REVERTED' : 'PARTIALLY_REVERTED'
  }
}

/** What bounds how much is ignored, the widest first. */
const WIDEST: readonly Depth[] = ['ALL', 'FLOW', 'NEIGHBORS', 'ATOM']
const DECISIONS: readonly Decision[] = ['RETRY', 'REVERT', 'REVERT_ALL']
const emptyStep = (): Step => ({ dirty: new Set(), notices: [], acts: [] })
const kindOf = (a: Atom): 'task' | 'retry' => (a.v.kind === 'retry' ? 'retry' : 'task')
/** The ends of a flow: they carry order, and nothing is stored of them. */
const ends = (a: Atom): boolean => a.v.kind === 'begin' || a.v.kind === 'end'
/** What only lets order through. */
const passive = (a: Atom): boolean => ends(a) || a.state === 'IGNORE'
