/**
 * The outside world as the engine calls it.
 *
 * Always true: a provider sees known, opened inputs; what it throws is a rejection unless it says `outcomeUnknown`; what it logs is redacted.
 * May import base, model, secret.
 * @module
 */
export { isNotOurs, isOutcomeUnknown, isRefused, NotOurs, notOurs, OutcomeUnknown, outcomeUnknown, Refused, refused } from './outcome.ts'
export type { CallContext, CallKey, Host, Prior, ResourceSpec, ResourceType } from './port.ts'
export { completeType, makeRegistry, type TypeRegistry } from './registry.ts'
