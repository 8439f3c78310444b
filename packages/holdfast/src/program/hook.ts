import type { Address } from '../model/index.ts'
import { nameOf } from './names.ts'
import { failureAt } from './site.ts'

/** What a hook is told. Secrets are open, as they are for a provider; what it logs is redacted. */
export interface HookContext {
  readonly address: Address
  /** What happens to the object. */
  readonly op: 'create' | 'update' | 'delete'
  readonly inputs: Readonly<Record<string, unknown>>
  /** Of the object as it stands: what was made or changed after a step, what was there before one. */
  readonly outputs?: Readonly<Record<string, unknown>>
  /** For onError: why the step failed, redacted. */
  readonly error?: { readonly code: string; readonly message: string }
  /** From 1. */
  readonly attempt: number
  /** Aborted at the deadline of the step, or when the run is stopped hard. */
  readonly signal: AbortSignal
  log(message: string): void
}

/** An onError hook may ask for another attempt; what other hooks give is not looked at. */
export type HookFunction = (context: HookContext) => Promise<'retry' | void> | 'retry' | void

/** A hook as node options name it. */
export interface Hook {
  readonly $hook: string
}

const HOOKS = Symbol.for('holdfast.hooks')
const holder = globalThis as { [HOOKS]?: Map<string, HookFunction> }
/** Shared by all copies of the package in the process. */
const hooks = (): Map<string, HookFunction> => (holder[HOOKS] ??= new Map())

/** The hook of that name, if the program that was loaded declares one. */
export const declaredHook = (name: string): HookFunction | undefined => hooks().get(name)

/** Forgets every hook, so that another program may be loaded in this process. */
export const forgetHooks = (): void => hooks().clear()

export const isHook = (v: unknown): v is Hook => typeof v === 'object' && v !== null && typeof (v as { $hook?: unknown }).$hook === 'string'

/**
 * Declares what runs before or after steps of nodes that name it. Stands at the top level of a module, like a resource type, so that it is there
 * also for a node that has left the program. State and plans hold the name alone.
 *
 * A hook that fails before a step fails the step, and no provider is called. One that fails after it fails the run; the step stands until it is
 * taken back. It may run again when a run is repeated after a crash. Taking back runs no hooks.
 * Fails HF1103, HF1120.
 */
export function hook(name: string, run: HookFunction): Hook {
  const own = nameOf(name, 'A hook', hook)
  if (typeof run !== 'function') throw failureAt('HF1120', hook, { message: `hook(${JSON.stringify(name)}): the second argument must be a function.` })
  const taken = hooks().get(own)
  // A module that is loaded twice declares the same again.
  if (taken && taken !== run && String(taken) !== String(run)) throw failureAt('HF1120', hook, { message: `The hook ${own} is declared twice, with different functions.` })
  hooks().set(own, run)
  return Object.freeze({ $hook: own })
}
