import type { DesiredGraph, DesiredNode } from '../../src/graph/index.ts'
import { noOptions, type ExprNode } from '../../src/model/index.ts'
import type { NodeSpec, Program } from './case.ts'
import { kinds } from './kinds.ts'

export const APP = 'fuzz'

const lit = (v: unknown): ExprNode => ({ k: 'lit', v })
const ref = (node: string, field: string): ExprNode => ({ k: 'ref', node, path: [field] })

export const depsOf = (n: NodeSpec): string[] => [...new Set([...(n.refs ?? []), ...(n.sizeOf === undefined ? [] : [n.sizeOf]), ...(n.dependsOn ?? []), ...(n.replaceWith ?? []), ...(n.deletedWith === undefined ? [] : [n.deletedWith]), ...(n.whenOf === undefined ? [] : [n.whenOf])])]

/** The graph that the program's evaluation would give. */
export function graphOf(program: Program): DesiredGraph {
  const nodes = new Map<string, DesiredNode>()
  const components = new Map<string, string>()
  for (const n of program) {
    const slash = n.address.lastIndexOf('/')
    if (slash > 0) components.set(n.address.slice(0, slash), 'fuzz:Group')
    nodes.set(n.address, {
      address: n.address, type: kinds[n.kind].type, action: 'manage', inputs: inputsOf(n), deps: depsOf(n), site: undefined,
      options: {
        ...noOptions, ...rulesOf(n), ...whenOf(n, program), protect: n.protect === true, retain: n.retain === true, retries: n.retries, movedFrom: n.movedFrom ?? [], tags: n.tag === undefined ? {} : { tag: n.tag },
      },
    })
  }
  const shown = program.filter((_, i) => i % 3 === 0)
  return { app: APP, env: 'default', nodes, components, secrets: [], outputs: { k: 'obj', keys: shown.map((n) => n.address), args: shown.map((n) => ref(n.address, 'id')) } }
}

/** Options that few nodes have. */
const rulesOf = ({ ignore, replaceOn, replaceWith, deleteFirst, deletedWith, adopt, hooks, timeouts }: NodeSpec) => ({
  ...(hooks && { hooks: Object.fromEntries(hooks.map((h) => [h, h])) }), ...(timeouts && { timeouts }),
  ...(ignore && { ignore }), ...(replaceOn && { replaceOn }), ...(replaceWith && { replaceWith }), ...(deleteFirst !== undefined && { deleteFirst }), ...(deletedWith !== undefined && { deletedWith }), ...(adopt !== undefined && { adopt }),
})

function whenOf({ when, whenOf }: NodeSpec, program: Program): { readonly replaceWhen?: ExprNode } {
  if (whenOf === undefined) return when === undefined ? {} : { replaceWhen: lit(when) }
  const of = program.find((n) => n.address === whenOf)
  return { replaceWhen: ref(whenOf, of && kinds[of.kind].readable ? 'size' : 'id') }
}

function inputsOf(n: NodeSpec): ExprNode {
  const plain = { name: n.name, size: n.size, zone: n.zone, ...(n.slot === undefined ? {} : { slot: n.slot }), ...(n.fail ? { fail: true } : {}), ...(n.ttl === undefined ? {} : { ttl: n.ttl }) }
  if (!n.refs?.length && n.sizeOf === undefined && n.deletedWith === undefined) return lit({ ...plain, refs: [] })
  return {
    k: 'obj', keys: [...Object.keys(plain), 'refs', ...(n.sizeOf === undefined ? [] : ['note']), ...(n.deletedWith === undefined ? [] : ['within'])],
    args: [...Object.values(plain).map(lit), { k: 'arr', args: (n.refs ?? []).map((a) => ref(a, 'id')) }, ...(n.sizeOf === undefined ? [] : [ref(n.sizeOf, 'size')]), ...(n.deletedWith === undefined ? [] : [ref(n.deletedWith, 'id')])],
  }
}
