import { graphDocument } from '../../engine/index.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

export const graph: Verb = (io, call) => withProject(io, call, { access: 'read' }, async (s) => {
  const doc = graphDocument(s.opened.graph())
  const format = call.flags.own.format ?? (call.flags.json ? 'json' : 'text')
  if (format === 'json') s.print(doc)
  else io.out(format === 'dot' ? dotText(doc) : treeText(doc))
  return 0
})

type Doc = ReturnType<typeof graphDocument>

function dotText(doc: Doc): string {
  const quote = (t: string): string => JSON.stringify(t)
  const nodes = doc.nodes.map((n) => `  ${quote(n.address)} [label=${quote(`${n.address}\n${n.type}`)}]\n`).join('')
  const edges = doc.edges.map((e) => `  ${quote(e.from)} -> ${quote(e.to)}${e.kind === 'dependsOn' ? ' [style=dashed]' : ''}\n`).join('')
  return `digraph holdfast {\n  rankdir=LR\n  node [shape=box]\n${nodes}${edges}}\n`
}

function treeText(doc: Doc): string {
  const needs = new Map<string, string[]>()
  for (const e of doc.edges) needs.set(e.from, [...(needs.get(e.from) ?? []), e.to])
  const width = Math.max(0, ...doc.nodes.map((n) => n.address.length))
  return doc.nodes.map((n) => `${n.address.padEnd(width)}  ${n.type}${needs.has(n.address) ? `  needs ${needs.get(n.address)?.join(', ')}` : ''}\n`).join('')
}
