import { isExpr as hasExpr, EXPR } from './expr.ts'
import type { Address, ExprNode } from '../model/index.ts'
import { COMPONENT } from './scope.ts'
import { failureAt } from './site.ts'

/** Where a value stands, for the failure. */
export interface Place {
  readonly address?: Address | undefined
  /** Names before the value: `inputs`, `outputs`. */
  readonly path?: readonly string[]
  /** The exported function the author called. */
  readonly above?: Function | undefined
}

/**
 * The expression for a value in which references may stand.
 *
 * Gives    one `lit` for every subtree without a reference, as a copy: what the author changes later changes nothing here. `undefined` keys are dropped.
 * Fails    HF1204 with the path for functions, symbols, NaN, infinities, cycles, promises and instances of classes (bytes and dates may stand).
 */
export function toNode(value: unknown, place: Place = {}): ExprNode {
  const e = exprNode(value)
  if (e) return e
  const reader = new Reader(place)
  const read = reader.read(value)
  return reader.isPlain ? { k: 'lit', v: read } : (read as ExprNode)
}

const exprNode = (value: unknown): ExprNode | undefined => (hasExpr(value) ? (value as unknown as { [EXPR]: ExprNode })[EXPR] : undefined)

/** One pass over the tree: a plain subtree is copied while it is checked, and becomes part of an expression only when a reference is met beside it. */
class Reader {
  /** Whether the last `read` gave a plain copy (else an expression). */
  isPlain = true
  readonly #place: Place
  readonly #path: (string | number)[] = []
  readonly #open: object[] = []

  constructor(place: Place) {
    this.#place = place
  }

  read(v: unknown): unknown {
    this.isPlain = true
    switch (typeof v) {
      case 'string': case 'boolean': case 'undefined': case 'bigint': return v
      case 'number': return Number.isFinite(v) ? v : this.#refuse(`${v} is not a number that can be stored`)
      case 'object': break
      default: return this.#refuse(`a ${typeof v} cannot stand here`, typeof v === 'function' ? 'Call it, or name one of its outputs.' : undefined)
    }
    if (v === null) return v
    const e = (v as { [EXPR]?: ExprNode })[EXPR]
    if (e !== undefined) {
      this.isPlain = false
      return e
    }
    if (v instanceof Uint8Array) return v.slice()
    if (v instanceof Date) return Number.isNaN(v.getTime()) ? this.#refuse('an invalid date cannot be stored') : new Date(v)
    if (this.#open.includes(v)) return this.#refuse('a value that contains itself cannot be stored')
    this.#open.push(v)
    const out = Array.isArray(v) ? this.#list(v) : this.#object(v)
    this.#open.pop()
    return out
  }

  #list(list: readonly unknown[]): unknown {
    const plain: unknown[] = []
    let nodes: ExprNode[] | undefined
    for (let i = 0; i < list.length; i++) {
      this.#path.push(i)
      const x = this.read(list[i])
      this.#path.pop()
      if (!this.isPlain) (nodes ??= plain.map(literal)).push(x as ExprNode)
      else if (nodes) nodes.push(literal(x ?? null))
      else plain.push(x ?? null)
    }
    this.isPlain = nodes === undefined
    return nodes ? { k: 'arr', args: nodes } satisfies ExprNode : plain
  }

  #object(o: object): unknown {
    const proto = Object.getPrototypeOf(o) as object | null
    if (proto !== null && Object.getPrototypeOf(proto) !== null) {
      return typeof (o as { then?: unknown }).then === 'function'
        ? this.#refuse('a promise cannot stand here', 'Read what you need before app() with top-level await.')
        : this.#refuse(`an instance of ${proto.constructor?.name || 'a class'} cannot be stored`)
    }
    const plain: Record<string, unknown> = {}
    let keys: string[] | undefined // set once a reference was met: from then on the object is an expression
    let args: ExprNode[] = []
    for (const k of Object.keys(o)) {
      // The result of a component knows its address; that is not an output of it.
      if (proto === null && k === '$path' && COMPONENT in o) continue
      const value = (o as Record<string, unknown>)[k]
      if (value === undefined) continue
      this.#path.push(k)
      const x = this.read(value)
      this.#path.pop()
      if (!this.isPlain && !keys) {
        keys = Object.keys(plain)
        args = keys.map((key) => literal(plain[key]))
      }
      if (keys) {
        keys.push(k)
        args.push(this.isPlain ? literal(x) : (x as ExprNode))
      } else if (k === '__proto__') Object.defineProperty(plain, k, { value: x, enumerable: true, writable: true, configurable: true })
      else plain[k] = x
    }
    this.isPlain = keys === undefined
    return keys ? { k: 'obj', keys, args } satisfies ExprNode : plain
  }

  #refuse(what: string, hint?: string): never {
    const { address, above, path = [] } = this.#place
    const where = [...path, ...this.#path].join('.')
    throw failureAt('HF1204', above, { message: `${address !== undefined ? `${address}: ` : ''}${where ? `${where}: ` : ''}${what}.`, ...(address !== undefined && { address }), ...(hint !== undefined && { hint }), details: { path: where } })
  }
}

const literal = (v: unknown): ExprNode => ({ k: 'lit', v })

const unbound: readonly string[] = []
/** Addresses an expression refers to, added to `out`. Fails HF1204 when the element of an each() stands outside its callback. */
export function collectRefs(e: ExprNode, out: Set<Address>, place: Place, bound: readonly string[] = unbound): void {
  switch (e.k) {
    case 'lit': case 'secret': case 'asset': return
    case 'ref': return void out.add(e.node)
    case 'var':
      if (bound.includes(e.name)) return
      throw failureAt('HF1204', place.above, { message: `${place.address !== undefined ? `${place.address}: ` : ''}the element of each() stands outside its callback.`, ...(place.address !== undefined && { address: place.address }), hint: 'Return from the callback what you need of the element.' })
    case 'each':
      collectRefs(e.list, out, place, bound)
      return collectRefs(e.body, out, place, [...bound, e.name])
    case 'hide': return collectRefs(e.of, out, place, bound)
    default: for (const a of e.args) collectRefs(a, out, place, bound)
  }
}

/** The same expression without the places of its calls: what two builds have in common. */
export function withoutSites(e: ExprNode): ExprNode {
  switch (e.k) {
    case 'lit': case 'secret': case 'var': return e
    case 'ref': return { k: 'ref', node: e.node, path: e.path }
    case 'asset': return { k: 'asset', path: e.path, ignore: e.ignore }
    case 'hide': return { ...e, of: withoutSites(e.of) }
    case 'each': return { k: 'each', list: withoutSites(e.list), name: e.name, body: withoutSites(e.body) }
    case 'call': return { k: 'call', fn: e.fn, args: e.args.map(withoutSites) }
    default: return { ...e, args: e.args.map(withoutSites) }
  }
}
