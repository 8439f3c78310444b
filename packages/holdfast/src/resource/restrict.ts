import { failure } from '../base/index.ts'
import { match, type Matches } from '../diff/index.ts'
import type { DesiredGraph, DesiredNode } from '../graph/index.ts'
import { refsOf, type Address } from '../model/index.ts'
import { chosen, isWhole, type Restriction } from '../plan/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { NodeDiff } from './diff.ts'
import { tiesOf } from './rules.ts'
import type { EnvState } from './state.ts'
import { wiresIn } from './wires.ts'

/**
 * The nodes that a restricted plan may touch; every other one keeps its row, its object and its options as they are.
 * A lookup that one of them reads comes along: it owns nothing, and without it nothing is known.
 *
 * Fails    HF6001 as {@link chosen} does; HF1001 where --replace names a node that is left out; HF2107 where an unfinished run has changed one that is, or may have.
 */
export function restrictTo(state: EnvState, graph: DesiredGraph | undefined, m: Matches, r: Restriction, replace: ReadonlySet<Address>): ReadonlySet<Address> | undefined {
  const keep = chosenIn(state, graph, m, r)
  if (!keep) return undefined
  for (const a of replace) if (!keep.has(a)) throw failure('HF1001', { address: a, message: `--replace ${a} and what the command is restricted to contradict each other.` })
  const nowAt = new Map([...m.rowOf].map(([address, row]) => [row.uid, address]))
  const open = [...state.base.values(), ...[...state.current.values()].filter((row) => state.provisional(row))].find((row) => !keep.has(nowAt.get(row.uid) ?? row.address))
  if (open) throw broken(open.address, `an unfinished run (${state.env.openRun}) has changed ${open.address}, which is not to be touched`, 'Finish it first with `holdfast run resume`, or take it back with `holdfast run revert`.')
  const tx = [...state.unknown.values()].find((t) => t.target.change === undefined && !keep.has(t.address))
  if (tx) throw broken(tx.address, `the ${tx.op} of ${tx.address} (${tx.token}) is not settled, and it is not to be touched`, `Settle it first: holdfast run settle ${tx.token}`)
  return keep
}

/**
 * What a restricted command may change, former addresses included, and what that depends on beyond it. undefined: nothing is restricted. Fails HF6001 as
 * {@link chosen} does. `more`: addresses that may stand for something, too.
 */
export function reachOf(state: EnvState, graph: DesiredGraph | undefined, r: Restriction, more: readonly Address[] = []): { readonly writes: ReadonlySet<Address>; readonly reads: ReadonlySet<Address> } | undefined {
  const m = match(graph, [...state.current.values()].filter((row) => row.status !== 'deleting') as ResourceRow[])
  const keep = chosenIn(state, graph, m, r, more)
  if (!keep) return undefined
  const writes = new Set(keep)
  for (const a of keep) {
    const row = m.rowOf.get(a)
    if (row) writes.add(row.address)
  }
  const reads = new Set<Address>()
  for (const a of keep) for (const d of graph?.nodes.get(a)?.deps ?? []) {
    if (!writes.has(d)) reads.add(d)
    const was = m.rowOf.get(d)?.address
    if (was !== undefined && !writes.has(was)) reads.add(was)
  }
  return { writes, reads }
}

function chosenIn(state: EnvState, graph: DesiredGraph | undefined, m: Matches, r: Restriction, more: readonly Address[] = []): Set<Address> | undefined {
  if (isWhole(r)) return undefined
  const pending = [...state.current.values()].filter((row) => row.status === 'deleting')
  const nowAt = new Map([...m.rowOf].map(([address, row]) => [row.uid, address]))
  const back = new Map<Address, Address[]>()
  const edge = (from: Address, to: Address) => {
    const list = back.get(to)
    if (list) list.push(from)
    else back.set(to, [from])
  }
  for (const n of graph?.nodes.values() ?? []) for (const d of n.deps) edge(n.address, d)
  for (const row of state.current.values()) for (const d of row.meta.deps) {
    const from = nowAt.get(row.uid) ?? row.address
    edge(from, d)
    // A row names what it uses as that was called before.
    const to = nowAt.get(state.at.get(d) ?? '')
    if (to !== undefined && to !== d && to !== from) edge(from, to)
  }
  const all = [...(graph?.nodes.keys() ?? []), ...m.left.map((row) => row.address), ...pending.map((row) => row.address), ...more]
  const keep = chosen(all, r, (a) => back.get(a) ?? [])
  if (!keep) return undefined
  const todo = [...keep]
  for (let a = todo.pop(); a !== undefined; a = todo.pop()) for (const d of graph?.nodes.get(a)?.deps ?? []) {
    if (keep.has(d) || graph?.nodes.get(d)?.action !== 'read') continue
    keep.add(d)
    todo.push(d)
  }
  return keep
}

/** What a node that may be touched needs of one that may not must stand already, and as the program describes it. Fails HF2107 naming the edge. */
export function refuseMissing(state: EnvState, graph: DesiredGraph, rowOf: Matches['rowOf'], keep: ReadonlySet<Address>): void {
  for (const n of graph.nodes.values()) if (keep.has(n.address)) for (const d of n.deps) {
    const needed = graph.nodes.get(d)
    if (!needed || keep.has(d)) continue
    const why = lacks(state, needed, rowOf.get(d))
    if (why !== undefined) throw brokenEdge(n.address, d, `${n.address} needs ${d}, which ${why} and is not to be touched`, n)
  }
}

function lacks(state: EnvState, node: DesiredNode, row: ResourceRow | undefined): string | undefined {
  if (!row) return 'does not exist yet'
  if (row.address !== node.address) return `was ${row.address} so far`
  if (row.type !== node.type) return `is a ${row.type} so far`
  if (row.status !== 'ready') return 'was left half-way'
  return row.meta.typeVersion === (state.cx.types.get(node.type)?.version ?? row.meta.typeVersion) ? undefined : `was recorded by version ${row.meta.typeVersion} of its type`
}

/** What stays may not lose what it refers to: by a deletion, a new name, or a new object in its place. Fails HF2107 naming the edge. */
export function refuseLost(state: EnvState, graph: DesiredGraph | undefined, m: Matches, going: readonly ResourceRow[], changed: readonly NodeDiff[], keep: ReadonlySet<Address>): void {
  const lost = new Map<Address, string>(going.map((r) => [r.address, r.meta.retain ? 'is given up' : 'is to be deleted']))
  for (const d of changed) if (d.row && d.row.address !== d.node.address) lost.set(d.row.address, `is to become ${d.node.address}`)
  for (const was of state.base.values()) {
    const is = state.current.get(was.uid)
    if (is && is.address !== was.address && is.status !== 'deleting' && !state.rowAt(was.address)) lost.set(was.address, `has become ${is.address} in an unfinished run (${state.env.openRun})`)
  }
  const anew = new Set(changed.filter((d) => d.row && d.decision.action === 'replace').map((d) => d.row?.address as Address))
  // The open run may have set the old object aside, or deleted it to make room: whatever is not written since refers to that.
  for (const was of state.base.values()) {
    const is = state.current.get(was.uid)
    if (!is || is.status === 'deleting') anew.add(was.address)
  }
  if (lost.size === 0 && anew.size === 0) return
  const nodeOf = new Map([...m.rowOf].map(([address, row]) => [row.uid, graph?.nodes.get(address)]))
  for (const row of state.current.values()) {
    const node = nodeOf.get(row.uid)
    if (keep.has(node?.address ?? row.address)) continue
    for (const d of row.meta.deps) {
      const why = lost.get(d)
      if (why !== undefined) throw brokenEdge(row.address, d, `${d} ${why}, and ${row.address}, which is not to be touched, depends on it`, node)
      // Who only waits for a node is content with another object in its place; who reads it, or did when it was last changed, would go on with the old one.
      const waits = node?.deps.includes(d) && !refsOf(node.inputs).has(d) && !tiesOf(node.options).includes(d) && row.meta.rules?.deletedWith !== d && !reads(state, row, d)
      if (anew.has(d) && !waits) throw brokenEdge(row.address, d, `${d} is to be made anew, and ${row.address}, which is not to be touched, refers to the present object`, node)
    }
  }
}

/** Whether an input of the object was made of what a node gave. */
function reads(state: EnvState, row: Parameters<EnvState['provisional']>[0], d: Address): boolean {
  for (const e of wiresIn(state, row)?.values() ?? []) if (refsOf(e).has(d)) return true
  return false
}

const brokenEdge = (from: Address, to: Address, why: string, node: DesiredNode | undefined) =>
  failure('HF2107', { address: from, site: node?.site, message: `The edge ${from} -> ${to} would break: ${why}. Nothing was changed.`, details: { from, to } })
const broken = (address: Address, why: string, hint: string) => failure('HF2107', { address, message: `The plan cannot be restricted: ${why}. Nothing was changed.`, hint })
