import type { HoldfastError, Millis } from '../base/index.ts'
import type { Address } from '../model/index.ts'
import type { EngineContext, EventType } from './context.ts'
import type { Fields } from './facts.ts'

/** What happened to one task, for the run document and the screens. */
export interface TaskRecord {
  readonly address: Address
  readonly op: string
  outcome: 'succeeded' | 'failed' | 'reverted' | 'revertFailed' | 'skipped' | 'unknown'
  attempts: number
  ms: Millis
  downMs?: number
  /** Hooks that ran, by when. */
  hooks?: Record<string, string>
  error?: Readonly<Record<string, unknown>>
}

/** Keeps the records of a run's tasks and tells the listeners. Everything it is given was redacted where it came from. */
export class TaskLog {
  readonly records = new Map<string, TaskRecord>()
  readonly reverted: { readonly address: Address; readonly identity: 'same' | 'new' }[] = []
  readonly #cx: EngineContext
  readonly #run: string
  readonly #began = new Map<string, Millis>()

  constructor(cx: EngineContext, run: string) {
    this.#cx = cx
    this.#run = run
  }

  #emit(type: EventType, id: string, r: TaskRecord, more: { readonly tx?: string | undefined; readonly message?: string | undefined; readonly data?: Record<string, unknown> } = {}): void {
    this.#cx.emit({
      type, run: this.#run, node: r.address, op: r.op, attempt: r.attempts, ms: Math.round(r.ms),
      ...(more.tx === undefined ? {} : { tx: more.tx }), ...(more.message === undefined ? {} : { message: more.message }), ...(more.data ? { data: { task: id, ...more.data } } : {}),
    })
  }

  start(id: string, address: Address, op: string, attempt: number): Millis {
    const now = this.#cx.clock.mono()
    const known = this.records.get(id)
    const r: TaskRecord = known ?? { address, op, outcome: 'skipped', attempts: attempt, ms: 0 }
    r.attempts = attempt
    this.records.set(id, r)
    if (!this.#began.has(id)) this.#began.set(id, now)
    this.#emit('task.started', id, r)
    return this.#began.get(id) as Millis
  }

  hook(id: string, hook: { readonly point: string; readonly name: string }): void {
    const r = this.records.get(id) as TaskRecord
    r.hooks = { ...r.hooks, [hook.point]: hook.name }
  }

  /** It was never begun: something that it waits for failed. */
  skip(id: string, address: Address, op: string): void {
    const r: TaskRecord = { address, op, outcome: 'skipped', attempts: 0, ms: 0 }
    this.records.set(id, r)
    this.#emit('task.skipped', id, r)
  }

  succeed(id: string, began: Millis, outputs: Fields | undefined, note: string | undefined, tx: string | undefined): void {
    const r = this.records.get(id) as TaskRecord
    r.outcome = 'succeeded'
    r.ms = this.#cx.clock.mono() - began
    delete r.error
    if (typeof outputs?.downMs === 'number') r.downMs = outputs.downMs
    this.#emit('task.succeeded', id, r, { tx, message: note })
  }

  fail(id: string, address: Address, op: string, e: HoldfastError, retry: boolean): void {
    const r = this.records.get(id) ?? { address, op, outcome: 'failed' as const, attempts: 1, ms: 0 }
    this.records.set(id, r)
    r.outcome = 'failed'
    r.ms = this.#cx.clock.mono() - (this.#began.get(id) ?? this.#cx.clock.mono())
    r.error = e.toDocument()
    this.#emit(retry ? 'task.retrying' : 'task.failed', id, r, { message: e.message, data: { code: e.code } })
  }

  unknown(id: string, began: Millis, e: HoldfastError, tx: string): void {
    const r = this.records.get(id) as TaskRecord
    r.outcome = 'unknown'
    r.ms = this.#cx.clock.mono() - began
    r.error = e.toDocument()
    this.#emit('task.unknown', id, r, { tx, message: e.message })
  }

  reverting(id: string, address: Address): void {
    this.#emit('task.reverting', id, this.records.get(id) ?? { address, op: 'revert', outcome: 'reverted', attempts: 1, ms: 0 })
  }

  /** `worked`: something had to be done for it; a task that only has to forget is no entry of its own. */
  revert(id: string, address: Address, identity: 'same' | 'new', ms: Millis): void {
    const r = this.records.get(id) ?? { address, op: 'revert', outcome: 'reverted' as const, attempts: 1, ms }
    this.records.set(id, r)
    if (r.outcome === 'succeeded') r.outcome = 'reverted'
    this.tookBack(address, identity)
    this.#emit('task.reverted', id, { ...r, ms }, { data: { identity } })
  }

  /** Named once for each address: as new, when any step made it so. */
  tookBack(address: Address, identity: 'same' | 'new'): void {
    const known = this.reverted.findIndex((x) => x.address === address)
    if (known < 0) this.reverted.push({ address, identity })
    else if (identity === 'new') this.reverted[known] = { address, identity }
  }

  revertFailed(id: string, address: Address, e: HoldfastError): void {
    const r = this.records.get(id) ?? { address, op: 'revert', outcome: 'revertFailed' as const, attempts: 1, ms: 0 }
    this.records.set(id, r)
    r.outcome = 'revertFailed'
    r.error = e.toDocument()
    this.#emit('task.revertFailed', id, r, { message: e.message })
  }
}
