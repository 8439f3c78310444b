import { textOf } from '../base/index.ts'

/** Thrown by a provider that cannot tell whether its call was applied. Every other error is a rejection. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown'
}

/** `throw outcomeUnknown(cause)`: the call may have been applied. */
export function outcomeUnknown(cause?: unknown): OutcomeUnknown {
  const text = cause instanceof Error ? cause.message : cause === undefined ? 'the answer was lost' : textOf(cause)
  return new OutcomeUnknown(text, { cause })
}

/** Thrown by `delete` when what stands there is not ours any more: it is left alone, and the run says so. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs'
}
/** What `delete` throws when something of somebody else stands in the place of the object. `what`: a sentence for the user. */
export const notOurs = (what: string): NotOurs => new NotOurs(textOf(what))

/**
 * Thrown by a provider whose service has looked the key of the call up and says no: nothing was made under this key. After an answer was lost it is
 * the proof that a plain error is not, for what turns a request away ("too many requests") may not know the key.
 */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** `throw refused(cause)`: the service knows the key, and will not carry the call out. */
export function refused(cause?: unknown): Refused {
  return new Refused(cause instanceof Error ? cause.message : cause === undefined ? 'the service refused' : textOf(cause), { cause })
}

export const isRefused = (e: unknown): boolean => e instanceof Error && e.name === 'Refused'
export const isOutcomeUnknown = (e: unknown): boolean => e instanceof Error && e.name === 'OutcomeUnknown'
export const isNotOurs = (e: unknown): boolean => e instanceof Error && e.name === 'NotOurs'
