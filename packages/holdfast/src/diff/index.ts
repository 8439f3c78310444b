/**
 * How what the program asks for and what the state records differ.
 *
 * Pure: no clock, no store, no provider. May import base, model, graph, state.
 * @module
 */
export { compare, equal, type PathDiff } from './compare.ts'
export { decide, type Asks, type Cause, type Decision, type Rules } from './decide.ts'
export { match, type Matches } from './match.ts'
export { differentAt, withStored, type DifferentAt } from './paths.ts'
