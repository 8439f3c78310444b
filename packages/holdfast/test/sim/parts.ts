import { Stream } from './random.ts'
import type { Command, Part, Step, Try } from './scenario.ts'
import type { NodeSpec, Workload } from './workload.ts'

const SHARE = 0.12

/** In a share of the lives two commands work at the same time, on parts of the environment that have nothing to do with each other. */
export function withParts(r: Stream, off: boolean, steps: readonly Step[], w: Workload): Step[] {
  if (off || !r.chance(SHARE)) return [...steps]
  const halves = halvesOf(r, [...w.v1, ...w.v2, ...w.broken])
  if (!halves) return [...steps]
  return steps.map((s) => {
    if (!('command' in s) || s.command.do !== 'apply') return s
    const { program } = s.command
    const apply = (half: ReadonlySet<string>): Command => ({ ...s.command as Extract<Command, { do: 'apply' }>, part: partOf(half, w[program as keyof Workload] ?? w.v2, w.v1, r.chance(0.5)) })
    const tries = s.tries.map((t): Try => (r.chance(0.8) ? { ...t, rival: { afterMs: r.below(300), command: apply(halves[1]), how: t.rival?.how ?? { patienceMs: 0, restMs: 0, lockTimeoutMs: 0 } } } : t))
    return { ...s, command: apply(halves[0]), tries }
  })
}

/** `more`: what the program has dropped, too. */
function partOf(half: ReadonlySet<string>, program: readonly NodeSpec[], before: readonly NodeSpec[], more: boolean): Part {
  const targets = [...program, ...(more ? before : [])].map((n) => n.address).filter((a) => half.has(a))
  return { targets: [...new Set(targets)], all: [...half] }
}

/** Addresses in two groups: those that refer to each other, replace each other, or want one thing, are together. */
function halvesOf(r: Stream, nodes: readonly NodeSpec[]): readonly [ReadonlySet<string>, ReadonlySet<string>] | undefined {
  const group = new Map<string, string>()
  const find = (a: string): string => {
    const up = group.get(a)
    return up === undefined || up === a ? a : find(up)
  }
  const join = (a: string, b: string) => void group.set(find(a), find(b))
  for (const n of nodes) {
    if (!group.has(n.address)) group.set(n.address, n.address)
    const secret = n.secret && 'tokenOf' in n.secret ? [n.secret.tokenOf] : []
    for (const other of [...n.refs, ...secret, ...n.movedFrom, `name ${n.name}`, ...(n.slot === undefined ? [] : [`slot ${n.slot}`])]) join(n.address, other)
  }
  const roots = [...new Set(nodes.map((n) => find(n.address)))]
  if (roots.length < 2) return undefined
  const first = new Set([roots[0] as string, ...roots.slice(2).filter(() => r.chance(0.5))])
  const of = (inFirst: boolean) => new Set(nodes.map((n) => n.address).filter((a) => first.has(find(a)) === inFirst))
  return [of(true), of(false)]
}
