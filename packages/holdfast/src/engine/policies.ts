import { failure, type Site } from '../base/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import { masked, type Address, type Scope, type Value } from '../model/index.ts'
import type { PlannedChange } from '../plan/index.ts'
import { askPolicies, type PolicyGraph, type PolicyNode, type Verdict } from '../program/index.ts'
import { resolveInputs, type EngineContext } from '../resource/index.ts'

/**
 * Asks the policies about a plan before anything is stored or changed.
 *
 * Gives    the warnings. Costs nothing without a policy; else the inputs of every node are computed once more.
 * Fails    HF5101 with all denials, at the line of the first node that is denied. HF5102: a policy is broken.
 */
export function judge(cx: EngineContext, graph: DesiredGraph | undefined, scope: Scope, changes: readonly PlannedChange[]): readonly Verdict[] {
  const policies = cx.policies ?? []
  if (policies.length === 0) return []
  const verdicts = askPolicies(policies, viewOf(cx, graph, scope, changes))
  const denied = verdicts.filter((v) => v.level === 'deny')
  const [first] = denied
  if (!first) return verdicts
  const site: Site | undefined = first.address === undefined ? undefined : graph?.nodes.get(first.address)?.site
  throw failure('HF5101', {
    ...(first.address === undefined ? {} : { address: first.address }), site,
    message: `${first.address === undefined ? '' : `${first.address}: `}${first.message} (policy ${first.policy})${denied.length > 1 ? `; ${denied.length - 1} more in the details` : ''}.`,
    details: { findings: verdicts },
  })
}

function viewOf(cx: EngineContext, graph: DesiredGraph | undefined, scope: Scope, changes: readonly PlannedChange[]): PolicyGraph {
  const actions = new Map<Address, string>(changes.map((c) => [c.doc.address, c.doc.action]))
  const nodes = [...(graph?.nodes.values() ?? [])].map((n): PolicyNode => {
    const type = cx.types.get(n.type)
    const inputs = type ? structuredClone(masked(resolveInputs(type, n.inputs, scope, n) as Value)) as Record<string, unknown> : {}
    return frozen({
      address: n.address, type: n.type, inputs, tags: { ...n.options.tags }, protect: n.options.protect, retain: n.options.retain, dependsOn: [...n.deps],
      action: actions.get(n.address) ?? 'unchanged',
    })
  })
  const byAddress = new Map(nodes.map((n) => [n.address, n]))
  const deletes = changes.filter((c) => c.doc.action === 'delete').map((c) => ({ address: c.doc.address, type: c.doc.type }))
  return frozen({ app: cx.env.app, env: cx.env.name, nodes, node: (address: Address) => byAddress.get(address), deletes })
}

function frozen<T>(v: T): T {
  if (typeof v !== 'object' || v === null || Object.isFrozen(v) || ArrayBuffer.isView(v)) return v
  for (const inner of Object.values(v)) frozen(inner)
  return Object.freeze(v)
}
