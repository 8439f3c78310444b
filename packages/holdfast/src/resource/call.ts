import { failure, isFailure, mutant, registry, textOf, type FailureCode, type HoldfastError, type Site } from '../base/index.ts'
import type { Address, Mark } from '../model/index.ts'
import { DeadlinePassed } from '../flow/index.ts'
import { isNotOurs, isOutcomeUnknown, isRefused, type CallContext, type CallKey, type ResourceType } from '../provider/index.ts'
import { componentOf } from '../journal/index.ts'
import { callKey, type Redactor } from '../secret/index.ts'
import { callInputs, receiveOutputs, type Fields } from './facts.ts'
import { said, secretTexts } from './texts.ts'
import type { EnvState } from './state.ts'
import type { Value } from '../model/index.ts'

/** How one call of a provider ended. */
export type Answer =
  | { readonly kind: 'applied'; readonly raw: unknown }
  | { readonly kind: 'notOurs'; readonly message: string }
  /** `final`: by a service that knows the key of the call. */
  | { readonly kind: 'rejected'; readonly error: HoldfastError; readonly final?: boolean }
  | { readonly kind: 'unknown'; readonly evidence: string; readonly timedOut: boolean }

export interface CallTarget {
  readonly token: string
  readonly uid: string
  readonly ordinal: number
  readonly epoch: number
  readonly address: Address
  readonly site: Site | undefined
  readonly physicalName: string | undefined
}

/** What every method of a type receives beside its own arguments. */
export function callContext(state: EnvState, type: ResourceType, t: CallTarget, storeId: string, signal: AbortSignal): CallContext {
  const { cx } = state
  const mark: Mark = { store: storeId, uid: t.uid, ordinal: t.ordinal }
  const key: CallKey = callKey(cx.ring, storeId, mutant('token-renewed-on-retry') ? { ...t, token: cx.ids.next('x') } : t)
  const component = componentOf(t.address)
  return {
    key,
    mark,
    namespace: state.namespaceOf(component, type.type, storeId),
    ...(t.physicalName === undefined ? {} : { physicalName: t.physicalName }),
    signal,
    host: cx.host,
    log: (message) => cx.emit({ type: 'log', node: t.address, message: cx.redactor.text(String(message)) }),
    progress: (message) => cx.emit({ type: 'task.progress', node: t.address, message: cx.redactor.text(String(message)) }),
  }
}

/** The opened inputs of a call. The redactor knows every secret in them from now on. */
export function openInputs(state: EnvState, type: ResourceType, inputs: Fields, t: CallTarget): Record<string, unknown> {
  for (const text of secretTexts(inputs as Value)) state.cx.redactor.add(text)
  return callInputs(type, inputs, t)
}

/**
 * Makes one call and says how it ended; never rejects. Only `outcomeUnknown`, a passed deadline or a hard stop leave the outcome unknown:
 * whatever else the provider throws is a rejection (contract.md 2). The call is not waited for after its signal was aborted.
 */
export async function ask(state: EnvState, address: Address, site: Site | undefined, signal: AbortSignal, call: () => Promise<unknown>): Promise<Answer> {
  try {
    const raw = await untilAborted(call, signal)
    return { kind: 'applied', raw }
  } catch (e) {
    const message = mutant('secret-in-error') ? said(e) : state.cx.redactor.text(said(e))
    if (e instanceof Aborted) {
      const timedOut = e.reason instanceof DeadlinePassed
      if (mutant('timeout-is-clean-failure') && timedOut) return { kind: 'rejected', error: failure('HF3105', { address, site, message: `${address} took too long.` }) }
      if (mutant('cancelled-call-is-clean') && !timedOut) return { kind: 'rejected', error: failure('HF3106', { address, site, message: `${address} was stopped.` }) }
      return { kind: 'unknown', evidence: timedOut ? 'the deadline passed before the provider answered' : 'the run was stopped before the provider answered', timedOut }
    }
    if (isOutcomeUnknown(e)) return { kind: 'unknown', evidence: message, timedOut: false }
    if (isNotOurs(e)) return { kind: 'notOurs', message }
    // Another copy of the package may know codes that this one does not: then it is an error like others.
    if (isFailure(e) && e.code in registry) return { kind: 'rejected', error: failure(e.code as FailureCode, { address, site, message, hint: state.cx.redactor.text(textOf(e.hint)), ...detailsOf(e.details, state.cx.redactor) }) }
    const code = (e as NodeJS.ErrnoException | undefined)?.code
    return { kind: 'rejected', error: failure(code === 'ENOSPC' || code === 'EDQUOT' ? 'HF3111' : 'HF3101', { address, site, message: `${address}: ${message}` }), ...(isRefused(e) ? { final: true } : {}) }
  }
}

/** As far as they can be written. */
function detailsOf(details: unknown, redactor: Redactor): { readonly details?: Record<string, unknown> } {
  try {
    return typeof details === 'object' && details !== null ? { details: JSON.parse(redactor.text(JSON.stringify(details))) as Record<string, unknown> } : {}
  } catch {
    return {}
  }
}

class Aborted extends Error {
  readonly reason: unknown
  constructor(reason: unknown) {
    super('aborted')
    this.reason = reason
  }
}

function untilAborted(call: () => Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return Promise.reject(new Aborted(signal.reason))
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Aborted(signal.reason))
    signal.addEventListener('abort', stop, { once: true })
    const leave = () => signal.removeEventListener('abort', stop)
    let answer: Promise<unknown>
    try {
      answer = Promise.resolve(call())
    } catch (e) {
      leave()
      reject(e)
      return
    }
    answer.then((v) => {
      leave()
      resolve(v)
    }, (e) => {
      leave()
      reject(e)
    })
  })
}

const ANSWERED = 'answered'

/** Makes one call under the deadline of its type: the signal it is given is aborted then, too. For calls that are no task of a flow, which keeps the deadlines of its own. */
export async function withDeadline<T>(state: EnvState, type: Pick<ResourceType, 'timeoutMs'>, signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const control = new AbortController()
  const answered = new AbortController()
  const stop = () => control.abort(signal.reason)
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  state.cx.clock.sleep(type.timeoutMs, answered.signal).then(() => control.abort(new DeadlinePassed()), () => undefined)
  try {
    return await call(control.signal)
  } finally {
    signal.removeEventListener('abort', stop)
    answered.abort(ANSWERED) // a reason of our own: without one an error with its stack is made for each call
  }
}

/** Asks a type's `find` for a `lookup` node. Fails HF3101 when it finds nothing. */
export async function lookup(state: EnvState, type: ResourceType, inputs: Fields, node: { readonly address: Address; readonly site: Site | undefined }): Promise<Fields> {
  const { find } = type
  if (!find) throw failure('HF1107', { address: node.address, site: node.site, message: `${type.type} has no find, so it cannot be looked up.` })
  const target: CallTarget = { token: 'lookup', uid: node.address, ordinal: 0, epoch: 0, address: node.address, site: node.site, physicalName: undefined }
  const control = new AbortController()
  const { storeId } = await state.cx.store.meta()
  const answer = await withDeadline(state, type, control.signal, (signal) => ask(state, node.address, node.site, signal, () => {
    // What somebody else made carries no mark of ours: without one it is asked by its inputs.
    const { mark: _mark, ...context } = callContext(state, type, target, storeId, signal)
    return find({ ...context, inputs: openInputs(state, type, inputs, target) as never })
  }))
  if (answer.kind === 'rejected') throw answer.error
  if (answer.kind === 'unknown') throw failure(answer.timedOut ? 'HF3105' : 'HF3101', { address: node.address, site: node.site, message: `${node.address} could not be looked up: ${answer.evidence}.` })
  const found = answer.kind === 'applied' ? foundIn(answer.raw) : []
  if (found.length !== 1) {
    const what = found.length === 0 ? 'nothing that fits' : `${found.length} objects that fit, and one is needed`
    throw failure('HF3101', { address: node.address, site: node.site, message: `${node.address}: ${type.type} found ${what}.` })
  }
  return receiveOutputs(type, found[0], inputs, state.cx.ring, node.address, false)
}

/** What `find` answered, as a list. */
export const foundIn = (raw: unknown): readonly unknown[] => (raw === undefined || raw === null ? [] : Array.isArray(raw) ? raw : [raw])
