import { failure } from '../base/index.ts'
import type { Address } from '../model/index.ts'

/** `deps` of a node that are not keys are ignored. */
export type Deps = (node: Address) => readonly Address[]

/**
 * Order in which every node comes after its dependencies; among equals the given order is kept.
 * Iterative: a chain of 100,000 does not touch the stack's limit. Costs O(nodes + edges).
 * Fails HF2101 naming the circle.
 */
export function topologicalOrder(nodes: Iterable<Address>, deps: Deps): Address[] {
  const known = new Set(nodes)
  if (isInOrder(known, deps)) return [...known]
  const state = new Map<Address, 1 | 2>()
  const order: Address[] = []
  for (const root of known) {
    if (state.has(root)) continue
    const stack: { readonly node: Address; readonly deps: readonly Address[]; next: number }[] = [{ node: root, deps: deps(root), next: 0 }]
    state.set(root, 1)
    while (stack.length) {
      const top = stack[stack.length - 1] as (typeof stack)[number]
      const d = top.deps[top.next++]
      if (d === undefined) {
        state.set(top.node, 2)
        order.push(top.node)
        stack.pop()
      } else if (known.has(d)) {
        const s = state.get(d)
        if (s === 1) {
          const circle = stack.map((f) => f.node)
          const from = circle.slice(circle.indexOf(d))
          throw failure('HF2101', { message: `${[...from, d].join(' -> ')} is a circle.`, address: d, details: { circle: from } })
        }
        if (s === undefined) {
          state.set(d, 1)
          stack.push({ node: d, deps: deps(d), next: 0 })
        }
      }
    }
  }
  return order
}

/** A program names what it refers to before it does: nearly every order is the given one. */
function isInOrder(nodes: ReadonlySet<Address>, deps: Deps): boolean {
  const seen = new Set<Address>()
  for (const n of nodes) {
    for (const d of deps(n)) if (!seen.has(d) && nodes.has(d)) return false
    seen.add(n)
  }
  return true
}

/** Who depends on each node, directly. */
export function dependants(nodes: Iterable<Address>, deps: Deps): Map<Address, Address[]> {
  const out = new Map<Address, Address[]>()
  for (const n of nodes) for (const d of deps(n)) {
    const list = out.get(d)
    if (list) list.push(n)
    else out.set(d, [n])
  }
  return out
}

/** The given nodes and all that `next` leads to. */
export function closure(from: Iterable<Address>, next: Deps): Set<Address> {
  const out = new Set(from)
  const todo = [...out]
  for (let n = todo.pop(); n !== undefined; n = todo.pop()) for (const d of next(n)) if (!out.has(d)) {
    out.add(d)
    todo.push(d)
  }
  return out
}
