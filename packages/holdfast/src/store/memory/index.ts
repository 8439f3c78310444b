/**
 * The store in memory: `fold` and nothing else. The simulator runs on it, and tests that need no file.
 *
 * Always true: no timer, no system clock, no system randomness; a commit is decided in one turn, and its promise resolves in a microtask.
 * @module
 */
export { MemoryStore, type MemoryStoreOptions } from './store.ts'
