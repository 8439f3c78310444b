import { failure } from '../base/index.ts'
import type { DesiredGraph, DesiredNode } from '../graph/index.ts'
import type { Address } from '../model/index.ts'
import type { ResourceRow } from '../state/index.ts'

export interface Matches {
  /** The row of each node that has one; its address differs when the node was moved. */
  readonly rowOf: ReadonlyMap<Address, ResourceRow>
  /** Rows that no node of the program stands for any more, in address order. */
  readonly left: readonly ResourceRow[]
}

/**
 * Pairs nodes with rows: by address, else by `movedFrom` (most recent name first). A row at the node's own address wins, unless another
 * node claims that row as its own past (a shift: a -> b, b -> c).
 *
 * Takes    rows that are `ready` or `partial`, at most one per address.
 * Fails    HF2102: the old address is still a node of its own, two nodes claim one row, the type differs, or the names go in a circle.
 */
export function match(graph: DesiredGraph | undefined, rows: Iterable<ResourceRow>): Matches {
  const byAddress = new Map<Address, ResourceRow>()
  for (const r of rows) byAddress.set(r.address, r)
  const rowOf = new Map<Address, ResourceRow>()
  if (!graph) return { rowOf, left: [...byAddress.values()] }

  const claimedBy = new Map<Address, DesiredNode>()
  for (const node of graph.nodes.values()) {
    if (node.options.movedFrom.length === 0) continue
    const from = node.options.movedFrom.find((a) => byAddress.has(a))
    if (from === undefined) continue
    const own = byAddress.get(node.address)
    if (own && !isPastOfAnother(graph, node.address, byAddress)) continue
    const row = byAddress.get(from) as ResourceRow
    const other = claimedBy.get(from)
    const refuse = (why: string) => failure('HF2102', { message: `${node.address} says it was ${from}: ${why}.`, address: node.address, site: node.site })
    if (other) throw refuse(`${other.address} says so, too`)
    const there = graph.nodes.get(from)
    if (there && !there.options.movedFrom.some((a) => byAddress.has(a))) throw refuse(`${from} is still a node of its own`)
    if (row.type !== node.type) throw refuse(`that is a ${row.type}, and this is a ${node.type}`)
    claimedBy.set(from, node)
    rowOf.set(node.address, row)
  }
  refuseCircles(graph, claimedBy)
  const taken = new Set(claimedBy.keys())
  for (const node of graph.nodes.values()) {
    if (rowOf.has(node.address) || taken.has(node.address)) continue
    const row = byAddress.get(node.address)
    if (row) {
      rowOf.set(node.address, row)
      taken.add(node.address)
    }
  }
  return { rowOf, left: taken.size === byAddress.size ? [] : [...byAddress.values()].filter((r) => !taken.has(r.address)) }
}

function isPastOfAnother(graph: DesiredGraph, address: Address, byAddress: ReadonlyMap<Address, ResourceRow>): boolean {
  for (const n of graph.nodes.values()) if (n.address !== address && n.options.movedFrom.includes(address) && !byAddress.has(n.address)) return true
  return false
}

function refuseCircles(graph: DesiredGraph, claimedBy: ReadonlyMap<Address, DesiredNode>): void {
  for (const [from, node] of claimedBy) {
    let at: Address = node.address
    for (let i = 0; i <= claimedBy.size; i++) {
      const next = claimedBy.get(at)
      if (!next) break
      if (next.address === node.address || at === from) {
        throw failure('HF2102', { message: `${from} and ${at} say that they were each other.`, address: from, site: graph.nodes.get(from)?.site, hint: 'Rename in two steps, with an apply between them.' })
      }
      at = next.address
    }
  }
}
