/**
 * What everything stands on: assertions, failures with codes, ports for time and randomness, ids, canonical text, digests, bounds.
 *
 * Always true: nothing here knows a resource, a store or a provider; nothing here reads the clock except `systemClock`.
 * May import nothing.
 * @module
 */
export { assert, Bug, unreachable } from './assert.ts'
export { canonical, hmacSha256, parseCanonical, setOwn, sha256hex, type Digest, type Leaf, type Plain, type Tagged } from './canonical.ts'
export { failure, HoldfastError, isFailure, type FailureDetail, type Site } from './failure.ts'
export { makeIds, type Ids } from './id.ts'
export { mutant, mutants, plantMutant, type MutantName } from './mutant.ts'
export { limits } from './limits.ts'
export { registry, type FailureCode, type FailureEntry } from './registry.ts'
export { joinSignals, type Joined } from './signals.ts'
export { parseDuration, systemClock, whenIdle, type Clock, type EpochMs, type Millis, type Random } from './time.ts'
export { makeFolders } from './folders.ts'
export { allOf, checkArguments, clockKind, having, inWords, misfit, oneOf, optionKind, textOf, type Kind, type Kinds } from './options.ts'
export { systemRandom } from './random.ts'
export { holdfastVersion } from './version.ts'
