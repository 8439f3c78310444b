import { Stream } from '../sim/random.ts'
import type { FuzzCase, NodeSpec, Op, Program } from './case.ts'

/** How a case comes to have something that few have, and how many have it. Each is drawn from a stream of its own: one more changes no case that has it not. */
interface More {
  readonly chance: number
  readonly draw: (r: Stream, c: FuzzCase) => FuzzCase
}

const more: Readonly<Record<string, More>> = {
  ignore: { chance: 0.12, draw: (r, c) => onNodes(r, c, (at) => ({ ignore: ignorable(r, at) })) },
  replaceOn: { chance: 0.1, draw: (r, c) => onNodes(r, c, () => ({ replaceOn: [r.pick(['size', 'size', 'note', '*'] as const)] })) },
  replaceWith: { chance: 0.12, draw: withAnother },
  deleteFirst: { chance: 0.1, draw: (r, c) => onNodes(r, c, (at) => (at.referred ? {} : { deleteFirst: r.chance(0.8) })) },
  taint: { chance: 0.1, draw: (r, c) => beforeOp(r, c, { kind: 'taint', addresses: some(r, c), ...(r.chance(0.1) ? { off: true as const } : {}) }) },
  dependents: { chance: 0.5, draw: (r, c) => ({ ...c, ops: c.ops.map((o) => alongside(r, o)) }) },
}

export function drawMore(c: FuzzCase): FuzzCase {
  let out = c
  for (const [name, { chance, draw }] of Object.entries(more)) {
    const r = new Stream(c.seed, name)
    if (r.chance(chance)) out = draw(r, out)
  }
  return out
}

/** One node through all programs of a case, whatever its address is. */
interface Line {
  readonly addresses: ReadonlySet<string>
  readonly nodes: readonly NodeSpec[]
  /** Something carries its id or its size. */
  readonly referred: boolean
}

function lineOf(c: FuzzCase, address: string): Line {
  const addresses = new Set([address])
  const all = c.programs.flat()
  for (let before = 0; before < addresses.size;) {
    before = addresses.size
    for (const n of all) if (addresses.has(n.address) || n.movedFrom?.some((a) => addresses.has(a))) for (const a of [n.address, ...(n.movedFrom ?? [])]) addresses.add(a)
  }
  const of = (a: string | undefined) => a !== undefined && addresses.has(a)
  return { addresses, nodes: all.filter((n) => of(n.address)), referred: all.some((n) => n.refs?.some(of) || of(n.sizeOf)) }
}

/** One or two nodes get an option: in all programs, in the first one only, or in those after it. */
function onNodes(r: Stream, c: FuzzCase, change: (at: Line) => Partial<NodeSpec>): FuzzCase {
  let out = c
  for (let i = r.chance(0.7) ? 1 : 2; i > 0; i--) {
    const all = out.programs.flat()
    if (all.length === 0) return out
    const line = lineOf(out, r.pick(all).address)
    // The same in each of them, as far as it is drawn.
    const option = change(line)
    const where = r.below(10)
    const put = (n: NodeSpec): NodeSpec => ({ ...n, ...option })
    out = { ...out, programs: out.programs.map((p, at) => ((where < 6 || (where < 8) === (at > 0)) ? p.map((n) => (line.addresses.has(n.address) ? put(n) : n)) : p)) }
  }
  return out
}

/** What holds on to an id, or to a place, would keep others from having their way. */
function ignorable(r: Stream, { nodes }: Line): string[] {
  if (r.chance(0.15) && nodes.every((n) => !n.refs?.length && n.slot === undefined)) return ['*']
  return r.pick([['size'], ['size'], ['zone'], ['name'], ['note'], ['size', 'zone'], ['size', 'nowhere']])
}

/** A node is made anew with an earlier one. */
function withAnother(r: Stream, c: FuzzCase): FuzzCase {
  const all = c.programs.flat()
  if (all.length < 2) return c
  const [to, from] = [lineOf(c, r.pick(all).address), lineOf(c, r.pick(all).address)]
  const late = r.chance(0.2)
  const tie = (p: Program, at: number): Program => {
    const with_ = p.findIndex((n) => to.addresses.has(n.address))
    return with_ < 0 || (late && at === 0) ? p : p.map((n, i) => (i > with_ && from.addresses.has(n.address) ? { ...n, replaceWith: [(p[with_] as NodeSpec).address] } : n))
  }
  return { ...c, programs: c.programs.map(tie) }
}

function some(r: Stream, c: FuzzCase): string[] {
  const all = c.programs.slice(0, 2).flat()
  return all.length === 0 ? ['n1'] : [...new Set(Array.from({ length: r.between(1, 2) }, () => r.pick(all).address))]
}

/** Somewhere after the first operation. */
function beforeOp(r: Stream, c: FuzzCase, op: Op): FuzzCase {
  const at = r.between(1, c.ops.length)
  return { ...c, ops: [...c.ops.slice(0, at), op, ...c.ops.slice(at)] }
}

/** What depends on what is named comes along. */
function alongside(r: Stream, o: Op): Op {
  if (!('onFailure' in o)) return o
  return { ...o, ...(o.targets && r.chance(0.5) ? { targetDependents: true as const } : {}), ...(o.excludes && r.chance(0.5) ? { excludeDependents: true as const } : {}) }
}
