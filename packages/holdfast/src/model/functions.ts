import { canonical, failure, hmacSha256, parseDuration, sha256hex, type Plain, type Site } from '../base/index.ts'
import type { FunctionName } from './expr.ts'
import { toUrl } from './url.ts'
import { toYaml } from './yaml.ts'

type Kind = 'string' | 'number' | 'boolean' | 'list' | 'object' | 'null' | 'bytes' | 'date' | 'bigint'

/** What a function throws for a value of the wrong kind: a sentence without the value, which may be a secret. */
class Refused extends Error {}
const refuse = (what: string): never => {
  throw new Refused(what)
}

/**
 * Computes one function of the closed set of expressions.
 *
 * Pure, and total on the kinds of values each takes: what is out of range or missing is null, never an exception.
 * Fails    HF1205 for another kind or number of arguments. The sentence names kinds, never values: they may be secret.
 */
export function callFunction(fn: FunctionName, args: readonly Plain[], at: Site | undefined): Plain {
  const { min, max, call } = functions[fn]
  try {
    if (args.length < min || args.length > max) refuse(`takes ${min === max ? min : max === Infinity ? `${min} or more` : `${min} to ${max}`} arguments, and got ${args.length}`)
    return call(args)
  } catch (e) {
    if (e instanceof Refused) throw failure('HF1205', { message: `${fn}() ${e.message}.`, site: at })
    throw e
  }
}

interface Definition {
  readonly min: number
  readonly max: number
  readonly call: (args: readonly Plain[]) => Plain
}
const fixed = (n: number, call: Definition['call']): Definition => ({ min: n, max: n, call })
const between = (min: number, max: number, call: Definition['call']): Definition => ({ min, max, call })
const many = (min: number, call: Definition['call']): Definition => ({ min, max: Infinity, call })

const functions: Readonly<Record<FunctionName, Definition>> = {
  json: fixed(1, ([v]) => JSON.stringify(jsonable(v as Plain))),
  yaml: fixed(1, ([v]) => toYaml(jsonable(v as Plain))),
  join: between(1, 2, ([list, separator]) => asList(list).map(asText).join(separator === undefined ? ',' : asString(separator))),
  split: fixed(2, ([text, separator]) => asString(text).split(asString(separator))),
  lower: fixed(1, ([text]) => asString(text).toLowerCase()),
  upper: fixed(1, ([text]) => asString(text).toUpperCase()),
  trim: fixed(1, ([text]) => asString(text).trim()),
  replace: fixed(3, ([text, search, replacement]) => {
    const by = asString(replacement)
    return asString(text).replaceAll(asString(search), () => by) // a function: `$&` in the replacement is text
  }),
  base64: fixed(1, ([data]) => Buffer.from(asBytes(data)).toString('base64')),
  unbase64: fixed(1, ([text]) => unbase64(asString(text))),
  sha256: fixed(1, ([data]) => sha256hex(asBytes(data))),
  hmac: fixed(2, ([key, data]) => Buffer.from(hmacSha256(asBytes(key), asBytes(data))).toString('hex')),
  url: fixed(1, ([parts]) => toUrl(asObject(parts), refuse)),
  at: fixed(2, ([list, index]) => asList(list).at(asInteger(index)) ?? null),
  get: between(2, 3, ([object, key, otherwise]) => {
    const o = asObject(object)
    const k = asString(key)
    return (Object.hasOwn(o, k) ? o[k] : undefined) ?? otherwise ?? null
  }),
  // In the order of the stored form, so that an object gives the same list before and after it was stored.
  keys: fixed(1, ([object]) => sortedKeys(asObject(object))),
  values: fixed(1, ([object]) => {
    const o = asObject(object)
    return sortedKeys(o).map((k) => o[k] as Plain)
  }),
  merge: many(1, (objects) => Object.fromEntries(objects.flatMap((o) => Object.entries(asObject(o)).filter(([, v]) => v !== undefined)))),
  concat: many(1, (parts) => {
    if (parts.every((p) => typeof p === 'string')) return parts.join('')
    if (parts.every((p) => kindOf(p) === 'list')) return parts.flat(1) as Plain[]
    return refuse(`takes lists only or strings only, and got ${parts.map(kindOf).join(', ')}`)
  }),
  length: fixed(1, ([v]) => lengthOf(v)),
  eq: fixed(2, ([a, b]) => canonical(a) === canonical(b)),
  not: fixed(1, ([v]) => !asBoolean(v)),
  and: many(0, (vs) => vs.map(asBoolean).every(Boolean)),
  or: many(0, (vs) => vs.map(asBoolean).some(Boolean)),
  when: fixed(3, ([condition, yes, no]) => (asBoolean(condition) ? yes : no) ?? null),
  coalesce: many(1, (vs) => vs.find((v) => v !== null && v !== undefined) ?? null),
  add: many(2, (vs) => arithmetic(vs, (a, b) => a + b, (a, b) => a + b)),
  sub: fixed(2, (vs) => arithmetic(vs, (a, b) => a - b, (a, b) => a - b)),
  mul: many(2, (vs) => arithmetic(vs, (a, b) => a * b, (a, b) => a * b)),
  min: many(1, (vs) => Math.min(...numbersOf(vs))),
  max: many(1, (vs) => Math.max(...numbersOf(vs))),
  duration: fixed(1, ([text]) => parseDuration(asString(text)) ?? refuse('needs a text such as 500ms, 30s, 5m, 1h or 7d')),
}

function kindOf(v: Plain | undefined): Kind {
  if (v === null || v === undefined) return 'null'
  if (Array.isArray(v)) return 'list'
  if (v instanceof Uint8Array) return 'bytes'
  if (v instanceof Date) return 'date'
  return typeof v as 'string' | 'number' | 'boolean' | 'object' | 'bigint'
}

const WORDS: Readonly<Record<Kind, string>> = {
  string: 'a string', number: 'a number', boolean: 'true or false', list: 'a list', object: 'an object', null: 'null', bytes: 'bytes', date: 'a date', bigint: 'a bigint',
}
const need = (kind: Kind, v: Plain | undefined): never => refuse(`needs ${WORDS[kind]}, and got ${WORDS[kindOf(v)]}`)

const asString = (v: Plain | undefined): string => (typeof v === 'string' ? v : need('string', v))
const asBoolean = (v: Plain | undefined): boolean => (typeof v === 'boolean' ? v : need('boolean', v))
const asNumber = (v: Plain | undefined): number => (typeof v === 'number' ? v : need('number', v))
const asInteger = (v: Plain | undefined): number => (Number.isInteger(v) ? (v as number) : typeof v === 'number' ? refuse('needs a whole number') : need('number', v))
const asList = (v: Plain | undefined): readonly Plain[] => (Array.isArray(v) ? v : need('list', v))
const asObject = (v: Plain | undefined): Readonly<Record<string, Plain | undefined>> =>
  kindOf(v) === 'object' ? (v as Record<string, Plain | undefined>) : need('object', v)
/** A text, or bytes as they are. */
const asBytes = (v: Plain | undefined): Uint8Array => (v instanceof Uint8Array ? v : Buffer.from(asString(v), 'utf8'))
const asText = (v: Plain | undefined): string => {
  if (typeof v === 'string' || typeof v === 'number' || typeof v === 'boolean' || typeof v === 'bigint') return String(v)
  return refuse(`takes strings, numbers and booleans, and got ${WORDS[kindOf(v)]}`)
}

const sortedKeys = (o: Readonly<Record<string, unknown>>): string[] => Object.keys(o).filter((k) => o[k] !== undefined).sort()

function lengthOf(v: Plain | undefined): number {
  if (typeof v === 'string' || Array.isArray(v)) return v.length
  if (v instanceof Uint8Array) return v.byteLength
  if (kindOf(v) === 'object') return sortedKeys(asObject(v)).length
  return refuse(`takes a string, a list, an object or bytes, and got ${WORDS[kindOf(v)]}`)
}

function unbase64(text: string): string {
  const bare = text.replaceAll(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '')
  const bytes = Buffer.from(bare, 'base64')
  if (bytes.toString('base64').replace(/=+$/, '') !== bare) refuse('needs base64 text')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refuse('gives text, and these bytes are not UTF-8')
  }
}

function arithmetic(vs: readonly Plain[], onNumbers: (a: number, b: number) => number, onBigints: (a: bigint, b: bigint) => bigint): Plain {
  if (vs.every((v) => typeof v === 'bigint')) return vs.reduce(onBigints)
  const result = vs.map(asNumber).reduce(onNumbers)
  return Number.isFinite(result) ? result : refuse('gives a number that is too large')
}

/** Of the arguments, or of one list. */
function numbersOf(vs: readonly Plain[]): number[] {
  const list = vs.length === 1 && Array.isArray(vs[0]) ? (vs[0] as readonly Plain[]) : vs
  return list.length === 0 ? refuse('needs at least one number') : list.map(asNumber)
}

/** The value itself, once it is sure that JSON holds all of it. */
function jsonable(v: Plain): Plain {
  switch (kindOf(v)) {
    case 'bytes': return refuse('cannot hold bytes; use base64()')
    case 'date': return refuse('cannot hold a date; use its text')
    case 'bigint': return refuse('cannot hold a bigint; use str`...`')
    case 'number': return Number.isFinite(v) ? v : refuse('cannot hold a number that is not finite')
    case 'list': case 'object':
      for (const x of Object.values(v as object)) jsonable(x ?? null)
      return v
    case 'null': return null
    default: return v
  }
}
