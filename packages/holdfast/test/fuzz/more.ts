import { callOps, hookPoints } from '../../src/model/index.ts'
import { Stream } from '../sim/random.ts'
import type { FuzzCase, NodeSpec, Op, Program } from './case.ts'
import { kinds } from './kinds.ts'

/** How a case comes to have something that few have, and how many have it. Each is drawn from a stream of its own: one more changes no case that has it not. */
interface More {
  readonly chance: number
  readonly draw: (r: Stream, c: FuzzCase) => FuzzCase
}

const more: Readonly<Record<string, More>> = {
  ignore: { chance: 0.12, draw: (r, c) => onNodes(r, c, (at) => ({ ignore: ignorable(r, at) })) },
  replaceOn: { chance: 0.1, draw: (r, c) => onNodes(r, c, () => ({ replaceOn: [r.pick(['size', 'size', 'note', '*'] as const)] })) },
  replaceWith: { chance: 0.12, draw: withAnother },
  deletedWith: { chance: 0.12, draw: (r, c) => within(r, c) },
  adopt: { chance: 0.1, draw: drawAdopt },
  deleteFirst: { chance: 0.1, draw: (r, c) => onNodes(r, c, (at) => (at.referred || at.waitedFor ? {} : { deleteFirst: r.chance(0.8) })) },
  replaceWhen: { chance: 0.12, draw: drawWhen },
  renewal: { chance: 0.1, draw: drawRenewal },
  forget: { chance: 0.08, draw: (r, c) => beforeOp(r, c, { kind: 'forget', address: some(r, c)[0] as string }) },
  retry: { chance: 0.3, draw: (r, c) => ({ ...c, ops: c.ops.map((o) => (o.person === true && r.chance(0.6) ? { ...o, person: 'retry' as const } : o)) }) },
  taint: { chance: 0.1, draw: (r, c) => beforeOp(r, c, { kind: 'taint', addresses: some(r, c), ...(r.chance(0.1) ? { off: true as const } : {}) }) },
  refresh: { chance: 0.12, draw: drawRefresh },
  hooks: { chance: 0.15, draw: drawHooks },
  timeouts: { chance: 0.08, draw: drawTimeouts },
  dependents: { chance: 0.5, draw: (r, c) => ({ ...c, ops: c.ops.map((o) => alongside(r, o)) }) },
  patterns: { chance: 0.6, draw: (r, c) => ({ ...c, ops: c.ops.map((o) => byPattern(r, c, o)) }) },
  stored: { chance: 0.2, draw: drawStored },
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
  /** Something depends on it without that. */
  readonly waitedFor: boolean
}

/** `claims`: what takes the place of the node, without saying that it was this one, belongs to it, too. */
function lineOf(c: FuzzCase, address: string, claims = false): Line {
  const addresses = new Set([address])
  const all = c.programs.flat()
  const places = new Set<string>()
  for (let before = -1; before < addresses.size + places.size;) {
    before = addresses.size + places.size
    for (const n of all) if (addresses.has(n.address) || n.movedFrom?.some((a) => addresses.has(a)) || placesOf(n).some((p) => places.has(p))) {
      for (const a of [n.address, ...(n.movedFrom ?? [])]) addresses.add(a)
      if (claims) for (const p of placesOf(n)) places.add(p)
    }
  }
  const of = (a: string | undefined) => a !== undefined && addresses.has(a)
  return { addresses, nodes: all.filter((n) => of(n.address)), referred: all.some((n) => n.refs?.some(of) || of(n.sizeOf)), waitedFor: all.some((n) => n.dependsOn?.some(of)) }
}

const placesOf = (n: NodeSpec): string[] => [...(n.slot === undefined ? [] : [`slot ${n.slot}`]), ...(kinds[n.kind].byName ? [`name ${n.name}`] : [])]

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
  if (r.chance(0.15) && nodes.every((n) => !n.refs?.length && placesOf(n).length === 0)) return ['*']
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

/** A node lies in an earlier one. What refers to it would have to go with that, too, so nothing does. */
function within(r: Stream, c: FuzzCase): FuzzCase {
  const all = c.programs.flat()
  if (all.length < 2) return c
  let out = c
  for (let i = r.chance(0.7) ? 1 : 3; i > 0; i--) {
    const [around, inner] = [lineOf(out, r.pick(all).address), lineOf(out, r.pick(all).address, true)]
    if (inner.referred || inner.nodes.some((n) => n.retain || n.protect || n.ignore?.includes('*'))) continue
    const hostIn = (p: Program) => p.findIndex((n) => around.addresses.has(n.address))
    // It lies there from the beginning to the end.
    if ([...around.addresses].some((a) => inner.addresses.has(a)) || out.programs.some((p) => p.some((n, j) => inner.addresses.has(n.address) && j < hostIn(p)))) continue
    const put = (p: Program): Program => p.map((n) => (hostIn(p) >= 0 && inner.addresses.has(n.address) ? { ...n, deletedWith: (p[hostIn(p)] as NodeSpec).address } : n))
    out = { ...out, programs: out.programs.map(put) }
  }
  return out
}

/** A node takes over something that exists. What no output tells of it is as the node wants it. */
function drawAdopt(r: Stream, c: FuzzCase): FuzzCase {
  const all = c.programs.flat()
  if (all.length === 0) return c
  const line = lineOf(c, r.pick(all).address)
  const plain = line.nodes.every((n) => kinds[n.kind].readable && !kinds[n.kind].byName && n.slot === undefined && !n.refs?.length && n.sizeOf === undefined && n.deletedWith === undefined && n.zone === 'a' && n.kind === line.nodes[0]?.kind)
  const [first] = line.nodes
  if (!plain || !first) return c
  const id = `x${r.below(9)}`
  const exists = [{ id, kind: first.kind, name: r.chance(0.5) || kinds[first.kind].update === 'none' ? first.name : 'found', size: r.chance(0.5) || kinds[first.kind].update === 'none' ? first.size : 77, zone: 'a' }]
  const from = r.chance(0.6) ? 0 : 1
  const until = r.chance(0.7) ? 9 : 0
  return { ...c, exists, programs: c.programs.map((p, at) => (at >= from && at <= Math.max(from, until) ? p.map((n) => (line.addresses.has(n.address) ? { ...n, adopt: id } : n)) : p)) }
}

function some(r: Stream, c: FuzzCase): string[] {
  const all = c.programs.slice(0, 2).flat()
  return all.length === 0 ? ['n1'] : [...new Set(Array.from({ length: r.between(1, 2) }, () => r.pick(all).address))]
}

/** The world is recorded as it is, by a command of its own or before an apply. */
function drawRefresh(r: Stream, c: FuzzCase): FuzzCase {
  const seen = c.programs.slice(0, 2).flat().filter((n) => kinds[n.kind].readable)
  const n = seen.length > 0 ? r.pick(seen) : undefined
  const drift = n && r.chance(0.75) && { drift: [{ name: n.name, what: kinds[n.kind].update === 'full' && r.chance(0.6) ? 'changed' as const : 'gone' as const }] }
  const faults = n && !drift && r.chance(0.3) ? { faults: [{ call: 'read' as const, name: n.name, what: r.pick(['reject', 'lost', 'hang'] as const) }] } : {}
  if (r.chance(0.4)) return beforeOp(r, c, { kind: 'apply', program: r.chance(0.8) ? Math.min(1, c.programs.length - 1) : 0, onFailure: r.pick(['revert', 'revert', 'keep', 'continue'] as const), refresh: true, ...drift, ...faults })
  // What is not looked at is not seen to be gone.
  return beforeOp(r, c, alongside(r, { kind: 'refresh', ...drift, ...faults, ...(drift ? {} : r.chance(0.4) ? { targets: some(r, c) } : r.chance(0.1) ? { excludes: some(r, c) } : {}) }))
}

/** Hooks at some points of some nodes; now and then one of them fails, or does not end. */
function drawHooks(r: Stream, c: FuzzCase): FuzzCase {
  const at = hookPoints.filter(() => r.chance(0.4))
  const out = onNodes(r, c, () => ({ hooks: at.length > 0 ? at : ['afterUpdate'] }))
  const hooked = out.programs.flat().filter((n) => n.hooks)
  if (hooked.length === 0) return out
  return { ...out, ops: out.ops.map((o) => {
    if (!('onFailure' in o) || !r.chance(0.3)) return o
    const faults = Array.from({ length: r.chance(0.8) ? 1 : 3 }, () => ({ call: 'hook' as const, name: r.pick(hooked).name, what: r.chance(0.85) ? 'reject' as const : 'hang' as const }))
    return { ...o, faults: [...(o.faults ?? []), ...faults] }
  }) }
}

/** Deadlines of a node's own, and a call that is never answered. */
function drawTimeouts(r: Stream, c: FuzzCase): FuzzCase {
  const timeouts = Object.fromEntries(callOps.filter(() => r.chance(0.6)).map((op) => [op, r.between(1, 9) * 1000]))
  const out = onNodes(r, c, () => ({ timeouts }))
  const timed = out.programs.flat().filter((n) => n.timeouts)
  if (timed.length === 0) return out
  return { ...out, ops: out.ops.map((o) => ('onFailure' in o && r.chance(0.4) ? { ...o, faults: [...(o.faults ?? []), { call: r.pick(['create', 'update', 'delete'] as const), name: r.pick(timed).name, what: 'hang' as const }] } : o)) }
}

/** A component, or what lies in none, in the place of nodes by name. */
function byPattern(r: Stream, c: FuzzCase, o: Op): Op {
  if (!('onFailure' in o || o.kind === 'refresh') || !c.programs.some((p) => p.some((n) => n.address.includes('/')))) return o
  const word = () => r.pick(['c/**', 'c/**', '*'])
  return { ...o, ...(o.targets && r.chance(0.6) ? { targets: [word()] } : {}), ...(o.excludes && r.chance(0.6) ? { excludes: [word()] } : {}) }
}

/** Objects that are due some time after they were made, and time that passes between commands. */
function drawRenewal(r: Stream, c: FuzzCase): FuzzCase {
  const ttl = r.between(20, 60)
  return { ...onNodes(r, c, () => ({ ttl })), ops: c.ops.map((o, i) => (i > 0 && r.chance(0.6) ? { ...o, waitMs: 1000 * r.between(5, 70) } : o)) }
}

/** A value that is another one from program to program, or that of an earlier node. */
function drawWhen(r: Stream, c: FuzzCase): FuzzCase {
  const all = c.programs.flat()
  if (all.length === 0) return c
  const [to, from] = [lineOf(c, r.pick(all).address), lineOf(c, r.pick(all).address)]
  const values = c.programs.map(() => r.pick([undefined, 1, 1, 2, 2]))
  const follows = r.chance(0.5)
  const put = (p: Program, at: number): Program => {
    const of = p.findIndex((n) => to.addresses.has(n.address))
    const when = values[at]
    return p.map((n, i) => (!from.addresses.has(n.address) ? n : follows && of >= 0 && of < i ? { ...n, whenOf: (p[of] as NodeSpec).address } : when === undefined ? n : { ...n, when }))
  }
  return { ...c, programs: c.programs.map(put) }
}

/** A plan that was stored at some time before it is carried out. */
function drawStored(r: Stream, c: FuzzCase): FuzzCase {
  const found = c.ops.flatMap((o, i) => (o.kind === 'apply' && !o.refresh && i > 0 ? [i] : []))
  if (found.length === 0) return c
  const at = r.pick(found)
  const op = c.ops[at] as Extract<Op, { readonly kind: 'apply' }>
  const { program, targets, excludes, targetDependents, excludeDependents, replace } = op
  const plan: Op = {
    kind: 'plan', program, ...(targets && { targets }), ...(excludes && { excludes }), ...(targetDependents && { targetDependents }), ...(excludeDependents && { excludeDependents }), ...(replace && { replace }),
  }
  const when = r.chance(0.7) ? at : r.between(1, at)
  return { ...c, ops: [...c.ops.slice(0, when), plan, ...c.ops.slice(when, at), { ...op, stored: true }, ...c.ops.slice(at + 1)] }
}

/** Somewhere after the first operation. */
function beforeOp(r: Stream, c: FuzzCase, op: Op): FuzzCase {
  const at = r.between(1, c.ops.length)
  return { ...c, ops: [...c.ops.slice(0, at), op, ...c.ops.slice(at)] }
}

/** What depends on what is named comes along. */
function alongside(r: Stream, o: Op): Op {
  if (!('onFailure' in o || o.kind === 'refresh')) return o
  return { ...o, ...(o.targets && r.chance(0.5) ? { targetDependents: true as const } : {}), ...(o.excludes && r.chance(0.5) ? { excludeDependents: true as const } : {}) }
}
