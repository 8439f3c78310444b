/**
 * The type `Value`: keeps any JSON value and gives it back.
 *
 * Always true: nothing outside is touched.
 * May import base, model, secret, provider, program.
 * @module
 */
export { Value, type ValueFn } from './value.ts'
