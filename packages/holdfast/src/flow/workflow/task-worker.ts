import { allOf, clockKind, having, isFailure, makeIds, optionKind, parseCanonical, systemClock, systemRandom, type Clock, type Kind, type Kinds, type Millis } from '../../base/index.ts'
import type { FlowCallRow } from '../../state/index.ts'
import type { FlowJournal } from '../../store/index.ts'
import { Failure } from './failure.ts'
import { checkOptions, journalKind } from './kinds.ts'
import type { Inputs, Outcome, TaskContext, UndoContext } from './port.ts'
import { encodeAnswer, type CallDoc } from './remote.ts'
import { clamped, encodeProgress, encodeValue } from './rows.ts'

/** What a worker does for one type of task. What it says with `ctx.progress` reaches the listeners of the flow, at most once per `pollMs`; what was said in between is left out. */
export interface TaskHandler {
  execute(ctx: TaskContext, inputs: Inputs): unknown
  undo?(ctx: UndoContext, inputs: Inputs & Outcome, outcome: Outcome): unknown
}

export interface TaskWorkerOptions {
  readonly journal: FlowJournal
  /** What it can do, by the type of the task. */
  readonly types: Readonly<Record<string, TaskHandler>>
  readonly name?: string
  /** A worker that is not heard of for so long loses its call. Default half a minute. */
  readonly leaseMs?: Millis
  /** How long to rest when there was nothing to do. Default 50 ms. */
  readonly pollMs?: Millis
  readonly clock?: Clock
}

const OPTIONS: Kinds = new Map<string, Kind>([
  ['journal', journalKind], ['types', allOf('what it does, by type: { execute, undo? }', having('', 'execute'))], ['name', optionKind.text], ['leaseMs', optionKind.above], ['pollMs', optionKind.count], ['clock', clockKind],
])
const ids = makeIds(systemClock, systemRandom)

/**
 * Carries out the tasks of `createRemoteTask` that it knows the types of: one at a time, in as many processes as there are workers.
 *
 * A body that throws fails its task, not the worker. One that is silent for `leaseMs` loses its call to the next worker, under the same key and with
 * `attempt` one higher; its late answer is refused.
 * Durable  an answer, before the engine hears of it.
 */
export class TaskWorker {
  readonly #o: TaskWorkerOptions
  readonly #clock: Clock
  readonly name: string

  /** Fails HF3203. */
  constructor(options: TaskWorkerOptions) {
    checkOptions(options, OPTIONS, 'A task worker', ['journal', 'types'])
    this.#o = options
    this.#clock = options.clock ?? systemClock
    this.name = options.name ?? ids.next('w')
  }

  /** Until `signal` is aborted; the call that is being carried out ends first. Rejects with the failures of the journal only. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) if (await this.runOnce() === 'idle') await this.#clock.sleep(this.#pollMs, signal).catch(() => undefined)
  }

  /**
   * Takes one call and carries it out.
   *
   * Gives    `late` when the call was handed to somebody else meanwhile: the answer was refused. `rejected` when the call could not be understood: its task
   *          fails, and the worker goes on.
   */
  async runOnce(): Promise<'idle' | 'answered' | 'late' | 'rejected'> {
    const { journal, types, leaseMs = 30_000 } = this.#o
    const call = await journal.take(Object.keys(types), this.name, leaseMs)
    if (!call) return 'idle'
    let doc: CallDoc
    try {
      doc = readDoc(call.doc)
    } catch (e) {
      const answer = encodeAnswer({ failure: Failure.of(new Error(`the call could not be read: ${e instanceof Error ? e.message : String(e)}`)).toJSON() })
      await journal.answer(call.id, call.fence, 'FAILURE', answer)
      return 'rejected'
    }
    const rest = new AbortController()
    void this.#keep(call, leaseMs, rest)
    const teller = new Teller((text) => journal.beat(call.id, call.fence, leaseMs, text), () => this.#clock.sleep(this.#pollMs, rest.signal))
    let answered: boolean
    try {
      const result = await this.#carryOut(call, doc, rest.signal, teller).finally(() => teller.end())
      encodeValue(result, `What ${call.task} returned`)
      answered = await journal.answer(call.id, call.fence, 'SUCCESS', encodeAnswer({ result }))
    } catch (e) {
      if (isFailure(e) && e.code.startsWith('HF40')) throw e
      answered = await journal.answer(call.id, call.fence, 'FAILURE', encodeAnswer({ failure: Failure.of(e).toJSON() }))
    } finally {
      rest.abort()
    }
    return answered ? 'answered' : 'late'
  }

  get #pollMs(): Millis {
    return this.#o.pollMs ?? 50
  }

  async #carryOut(call: FlowCallRow, doc: CallDoc, signal: AbortSignal, teller: Teller): Promise<unknown> {
    const handler = this.#o.types[call.type] as TaskHandler
    const ctx: TaskContext = { flow: call.flow, task: call.task, attempt: call.attempt, key: doc.key, signal, progress: (done, details) => teller.say(encodeProgress(call.task, clamped(done), details)) }
    if (call.action === 'execute') return handler.execute(ctx, doc.inputs)
    const { failure, result, flowFailures = {} } = doc.outcome ?? {}
    const outcome: Outcome = { result: failure ? Failure.from(failure) : result, flowFailures: Object.fromEntries(Object.entries(flowFailures).map(([k, f]) => [k, Failure.from(f)])) }
    return handler.undo?.({ ...ctx, executeKey: doc.key.replace(/\/undo$/, '') }, { ...doc.inputs, ...outcome }, outcome)
  }

  /** Says that it is still at work; when the call was given to somebody else, the body is told to stop. */
  async #keep(call: FlowCallRow, leaseMs: Millis, rest: AbortController): Promise<void> {
    try {
      for (;;) {
        await this.#clock.sleep(leaseMs / 3, rest.signal)
        if (!await this.#o.journal.beat(call.id, call.fence, leaseMs)) return rest.abort(new Error('the call was given to another worker'))
      }
    } catch {
      // The body has ended, or the journal fails: the answer will say so.
    }
  }
}

/** Passes on the newest of what is said, and rests in between: however often a body speaks, little is written. */
class Teller {
  readonly #send: (text: string) => Promise<unknown>
  readonly #rest: () => Promise<void>
  #newest: string | undefined
  #telling: Promise<void> | undefined

  constructor(send: (text: string) => Promise<unknown>, rest: () => Promise<void>) {
    this.#send = send
    this.#rest = rest
  }

  say(text: string): void {
    this.#newest = text
    this.#telling ??= this.#tell().finally(() => { this.#telling = undefined })
  }

  /** What was said last is passed on before the answer is. */
  async end(): Promise<void> {
    await this.#one()
  }

  async #tell(): Promise<void> {
    while (this.#newest !== undefined) {
      await this.#one()
      await this.#rest().catch(() => undefined)
    }
  }

  async #one(): Promise<void> {
    const text = this.#newest
    this.#newest = undefined
    // A journal that fails will say so to the answer.
    if (text !== undefined) await this.#send(text).catch(() => undefined)
  }
}

function readDoc(text: string): CallDoc {
  const doc = parseCanonical(text) as Partial<CallDoc> | null
  if (typeof doc !== 'object' || doc === null || typeof doc.key !== 'string' || typeof doc.inputs !== 'object' || doc.inputs === null) throw new Error('it has no key or no inputs')
  return doc as CallDoc
}
