import { failure, sha256hex, textOf, type Clock, type Millis } from '../../base/index.ts'
import type { AtomState, FlowState } from '../../state/index.ts'
import type { FlowChange, FlowJournal } from '../../store/index.ts'
import { Failure } from './failure.ts'
import { failing } from './kinds.ts'
import type { Machine } from './machine.ts'
import type { Act, Atom, Event, Notice } from './motion.ts'
import { flowMove } from './moves.ts'
import type { Inputs, Listeners, Outcome, TaskContext, TraceEvent, UndoContext } from './port.ts'
import { callWorker } from './remote.ts'
import { clamped, decodeValue, encodeProgress, encodeValue, rowOf } from './rows.ts'
import { missingOutputs, type BuiltTask } from './task.ts'

export interface DriveOptions {
  readonly id: string
  /** Tells flows apart that were forgotten and made again under one id; 0 for the first. */
  readonly born: number
  readonly name: string
  readonly clock: Clock
  readonly listeners: readonly Listeners[]
  readonly journal: { readonly journal: FlowJournal; readonly fence: number; readonly claimMs: Millis } | undefined
  /** Stored with the first step. */
  readonly first: FlowChange
  /** Rows that exist: atom -> number, and the encoded results. */
  readonly rows: Map<Atom, number>
  readonly signal: AbortSignal | undefined
  readonly state: FlowState
  readonly warn: (text: string) => void
}

/** A body that ignores the end of its time is left to itself after this. */
const GRACE_MS = 1_000

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
  readonly #encoded = new Map<Atom, string | undefined>()
  readonly #progress = new Map<Atom, string>()
  readonly #stirred = new Set<Atom>()
  readonly #controls = new Set<Signal>()
  readonly #timers = new AbortController()
  #nextAt: number
  #bodies = 0
  #busy = false
  #first: FlowChange | undefined
  #broken: { readonly error: unknown } | undefined
  #interrupted = false
  #ended = false
  #end: { readonly resolve: () => void; readonly reject: (why: unknown) => void } | undefined
  state: FlowState

  constructor(machine: Machine, options: DriveOptions) {
    this.#machine = machine
    this.#o = options
    this.state = options.state
    this.#first = options.first
    let last = 0
    for (const [a, at] of options.rows) {
      last = Math.max(last, at)
      if (options.journal) this.#encoded.set(a, encodeValue(a.result, a.v.name))
    }
    this.#nextAt = last + 1
  }

  get interrupted(): boolean {
    return this.#interrupted
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
        this.#interrupted = true
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
    return this.#interrupted || this.state === 'SUSPENDING'
  }

  #interrupt(reason: unknown): void {
    if (this.#ended) return
    this.#interrupted = true
    this.#feed({ kind: 'suspend' })
    for (const c of this.#controls) c.abort(reason)
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
      if (this.#bodies === 0 && !this.#ended) this.#end?.reject(this.#broken.error)
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
    return this.#interrupted && state === 'SUSPENDED' ? 'FAILURE' : state
  }

  async #store(dirty: ReadonlySet<Atom>, last: FlowState | undefined): Promise<void> {
    const { journal, id, clock, rows } = this.#o
    if (!journal) return
    const tasks = [...dirty].map((a) => {
      let at = rows.get(a)
      if (at === undefined) rows.set(a, (at = this.#nextAt++))
      return rowOf(a, at, a.v.kind === 'retry' ? encodeValue(a.result, `What ${a.v.name} gave`) : a.result === undefined ? undefined : this.#encoded.get(a), this.#progress.get(a))
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
    for (const c of this.#controls) c.abort(error)
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
        flow: this.#o.name, id: this.#o.id, task: v.name, kind: v.kind === 'retry' ? 'retry' : 'task', old: n.old, attempt, ...(n.restarted ? { restarted: true } : {}),
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
    this.#bodies++
    const body = act.kind === 'start' ? this.#execute(act.atom, act.inputs) : this.#undo(act.atom, act.inputs)
    void body.then((event) => {
      this.#bodies--
      this.#feed(event)
    })
  }

  async #execute(atom: Atom, inputs: Inputs): Promise<Event> {
    const task = atom.v.task as BuiltTask
    const control = new Signal(this.#controls, this.#interrupted ? this.#o.signal?.reason : undefined)
    try {
      const result = await this.#within(task.timeoutMs, atom, control, () => this.#body(task, atom, inputs, control))
      if (task.slots.size > 0) {
        const missing = missingOutputs(task.slots, result)
        if (missing.length > 0) throw failing('HF3215', { message: `${task.name} announced ${missing.join(', ')} and did not return it.`, details: { missing } })
      }
      if (this.#o.journal) this.#encoded.set(atom, encodeValue(result, `What ${task.name} returned`))
      return { kind: 'succeeded', atom, result }
    } catch (e) {
      if (this.#interrupted && control.aborted) return { kind: 'interrupted', atom }
      return { kind: 'failed', atom, failure: Failure.of(e) }
    } finally {
      control.release()
    }
  }

  #body(task: BuiltTask, atom: Atom, inputs: Inputs, control: Signal): unknown {
    if (task.remote) return this.#elsewhere(task, atom, 'execute', { inputs }, control.signal)
    const ctx = this.#context(task, atom, control, '')
    const { preExecute, postExecute } = task.hooks
    return preExecute || postExecute ? around(preExecute, postExecute, ctx, () => task.run?.(ctx, inputs)) : task.run?.(ctx, inputs)
  }

  async #undo(atom: Atom, inputs: Inputs): Promise<Event> {
    const task = atom.v.task as BuiltTask
    const control = new Signal(this.#controls, this.#interrupted ? this.#o.signal?.reason : undefined)
    try {
      const result = await this.#within(task.timeoutMs, atom, control, () => this.#undoBody(task, atom, inputs, control))
      if (this.#o.journal) encodeValue(result, `What the undo of ${task.name} returned`)
      return { kind: 'undone', atom, result }
    } catch (e) {
      return { kind: 'undoFailed', atom, failure: Failure.of(e) }
    } finally {
      control.release()
    }
  }

  #undoBody(task: BuiltTask, atom: Atom, inputs: Inputs, control: Signal): unknown {
    const outcome: Outcome = { result: atom.failure ?? atom.result, flowFailures: this.failures() }
    if (task.remote) return task.remote.undo ? this.#elsewhere(task, atom, 'undo', { inputs, outcome }, control.signal) : undefined
    const ctx = this.#context(task, atom, control, '/undo')
    const { preUndo, postUndo } = task.hooks
    const undo = () => task.undo?.(ctx, { ...inputs, ...outcome }, outcome)
    return preUndo || postUndo ? around(preUndo, postUndo, ctx, undo) : undo()
  }

  /** Failures of executions known now, by task. */
  failures(): Record<string, Failure> {
    const out: Record<string, Failure> = {}
    for (const a of this.#machine.failed) if (a.failure) out[a.v.name] = a.failure
    return out
  }

  async #within<T>(ms: Millis | undefined, atom: Atom, control: Signal, body: () => T): Promise<Awaited<T>> {
    if (ms === undefined) return await body()
    const { clock } = this.#o
    const cancel = new AbortController()
    const late = failure('HF3105', { message: `${atom.v.name} took longer than ${ms} ms.` })
    let passed = false
    const limit = clock.sleep(ms, cancel.signal).then(async () => {
      passed = true
      control.abort(late)
      await clock.sleep(GRACE_MS, cancel.signal)
      throw late
    })
    limit.catch(() => undefined)
    try {
      const result = await Promise.race([body(), limit])
      if (passed) throw late
      return result
    } catch (e) {
      throw passed ? late : e
    } finally {
      cancel.abort()
    }
  }

  #elsewhere(task: BuiltTask, atom: Atom, action: 'execute' | 'undo', doc: { readonly inputs: Inputs; readonly outcome?: Outcome }, signal: AbortSignal): Promise<unknown> {
    const { journal, clock, id } = this.#o
    if (!journal || !task.remote) throw failing('HF3203', { message: `${task.name} runs on a worker: its flow needs a journal.` })
    const key = this.#key(task, atom)
    return callWorker({
      journal: journal.journal, clock, flow: id, task: task.name, remote: task.remote, action, key: action === 'undo' ? `${key}/undo` : key, signal, ...doc,
      onAttempt: (attempt) => {
        atom.attempt = Math.max(atom.attempt, attempt)
        this.#stir(atom)
      },
      onProgress: (text) => {
        const { done, details } = decodeValue(text) as { readonly done: number; readonly details?: unknown }
        this.#progressed(task, atom, text, done, details)
      },
    })
  }

  #context(task: BuiltTask, atom: Atom, control: Signal, half: '' | '/undo'): UndoContext {
    const executeKey = () => this.#key(task, atom)
    return {
      flow: this.#o.id, task: task.name, attempt: atom.attempt,
      get key() { return `${executeKey()}${half}` },
      get executeKey() { return executeKey() },
      get signal() { return control.signal },
      progress: (done, details) => {
        const x = clamped(done)
        this.#progressed(task, atom, encodeProgress(task.name, x, details), x, details)
      },
    }
  }

  #progressed(task: BuiltTask, atom: Atom, text: string, done: number, details: unknown): void {
    this.#progress.set(atom, text)
    for (const l of this.#o.listeners) this.#safely(() => l.onProgress?.(task.name, done, details))
    this.#stir(atom)
  }

  /** Something that is worth storing, when next something is stored. */
  #stir(atom: Atom): void {
    if (this.#ended) return
    this.#stirred.add(atom)
    if (!this.#busy) void this.#pump()
  }

  #key(task: BuiltTask, atom: Atom): string {
    const { id, born } = this.#o
    return `fk1-${sha256hex(`holdfast:flow\0${id}\0${task.key}\0${atom.epoch}${born === 0 ? '' : `\0${born}`}`).slice(0, 32)}`
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

/** The signal of one body: made when it is first asked for, because most bodies never do. */
class Signal {
  readonly #all: Set<Signal>
  #control: AbortController | undefined
  #reason: { readonly reason: unknown } | undefined

  constructor(all: Set<Signal>, reason: unknown) {
    this.#all = all
    if (reason !== undefined) this.#reason = { reason }
    all.add(this)
  }

  get signal(): AbortSignal {
    if (!this.#control) {
      this.#control = new AbortController()
      if (this.#reason) this.#control.abort(this.#reason.reason)
    }
    return this.#control.signal
  }
  get aborted(): boolean {
    return this.#reason !== undefined
  }
  abort(reason: unknown): void {
    this.#reason ??= { reason }
    this.#control?.abort(reason)
  }
  release(): void {
    this.#all.delete(this)
  }
}

async function around(before: ((ctx: TaskContext) => unknown) | undefined, after: ((ctx: TaskContext) => unknown) | undefined, ctx: TaskContext, body: () => unknown): Promise<unknown> {
  await before?.(ctx)
  try {
    return await body()
  } finally {
    await after?.(ctx)
  }
}

const TRACE: Partial<Record<AtomState, TraceEvent>> = { RUNNING: 'executing', SUCCESS: 'succeeded', FAILURE: 'failed', REVERTING: 'reverting', REVERTED: 'reverted', REVERT_FAILURE: 'failed' }
