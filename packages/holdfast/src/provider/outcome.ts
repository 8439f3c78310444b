/** Thrown by a provider that cannot tell whether its call was applied. Every other error is a rejection. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown'
}

/** `throw outcomeUnknown(cause)`: the call may have been applied. */
export function outcomeUnknown(cause?: unknown): OutcomeUnknown {
  const text = cause instanceof Error ? cause.message : cause === undefined ? 'the answer was lost' : String(cause)
  return new OutcomeUnknown(text, { cause })
}

/** Thrown by `delete` when what stands there is not ours any more: it is left alone, and the run says so. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs'
}
export const notOurs = (what: string): NotOurs => new NotOurs(what)

export const isOutcomeUnknown = (e: unknown): boolean => e instanceof Error && e.name === 'OutcomeUnknown'
export const isNotOurs = (e: unknown): boolean => e instanceof Error && e.name === 'NotOurs'
