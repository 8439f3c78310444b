import { createHmac, hash } from 'node:crypto'
import { failure } from './failure.ts'

/** Plain data: what may stand in inputs and outputs once it is known and opened. */
export type Plain =
  | null | boolean | number | string | bigint | Uint8Array | Date
  | readonly Plain[]
  | { readonly [key: string]: Plain | undefined }

/**
 * Canonical text: RFC 8785 over tagged values (decisions 5). Keys sorted by UTF-16 code units, `undefined` dropped, `null` kept;
 * bytes, dates and bigint tagged `{"$bytes": base64}`, `{"$date": iso}`, `{"$bigint": text}`; a user's key that begins with `$` gets one `$` more.
 *
 * `leaf` is asked first, for objects only, with the path so far: it gives the canonical text that stands in place of the object, or undefined to go on.
 * Fails HF1204 with the path for NaN, infinities, functions, symbols, cycles, and objects that are no plain data (Map, Set, Error).
 */
export function canonical(value: unknown, leaf?: Leaf): string {
  // Most values are small trees without a fault in them: those are written without keeping the path to every place.
  return (leaf ? undefined : quick(value, 0)) ?? write(value, leaf, [], new Set())
}

const QUICK_DEPTH_MAX = 16

/** Keys come again and again: those seen first are kept as they are written. Bounded, for keys may be a user's data. */
const quotedKeys = new Map<string, string>()
const QUOTED_KEYS_MAX = 512
const QUOTED_KEY_CHARS_MAX = 32

function quotedKey(k: string): string {
  const known = quotedKeys.get(k)
  if (known !== undefined) return known
  const text = JSON.stringify(k.charCodeAt(0) === 36 ? `$${k}` : k)
  if (quotedKeys.size < QUOTED_KEYS_MAX && k.length <= QUOTED_KEY_CHARS_MAX) quotedKeys.set(k, text)
  return text
}

/** As {@link write}. Undefined where that would have to say something about the path: it is asked then. */
function quick(v: unknown, depth: number): string | undefined {
  switch (typeof v) {
    case 'string': return JSON.stringify(v)
    case 'boolean': return v ? 'true' : 'false'
    case 'number': return Number.isFinite(v) ? (Object.is(v, -0) ? '0' : String(v)) : undefined
    case 'undefined': return 'null'
    case 'object': break
    default: return undefined
  }
  if (v === null) return 'null'
  if (depth > QUICK_DEPTH_MAX) return undefined
  if (Array.isArray(v)) {
    let out = '['
    for (let i = 0; i < v.length; i++) {
      const x = quick(v[i], depth + 1)
      if (x === undefined) return undefined
      out += i ? `,${x}` : x
    }
    return `${out}]`
  }
  const proto = Object.getPrototypeOf(v)
  if (proto !== Object.prototype && proto !== null) return undefined
  const o = v as Record<string, unknown>
  const keys = Object.keys(o)
  if (keys.length > 1) keys.sort()
  let out = ''
  for (const k of keys) {
    const x = o[k]
    if (x === undefined) continue
    const text = quick(x, depth + 1)
    if (text === undefined) return undefined
    out += `${out === '' ? '{' : ','}${quotedKey(k)}:${text}`
  }
  return out === '' ? '{}' : `${out}}`
}

export type Leaf = (value: object, path: readonly string[]) => string | undefined

function write(v: unknown, leaf: Leaf | undefined, path: string[], open: Set<object>): string {
  switch (typeof v) {
    case 'string': return JSON.stringify(v)
    case 'boolean': return v ? 'true' : 'false'
    case 'number':
      if (!Number.isFinite(v)) throw bad(path, `${v} is not a JSON number`)
      return Object.is(v, -0) ? '0' : JSON.stringify(v)
    case 'bigint': return `{"$bigint":"${v}"}`
    case 'undefined': return 'null'
    case 'object': break
    default: throw bad(path, `a ${typeof v} cannot be stored`)
  }
  if (v === null) return 'null'
  const replaced = leaf?.(v, path)
  if (replaced !== undefined) return replaced
  if (v instanceof Uint8Array) return `{"$bytes":"${Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('base64')}"}`
  if (v instanceof Date) {
    if (Number.isNaN(v.getTime())) throw bad(path, 'an invalid date cannot be stored')
    return `{"$date":"${v.toISOString()}"}`
  }
  if (open.has(v)) throw bad(path, 'a value that contains itself cannot be stored')
  open.add(v)
  let out: string
  if (Array.isArray(v)) {
    out = '['
    for (let i = 0; i < v.length; i++) {
      path.push(String(i))
      out += (i ? ',' : '') + write(v[i], leaf, path, open)
      path.pop()
    }
    out += ']'
  } else {
    // A Map, a Set or an Error would be stored as {} without a word.
    if (!isRecord(v)) throw bad(path, `a ${Object.prototype.toString.call(v).slice(8, -1)} cannot be stored`)
    const o = v as Record<string, unknown>
    const keys = Object.keys(o)
    if (keys.length > 1) keys.sort()
    out = '{'
    let first = true
    for (const k of keys) {
      const x = o[k]
      if (x === undefined) continue
      path.push(k)
      out += `${first ? '' : ','}${JSON.stringify(k.startsWith('$') ? `$${k}` : k)}:${write(x, leaf, path, open)}`
      path.pop()
      first = false
    }
    out += '}'
  }
  open.delete(v)
  return out
}

/** By tag where the prototype is another one: objects may come from another realm, and class instances count as their fields. */
function isRecord(v: object): boolean {
  const proto = Object.getPrototypeOf(v)
  return proto === Object.prototype || proto === null || Object.prototype.toString.call(v) === '[object Object]'
}

const bad = (path: readonly string[], what: string) =>
  failure('HF1204', { message: `${path.length ? path.join('.') : 'The value'}: ${what}.`, hint: 'Use strings, finite numbers, booleans, null, bytes, dates, arrays and plain objects.' })

/** Gives meaning to a `$` tag that {@link canonical} itself does not write; undefined: the object stands for itself. */
export type Tagged = (tag: string, body: unknown, path: readonly string[]) => unknown

/** Reads what {@link canonical} wrote. `tagged` gives meaning to further `$` tags. */
export function parseCanonical(text: string, tagged?: Tagged): unknown {
  return revive(JSON.parse(text), tagged, [])
}

function revive(v: unknown, tagged: Tagged | undefined, path: string[]): unknown {
  if (typeof v !== 'object' || v === null) return v
  if (Array.isArray(v)) {
    for (let i = 0; i < v.length; i++) {
      const x = v[i]
      if (typeof x !== 'object' || x === null) continue
      path.push(String(i))
      v[i] = revive(x, tagged, path)
      path.pop()
    }
    return v
  }
  const o = v as Record<string, unknown>
  let escaped = false
  for (const k in o) {
    const x = o[k]
    if (k.charCodeAt(0) === 36) {
      if (k.charCodeAt(1) === 36) escaped = true
      else if (k === '$bytes') return new Uint8Array(Buffer.from(x as string, 'base64'))
      else if (k === '$date') return new Date(x as string)
      else if (k === '$bigint') return BigInt(x as string)
      else {
        const given = tagged?.(k, x, path)
        if (given !== undefined) return given
      }
    }
    if (typeof x !== 'object' || x === null) continue
    path.push(k.startsWith('$$') ? k.slice(1) : k)
    o[k] = revive(x, tagged, path)
    path.pop()
  }
  if (!escaped) return o
  const out: Record<string, unknown> = {}
  for (const k in o) setOwn(out, k.startsWith('$$') ? k.slice(1) : k, o[k])
  return out
}

/** `o[k] = v`, also for the key `__proto__`, which would set the prototype and be lost. */
export function setOwn<T>(o: Record<string, T>, k: string, v: T): void {
  if (k === '__proto__') Object.defineProperty(o, k, { value: v, enumerable: true, configurable: true, writable: true })
  else o[k] = v
}

export type Digest = string

export const sha256hex = (data: string | Uint8Array): Digest => hash('sha256', data, 'hex')
export const hmacSha256 = (key: Uint8Array, data: string | Uint8Array): Uint8Array => createHmac('sha256', key).update(data).digest()
