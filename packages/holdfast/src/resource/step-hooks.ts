import { limits, mutant, type HoldfastError, type Millis } from '../base/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { withDeadline } from './call.ts'
import { draftOf, event, taskRow, type Change, type RowDraft, type Work } from './change.ts'
import type { Fields } from './facts.ts'
import { hookOf, runHook } from './hooks.ts'
import type { TaskLog } from './log.ts'
import { owesOnly } from './remove.ts'

/** The hooks of a run's steps, and what the journal keeps of them. */
export class StepHooks {
  readonly #work: Work
  readonly #log: TaskLog
  readonly #deadline: (id: string, change: Change) => Millis | undefined

  constructor(work: Work, log: TaskLog, deadline: (id: string, change: Change) => Millis | undefined) {
    this.#work = work
    this.#log = log
    this.#deadline = deadline
  }

  /** Gives why the hook of a step failed; undefined when it did not, or when there is none. */
  async run(id: string, change: Change, when: 'before' | 'after', outputs: Fields | undefined, attemptNo: number, signal: AbortSignal): Promise<HoldfastError | undefined> {
    const hook = hookOf(change, when)
    if (!hook) return undefined
    this.#log.hook(id, hook)
    const answer = await this.#inTime(id, change, signal, (s) => runHook(this.#work.state, hook, change, outputs, attemptNo, s))
    return answer.ok || (when === 'before' && mutant('hook-failure-ignored')) ? undefined : answer.error
  }

  /** Asks the node's onError hook whether to try again. One that fails does not. */
  async asksAgain(id: string, change: Change, error: HoldfastError, attemptNo: number, signal: AbortSignal): Promise<boolean> {
    const hook = hookOf(change, 'error')
    if (!hook || attemptNo > limits.hookRetriesMax) return false
    this.#log.hook(id, hook)
    const answer = await this.#inTime(id, change, signal, (s) => runHook(this.#work.state, hook, change, change.prior?.outputs, attemptNo, s, error))
    if (!answer.ok) this.#work.state.cx.emit({ type: 'log', node: change.address, message: answer.error.message })
    return answer.ok && answer.retry
  }

  /** Where the call used up the time of its step, and what became of it was found out afterwards, the hook has that time once more. */
  #inTime<T>(id: string, change: Change, signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { state, abort } = this.#work
    return signal.aborted && !abort.aborted ? withDeadline(state, { timeoutMs: this.#deadline(id, change) ?? change.type.timeoutMs }, abort, call) : call(signal)
  }

  /** What a hook refused stands in the journal, too. */
  async note(id: string, change: Change, error: HoldfastError, attemptNo: number): Promise<void> {
    const { state } = this.#work
    const tx = { task: id, address: change.address, undo: false, attempts: attemptNo, token: '', openedAt: state.cx.clock.now(), op: change.op }
    const text = state.cx.redactor.text(error.message)
    await state.commit([{ t: 'task.put', row: { ...taskRow(this.#work, tx, change.kind, 'failure', text, undefined), tx: undefined } }, event(this.#work, 'hook.failed', tx, { code: error.code, message: text })])
  }

  /** The row owes no hook any more. That is nothing to take back. */
  async paid(uid: string): Promise<void> {
    const { state } = this.#work
    const row = state.current.get(uid) as ResourceRow
    const { due: _due, ...meta } = row.meta
    await state.commit([{ t: 'resource.put', row: { ...draftOf(row), meta } }])
  }

  async paidAfterDelete(uid: string): Promise<void> {
    const { state } = this.#work
    const row = state.current.get(uid) as RowDraft | undefined
    if (row && owesOnly(row)) await state.commit([{ t: 'resource.drop', uid, since: row.since }])
  }
}
