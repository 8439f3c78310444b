/**
 * What becomes true, in which order, and what to do with a change whose end was never written.
 *
 * Pure. Always true: a list of entries is one transaction; `fold` gives entries their meaning; `recover` decides, it never acts.
 * May import base, model, state.
 * @module
 */
export { chainHash, compactedChain, linksOf, newChain, type ChainedEvent } from './chain.ts'
export { checkEntries, scopesOf } from './check.ts'
export { COMPACT_EVENTS_MAX, compactable, compactEntries, KEPT_EVENTS, type KeptEvents } from './compact.ts'
export type { Entry } from './entry.ts'
export { fold, type FoldOptions } from './fold.ts'
export { baseOf, completeLone, dropLone, failLone, loneRun, loneToken, openLone, type LoneChange } from './lone-change.ts'
export { refusals } from './refusals.ts'
export { COMPACT_ROWS_MAX } from './resource-rows.ts'
export { retagEntries, retagTarget } from './retag.ts'
export { componentOf, emptyTables, GONE, leaseKey, lookupKeys, referenceKey, REQUEST_KEPT_MS, REQUESTS_SWEPT, under, type StoredResource, type Tables } from './tables.ts'
export { classOf, maxCallMsOf, quietAt, recover, searchable, tokenHonoured, type LostCall, type Settlement } from './recover.ts'
