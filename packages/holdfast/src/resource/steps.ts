import { failure, mutant, type HoldfastError, type Millis } from '../base/index.ts'
import type { TaskResult } from '../flow/index.ts'
import { tokenHonoured } from '../journal/index.ts'
import type { TxRow } from '../state/index.ts'
import { attempt, fail, type Change, type ChangeResult, type Work } from './change.ts'
import type { Fields } from './facts.ts'
import type { TaskLog } from './log.ts'
import { settle } from './settle.ts'
import { StepHooks } from './step-hooks.ts'

/** Carries out the steps of a run: the hooks around a change, the change itself, what becomes of an answer that was lost, and whether it is attempted again. */
export class Steps {
  readonly #work: Work
  readonly #log: TaskLog
  readonly #deadline: (id: string, change: Change) => Millis | undefined
  readonly #hooks: StepHooks
  /** Transactions of tasks that will be attempted again. */
  readonly #retrying = new Map<string, { readonly tx: TxRow; readonly error: HoldfastError; readonly applied: 'no' | 'partly' }>()
  /** The first that was final. */
  error: HoldfastError | undefined

  constructor(work: Work, log: TaskLog, deadline: (id: string, change: Change) => Millis | undefined) {
    this.#work = work
    this.#log = log
    this.#deadline = deadline
    this.#hooks = new StepHooks(work, log, deadline)
  }

  /** The transaction of a task that is attempted again. */
  retryOf(id: string): TxRow | undefined {
    return this.#retrying.get(id)?.tx
  }

  /** There is no other attempt: the rejection of the last one is written down. */
  async closeRetry(id: string): Promise<void> {
    const left = this.#retrying.get(id)
    if (!left) return
    this.#retrying.delete(id)
    await fail(this.#work, left.tx, left.applied, left.error)
  }

  /** As `closeRetry`, of all that were waiting for another attempt when the flow stopped. */
  async closeRetries(): Promise<void> {
    for (const id of this.#retrying.keys()) await this.closeRetry(id)
  }

  failed(id: string, address: string, op: string, e: HoldfastError, retry: boolean): void {
    if (!retry) this.error ??= e
    this.#log.fail(id, address, op, e, retry)
  }

  /** `tx`: of an earlier attempt. */
  async run(id: string, change: Change, attemptNo: number, retries: number, tx: TxRow | undefined, signal: AbortSignal): Promise<TaskResult> {
    const began = this.#log.start(id, change.address, change.kind, attemptNo)
    const refused = await this.#hooks.run(id, change, 'before', change.prior?.outputs, attemptNo, signal)
    if (refused) {
      const waiting = this.#retrying.get(id)
      this.#retrying.delete(id)
      if (waiting) await fail(this.#work, waiting.tx, waiting.applied, refused)
      else await this.#hooks.note(id, change, refused, attemptNo)
      this.failed(id, change.address, change.kind, refused, false)
      return { kind: 'failed', retry: false }
    }
    const earlier = this.#retrying.get(id)?.applied
    const first = await attempt(this.#work, change, tx && { ...tx, applied: earlier }, signal)
    this.#retrying.delete(id)
    let result: ChangeResult | Awaited<ReturnType<typeof settle>> = first.result
    if (result.kind === 'lost' && attemptNo <= retries && mutant('retry-without-settling')) result = { kind: 'failed', tx: first.tx, error: failure('HF3101', { address: change.address, message: result.evidence }), applied: 'no' }
    if (result.kind === 'lost') result = await settle(this.#work, first.tx, result.evidence, result.timedOut, change.site, this.#work.abort, this.#deadline(id, change))
    switch (result.kind) {
      case 'done':
        return this.#done(id, change, began, result, first.tx.token, attemptNo, signal)
      case 'failed': {
        // A rejection says nothing of what an earlier attempt has done; whoever has looked knows.
        const applied = first.result.kind === 'failed' && earlier === 'partly' ? earlier : result.applied
        // A creation that left something can only be repeated under a key that finds it.
        const repeatable = applied === 'no' || change.op !== 'create' || tokenHonoured(result.tx.capability, result.tx.firstSentAt ?? 0, this.#work.state.cx.clock.now())
        const retry = repeatable && (attemptNo <= retries || await this.#hooks.asksAgain(id, change, result.error, attemptNo, signal))
        if (retry) this.#retrying.set(id, { tx: result.tx, error: result.error, applied })
        else await fail(this.#work, result.tx, applied, result.error)
        this.failed(id, change.address, change.kind, result.error, retry)
        return { kind: 'failed', retry }
      }
      case 'unknown': case 'lost': {
        const e = failure('HF3103', { address: change.address, site: change.site, task: first.tx.token, message: `${change.address}: ${result.evidence}. Whether the ${change.op} happened is unknown.` })
        this.error ??= e
        this.#log.unknown(id, began, e, first.tx.token)
        return { kind: 'unknown' }
      }
    }
  }

  /** The step stands. A hook after it that fails lets the run fail; what becomes of the step is decided there. */
  async #done(id: string, change: Change, began: number, result: Extract<ChangeResult, { kind: 'done' }>, tx: string, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    this.#log.succeed(id, began, result.outputs, result.note, tx)
    if (!(await this.#hookAfter(id, change, result.outputs ?? change.prior?.outputs, attemptNo, signal))) return { kind: 'failed', retry: false }
    if (change.row?.meta.due) await this.#hooks.paid(change.uid)
    else if (change.op === 'delete') await this.#hooks.paidAfterDelete(change.uid)
    return { kind: 'succeeded' }
  }

  /** The hook after a step failed, or was never reached because the process died: it runs now, and nothing is called. `change`: the step that was made. */
  async owed(id: string, change: Change, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    const began = this.#log.start(id, change.address, change.kind, attemptNo)
    const outputs = change.prior?.outputs
    if (!(await this.#hookAfter(id, change, outputs, attemptNo, signal))) return { kind: 'failed', retry: false }
    if (change.op === 'delete') {
      await this.#hooks.paidAfterDelete(change.uid)
      this.#log.succeed(id, began, undefined, 'its hook ran', undefined)
    } else {
      await this.#hooks.paid(change.uid)
      this.#log.succeed(id, began, outputs, undefined, undefined)
    }
    return { kind: 'succeeded' }
  }

  /** Gives false when it failed. */
  async #hookAfter(id: string, change: Change, outputs: Fields | undefined, attemptNo: number, signal: AbortSignal): Promise<boolean> {
    const refused = await this.#hooks.run(id, change, 'after', outputs, attemptNo, signal)
    if (!refused) return true
    await this.#hooks.note(id, change, refused, attemptNo)
    this.failed(id, change.address, change.kind, refused, false)
    return false
  }
}
