import { failure, sha256hex, type Clock, type Millis } from '../../base/index.ts'
import type { FlowJournal } from '../../store/index.ts'
import { Failure } from './failure.ts'
import { failing } from './kinds.ts'
import type { Act, Atom, Event } from './motion.ts'
import type { Inputs, Outcome, TaskContext, UndoContext } from './port.ts'
import { callWorker } from './remote.ts'
import { clamped, decodeValue, encodeProgress, encodeValue } from './rows.ts'
import { missingOutputs, type BuiltTask } from './task.ts'

export interface BodiesOptions {
  readonly id: string
  /** Tells flows apart that were forgotten and made again under one id; 0 for the first. */
  readonly born: number
  readonly clock: Clock
  readonly journal: { readonly journal: FlowJournal } | undefined
  readonly signal: AbortSignal | undefined
}

/** What a body asks for and tells while it runs. */
export interface Around {
  /** Failures of executions known now, by task. */
  failures(): Record<string, Failure>
  progressed(atom: Atom, text: string, done: number, details: unknown): void
  /** Something about it is worth storing. */
  stir(atom: Atom): void
}

/** A body that ignores the end of its time is left to itself after this. */
const GRACE_MS = 1_000

/** Runs the functions of tasks, here or on a worker. Each ends as one event of the machine: nothing that a body throws goes farther. */
export class Bodies {
  readonly #o: BodiesOptions
  readonly #around: Around
  /** Results as they are stored: encoded once, when they are given. */
  readonly #encoded = new Map<Atom, string | undefined>()
  readonly #controls = new Set<Signal>()
  #running = 0
  /** By the signal of the flow: what is called off counts as never ended. */
  interrupted = false

  constructor(options: BodiesOptions, around: Around) {
    this.#o = options
    this.#around = around
  }

  get running(): number {
    return this.#running
  }

  /** The result of a task, as it is stored. */
  encoded(atom: Atom): string | undefined {
    return this.#encoded.get(atom)
  }
  /** Its result was given in a run before. */
  loaded(atom: Atom): void {
    this.#encoded.set(atom, encodeValue(atom.result, atom.v.name))
  }

  /** Tells every body that runs; each ends when it likes. */
  abort(reason: unknown): void {
    for (const c of this.#controls) c.abort(reason)
  }

  /** Begins a body; `ended` is called with what became of it. */
  begin(act: Exclude<Act, { kind: 'wake' }>, ended: (event: Event) => void): void {
    this.#running++
    const body = act.kind === 'start' ? this.#execute(act.atom, act.inputs) : this.#undo(act.atom, act.inputs)
    void body.then((event) => {
      this.#running--
      ended(event)
    })
  }

  async #execute(atom: Atom, inputs: Inputs): Promise<Event> {
    const task = atom.v.task as BuiltTask
    const control = new Signal(this.#controls, this.interrupted ? this.#o.signal?.reason : undefined)
    try {
      const result = await this.#within(task.timeoutMs, atom, control, () => this.#body(task, atom, inputs, control))
      if (task.slots.size > 0) {
        const missing = missingOutputs(task.slots, result)
        if (missing.length > 0) throw failing('HF3215', { message: `${task.name} announced ${missing.join(', ')} and did not return it.`, details: { missing } })
      }
      if (this.#o.journal) this.#encoded.set(atom, encodeValue(result, `What ${task.name} returned`))
      return { kind: 'succeeded', atom, result }
    } catch (e) {
      if (this.interrupted && control.aborted) return { kind: 'interrupted', atom }
      return { kind: 'failed', atom, failure: Failure.of(e) }
    } finally {
      control.release()
    }
  }

  #body(task: BuiltTask, atom: Atom, inputs: Inputs, control: Signal): unknown {
    if (task.remote) return this.#elsewhere(task, atom, 'execute', { inputs }, control.signal)
    const ctx = this.#context(task, atom, control, '')
    const { preExecute, postExecute } = task.hooks
    return preExecute || postExecute ? between(preExecute, postExecute, ctx, () => task.run?.(ctx, inputs)) : task.run?.(ctx, inputs)
  }

  async #undo(atom: Atom, inputs: Inputs): Promise<Event> {
    const task = atom.v.task as BuiltTask
    const control = new Signal(this.#controls, this.interrupted ? this.#o.signal?.reason : undefined)
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
    const outcome: Outcome = { result: atom.failure ?? atom.result, flowFailures: this.#around.failures() }
    if (task.remote) return task.remote.undo ? this.#elsewhere(task, atom, 'undo', { inputs, outcome }, control.signal) : undefined
    const ctx = this.#context(task, atom, control, '/undo')
    const { preUndo, postUndo } = task.hooks
    const undo = () => task.undo?.(ctx, { ...inputs, ...outcome }, outcome)
    return preUndo || postUndo ? between(preUndo, postUndo, ctx, undo) : undo()
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
        this.#around.stir(atom)
      },
      onProgress: (text) => {
        const { done, details } = decodeValue(text) as { readonly done: number; readonly details?: unknown }
        this.#around.progressed(atom, text, done, details)
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
        this.#around.progressed(atom, encodeProgress(task.name, x, details), x, details)
      },
    }
  }

  #key(task: BuiltTask, atom: Atom): string {
    const { id, born } = this.#o
    return `fk1-${sha256hex(`holdfast:flow\0${id}\0${task.key}\0${atom.epoch}${born === 0 ? '' : `\0${born}`}`).slice(0, 32)}`
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

async function between(before: ((ctx: TaskContext) => unknown) | undefined, after: ((ctx: TaskContext) => unknown) | undefined, ctx: TaskContext, body: () => unknown): Promise<unknown> {
  await before?.(ctx)
  try {
    return await body()
  } finally {
    await after?.(ctx)
  }
}
