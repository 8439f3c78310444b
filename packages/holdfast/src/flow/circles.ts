/** Something that has to wait: `to` comes after `from`. */
export interface Edge {
  readonly from: number
  readonly to: number
}

/**
 * The wanted edges that close no circle, neither with the fixed ones nor among themselves: an edge is left out when both its ends lie in one
 * strongly connected component. Costs O(nodes + edges); iterative, so that a long chain does not touch the stack's limit.
 */
export function withoutCircles(count: number, fixed: readonly Edge[], wanted: readonly Edge[]): readonly Edge[] {
  if (wanted.length === 0) return wanted
  const component = components(count, [fixed, wanted])
  return wanted.filter((e) => component[e.from] !== component[e.to])
}

/** Tarjan's algorithm. */
function components(count: number, edges: readonly (readonly Edge[])[]): Int32Array {
  const next: number[][] = Array.from({ length: count }, () => [])
  for (const list of edges) for (const e of list) (next[e.from] as number[]).push(e.to)
  const component = new Int32Array(count).fill(-1)
  const index = new Int32Array(count).fill(-1)
  const low = new Int32Array(count)
  const cursor = new Int32Array(count)
  const open: number[] = []
  let visited = 0
  let found = 0
  for (let root = 0; root < count; root++) {
    if (index[root] !== -1) continue
    const path = [root]
    while (path.length > 0) {
      const v = path[path.length - 1] as number
      if (index[v] === -1) {
        index[v] = low[v] = visited++
        open.push(v)
      }
      const out = next[v] as number[]
      const w = out[cursor[v] as number]
      if (w !== undefined) {
        cursor[v] = (cursor[v] as number) + 1
        if (index[w] === -1) path.push(w)
        else if (component[w] === -1) low[v] = Math.min(low[v] as number, index[w] as number)
        continue
      }
      path.pop()
      const parent = path[path.length - 1]
      if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[v] as number)
      if (low[v] !== index[v]) continue
      for (let w = -1; w !== v;) {
        w = open.pop() as number
        component[w] = found
      }
      found++
    }
  }
  return component
}
