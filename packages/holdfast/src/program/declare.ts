import type { Address, ExprNode, Shape } from '../model/index.ts'
import { isExpr } from './expr.ts'
import { nameOf } from './names.ts'
import { complete, inherit, readOptions, withoutRules, type ReadOptions } from './options.ts'
import { isNode } from './reference.ts'
import { declaringScope, type Scope } from './scope.ts'
import { captureSite, failureAt, mapSite, showSite } from './site.ts'
import { collectRefs, toNode } from './to-node.ts'
import type { Site } from '../base/index.ts'

export interface Declaration {
  readonly type: string
  readonly action: 'manage' | 'read'
  readonly name: unknown
  readonly inputs: unknown
  readonly options: unknown
  /** Of the inputs, as they are given. */
  readonly shape: Shape
  /** The exported function the author called. */
  readonly above: Function
}

/**
 * Adds a node to the open build and gives its address.
 *
 * Fails HF1101 outside build(), HF1102 address taken, HF1103 name, HF1204 a value that cannot be stored, HF1206 unknown or missing input, HF1208 options.
 */
export function declare(d: Declaration): Address {
  const { above, type } = d
  const scope = declaringScope(typeof d.name === 'string' ? `${type} ${JSON.stringify(d.name)}` : type, above)
  const name = nameOf(d.name, `A node of ${type}`, above)
  const address = addressIn(scope, name)
  const site = scope.build.noteSites ? captureSite(above) : undefined
  claimAddress(scope, address, site, above)
  const inputs = readInputs(d, address)
  addNode(scope, { address, name, type, action: d.action, inputs, own: readOptions(d.options, address, above, 'node'), site, above })
  return address
}

export const addressIn = (scope: Scope, name: string): Address => (scope.prefix === '' ? name : `${scope.prefix}/${name}`)

/** Fails HF1102 naming both places. */
export function claimAddress(scope: Scope, address: Address, site: Site | undefined, above: Function): void {
  const { nodes, components } = scope.build
  const taken = nodes.get(address) ?? components.get(address)
  if (!taken) return
  const first = taken.site && mapSite(taken.site)
  throw failureAt('HF1102', above, {
    address, site: site && mapSite(site),
    message: `${address} is declared twice${first ? `: first at ${showSite(first)}` : ''}.`,
    ...(first && { details: { first } }),
  })
}

/** The inputs as an expression, its keys checked against the type. Fields are parsed in full when their values are known, by the planner. */
export function readInputs(d: Pick<Declaration, 'inputs' | 'shape' | 'type' | 'above' | 'action'>, address: Address): ExprNode {
  const { shape, above, type } = d
  const given = d.inputs ?? {}
  if (typeof given !== 'object' || Array.isArray(given) || isExpr(given)) {
    throw failureAt('HF1204', above, { address, message: `${address}: the inputs must be an object that names them.`, hint: 'Write { name: value, ... }; each value may be a reference.' })
  }
  if (shape.kind === 'object') {
    for (const key of Object.keys(given)) {
      const value = (given as Record<string, unknown>)[key]
      if (value === undefined) continue
      const field = shape.field(key)
      if (!field) throw invalid(`there is no input ${JSON.stringify(key)}`, key)
      if ((field.kind === 'leaf' || field.kind === 'array') && isNode(value)) {
        const outputs = `${(value as { $path: string }).$path} is a whole node`
        throw failureAt('HF1204', above, { address, message: `${address}: ${key}: ${outputs}.`, hint: 'Pass one of its outputs.', details: { path: key } })
      }
    }
    if (d.action === 'manage') {
      for (const key of requiredFields(shape)) if ((given as Record<string, unknown>)[key] === undefined) throw invalid(`the input ${JSON.stringify(key)} is missing`, key)
    }
  }
  return toNode(given, { address, above })

  function invalid(what: string, field: string) {
    return failureAt('HF1206', above, { address, message: `${address}: ${what}.`, hint: `Inputs of ${type}: ${listFields(shape)}.`, details: { field } })
  }
}

const required = new WeakMap<Shape, readonly string[]>()
function requiredFields(shape: Shape): readonly string[] {
  if (shape.kind !== 'object') return []
  let fields = required.get(shape)
  if (!fields) required.set(shape, (fields = shape.fields.filter((k) => shape.field(k)?.optional === false)))
  return fields
}

/** `path, content?`: a question mark where the key may be left out. */
export const listFields = (shape: Shape): string =>
  shape.kind === 'object' && shape.fields.length > 0 ? shape.fields.map((k) => (shape.field(k)?.optional ? `${k}?` : k)).join(', ') : 'none'

export interface ReadNode {
  readonly address: Address
  /** Last part of the address. */
  readonly name: string
  readonly type: string
  readonly action: 'manage' | 'read'
  readonly inputs: ExprNode
  readonly own: ReadOptions
  readonly site: Site | undefined
  readonly above: Function
}

const none: readonly Address[] = Object.freeze([])

export function addNode(scope: Scope, n: ReadNode): void {
  const { options, refs: dependsOn } = inherit(scope.inherited, n.own, n.name)
  let deps = none
  if (n.inputs.k !== 'lit' || dependsOn.length > 0) {
    const found = new Set<Address>()
    collectRefs(n.inputs, found, { address: n.address, above: n.above })
    for (const r of dependsOn) found.add(r)
    deps = [...found]
  }
  const resolved = complete(options)
  // A look-up owns nothing: what its component says about replacing and deleting does not concern it.
  scope.build.nodes.set(n.address, { address: n.address, type: n.type, action: n.action, inputs: n.inputs, deps, options: n.action === 'read' ? withoutRules(resolved) : resolved, site: n.site })
}
