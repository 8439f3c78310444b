import { failure } from '../base/index.ts'
import type { DesiredGraph, DesiredNode } from '../graph/index.ts'
import { buildGraph, environmentNames, isApp, type AnyApp } from '../program/index.ts'
import type { Target } from './ports.ts'

/**
 * What a program asks for at a target. The environment is the one that is called as the target, or the only one there is.
 *
 * Fails    HF1004 for what is no program; as {@link buildGraph} does.
 */
export function graphFor(program: AnyApp, target: Target): DesiredGraph {
  if (!isApp(program)) throw failure('HF1004', { message: 'This is not a program: app() makes one.' })
  const names = environmentNames(program)
  const env = names.includes(target.name) || names.length > 1 ? target.name : names[0]
  const graph = buildGraph(program, { env, config: target.config })
  if (Object.keys(target.tags).length === 0) return graph
  const nodes = new Map<string, DesiredNode>()
  for (const [address, node] of graph.nodes) nodes.set(address, { ...node, options: { ...node.options, tags: { ...target.tags, ...node.options.tags } } })
  return { ...graph, nodes }
}
