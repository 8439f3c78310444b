import type { z } from 'zod'
import type { NoFields } from './component.ts'
import type { Expr } from './expr.ts'
import { nameOf } from './names.ts'
import { isPolicy, type Policy } from './policy.ts'
import { captureSite, failureAt } from './site.ts'
import type { Site } from '../base/index.ts'

const APP: unique symbol = Symbol.for('holdfast.app') as never

export interface AppContext<C extends z.ZodObject, E extends string, X extends string> {
  readonly config: z.output<C>
  readonly env: E
  readonly secrets: { readonly [K in X]: Expr<string> }
}

export interface AppSpec<C extends z.ZodObject, E extends string, X extends string, O> {
  /** Schema of what differs between environments. */
  readonly config?: C
  /** The environments, each with its configuration. Without any there is one, called `default`. */
  readonly environments?: { readonly [K in E]: z.input<C> }
  /** Names of secrets that are set with `holdfast secret set`. */
  readonly secrets?: readonly X[]
  /** Rules about every plan of this program. */
  readonly policies?: readonly Policy[]
  /** Synchronous and pure: called twice, it declares the same. Gives the outputs. */
  build(context: AppContext<C, E, X>): O
}

/** What build() may return: an object of outputs, or nothing. A promise is neither. */
export type Built = (object & { readonly then?: never }) | void

/** A program. Nothing of it has run. */
export interface App<C extends z.ZodObject = z.ZodObject, E extends string = string, X extends string = string, O = unknown> {
  readonly [APP]: true
  readonly name: string
  readonly config: C | undefined
  readonly environments: { readonly [K in E]: z.input<C> }
  readonly secrets: readonly X[]
  readonly policies: readonly Policy[]
  build(context: AppContext<C, E, X>): O
}
/** Any program, where its types do not matter. */
export type AnyApp = App<any, any, any, unknown>

export const isApp = (v: unknown): v is AnyApp => typeof v === 'object' && v !== null && (v as { [APP]?: unknown })[APP] === true

export const environmentNames = (app: AnyApp): readonly string[] => Object.keys(app.environments)

/** Declares the program; `build` runs when it is planned, once per environment. Fails HF1103, HF1109. */
export function app<C extends z.ZodObject = NoFields, const E extends string = 'default', const X extends string = never, O extends Built = void>(name: string, spec: AppSpec<C, E, X, O>): App<C, E, X, O> {
  const own = nameOf(name, 'An app', app)
  const wrong = (what: string) => failureAt('HF1109', app, { message: `app(${JSON.stringify(name)}): ${what}.` })
  if (typeof spec !== 'object' || spec === null || typeof spec.build !== 'function') throw wrong('build must be a function')
  const { config, environments = { default: {} } as AppSpec<C, E, X, O>['environments'] & object, secrets = [], policies = [] } = spec
  for (const key of Object.keys(spec)) if (!known.includes(key)) throw wrong(`there is no member ${JSON.stringify(key)}; known are ${known.join(', ')}`)
  if (config !== undefined && typeof (config as { safeParse?: unknown }).safeParse !== 'function') throw wrong('config must be a zod object')
  if (typeof environments !== 'object' || environments === null || Object.keys(environments).length === 0) throw wrong('environments must name at least one')
  for (const env of Object.keys(environments)) nameOf(env, 'An environment', app)
  if (!Array.isArray(secrets) || !secrets.every((s) => typeof s === 'string')) throw wrong('secrets must be a list of names')
  if (!Array.isArray(policies) || !policies.every(isPolicy)) throw wrong('policies must be a list of what policy() gives')
  for (const secret of secrets) nameOf(secret, 'A secret', app)
  const made = Object.freeze({
    [APP]: true as const, name: own, config, environments: Object.freeze({ ...environments }), secrets: Object.freeze([...new Set(secrets)]), policies: Object.freeze([...policies]),
    build: (context: AppContext<C, E, X>) => spec.build(context),
  }) as App<C, E, X, O>
  places.set(made, captureSite(app))
  return made
}
const places = new WeakMap<AnyApp, Site | undefined>()
/** Where app() was called. */
export const placeOf = (a: AnyApp): Site | undefined => places.get(a)
const known = ['config', 'environments', 'secrets', 'policies', 'build']
