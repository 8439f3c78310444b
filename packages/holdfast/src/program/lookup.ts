import type { z } from 'zod'
import { canonical, sha256hex } from '../base/index.ts'
import { shapeOf, type NodeOptions } from '../model/index.ts'
import { addNode, addressIn, claimAddress, readInputs } from './declare.ts'
import type { Node, NodeInputs } from './expr.ts'
import { nameOf } from './names.ts'
import { readOptions } from './options.ts'
import { makeNode } from './reference.ts'
import type { ResourceFn } from './resource.ts'
import { declaringScope } from './scope.ts'
import { captureSite, failureAt } from './site.ts'
import { withoutSites } from './to-node.ts'

export interface LookupOptions extends Pick<NodeOptions, 'dependsOn' | 'timeout' | 'retries'> {
  /** Name in the address. Default: made of the type and the inputs. */
  readonly name?: string
}
const known = ['name', 'dependsOn', 'timeout', 'retries']
/** Characters of the digest in a name that was made: two look-ups of one component meet once in 2^20. */
const DIGEST_CHARS = 10

/**
 * Looks up an object that something else made: a node of action `read`, answered by the type's `find`.
 * The same look-up in the same component is one node.
 *
 * Fails HF1107 when the type has no `find`.
 */
export function lookup<I extends z.ZodObject, O extends z.ZodObject>(type: ResourceFn<I, O>, inputs: Partial<NodeInputs<z.input<I>>>, options: LookupOptions = {}): Node<z.output<O>> {
  const spec = (type as ResourceFn<I, O> | undefined)?.spec
  if (!spec) throw failureAt('HF1107', lookup, { message: 'lookup() needs a resource type as its first argument.' })
  if (!spec.find) throw failureAt('HF1107', lookup, { message: `${spec.type} cannot be looked up: it has no find.`, hint: 'Give the type a find({ inputs }), or use a type that has one.' })
  const scope = declaringScope(`A look-up of ${spec.type}`, lookup)
  const label = `lookup(${spec.type})`
  const node = readInputs({ inputs, shape: shapeOf(spec.inputs, 'in'), type: spec.type, action: 'read', above: lookup }, label)
  const { name: given, ...rest } = options
  const name = given === undefined
    ? `~${spec.type.split(/[:/]/).at(-1)}-${sha256hex(`${spec.type}\0${canonical(withoutSites(node))}`).slice(0, DIGEST_CHARS)}`
    : nameOf(given, `A look-up of ${spec.type}`, lookup)
  const address = addressIn(scope, name)
  const outputs = shapeOf(spec.outputs)
  if (given !== undefined || !scope.build.nodes.has(address)) {
    const site = scope.build.noteSites ? captureSite(lookup) : undefined
    claimAddress(scope, address, site, lookup)
    addNode(scope, { address, name, type: spec.type, action: 'read', inputs: node, own: readOptions(rest, address, lookup, known), site, above: lookup })
  }
  return makeNode(address, outputs) as unknown as Node<z.output<O>>
}
