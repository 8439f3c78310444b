import { textOf } from '../../base/index.ts'
import { atOnce, failing } from './kinds.ts'
import type { Atom } from './motion.ts'
import type { Failure } from './failure.ts'
import type { Decision, HistoryEntry, Inputs } from './port.ts'

/** What retry controllers are asked and told. Their functions decide at once, from the history of attempts. */

/** The value of its next attempt. */
export const nextValue = (r: Atom, inputs: Inputs): unknown => atOnce(r.v.retry?.execute(r.history, inputs), `The controller ${r.v.name}`)

/** What it decides about the last failure. Throws when it cannot: what it throws itself, HF3203 when it decides nothing that is known. */
export function decision(r: Atom, inputs: Inputs): Decision {
  const decided = atOnce(r.v.retry?.onFailure(r.history, inputs) ?? 'REVERT', `The controller ${r.v.name}`)
  if (!DECISIONS.includes(decided)) throw failing('HF3203', { message: `The controller ${r.v.name} decided ${textOf(decided)}, which is none of ${DECISIONS.join(', ')}.` })
  return decided
}

/** It gives up. Most have nothing to do then, and their inputs are not looked for. */
export const takeBack = (r: Atom, inputs: () => Inputs): unknown => atOnce(r.v.retry?.revert?.(r.history, inputs()), `The controller ${r.v.name}`)

/** Its history with a failure of the last attempt; undefined when there is no attempt, or the failure is known. */
export function withFailure(history: readonly HistoryEntry[], task: string, failure: Failure): HistoryEntry[] | undefined {
  const last = history[history.length - 1]
  if (!last || task in last.failures) return undefined
  return [...history.slice(0, -1), { value: last.value, failures: { ...last.failures, [task]: failure } }]
}

const DECISIONS: readonly Decision[] = ['RETRY', 'REVERT', 'REVERT_ALL']
