import { BuiltFlow } from './flow.ts'
import type { Binding, Needs } from './task.ts'
import type { Retry } from './port.ts'

/** One line for each thing of a flow that must not change while it is unfinished: tasks with versions and symbols, order, links, controllers. */
export function structureOf(root: BuiltFlow): string[] {
  const lines: string[] = []
  const open: { readonly flow: BuiltFlow; readonly path: string }[] = [{ flow: root, path: `/${root.name}` }]
  for (let next = open.pop(); next; next = open.pop()) {
    const { flow, path } = next
    lines.push(`${flow.kind} ${path}`)
    if (flow.retry) lines.push(retryLine(path, flow.retry, flow.name))
    flow.nodes.forEach((n, i) => {
      // In a linear flow the place is part of what a task is.
      const at = `${path}/${flow.kind === 'linear' ? `${i}:` : ''}${n.name}`
      if (n instanceof BuiltFlow) open.push({ flow: n, path: at })
      else {
        if (n.retry) lines.push(retryLine(at, n.retry, n.name))
        lines.push(`task ${at} ${n.version}${needs(n.needs)}${n.undo ? ` undo${needs(n.undoNeeds)}` : ''}${n.remote ? ` on ${n.remote.type}` : ''}${n.provides.length > 0 ? ` gives ${n.provides.join(' ')}` : ''}`)
      }
    })
    for (const { u, v, decider, depth } of flow.links) lines.push(`link ${path} ${u.name} -> ${v.name}${decider ? ` if asked, ${depth}` : ''}`)
  }
  return lines
}

const retryLine = (path: string, r: Retry, name: string): string =>
  `retry ${path} ${r.name ?? `${name}_retry`}${r.requires.length > 0 ? ` needs ${r.requires.join(' ')}` : ''}${r.provides === undefined ? '' : ` gives ${r.provides}`}`
const needs = ({ required, optional }: Needs): string => (required.size > 0 ? ` needs ${pairs(required)}` : '') + (optional.size > 0 ? ` may take ${pairs(optional)}` : '')
const pairs = (m: Binding): string => [...m].map(([a, s]) => (a === s ? a : `${a}:${s}`)).join(' ')
