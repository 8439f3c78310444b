import { failure } from '../base/index.ts'
import type { ExprNode } from '../model/index.ts'
import type { BuildResult } from './build.ts'
import { mapSite } from './site.ts'
import type { DeclaredNode } from './scope.ts'

/**
 * The nodes of the second build. One that equals its counterpart is dropped for it at once: of two equal builds only one is ever held.
 */
export class NodesBeside extends Map<string, DeclaredNode> {
  readonly #first: Iterator<DeclaredNode>

  constructor(first: Pick<BuildResult, 'nodes'>) {
    super()
    this.#first = first.nodes.values()
  }

  override set(address: string, node: DeclaredNode): this {
    const a = this.#first.next().value as DeclaredNode | undefined
    return super.set(address, a?.address === address && ofNodes(a, node) === undefined ? a : node)
  }
}

/**
 * Compares what two calls of build() declared, without the places of the calls.
 * Structurally and side by side: no text is made, so equal builds cost one walk. Fails HF1105 naming the first difference.
 */
export function compareBuilds(first: BuildResult, second: BuildResult): void {
  const others = second.nodes.values()
  for (const a of first.nodes.values()) {
    const b = others.next().value as DeclaredNode | undefined
    if (b?.address !== a.address) throw impure(a, second.nodes.has(a.address) ? 'stands at another place in the order' : 'was declared only by the first call', a.address)
    const difference = a === b ? undefined : ofNodes(a, b)
    if (difference) throw impure(a, `${difference.join('.')} differs`, a.address)
  }
  const extra = others.next().value as DeclaredNode | undefined
  if (extra) throw impure(extra, 'was declared only by the second call', extra.address)
  const difference = ofExpr(first.outputs, second.outputs)
  if (difference) throw impure(undefined, difference.length > 0 ? `the output ${difference.join('.')} differs` : 'the outputs differ', undefined)
}

function impure(node: DeclaredNode | undefined, what: string, address: string | undefined) {
  return failure('HF1105', {
    message: `build() was called twice and gave two different programs: ${address === undefined ? what : `${address}: ${what}`}.`,
    ...(address !== undefined && { address }), site: node?.site && mapSite(node.site),
  })
}

/** Names that lead to the first difference; undefined when there is none. */
type Difference = string[] | undefined

function ofNodes(a: DeclaredNode, b: DeclaredNode): Difference {
  if (a.type !== b.type) return ['its type']
  if (a.action !== b.action) return ['its action']
  const inputs = ofExpr(a.inputs, b.inputs)
  if (inputs) return inputs.length > 0 ? inputs : ['inputs']
  if (a.options !== b.options) {
    const { replaceWhen: x, ...others } = a.options
    const { replaceWhen: y, ...othersOfB } = b.options
    const options = ofPlain(others, othersOfB)
    if (options) return ['options', ...options]
    if ((x === undefined) !== (y === undefined) || (x && y && ofExpr(x, y))) return ['options', 'replaceWhen']
  }
  return sameList(a.deps, b.deps) ? undefined : ['dependsOn']
}

function ofExpr(a: ExprNode, b: ExprNode): Difference {
  if (a === b) return undefined
  if (a.k === 'obj' && b.k === 'obj') {
    for (let i = 0; i < a.keys.length; i++) {
      if (a.keys[i] !== b.keys[i]) return [a.keys[i] as string]
      const d = ofExpr(a.args[i] as ExprNode, b.args[i] as ExprNode)
      if (d) return [a.keys[i] as string, ...d]
    }
    return a.keys.length === b.keys.length ? undefined : [b.keys[a.keys.length] as string]
  }
  if (a.k === 'arr' && b.k === 'arr') return ofExprs(a.args, b.args)
  return sameExpr(a, b) ? undefined : a.k === 'lit' && b.k === 'lit' ? ofPlain(a.v, b.v) : []
}

function ofExprs(a: readonly ExprNode[], b: readonly ExprNode[]): Difference {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]]
    const d = x && y ? ofExpr(x, y) : []
    if (d) return [String(i), ...d]
  }
  return undefined
}

const sameAll = (a: readonly ExprNode[], b: readonly ExprNode[]): boolean => a.length === b.length && a.every((x, i) => ofExpr(x, b[i] as ExprNode) === undefined)
const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((x, i) => x === b[i])

function sameExpr(a: ExprNode, b: ExprNode): boolean {
  switch (a.k) {
    case 'lit': return b.k === 'lit' && ofPlain(a.v, b.v) === undefined
    case 'ref': return b.k === 'ref' && a.node === b.node && sameList(a.path, b.path)
    case 'var': return b.k === 'var' && a.name === b.name && sameList(a.path, b.path)
    case 'secret': return b.k === 'secret' && a.name === b.name
    case 'asset': return b.k === 'asset' && a.path === b.path && sameList(a.ignore, b.ignore)
    case 'str': return b.k === 'str' && sameList(a.parts, b.parts) && sameAll(a.args, b.args)
    case 'call': return b.k === 'call' && a.fn === b.fn && sameAll(a.args, b.args)
    case 'each': return b.k === 'each' && a.name === b.name && ofExpr(a.list, b.list) === undefined && ofExpr(a.body, b.body) === undefined
    case 'hide': return b.k === 'hide' && a.type === b.type && a.field === b.field && ofExpr(a.of, b.of) === undefined
    case 'obj': case 'arr': return false // both sides were handled before: the kinds differ
  }
}

function ofPlain(a: unknown, b: unknown): Difference {
  if (Object.is(a, b)) return undefined
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return []
  if (a instanceof Date || b instanceof Date) return a instanceof Date && b instanceof Date && a.getTime() === b.getTime() ? undefined : []
  if (a instanceof Uint8Array || b instanceof Uint8Array) return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0 ? undefined : []
  if (Array.isArray(a) !== Array.isArray(b)) return []
  const keys = Object.keys(a)
  for (const k of keys) {
    if (!Object.hasOwn(b, k)) return [k]
    const d = ofPlain((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k])
    if (d) return [k, ...d]
  }
  if (Object.keys(b).length === keys.length) return undefined
  return [Object.keys(b).find((k) => !Object.hasOwn(a, k)) as string]
}
