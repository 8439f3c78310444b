import type { z } from 'zod'
import { inWords } from '../base/index.ts'
import { parseSafely } from '../secret/index.ts'
import { anyShape, isSensitive, leafShape, mayHoldSecrets, shapeOf, wrapSensitive, type NodeOptions, type Value } from '../model/index.ts'
import type { Built } from './app.ts'
import { addressIn, claimAddress, listFields } from './declare.ts'
import { exprOf, isExpr, type Expr, type NodeInputs, type Prim, type Ref } from './expr.ts'
import { nameOf } from './names.ts'
import { inherit, readOptions } from './options.ts'
import { isNode, makeRef, withShape } from './reference.ts'
import type { NodeArgs } from './resource.ts'
import { runBuild } from './run-build.ts'
import { COMPONENT, declaringScope, within } from './scope.ts'
import { captureSite, failureAt } from './site.ts'
import { toNode } from './to-node.ts'

export type NoFields = z.ZodObject<{}>

/** An input inside build(): a plain value or a reference, and below it the same. */
export type Inside<V> =
  unknown extends V ? any
    : [NonNullable<V>] extends [Prim] ? V | Expr<V>
      : [NonNullable<V>] extends [readonly (infer E)[]] ? Ref<V> | readonly Inside<E>[] | Extract<V, null | undefined>
        : [NonNullable<V>] extends [object] ? { readonly [K in keyof NonNullable<V>]: Inside<NonNullable<V>[K]> } | Extract<V, null | undefined>
          : V | Expr<V>

export interface ComponentContext<S extends z.ZodObject, I extends z.ZodObject> {
  /** Plain values, known now: they may decide what is declared. */
  readonly settings: z.output<S>
  /** Values or references: they may only be passed on. */
  readonly inputs: { readonly [K in keyof z.output<I>]: Inside<z.output<I>[K]> }
  /** Name of the environment. */
  readonly env: string
}

export interface ComponentSpec<S extends z.ZodObject, I extends z.ZodObject, R> {
  readonly settings?: S
  readonly inputs?: I
  build(context: ComponentContext<S, I>): R
}

/** What build() returned, and the address. */
export type ComponentResult<R> = (R extends object ? R : {}) & { readonly $path: string }

/** An object without fields allows none, so it stands alone or not at all. */
type Given<S extends z.ZodObject, I extends z.ZodObject> =
  [keyof S['shape']] extends [never] ? NodeInputs<z.input<I>> : [keyof I['shape']] extends [never] ? z.input<S> : z.input<S> & NodeInputs<z.input<I>>
export interface ComponentFn<S extends z.ZodObject, I extends z.ZodObject, R> {
  (name: string, ...args: ComponentArgs<S, I>): ComponentResult<R>
  readonly type: string
}
export type ComponentArgs<S extends z.ZodObject, I extends z.ZodObject> =
  {} extends Given<S, I> ? [given?: Given<S, I>, options?: NodeOptions] : [given: Given<S, I>, options?: NodeOptions]
export type { NodeArgs }

/**
 * Declares a component: a function that declares nodes under a name of its own.
 *
 * Options given to the component hold for every node under it; `movedFrom` moves all of them; `dependsOn` a component waits for all of them.
 * Fails HF1109 for a declaration or a result of build() that is not valid; called: HF1101 to HF1106, HF1204 for a reference among the settings, HF1206.
 */
export function component<S extends z.ZodObject = NoFields, I extends z.ZodObject = NoFields, R extends Built = void>(type: string, spec: ComponentSpec<S, I, R>): ComponentFn<S, I, R> {
  checkSpec(type, spec as ComponentSpec<z.ZodObject, z.ZodObject, unknown>)
  function instance(name: string, given?: unknown, options?: unknown): ComponentResult<R> {
    const scope = declaringScope(`${type} ${JSON.stringify(name)}`, instance)
    const own = nameOf(name, `A component ${type}`, instance)
    const address = addressIn(scope, own)
    const { build } = scope
    const site = build.noteSites ? captureSite(instance) : undefined
    claimAddress(scope, address, site, instance)
    const { settings, inputs } = readGiven(spec as ComponentSpec<z.ZodObject, z.ZodObject, unknown>, given, { type, address, above: instance })
    build.components.set(address, { type, site })
    const inherited = inherit(scope.inherited, readOptions(options, address, instance, 'component'), own)
    const out = within({ ...scope, prefix: address, inherited }, () =>
      runBuild(address, address, () => spec.build(Object.freeze({ settings, inputs, env: build.env }) as unknown as ComponentContext<S, I>), site))
    if (out !== undefined && (typeof out !== 'object' || out === null || Array.isArray(out) || isExpr(out))) {
      throw failureAt('HF1109', instance, { address, message: `${address}: build() of ${type} must return an object${isNode(out) ? ', and returned a node' : ''}.`, hint: 'Return { name: value }.' })
    }
    return Object.freeze(Object.assign(Object.create(null), out, { $path: address, [COMPONENT]: type })) as ComponentResult<R>
  }
  return Object.freeze(Object.assign(instance, { type })) as unknown as ComponentFn<S, I, R>
}

function checkSpec(type: unknown, spec: ComponentSpec<z.ZodObject, z.ZodObject, unknown>): void {
  const wrong = (what: string) => failureAt('HF1109', component, { message: `component(${inWords(type)}): ${what}.` })
  if (typeof type !== 'string' || type === '') throw wrong('the type must be a name')
  if (typeof spec !== 'object' || spec === null || typeof spec.build !== 'function') throw wrong('build must be a function')
  for (const k of ['settings', 'inputs'] as const) if (spec[k] !== undefined && !isZodObject(spec[k])) throw wrong(`${k} must be a zod object`)
  if (spec.settings && mayHoldSecrets(spec.settings)) throw wrong('settings are plain values, which build() may put anywhere: what is sensitive belongs to the inputs')
  const both = Object.keys(spec.settings?.shape ?? {}).find((k) => k in (spec.inputs?.shape ?? {}))
  if (both !== undefined) throw wrong(`${JSON.stringify(both)} is a setting and an input`)
}
const isZodObject = (v: unknown): boolean => typeof (v as { shape?: unknown } | null)?.shape === 'object' && typeof (v as { safeParse?: unknown }).safeParse === 'function'

interface Called {
  readonly type: string
  readonly address: string
  readonly above: Function
}

function readGiven(spec: ComponentSpec<z.ZodObject, z.ZodObject, unknown>, given: unknown, called: Called): { settings: unknown; inputs: unknown } {
  const { address, above } = called
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given) || isExpr(given))) {
    throw failureAt('HF1204', above, { address, message: `${address}: the settings and inputs must be an object that names them.` })
  }
  const values = (given ?? {}) as Record<string, unknown>
  const settingsShape = spec.settings?.shape ?? {}
  const inputsShape = spec.inputs?.shape ?? {}
  for (const [k, v] of Object.entries(values)) {
    if (v === undefined || k in settingsShape || k in inputsShape) continue
    throw invalid(called, k, `there is no setting or input ${JSON.stringify(k)}`, spec)
  }
  return { settings: readSettings(spec, values, called), inputs: readInputs(spec, values, called) }
}

/** Plain values only, parsed in full. */
function readSettings(spec: ComponentSpec<z.ZodObject, z.ZodObject, unknown>, values: Record<string, unknown>, called: Called): unknown {
  if (!spec.settings) return {}
  const { address, above } = called
  const plain: Record<string, unknown> = {}
  for (const k of Object.keys(spec.settings.shape)) {
    if (values[k] === undefined) continue
    const node = toNode(values[k], { address, path: [k], above })
    if (node.k !== 'lit') {
      throw failureAt('HF1204', above, { address, message: `${address}: the setting ${JSON.stringify(k)} must be known in build(), and a reference is not.`, hint: `Pass a plain value, or declare ${k} among the inputs of ${called.type}.`, details: { path: k } })
    }
    plain[k] = node.v
  }
  const parsed = parseSafely(spec.settings, plain)
  if (parsed.success) return parsed.data
  throw issue(called, [], parsed.error, spec)
}

/** References stay, with the shape of the schema; plain values are parsed and get their defaults. What is sensitive is hidden: it can only be passed on. */
function readInputs(spec: ComponentSpec<z.ZodObject, z.ZodObject, unknown>, values: Record<string, unknown>, called: Called): unknown {
  const out: Record<string, unknown> = {}
  for (const [k, schema] of Object.entries(spec.inputs?.shape ?? {}) as [string, z.ZodType][]) {
    const value = values[k]
    const reference = exprOf(value)
    if (reference) {
      out[k] = isNode(value) ? value : withShape(isSensitive(schema) ? { k: 'hide', of: reference, type: called.type, field: `inputs.${k}` } : reference, schema)
      continue
    }
    if (value === undefined && !shapeOf(schema, 'in').optional) throw invalid(called, k, `the input ${JSON.stringify(k)} is missing`, spec)
    const node = toNode(value, { address: called.address, path: [k], above: called.above })
    if (node.k !== 'lit') {
      out[k] = hidden(called, k, schema, value)
      continue
    }
    const parsed = parseSafely(schema, node.v)
    if (!parsed.success) throw issue(called, [k], parsed.error, spec)
    if (parsed.data !== undefined) out[k] = hidden(called, k, schema, parsed.data)
  }
  return Object.freeze(out)
}

/** A value in which everything at a `sensitive()` place has become a reference to a secret. */
function hidden({ type, above, address }: Called, k: string, schema: z.ZodType, value: unknown): unknown {
  return wrapSensitive(schema, value as Value, (v, path) => {
    const of = toNode(v, { address, above, path: [k, ...path] })
    const node = { k: 'hide', of, type, field: ['inputs', k, ...path].join('.') } as const
    return makeRef(node, typeof v === 'object' && v !== null ? anyShape : leafShape) as never
  }, isExpr)
}

function issue(called: Called, prefix: readonly string[], error: z.ZodError, spec: ComponentSpec<z.ZodObject, z.ZodObject, unknown>) {
  const [first] = error.issues
  const path = [...prefix, ...(first?.path ?? [])].map(String).join('.')
  return invalid(called, path, `${path}: ${first?.message ?? 'not valid'}`, spec)
}

function invalid({ address, above, type }: Called, field: string, what: string, spec: ComponentSpec<z.ZodObject, z.ZodObject, unknown>) {
  const lists = [spec.settings && `settings: ${listFields(shapeOf(spec.settings, 'in'))}`, spec.inputs && `inputs: ${listFields(shapeOf(spec.inputs, 'in'))}`].filter((x) => x !== undefined)
  return failureAt('HF1206', above, { address, message: `${address}: ${what}.`, hint: `${type} has ${lists.join('; ') || 'neither settings nor inputs'}.`, details: { field } })
}
