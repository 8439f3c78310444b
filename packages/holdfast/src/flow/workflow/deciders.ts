import { behind, type Vertex } from './compile.ts'
import { atOnce } from './kinds.ts'
import { ends, type Atom } from './motion.ts'
import type { Depth } from './port.ts'

/** Whether those who have a say let a vertex start, and what is ignored when they do not. For the begin of a flow they are asked about the flow. */

/** The widest depth among those against it; undefined when nobody is. Throws what a decider throws. */
export function against(a: Atom, atom: (v: Vertex) => Atom): Depth | undefined {
  const { deciders } = a.v
  if (deciders.length === 0) return undefined
  const voters = deciders.map((d) => ({ ...d, from: d.from.map(atom).filter((f) => f.state !== 'IGNORE') })).filter((d) => d.from.length > 0)
  const history = Object.fromEntries(voters.flatMap((d) => d.from.map((f) => [f.v.name, f.result])))
  const depths = voters.filter((d) => !atOnce(d.decide(history), `The decider of ${a.v.name}`)).map((d) => d.depth)
  return WIDEST.find((d) => depths.includes(d))
}

/** What is ignored with it: itself, of a flow what is in it, and what is behind it as far as `depth` goes. */
export function ignoredWith(a: Atom, depth: Depth): Vertex[] {
  const level = a.v.place.level
  const own = ends(a) ? inside(a.v) : [a.v]
  const after = depth === 'ATOM' ? [] : depth === 'NEIGHBORS' ? (ends(a) ? level.end : a.v).next.filter((v) => v.kind === 'task')
    : behind(ends(a) ? level.end : a.v).filter((v) => depth === 'ALL' || (v.kind === 'task' && v.place.level === (ends(a) ? level.parent?.level : level)))
  return [...own, ...after]
}

/** What is in a flow, by its begin. */
export function inside(begin: Vertex): Vertex[] {
  const { end } = begin.place.level
  const after = new Set(behind(end))
  return behind(begin).filter((v) => v !== end && !after.has(v))
}

/** What bounds how much is ignored, the widest first. */
const WIDEST: readonly Depth[] = ['ALL', 'FLOW', 'NEIGHBORS', 'ATOM']
