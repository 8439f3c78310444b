import type { z } from 'zod'
import { isSecret, isUnknown, mapChildren, type Value } from './value.ts'

// The only file, with sample.ts, that looks inside a zod schema. It reads `_zod.def.type` and the members of that kind, never `instanceof`:
// two copies of zod may meet in one process.

/** What a reference of a schema has below it. */
export type Shape = { /** The key may be missing. */ readonly optional: boolean } & ShapeKind
type ShapeKind =
  | { readonly kind: 'object'; readonly fields: readonly string[]; /** Further keys are allowed. */ readonly open: boolean; field(name: string): Shape | undefined }
  | { readonly kind: 'array'; element(): Shape }
  | { readonly kind: 'record'; value(): Shape }
  /** Nothing is known: every key is allowed. */
  | { readonly kind: 'any' }
  | { readonly kind: 'leaf' }

/** Which side of a transforming schema is meant: what it takes, or what it gives. */
export type Side = 'in' | 'out'

export const anyShape: Shape = Object.freeze({ kind: 'any', optional: true })
export const leafShape: Shape = Object.freeze({ kind: 'leaf', optional: false })

export interface Def {
  readonly type: string
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly catchall?: z.ZodType
  readonly element?: z.ZodType
  readonly items?: readonly z.ZodType[]
  readonly rest?: z.ZodType | null
  readonly keyType?: z.ZodType
  readonly valueType?: z.ZodType
  readonly innerType?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly left?: z.ZodType
  readonly right?: z.ZodType
  readonly in?: z.ZodType
  readonly out?: z.ZodType
  readonly getter?: () => z.ZodType
  readonly entries?: Readonly<Record<string, string | number>>
  readonly values?: readonly unknown[]
}
export const defOf = (schema: z.ZodType): Def => (schema as unknown as { _zod: { def: Def } })._zod.def

const shapes: Record<Side, WeakMap<z.ZodType, Shape>> = { in: new WeakMap(), out: new WeakMap() }

/** Lazy: fields are looked at when asked for, so a schema may contain itself. */
export function shapeOf(schema: z.ZodType, side: Side = 'out'): Shape {
  const known = shapes[side].get(schema)
  if (known) return known
  const shape = read(schema, side)
  shapes[side].set(schema, shape)
  return shape
}

function read(schema: z.ZodType, side: Side): Shape {
  const def = defOf(schema)
  switch (def.type) {
    case 'object': {
      const fields = def.shape as Readonly<Record<string, z.ZodType>>
      const open = def.catchall !== undefined && defOf(def.catchall).type !== 'never'
      return {
        kind: 'object', optional: false, fields: Object.keys(fields), open,
        field: (name) => (Object.hasOwn(fields, name) ? shapeOf(fields[name] as z.ZodType, side) : open ? shapeOf(def.catchall as z.ZodType, side) : undefined),
      }
    }
    case 'array': return { kind: 'array', optional: false, element: () => shapeOf(def.element as z.ZodType, side) }
    case 'tuple': return { kind: 'array', optional: false, element: () => merged([...(def.items ?? []), ...(def.rest ? [def.rest] : [])].map((s) => shapeOf(s, side))) }
    case 'record': return { kind: 'record', optional: false, value: () => shapeOf(def.valueType as z.ZodType, side) }
    case 'optional': case 'default': case 'prefault': case 'catch': return { ...shapeOf(def.innerType as z.ZodType, side), optional: true }
    case 'nonoptional': return { ...shapeOf(def.innerType as z.ZodType, side), optional: false }
    case 'nullable': case 'readonly': case 'success': return shapeOf(def.innerType as z.ZodType, side)
    case 'lazy': return shapeOf((def.getter as () => z.ZodType)(), side)
    case 'pipe': return shapeOf((side === 'in' ? def.in : def.out) as z.ZodType, side)
    case 'union': return merged((def.options ?? []).map((s) => shapeOf(s, side)))
    case 'intersection': return both(shapeOf(def.left as z.ZodType, side), shapeOf(def.right as z.ZodType, side))
    case 'any': case 'unknown': case 'custom': case 'transform': return anyShape
    case 'undefined': case 'void': return { kind: 'leaf', optional: true }
    case 'null': return { kind: 'leaf', optional: false }
    default: return leafShape
  }
}

/** One of several: a key exists when one of the objects has it. Objects and plain values mixed have no keys in common. */
function merged(shapes: readonly Shape[]): Shape {
  const optional = shapes.some((s) => s.optional)
  const first = shapes[0]
  if (!first) return leafShape
  if (shapes.some((s) => s.kind === 'any')) return { kind: 'any', optional }
  if (shapes.every((s) => s.kind === 'object')) return { ...shapes.slice(1).reduce(both, first), optional }
  if (shapes.every((s) => s.kind === 'array')) return { kind: 'array', optional, element: () => merged(shapes.map((s) => (s as Shape & { kind: 'array' }).element())) }
  if (shapes.every((s) => s.kind === 'object' || s.kind === 'record')) return { kind: 'any', optional }
  return { kind: 'leaf', optional }
}

function both(a: Shape, b: Shape): Shape {
  if (a.kind !== 'object' || b.kind !== 'object') return a.kind === 'leaf' ? b : a
  return {
    kind: 'object', optional: a.optional && b.optional, fields: [...new Set([...a.fields, ...b.fields])], open: a.open || b.open,
    field: (name) => {
      const inA = a.fields.includes(name) ? a.field(name) : undefined
      const inB = b.fields.includes(name) ? b.field(name) : undefined
      return inA && inB ? merged([inA, inB]) : inA ?? inB ?? a.field(name) ?? b.field(name)
    },
  }
}

const markedSensitive = (schema: z.ZodType): boolean => (schema as { meta?: () => { sensitive?: unknown } | undefined }).meta?.()?.sensitive === true

/** Schemas that stand at the same place as this one: the insides of wrappers, the options of a union. */
function samePlace(def: Def): readonly z.ZodType[] {
  switch (def.type) {
    case 'optional': case 'default': case 'prefault': case 'catch': case 'nonoptional': case 'nullable': case 'readonly': case 'success': return [def.innerType as z.ZodType]
    case 'lazy': return [(def.getter as () => z.ZodType)()]
    case 'pipe': return [def.in as z.ZodType, def.out as z.ZodType]
    case 'union': return def.options ?? []
    case 'intersection': return [def.left as z.ZodType, def.right as z.ZodType]
    default: return []
  }
}

/** Schemas one step below, with the key of the step; `*` for every element. */
function below(def: Def): readonly (readonly [string, z.ZodType])[] {
  switch (def.type) {
    case 'object': return [...Object.entries(def.shape ?? {}), ...(def.catchall ? [['*', def.catchall] as const] : [])]
    case 'array': return [['*', def.element as z.ZodType]]
    case 'tuple': return [...(def.items ?? []).map((s, i) => [String(i), s] as const), ...(def.rest ? [['*', def.rest] as const] : [])]
    case 'record': return [['*', def.valueType as z.ZodType]]
    default: return []
  }
}

/** Structure of a schema as text: kinds, keys and secret marks, but not refinements. Equal schemas give equal texts. */
export function describeSchema(schema: z.ZodType, open: ReadonlySet<z.ZodType> = new Set()): string {
  if (open.has(schema)) return '@'
  const deeper = new Set(open).add(schema)
  const def = defOf(schema)
  const inside = [...samePlace(def).map((s) => describeSchema(s, deeper)), ...below(def).map(([k, s]) => `${k}:${describeSchema(s, deeper)}`)]
  return `${def.type}${markedSensitive(schema) ? '!' : ''}${inside.length ? `(${inside.join(',')})` : ''}`
}

/** Whether the whole value at this place is secret. */
export function isSensitive(schema: z.ZodType, open: ReadonlySet<z.ZodType> = new Set()): boolean {
  if (open.has(schema)) return false
  return markedSensitive(schema) || samePlace(defOf(schema)).some((s) => isSensitive(s, new Set(open).add(schema)))
}

/** Paths of every secret place, `*` for every element: `['password', 'users.*.token']`. A schema that contains itself is followed once. */
export function sensitivePaths(schema: z.ZodType): readonly string[] {
  const out = new Set<string>()
  const walk = (s: z.ZodType, path: readonly string[], open: ReadonlySet<z.ZodType>): void => {
    if (open.has(s)) return
    if (isSensitive(s)) return void out.add(path.join('.'))
    const deeper = new Set(open).add(s)
    const def = defOf(s)
    for (const x of samePlace(def)) walk(x, path, deeper)
    for (const [k, x] of below(def)) walk(x, [...path, k], deeper)
  }
  walk(schema, [], new Set())
  return [...out]
}

const secretsBelow = new WeakMap<z.ZodType, boolean>()
/** Whether any place of the schema is secret. Answered once for each. */
export function mayHoldSecrets(schema: z.ZodType): boolean {
  let known = secretsBelow.get(schema)
  if (known === undefined) secretsBelow.set(schema, (known = sensitivePaths(schema).length > 0))
  return known
}

/**
 * Walks schema and value together and puts `make(plain, path)` in the place of every secret value.
 *
 * Takes    a value that fits the schema; secrets and unknowns that stand in it already are left alone. `opaque`: what is not looked into, either.
 * Gives    the value itself when the schema has no secret place. `null` and missing values stay as they are: there is nothing to hide.
 *          Where one option of a union is secret, the value is.
 */
export function wrapSensitive(schema: z.ZodType, value: Value, make: Make, opaque: Opaque = () => false): Value {
  return mayHoldSecrets(schema) ? wrap(schema, value, { make, opaque }, []) : value
}
type Make = (plain: Value, path: readonly string[]) => Value
type Opaque = (value: Value) => boolean
interface Wrapping { readonly make: Make; readonly opaque: Opaque }

function wrap(schema: z.ZodType, value: Value | undefined, w: Wrapping, path: readonly string[]): Value {
  if (value === undefined || value === null || isSecret(value) || isUnknown(value)) return value as Value
  if (markedSensitive(schema)) return w.make(value, path)
  if (w.opaque(value)) return value
  const def = defOf(schema)
  let out: Value = value
  for (const s of samePlace(def)) out = wrap(s, out, w, path)
  if (typeof out !== 'object' || out === null || isSecret(out) || isUnknown(out) || out instanceof Uint8Array || out instanceof Date) return out
  switch (def.type) {
    case 'object': {
      const shape = def.shape as Readonly<Record<string, z.ZodType>>
      return mapped(out, (k) => (Object.hasOwn(shape, k) ? shape[k] : def.catchall), w, path)
    }
    case 'record': return mapped(out, () => def.valueType, w, path)
    case 'array': return mapped(out, () => def.element, w, path)
    case 'tuple': return mapped(out, (k) => def.items?.[Number(k)] ?? def.rest ?? undefined, w, path)
    default: return out
  }
}

function mapped(value: Value, schemaOf: (key: string) => z.ZodType | undefined, w: Wrapping, path: readonly string[]): Value {
  return mapChildren(value, (x, k) => {
    const s = schemaOf(k)
    return s ? wrap(s, x, w, [...path, k]) : x
  })
}
