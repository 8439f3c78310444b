import { failure, textOf, type Millis } from '../../base/index.ts'
import type { AtomState, FlowState } from '../../state/index.ts'
import type { FlowChange, FlowJournal } from '../../store/index.ts'
import { Bodies, type BodiesOptions } from './bodies.ts'
import type { Failure } from './failure.ts'
import type { Machine } from './machine.ts'
import { kindOf, type Act, type Atom, type Event, type Notice } from './motion.ts'
import { flowMove } from './moves.ts'
import type { Listeners, TraceEvent } from './port.ts'
import { encodeValue, rowOf } from './rows.ts'

export interface DriveOptions extends BodiesOptions {
  readonly name: string
  readonly listeners: readonly Listeners[]
  readonly journal: { readonly journal: FlowJournal; readonly fence: number; readonly claimMs: Millis } | undefined
  /** Stored with the first step. */
  readonly first: FlowChange
  /** Rows that exist: atom -> number, and the encoded results. */
  readonly rows: Map<Atom, number>
  readonly state: FlowState
  readonly warn: (text: string) => void
}

/**
 * Performs the steps of a {@link Machine}: stores what changed, then tells listeners, then starts bodies.
 *
 * Always true: a body starts only after the step that began it is stored; a listener sees only what is stored; events that arrive while a step is being
 * stored share the next one.
 */
export class Drive {
  readonly trace: { task: string; event: TraceEvent }[] = []
  readonly #machine: Machine
  readonly #o: DriveOptions
  readonly #events: Event[] = []
  readonly #bodies: Bodies
  readonly #progress = new Map<Atom, string>()
  readonly #stirred = new Set<Atom>()
  readonly #timers = new AbortController()
  #nextAt: number
  #busy = false
  #first: FlowChange | undefined
  #broken: { readonly error: unknown } | undefined
  #ended = false
  #end: { readonly resolve: () => void; readonly reject: (why: unknown) => void } | undefined
  state: FlowState

  constructor(machine: Machine, options: DriveOptions) {
    this.#machine = machine
    this.#o = options
    this.state = options.state
    this.#first = options.first
    this.#bodies = new Bodies(options, { failures: () => this.failures(), progressed: (...told) => this.#progressed(...told), stir: (atom) => this.#stir(atom) })
    let last = 0
    for (const [a, at] of options.rows) {
      last = Math.max(last, at)
      if (options.journal) this.#bodies.loaded(a)
    }
    this.#nextAt = last + 1
  }

  get interrupted(): boolean {
    return this.#bodies.interrupted
  }

  /** Resolves when the flow is at rest and its state is stored; rejects when it could not be stored. */
  run(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const { signal } = this.#o
      const onAbort = () => this.#interrupt(signal?.reason)
      const done = () => {
        this.#ended = true
        this.#timers.abort()
        signal?.removeEventListener('abort', onAbort)
      }
      this.#end = {
        resolve: () => { done(); resolve() },
        reject: (why) => { done(); reject(why) },
      }
      this.#keepClaim()
      // Interrupted before it began: both in one step, so that nothing is begun in between.
      if (signal?.aborted) {
        this.#bodies.interrupted = true
        this.#events.push({ kind: 'suspend' })
      } else signal?.addEventListener('abort', onAbort, { once: true })
      this.#feed({ kind: 'begin' })
    })
  }

  suspend(): void {
    if (this.#ended || this.state === 'SUSPENDING') return
    this.#to('SUSPENDING')
    this.#feed({ kind: 'suspend' })
  }

  get #stops(): boolean {
    return this.#bodies.interrupted || this.state === 'SUSPENDING'
  }

  #interrupt(reason: unknown): void {
    if (this.#ended) return
    this.#bodies.interrupted = true
    this.#feed({ kind: 'suspend' })
    this.#bodies.abort(reason)
  }

  // the loop

  #feed(event: Event): void {
    this.#events.push(event)
    if (!this.#busy) void this.#pump()
  }

  async #pump(): Promise<void> {
    this.#busy = true
    try {
      while (this.#events.length > 0 || this.#stirred.size > 0) {
        if (this.#broken) {
          this.#events.length = 0
          this.#stirred.clear()
          break
        }
        await this.#turn()
      }
    } catch (e) {
      this.#break(e)
    }
    this.#busy = false
    if (this.#broken) {
      if (this.#bodies.running === 0 && !this.#ended) this.#end?.reject(this.#broken.error)
    } else if (this.#machine.atRest && !this.#ended) this.#end?.resolve()
  }

  /** One step: everything that has happened so far, stored together. */
  async #turn(): Promise<void> {
    const dirty = new Set(this.#stirred)
    this.#stirred.clear()
    const notices: Notice[] = []
    const acts: Act[] = []
    for (const event of this.#events.splice(0)) {
      const step = this.#machine.step(event, this.#o.clock.now())
      for (const a of step.dirty) dirty.add(a)
      for (const n of step.notices) notices.push(n)
      for (const act of step.acts) acts.push(act)
    }
    const last = this.#machine.atRest ? this.#outcome() : undefined
    if (this.#o.journal) await this.#store(dirty, last)
    if (this.state === 'PENDING' || this.state === 'SUSPENDED' || this.state === 'FAILURE' || this.state === 'SUCCESS' || this.state === 'STUCK' || this.state === 'PARTIALLY_REVERTED') this.#to('RUNNING')
    const withdrawn = new Set<Atom>()
    for (const n of notices) {
      // A listener that was told of one task may have asked to suspend before it was told of the next.
      if (this.#stops && (n.state === 'RUNNING' || n.state === 'REVERTING') && acts.some((act) => act.kind !== 'wake' && act.atom === n.atom)) {
        withdrawn.add(n.atom)
        this.#events.push({ kind: 'withdrawn', atom: n.atom, restarted: n.restarted === true })
      } else this.#tell(n)
    }
    if (last) this.#to(last)
    if (!this.#broken) for (const act of acts) if (act.kind === 'wake' || !withdrawn.has(act.atom)) this.#perform(act)
  }

  #outcome(): FlowState {
    const state = this.#machine.outcome()
    return this.#bodies.interrupted && state === 'SUSPENDED' ? 'FAILURE' : state
  }

  async #store(dirty: ReadonlySet<Atom>, last: FlowState | undefined): Promise<void> {
    const { journal, id, clock, rows } = this.#o
    if (!journal) return
    const tasks = [...dirty].map((a) => {
      let at = rows.get(a)
      if (at === undefined) rows.set(a, (at = this.#nextAt++))
      return rowOf(a, at, a.v.kind === 'retry' ? encodeValue(a.result, `What ${a.v.name} gave`) : a.result === undefined ? undefined : this.#bodies.encoded(a), this.#progress.get(a))
    })
    const first = this.#first
    this.#first = undefined
    const set = { ...first?.set, ...(last ? { state: last, endedAt: clock.now() } : first ? { state: 'RUNNING' as const } : {}) }
    if (tasks.length === 0 && Object.keys(set).length === 0) return
    await journal.journal.commit(id, journal.fence, {
      ...(first?.clear ? { clear: true } : {}), tasks: first?.tasks ? [...first.tasks, ...tasks] : tasks, set, ...(last ? { release: true } : {}),
    })
  }

  #break(error: unknown): void {
    this.#broken ??= { error }
    this.#bodies.abort(error)
  }

  #to(state: FlowState): void {
    const old = this.state
    if (!flowMove(old, state)) return
    this.state = state
    for (const l of this.#o.listeners) this.#safely(() => l.onFlow?.(state, { flow: this.#o.name, id: this.#o.id, old }))
  }

  #tell(n: Notice): void {
    const { v, attempt } = n.atom
    const event = v.kind === 'retry' ? (n.state === 'RETRYING' ? 'retrying' : undefined) : TRACE[n.state]
    if (event) this.trace.push({ task: v.name, event })
    for (const l of this.#o.listeners) {
      this.#safely(() => l.onTask?.(n.state, {
        flow: this.#o.name, id: this.#o.id, task: v.name, kind: kindOf(n.atom), old: n.old, attempt, ...(n.restarted ? { restarted: true } : {}),
        ...('result' in n ? { result: n.result } : {}), ...(n.failure ? { failure: n.failure } : {}),
      }))
    }
  }

  #safely(act: () => void): void {
    try {
      act()
    } catch (e) {
      this.#o.warn(`a listener threw: ${e instanceof Error ? e.message : textOf(e)}`)
    }
  }

  // bodies

  #perform(act: Act): void {
    if (act.kind === 'wake') {
      const { atom } = act
      this.#o.clock.sleep(Math.max(0, act.at - this.#o.clock.now()), this.#timers.signal).then(() => this.#feed({ kind: 'woke', atom }), () => undefined)
      return
    }
    this.#bodies.begin(act, (event) => this.#feed(event))
  }

  /** Failures of executions known now, by task. */
  failures(): Record<string, Failure> {
    const out: Record<string, Failure> = {}
    for (const a of this.#machine.failed) if (a.failure) out[a.v.name] = a.failure
    return out
  }

  #progressed(atom: Atom, text: string, done: number, details: unknown): void {
    this.#progress.set(atom, text)
    for (const l of this.#o.listeners) this.#safely(() => l.onProgress?.(atom.v.name, done, details))
    this.#stir(atom)
  }

  /** Something that is worth storing, when next something is stored. */
  #stir(atom: Atom): void {
    if (this.#ended) return
    this.#stirred.add(atom)
    if (!this.#busy) void this.#pump()
  }

  /** The claim is renewed while the flow runs; when it was lost, everything stops. */
  #keepClaim(): void {
    const { journal, clock, id } = this.#o
    if (!journal) return
    const { signal } = this.#timers
    const beat = async () => {
      for (;;) {
        await clock.sleep(journal.claimMs / 3, signal)
        if (!await journal.journal.renew(id, journal.fence, journal.claimMs)) throw failure('HF4203', { message: `Another process has taken over the flow ${id}.`, hint: 'The new holder goes on with it.' })
      }
    }
    beat().catch((e) => {
      if (this.#ended || signal.aborted) return
      this.#break(e)
      if (!this.#busy) void this.#pump()
    })
  }
}

const TRACE: Partial<Record<AtomState, TraceEvent>> = { RUNNING: 'executing', SUCCESS: 'succeeded', FAILURE: 'failed', REVERTING: 'reverting', REVERTED: 'reverted', REVERT_FAILURE: 'failed' }
