import { anyShape, leafShape, type ExprNode, type FunctionName, type Shape } from '../model/index.ts'
import { exprOf, type Expr, type Input, type Ref, type Resolved } from './expr.ts'
import { makeExpr, makeRef, shapeOfExpr } from './reference.ts'
import { notesSites, currentScope, within } from './scope.ts'
import { captureSite, failureAt } from './site.ts'
import { toNode } from './to-node.ts'

type Text = string | number | boolean | bigint

/** A text in which references may stand: `` str`postgres://${db.host}:${db.port}/` ``. */
export function str(parts: TemplateStringsArray, ...args: readonly Input<Text>[]): Expr<string> {
  if (!Array.isArray(parts) || !Array.isArray((parts as { raw?: unknown }).raw)) throw failureAt('HF1204', str, { message: 'str is written before a template: str`...`, without brackets.' })
  // What is known becomes part of the text, so that plans show it as text.
  const texts = [parts[0] as string]
  const nodes: ExprNode[] = []
  for (let i = 0; i < args.length; i++) {
    const after = parts[i + 1] as string
    if (isText(args[i])) texts[texts.length - 1] += `${String(args[i])}${after}`
    else {
      nodes.push(toNode(args[i], { path: ['str`...`'], above: str }))
      texts.push(after)
    }
  }
  return makeExpr(nodes.length === 0 ? { k: 'lit', v: texts[0] } : { k: 'str', parts: texts, args: nodes })
}
const isText = (v: unknown): v is Text => typeof v === 'string' || (typeof v === 'number' && Number.isFinite(v)) || typeof v === 'boolean' || typeof v === 'bigint'

function call<V>(above: Function, fn: FunctionName, args: readonly unknown[], shape: Shape = leafShape): Expr<V> {
  return makeExpr<V>({ k: 'call', fn, args: args.map((a) => toNode(a, { path: [`${fn}(...)`], above })), at: notesSites() ? captureSite(above) : undefined }, shape)
}

/** JSON text of a value in which references may stand. */
export function json(value: Input<unknown>): Expr<string> {
  return call(json, 'json', [value])
}
/** YAML text of a value in which references may stand. */
export function yaml(value: Input<unknown>): Expr<string> {
  return call(yaml, 'yaml', [value])
}
/** The parts of a list as one text. Where it is evaluated, HF1205 for a part that is no text, number or boolean. */
export function join(list: Input<readonly Text[]>, separator: Input<string> = ','): Expr<string> {
  return call(join, 'join', [list, separator])
}
/** The parts of a text between the separators, which are left out. */
export function split(text: Input<string>, separator: Input<string>): Ref<string[]> {
  return call<string[]>(split, 'split', [text, separator], listOf(leafShape)) as Ref<string[]>
}
/** In small letters, by the rules of Unicode and not of a language. */
export function lower(text: Input<string>): Expr<string> {
  return call(lower, 'lower', [text])
}
/** In capital letters, by the rules of Unicode and not of a language. */
export function upper(text: Input<string>): Expr<string> {
  return call(upper, 'upper', [text])
}
/** Without the white space at both ends. */
export function trim(text: Input<string>): Expr<string> {
  return call(trim, 'trim', [text])
}
/** Every occurrence. */
export function replace(text: Input<string>, search: Input<string>, replacement: Input<string>): Expr<string> {
  return call(replace, 'replace', [text, search, replacement])
}
/** Base64 of bytes, or of a text as UTF-8. */
export function base64(data: Input<string | Uint8Array>): Expr<string> {
  return call(base64, 'base64', [data])
}
/** The text that base64 stands for; the alphabet of URLs is read, too. Where it is evaluated, HF1205 for what is not base64, or not UTF-8 when decoded. */
export function unbase64(text: Input<string>): Expr<string> {
  return call(unbase64, 'unbase64', [text])
}
/** Hexadecimal SHA-256. */
export function sha256(data: Input<string | Uint8Array>): Expr<string> {
  return call(sha256, 'sha256', [data])
}
/** Hexadecimal HMAC-SHA-256. */
export function hmac(key: Input<string | Uint8Array>, data: Input<string | Uint8Array>): Expr<string> {
  return call(hmac, 'hmac', [key, data])
}

/** The parts of a URL, each escaped for its place; null and missing parts are left out. */
export interface UrlParts {
  readonly protocol: string
  readonly host: string
  readonly port?: number | string | null | undefined
  readonly username?: string | null | undefined
  readonly password?: string | null | undefined
  /** A text with slashes, or its segments. */
  readonly path?: string | readonly string[] | null | undefined
  /** A list repeats its key. */
  readonly query?: Readonly<Record<string, Text | readonly Text[] | null | undefined>> | null | undefined
}
/** The text of a URL, of parts in which references may stand. */
export function url(parts: Input<UrlParts>): Expr<string> {
  return call(url, 'url', [parts])
}

/** An element of a list; negative: from the end. Null when there is none. */
export function at<E>(list: Input<readonly E[]>, index: Input<number>): Expr<E> {
  return call(at, 'at', [list, index], anyShape)
}
/** A value of an object; `otherwise` when there is none. */
export function get<V, D = null>(object: Input<Readonly<Record<string, V>>>, key: Input<string>, otherwise?: Input<D>): Expr<V | D> {
  return call(get, 'get', otherwise === undefined ? [object, key] : [object, key, otherwise], anyShape)
}
/** Sorted. */
export function keys(object: Input<object>): Ref<string[]> {
  return call<string[]>(keys, 'keys', [object], listOf(leafShape)) as Ref<string[]>
}
/** In the order of the sorted keys. */
export function values<V>(object: Input<Readonly<Record<string, V>>>): Expr<V[]> {
  return call(values, 'values', [object], listOf(anyShape))
}
/** Later objects win. */
export function merge<A extends object, B extends object = {}>(first: Input<A>, second?: Input<B>, ...more: readonly Input<object>[]): Expr<Omit<A, keyof B> & B> {
  return call(merge, 'merge', second === undefined ? [first] : [first, second, ...more], anyShape)
}
/** Several lists one after the other, or several texts. */
export function concat(...texts: readonly Input<string>[]): Expr<string>
export function concat<E>(...lists: readonly Input<readonly E[]>[]): Expr<E[]>
export function concat(...parts: readonly unknown[]): Expr<unknown> {
  return call(concat, 'concat', parts, anyShape)
}
/** Of a text, a list, an object or bytes. */
export function length(value: Input<string | Uint8Array | readonly unknown[] | object>): Expr<number> {
  return call(length, 'length', [value])
}
/** Whether two values are equal in all their parts; the order of keys does not count. */
export function eq(a: Input<unknown>, b: Input<unknown>): Expr<boolean> {
  return call(eq, 'eq', [a, b])
}
/** The opposite. Where it is evaluated, HF1205 for what is neither true nor false. */
export function not(value: Input<boolean>): Expr<boolean> {
  return call(not, 'not', [value])
}
/** True when all are, and when there are none. Where it is evaluated, HF1205 for what is neither true nor false. */
export function and(...values: readonly Input<boolean>[]): Expr<boolean> {
  return call(and, 'and', values)
}
/** True when one is. Where it is evaluated, HF1205 for what is neither true nor false. */
export function or(...values: readonly Input<boolean>[]): Expr<boolean> {
  return call(or, 'or', values)
}
/** `condition ? yes : no`, where the condition is a reference. The branch that is not taken may be unknown. */
export function when<A, B>(condition: Input<boolean>, yes: A, no: B): Expr<Known<A> | Known<B>> {
  return call(when, 'when', [condition, yes, no], anyShape)
}
/** The first that is neither null nor missing: `a ?? b`, where `a` is a reference. */
export function coalesce<const L extends readonly unknown[]>(...values: L): Expr<Coalesced<L>> {
  return call(coalesce, 'coalesce', values, anyShape)
}
/** The sum of numbers, or of bigints. Where it is evaluated, HF1205 for another kind, a mixture of both, and a result that is too large. */
export function add(...values: readonly [Input<number>, Input<number>, ...Input<number>[]]): Expr<number> {
  return call(add, 'add', values)
}
/** `a - b`, of numbers or of bigints. Fails as `add`. */
export function sub(a: Input<number>, b: Input<number>): Expr<number> {
  return call(sub, 'sub', [a, b])
}
/** The product of numbers, or of bigints. Fails as `add`. */
export function mul(...values: readonly [Input<number>, Input<number>, ...Input<number>[]]): Expr<number> {
  return call(mul, 'mul', values)
}
/** Of the arguments, or of one list. */
export function min(...values: readonly Input<number>[] | readonly [Input<readonly number[]>]): Expr<number> {
  return call(min, 'min', values)
}
/** Of the arguments, or of one list. */
export function max(...values: readonly Input<number>[] | readonly [Input<readonly number[]>]): Expr<number> {
  return call(max, 'max', values)
}
/** `500ms`, `30s`, `5m`, `1h`, `7d` in milliseconds. */
export function duration(text: Input<string>): Expr<number> {
  return call(duration, 'duration', [text])
}

/** What an argument will be; a literal counts as its kind. */
type Known<T> = T extends string ? string : T extends number ? number : T extends boolean ? boolean : Resolved<T>
/** All but the last lose null and undefined. */
type Coalesced<L extends readonly unknown[]> = L extends readonly [infer Only] ? Known<Only> : L extends readonly [infer First, ...infer Rest] ? NonNullable<Known<First>> | Coalesced<Rest> : never

const listOf = (element: Shape): Shape => ({ kind: 'array', optional: false, element: () => element })

/**
 * `list.map(f)`, where the list may be a reference: then the callback runs once, on a symbolic element, and what it returns stays data.
 * Over a plain list it runs for every element.
 */
export function each<E, R>(list: readonly E[], f: (element: E, index: number) => R): R[]
export function each<E, R>(list: Expr<readonly E[]>, f: (element: Ref<E>) => R): Ref<Known<R>[]>
export function each(list: unknown, f: (element: never, index: number) => unknown): unknown {
  if (typeof f !== 'function') throw failureAt('HF1204', each, { message: 'each() needs a function that is called with each element.' })
  if (Array.isArray(list)) return list.map((e, i) => f(e as never, i))
  const node = exprOf(list)
  if (!node) throw failureAt('HF1204', each, { message: 'each() needs a list, or a reference to one.' })
  const scope = currentScope()
  // Callbacks may be nested: the name of the element is its depth, so that two builds give the same.
  const name = `e${eachDepth}`
  eachDepth++
  try {
    const element = makeRef({ k: 'var', name, path: [] }, elementShape(list as object))
    const result = within(scope && { ...scope, inEach: true }, () => f(element as never, 0))
    const body = toNode(result, { path: ['each(...)'], above: each })
    return makeRef({ k: 'each', list: node, name, body }, listOf(resultShape(body)))
  } finally {
    eachDepth--
  }
}
let eachDepth = 0

function elementShape(list: object): Shape {
  const shape = shapeOfExpr(list)
  if (shape.kind === 'array') return shape.element()
  if (shape.kind === 'any') return anyShape
  throw failureAt('HF1204', each, { message: 'each() needs a list, and this is a reference to something else.' })
}
const resultShape = (body: ExprNode): Shape => (body.k === 'str' || (body.k === 'lit' && typeof body.v !== 'object') ? leafShape : anyShape)
