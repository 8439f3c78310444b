import { canonical, optionKind, type Kind, type Kinds, type Millis } from '../../base/index.ts'
import { atOnce, checkOptions, failing } from './kinds.ts'
import type { Decision, History, Inputs, Rebind, Retry } from './port.ts'
import type { Failure } from './failure.ts'
import { duration } from './task.ts'

export interface RetryOptions {
  /** Default: `<flow>_retry`. */
  readonly name?: string
  /** Symbol under which the value of the attempt is given: its number, or what is tried. */
  readonly provides?: string
  /** Giving up takes the whole flow back, whatever the controllers above say. */
  readonly revertAll?: boolean
  /** Wait before the next attempt: one duration, or one that grows with every attempt. Kept in the journal. */
  readonly delay?: Millis | string | { readonly first: Millis | string; readonly factor?: number; readonly most?: Millis | string }
  /** Whether a failure is worth another attempt; without it, every one is. */
  readonly retryOn?: (failure: Failure) => boolean
}

const bad = (message: string): never => {
  throw failing('HF3203', { message })
}

function made(options: RetryOptions, more: { requires?: readonly string[]; rebind?: Rebind; execute: Retry['execute']; more: (history: History, inputs: Inputs) => boolean }): Retry {
  checkOptions(options, OPTIONS, 'A retry controller')
  const { name, provides, revertAll = false, delay, retryOn } = options
  const givesUp: Decision = revertAll ? 'REVERT_ALL' : 'REVERT'
  const ms = delay === undefined ? undefined : delayOf(delay)
  return Object.freeze({
    name, provides, requires: Object.freeze([...(more.requires ?? [])]), rebind: more.rebind,
    execute: more.execute,
    onFailure: (history: History, inputs: Inputs): Decision => {
      const last = Object.values(history[history.length - 1]?.failures ?? {})
      return (!retryOn || last.every((f) => atOnce(retryOn(f), 'retryOn'))) && more.more(history, inputs) ? 'RETRY' : givesUp
    },
    ...(ms ? { delayMs: ms } : {}),
  })
}

const { anything, flag, function: fn, text } = optionKind
const OPTIONS: Kinds = new Map<string, Kind>([['name', text], ['provides', text], ['revertAll', flag], ['delay', anything], ['retryOn', fn], ['values', text]])
const DELAY: Kinds = new Map<string, Kind>([['first', anything], ['factor', anything], ['most', anything]])
const OWN: Kinds = new Map<string, Kind>([
  ['name', text], ['provides', text], ['requires', optionKind.texts], ['rebind', anything], ['execute', fn], ['onFailure', fn], ['revert', fn], ['delayMs', fn],
])

function delayOf(delay: NonNullable<RetryOptions['delay']>): (history: History) => Millis {
  if (typeof delay !== 'object' || delay === null) {
    const ms = duration(delay, 'delay', bad) as Millis
    return () => ms
  }
  checkOptions(delay, DELAY, 'delay')
  const first = duration(delay.first, 'delay.first', bad) ?? bad("delay.first must be milliseconds or a duration such as '2m'.")
  const most = duration(delay.most, 'delay.most', bad) ?? Number.POSITIVE_INFINITY
  const { factor = 2 } = delay
  if (!optionKind.number.is(factor) || factor <= 0) bad('delay.factor must be a number above zero.')
  return (history) => Math.min(most, first * factor ** (history.length - 1))
}

/** At most `attempts` attempts, at least one; gives the number of the attempt. Fails HF3203 for anything but a whole number. */
export function times(attempts = 1, options: RetryOptions = {}): Retry {
  if (!Number.isInteger(attempts) || attempts < 0) bad('times: the number of attempts is a whole number.')
  return made(options, { execute: (history) => history.length + 1, more: (history) => history.length < attempts })
}

/** One attempt for each value, in order; a value that stands twice is tried twice. Fails HF3203 without a list; an empty one fails the flow when it runs (HF3218). */
export function forEach(values: readonly unknown[], options: RetryOptions = {}): Retry {
  if (!Array.isArray(values)) bad('forEach: give a list of values.')
  const list = Object.freeze([...values])
  return made(options, { execute: (history) => next(list, history), more: (history) => untried(list, history).length > 0 })
}

/** The same over a list that is given from outside or by a task before: symbol `values`, unless another is named. */
export function parameterizedForEach(options: RetryOptions & { readonly values?: string } = {}): Retry {
  checkOptions(options, OPTIONS, 'A retry controller')
  const list = (inputs: Inputs): readonly unknown[] => (Array.isArray(inputs.values) ? inputs.values : bad('parameterizedForEach: `values` is not a list.'))
  return made(options, {
    requires: ['values'], ...(options.values === undefined ? {} : { rebind: { values: options.values } }),
    execute: (history, inputs) => next(list(inputs), history), more: (history, inputs) => untried(list(inputs), history).length > 0,
  })
}

/** Never another attempt: what the flow did is taken back. */
export const alwaysRevert = (options: Pick<RetryOptions, 'name'> = {}): Retry => made(options, { execute: () => undefined, more: () => false })
/** Never another attempt: everything is taken back, whatever the controllers above say. */
export const alwaysRevertAll = (options: Pick<RetryOptions, 'name'> = {}): Retry => {
  checkOptions(options, OPTIONS, 'A retry controller')
  return made({ ...options, revertAll: true }, { execute: () => undefined, more: () => false })
}

/** A controller of the user's own. Its functions decide and do nothing else: after a crash they are asked again with the same history. Fails HF3203. */
export const retry = (own: Pick<Retry, 'execute' | 'onFailure'> & Partial<Retry>): Retry => {
  if (typeof own?.execute !== 'function' || typeof own.onFailure !== 'function') bad('retry: execute and onFailure are functions.')
  checkOptions(own, OWN, 'A retry controller')
  return Object.freeze({ name: undefined, provides: undefined, rebind: undefined, requires: [], ...own })
}

/** The list without one entry for each value that was tried: equal values count one by one. */
function untried(values: readonly unknown[], history: History): unknown[] {
  const tried = new Map<string, number>()
  for (const h of history) tried.set(canonical(h.value), (tried.get(canonical(h.value)) ?? 0) + 1)
  return values.filter((v) => {
    const left = tried.get(canonical(v)) ?? 0
    if (left > 0) tried.set(canonical(v), left - 1)
    return left === 0
  })
}

function next(values: readonly unknown[], history: History): unknown {
  const rest = untried(values, history)
  if (rest.length === 0) throw failing('HF3218', { message: values.length === 0 ? 'There is nothing to try: the list is empty.' : 'There is nothing left to try.' })
  return rest[0]
}
