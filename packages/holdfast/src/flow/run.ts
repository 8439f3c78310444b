import { type Clock, type Millis } from '../base/index.ts'
import type { Act, Flow, FlowOutcome } from './motion.ts'
import { makeFlow, step } from './step.ts'
import type { FlowSpec } from './spec.ts'

export type TaskResult =
  /** `beside`: what it replaced stands until the end, beside what it made. */
  | { readonly kind: 'succeeded'; readonly beside?: boolean }
  /** There was nothing to do. */
  | { readonly kind: 'skipped' }
  | { readonly kind: 'failed'; readonly retry: boolean }
  | { readonly kind: 'unknown' }
export type UndoResult = { readonly kind: 'undone' } | { readonly kind: 'failed' } | { readonly kind: 'unknown' }

/** Does the work. Both methods make their own durable records and never reject: a rejection is a bug and ends the run. */
export interface Executor {
  /** `signal` is aborted at the deadline of the task and when the run is stopped hard. */
  execute(id: string, attempt: number, signal: AbortSignal): Promise<TaskResult>
  undo(id: string, half: 'withdraw' | 'restore', signal: AbortSignal): Promise<UndoResult>
}

export interface RunOptions {
  readonly clock: Clock
  /** No further task starts. */
  readonly stop?: AbortSignal
  /** Running tasks are told to end. */
  readonly abort?: AbortSignal
  /** Take back what is done instead of executing. */
  readonly revert?: boolean
  readonly onDeadline?: (id: string) => void
  /** Asked once, when the run was stopped and all that ran has ended; never rejects. Without it the spec's `onFailure` holds. */
  readonly onStopped?: () => Promise<'revert' | 'keep'>
}

/**
 * Drives {@link step}: performs its acts, feeds back what happened. Durable records are the executor's.
 *
 * Gives    the outcome, and the flow with the final state of every task.
 * Fails    with what the executor rejected with, after everything that was running has ended.
 */
export function runFlow(spec: FlowSpec, executor: Executor, options: RunOptions): Promise<{ readonly outcome: FlowOutcome; readonly flow: Flow }> {
  const { onStopped } = options
  const flow = makeFlow(onStopped ? { ...spec, asks: true } : spec)
  const { clock } = options
  const deadlines = new Deadlines(clock, options.onDeadline)
  return new Promise((resolve, reject) => {
    let broken: { readonly error: unknown } | undefined
    let busy = 0
    const controls = new Set<AbortController>()
    const onAbort = () => {
      for (const c of controls) c.abort(options.abort?.reason)
    }
    const done = (f: () => void) => {
      options.stop?.removeEventListener('abort', onStop)
      options.abort?.removeEventListener('abort', onAbort)
      deadlines.close()
      f()
    }
    const fail = (error: unknown) => {
      broken ??= { error }
      if (busy === 0) done(() => reject(broken?.error))
    }
    const feed = (event: Parameters<typeof step>[1]) => {
      if (broken) {
        if (busy === 0) done(() => reject(broken?.error))
        return
      }
      try {
        for (const act of step(flow, event)) perform(act)
      } catch (e) {
        fail(e)
      }
    }
    const running = <R>(id: string, call: (signal: AbortSignal) => Promise<R>, then: (r: R) => void, deadlineMs?: Millis) => {
      const control = new AbortController()
      if (options.abort?.aborted) control.abort(options.abort.reason)
      controls.add(control)
      if (deadlineMs !== undefined) deadlines.add(id, deadlineMs, control)
      busy++
      const leave = () => {
        busy--
        deadlines.remove(id)
        controls.delete(control)
      }
      call(control.signal).then((r) => {
        leave()
        then(r)
      }, (e) => {
        leave()
        fail(e)
      })
    }
    const perform = (act: Act) => {
      switch (act.kind) {
        case 'start': {
          const deadlineMs = flow.nodes.get(act.id)?.spec.deadlineMs
          running(act.id, (signal) => executor.execute(act.id, act.attempt, signal), (r) => feed({ ...r, id: act.id }), deadlineMs)
          break
        }
        case 'wake': {
          const wait = clock.sleep(act.afterMs, options.stop)
          busy++
          wait.then(() => undefined, () => undefined).then(() => {
            busy--
            feed({ kind: 'woke', id: act.id })
          })
          break
        }
        case 'undo':
          running(act.id, (signal) => executor.undo(act.id, act.half, signal), (r) => feed(r.kind === 'undone'
            ? { kind: 'undone', id: act.id, half: act.half }
            : { kind: 'undoFailed', id: act.id, half: act.half, unknown: r.kind === 'unknown' }), flow.nodes.get(act.id)?.spec.deadlineMs)
          break
        case 'ask':
          busy++
          ;(onStopped as NonNullable<typeof onStopped>)().then((onFailure) => {
            busy--
            feed({ kind: 'answered', onFailure })
          }, (e) => {
            busy--
            fail(e)
          })
          break
        case 'end':
          done(() => resolve({ outcome: act.outcome, flow }))
          break
        default: act satisfies never
      }
    }
    const onStop = () => {
      if (flow.phase === 'execute') feed({ kind: 'cancel' })
    }
    options.abort?.addEventListener('abort', onAbort, { once: true })
    // Stopped before it began: nothing is ready, so nothing starts.
    feed({ kind: options.revert ? 'revert' : options.stop?.aborted ? 'cancel' : 'start' })
    options.stop?.addEventListener('abort', onStop, { once: true })
  })
}

/** A reason of our own: without one an error with its stack is made each time. */
const DISARMED = 'disarmed'

/** One timer for all running tasks: the nearest deadline. */
class Deadlines {
  readonly #clock: Clock
  readonly #onDeadline: ((id: string) => void) | undefined
  readonly #at = new Map<string, { readonly at: Millis; readonly control: AbortController }>()
  #armed: { readonly at: Millis; readonly cancel: AbortController } | undefined
  #closed = false

  constructor(clock: Clock, onDeadline: ((id: string) => void) | undefined) {
    this.#clock = clock
    this.#onDeadline = onDeadline
  }

  add(id: string, ms: Millis, control: AbortController): void {
    const at = this.#clock.mono() + ms
    this.#at.set(id, { at, control })
    if (!this.#armed || at < this.#armed.at) this.#arm(at)
  }

  remove(id: string): void {
    this.#at.delete(id)
  }

  close(): void {
    this.#closed = true
    this.#armed?.cancel.abort(DISARMED)
  }

  #arm(at: Millis): void {
    this.#armed?.cancel.abort(DISARMED)
    const cancel = new AbortController()
    this.#armed = { at, cancel }
    this.#clock.sleep(Math.max(0, at - this.#clock.mono()), cancel.signal).then(() => this.#ring(), () => undefined)
  }

  #ring(): void {
    if (this.#closed) return
    this.#armed = undefined
    const now = this.#clock.mono()
    let next = Number.POSITIVE_INFINITY
    for (const [id, d] of this.#at) {
      if (d.at <= now) {
        this.#at.delete(id)
        this.#onDeadline?.(id)
        d.control.abort(new DeadlinePassed())
      } else next = Math.min(next, d.at)
    }
    if (next < Number.POSITIVE_INFINITY) this.#arm(next)
  }
}

/** The reason of a signal that was aborted by a deadline. */
export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed'
  constructor() {
    super('the deadline passed')
  }
}
