import { inspect } from 'node:util'
import { shapeOf, showExpr, leafShape, anyShape, type ExprNode, type Shape } from '../model/index.ts'
import { EXPR, type Expr, type Node, type Ref } from './expr.ts'
import { failureAt } from './site.ts'

// Registered symbols, as EXPR is: two copies of the package read each other's references.
const SHAPE: unique symbol = Symbol.for('holdfast.shape') as never
const PATH: unique symbol = Symbol.for('holdfast.path') as never

/** What stands behind the proxy. Its keys are symbols, so no output can have the same name. */
class Target {
  readonly [EXPR]: ExprNode
  readonly [SHAPE]: Shape
  /** Address, for a node as a whole. */
  readonly [PATH]: string | undefined
  constructor(node: ExprNode, shape: Shape, path: string | undefined) {
    this[EXPR] = node
    this[SHAPE] = shape
    this[PATH] = path
  }
  [inspect.custom](): string {
    return `<${showExpr(this[EXPR])}>`
  }
}

/** A typed, frozen reference. Misuse fails at the author's line: as text HF1201, as JSON HF1203, an unknown property HF1202. */
export const makeRef = (node: ExprNode, shape: Shape): Ref<never> => proxy(node, shape, undefined) as Ref<never>

/** The result of a function. What it holds is reached with get() and at(). */
export const makeExpr = <V>(node: ExprNode, shape: Shape = leafShape): Expr<V> => proxy(node, shape, undefined) as Expr<V>

/** A node of the program: a reference to all of its outputs that knows its address. */
export const makeNode = (address: string, shape: Shape): Node<never> => proxy({ k: 'ref', node: address, path: [] }, shape, address) as Node<never>

/** Whether the value is a node as a whole, not one of its outputs. */
export const isNode = (v: unknown): v is Node<unknown> => typeof v === 'object' && v !== null && (v as Partial<Target>)[EXPR] !== undefined && (v as Partial<Target>)[PATH] !== undefined

/** What is below an expression. */
export const shapeOfExpr = (v: object): Shape => (v as Partial<Target>)[SHAPE] ?? anyShape

/** An expression with the shape of a schema; used where the schema of the receiver says more than the sender. */
export const withShape = (node: ExprNode, schema: Parameters<typeof shapeOf>[0]): Ref<never> => makeRef(node, shapeOf(schema, 'in'))

function proxy(node: ExprNode, shape: Shape, path: string | undefined): unknown {
  return new Proxy(new Target(node, shape, path), traps)
}

const refused = () => false
const traps: ProxyHandler<Target> = {
  get: get as never,
  // Frozen, by traps: freezing each target would cost more than making it.
  set: refused,
  defineProperty: refused,
  deleteProperty: refused,
  setPrototypeOf: refused,
  preventExtensions: refused,
  has: (t, key) => typeof key === 'symbol' ? key in t : (key === '$path' && t[PATH] !== undefined) || below(t, key) !== undefined,
  ownKeys(t) {
    throw failureAt('HF1202', traps.ownKeys, {
      message: `${showExpr(t[EXPR])} cannot be spread or listed: its value is not known before apply.`,
      hint: `Name what you need${listed(t[SHAPE])}, or use merge(...), keys(...) or values(...).`,
    })
  },
}

function get(t: Target, key: string | symbol): unknown {
  if (typeof key === 'symbol') {
    switch (key) {
      case Symbol.toPrimitive: return () => refuseText(t)
      case Symbol.iterator: return () => refuseList(t)
      default: return t[key as typeof EXPR]
    }
  }
  if (key === '$path' && t[PATH] !== undefined) return t[PATH]
  const next = below(t, key)
  if (next) return makeRef(step(t[EXPR], key), next)
  const shape = t[SHAPE]
  switch (key) {
    case 'at':
      if (shape.kind === 'array' || shape.kind === 'any') return (index: number) => elementAt(t, shape.kind === 'array' ? shape.element() : anyShape, index)
      break
    case 'then': case 'constructor': case 'asymmetricMatch': return undefined // asked for by `await` and by test runners
    case 'toString': case 'valueOf': case 'toLocaleString': return () => refuseText(t)
    case 'toJSON': return () => {
      throw failureAt('HF1203', undefined, { message: `${showExpr(t[EXPR])} cannot be passed to JSON.stringify: its value is not known before apply.`, hint: 'Use json({ ... }).' })
    }
  }
  throw failureAt('HF1202', get, { message: `${showExpr(t[EXPR])} has no ${JSON.stringify(key)}.`, hint: waysFrom(t, key) })
}

/** The shape of a property, or undefined when there is none. */
function below(t: Target, key: string): Shape | undefined {
  const shape = t[SHAPE]
  switch (shape.kind) {
    case 'object': return key in guarded && !shape.fields.includes(key) ? undefined : shape.field(key)
    case 'record': return key in guarded ? undefined : shape.value()
    case 'any': return key in guarded ? undefined : anyShape
    case 'array': case 'leaf': return undefined
  }
}
/** Names that the language asks for by itself: an open shape does not claim them. */
const guarded: Readonly<Record<string, true>> = Object.assign(Object.create(null), { then: true, toJSON: true, toString: true, valueOf: true, toLocaleString: true, constructor: true, asymmetricMatch: true, at: true })

function step(e: ExprNode, key: string | number): ExprNode {
  if (e.k === 'ref') return { k: 'ref', node: e.node, path: e.path.concat(key) }
  if (e.k === 'var') return { k: 'var', name: e.name, path: e.path.concat(key) }
  return { k: 'call', fn: typeof key === 'number' ? 'at' : 'get', args: [e, { k: 'lit', v: key }] }
}

function elementAt(t: Target, element: Shape, index: number): Ref<never> {
  if (!Number.isInteger(index)) throw failureAt('HF1204', undefined, { message: `${showExpr(t[EXPR])}.at(...) needs a whole number.`, hint: 'Use at(list, index) when the index is a reference.' })
  // A path steps from the front; from the end only the length decides, which is known when the list is.
  return makeRef(index < 0 ? { k: 'call', fn: 'at', args: [t[EXPR], { k: 'lit', v: index }] } : step(t[EXPR], index), element)
}

function refuseText(t: Target): never {
  throw failureAt('HF1201', undefined, { message: `${showExpr(t[EXPR])} is not known before apply, so it cannot become a text or a number here.`, hint: 'Write str`...${ref}...` instead of `...${ref}...`; for numbers use add, sub, mul, min or max.' })
}
function refuseList(t: Target): never {
  throw failureAt('HF1202', undefined, { message: `${showExpr(t[EXPR])} cannot be looped over: its value is not known before apply.`, hint: 'Use each(list, (e) => ...), or .at(i) for one element.' })
}

const listed = (shape: Shape): string => (shape.kind === 'object' && shape.fields.length > 0 ? ` (${shape.fields.join(', ')})` : '')
function waysFrom(t: Target, key: string): string {
  const shape = t[SHAPE]
  if (shape.kind === 'object') return `It has: ${shape.fields.join(', ') || 'no outputs'}.`
  if (shape.kind === 'array') return key === 'length' ? 'Use length(list).' : 'It is a list: use .at(i), each(list, (e) => ...) or length(list).'
  if (t[EXPR].k === 'ref' || t[EXPR].k === 'var') return key === 'length' ? 'Use length(text).' : 'It is a plain value and has nothing below it.'
  return 'Use get(value, key) or at(list, index) on the result of a function.'
}
