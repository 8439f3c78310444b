import { canonical, isFailure, parseCanonical, type Clock, type Millis } from '../../base/index.ts'
import type { FlowJournal } from '../../store/index.ts'
import { Failure, type FailureDoc } from './failure.ts'
import { failing } from './kinds.ts'
import type { Inputs, Outcome } from './port.ts'
import { encodeValue } from './rows.ts'

/** How often the engine looks whether a worker has answered. */
const POLL_MS = 20

/** What a worker is told. */
export interface CallDoc {
  readonly key: string
  readonly inputs: Inputs
  readonly outcome?: { readonly result?: unknown; readonly failure?: FailureDoc; readonly flowFailures: Readonly<Record<string, FailureDoc>> }
}

export interface RemoteCall {
  readonly journal: FlowJournal
  readonly clock: Clock
  readonly flow: string
  readonly task: string
  readonly remote: { readonly type: string; readonly claimWithinMs: Millis }
  readonly action: 'execute' | 'undo'
  readonly key: string
  readonly inputs: Inputs
  readonly outcome?: Outcome
  readonly signal: AbortSignal
  readonly onAttempt: (attempt: number) => void
  /** Canonical JSON of what the worker said. */
  readonly onProgress: (text: string) => void
}

/**
 * Puts a call up for a worker and waits for its answer. A worker that falls silent loses the call to the next one, under the same key; its late answer is
 * refused by the fence. A call put up before a crash is found again.
 *
 * Fails HF3221 when nobody takes the call in time; with the task's own failure; with the reason of `signal`.
 */
export async function callWorker(call: RemoteCall): Promise<unknown> {
  const { journal, clock, flow, task, remote, action, signal, outcome } = call
  const id = `${call.key}:${action}`
  const find = async () => (await journal.calls(flow)).find((c) => c.id === id)
  if (!await find()) {
    const doc: CallDoc = {
      key: call.key, inputs: call.inputs,
      ...(outcome ? { outcome: { ...(outcome.result instanceof Failure ? { failure: outcome.result.toJSON() } : { result: outcome.result }), flowFailures: Object.fromEntries(Object.entries(outcome.flowFailures).map(([k, f]) => [k, f.toJSON()])) } } : {}),
    }
    await journal.offer({
      id, flow, task, type: remote.type, action, doc: encodeValue(doc, `What ${task} needs`) as string, state: 'WAITING', worker: undefined, fence: 0, attempt: 1, expiresAt: undefined, answer: undefined, createdAt: clock.now(),
    })
  }
  let waitingSince = clock.now()
  let attempt = 1
  let said: string | undefined
  for (;;) {
    const now = clock.now()
    await journal.reclaim(flow, now)
    const row = await find()
    if (!row) throw failing('HF3221', { message: `The call of ${task} is gone from the journal.` })
    if (row.attempt !== attempt) {
      attempt = row.attempt
      waitingSince = now
      call.onAttempt(attempt)
    }
    if (row.progress !== undefined && row.progress !== said) call.onProgress(row.progress)
    said = row.progress
    if (row.state === 'SUCCESS' || row.state === 'FAILURE') {
      await journal.dropCall(id)
      const answer = parseCanonical(row.answer ?? 'null') as { readonly result?: unknown; readonly failure?: FailureDoc }
      if (row.state === 'SUCCESS') return answer.result
      throw Failure.from(answer.failure ?? { names: ['Error'], message: 'the worker gave no reason', causes: [] })
    }
    if (row.state === 'RUNNING') waitingSince = now
    else if (now - waitingSince >= remote.claimWithinMs) {
      await journal.dropCall(id)
      throw failing('HF3221', { message: `No worker for ${remote.type} took ${task} within ${remote.claimWithinMs} ms.`, details: { type: remote.type } })
    }
    try {
      await clock.sleep(POLL_MS, signal)
    } catch (e) {
      // Out of time: whoever answers now is too late. An interrupted run comes back for the answer.
      if (isFailure(e) && e.code === 'HF3105') await journal.dropCall(id)
      throw e
    }
  }
}

export const encodeAnswer = (answer: { readonly result?: unknown; readonly failure?: FailureDoc }): string => canonical(answer)
