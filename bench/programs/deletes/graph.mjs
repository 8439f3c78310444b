/** A wide and uneven graph, the same on every machine: chains of 1 to 12 nodes, a tenth of them with a slow node, some tied together. */
export function makeGraph(n) {
  let x = 20_261_129
  const dice = (m) => {
    x = (x * 48_271) % 2_147_483_647
    return x % m
  }
  const nodes = []
  while (nodes.length < n) {
    const length = Math.min(1 + dice(12), n - nodes.length)
    const slow = dice(10) === 0 ? dice(length) : -1
    for (let i = 0; i < length; i++) {
      const needs = i === 0 ? (nodes.length > 0 && dice(4) === 0 ? [dice(nodes.length)] : []) : [nodes.length - 1]
      nodes.push({ needs, ms: i === slow ? 400 : 5 + dice(40) })
    }
  }
  return nodes
}

/** How long the deletions take at least: when each layer waits for the one before to end, and along the longest chain of dependants. */
export function timesOf(nodes, atOnce) {
  const level = nodes.map(() => 0)
  const done = nodes.map((node) => node.ms)
  for (let i = nodes.length - 1; i >= 0; i--) for (const d of nodes[i].needs) {
    level[d] = Math.max(level[d], level[i] + 1)
    done[d] = Math.max(done[d], done[i] + nodes[d].ms)
  }
  const layers = []
  nodes.forEach((node, i) => {
    layers[level[i]] ??= { sum: 0, most: 0 }
    const layer = layers[level[i]]
    layer.sum += node.ms
    layer.most = Math.max(layer.most, node.ms)
  })
  const sum = nodes.reduce((all, node) => all + node.ms, 0)
  return { layersMs: layers.reduce((all, l) => all + Math.max(l.most, l.sum / atOnce), 0), pathMs: Math.max(...done), atOnceMs: sum / atOnce, layers: layers.length }
}
