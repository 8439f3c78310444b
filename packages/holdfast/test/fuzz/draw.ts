import { Stream } from '../sim/random.ts'
import type { Fault, FuzzCase, NodeSpec, Op, Program } from './case.ts'
import { kinds, type KindName } from './kinds.ts'
import { drawMore } from './more.ts'
import { faultNames } from './world.ts'

const kindsByWeight: readonly KindName[] = ['A', 'A', 'A', 'A', 'B', 'B', 'B', 'C', 'C', 'D', 'F', 'L', 'P', 'P', 'R', 'X']

/** How many cases keep the truth in a file. Each takes some 150 ms more. */
const ON_FILE = 1 / 200

/** Same seed, same case. */
export function drawCase(seed: number): FuzzCase {
  const r = new Stream(seed, 'case')
  const names = new Names(r)
  const base = drawBase(r, names)
  const changed = drawChanged(r, names, base)
  const programs: Program[] = [base, changed]
  const refused = r.chance(0.12) ? drawRefused(r, names, changed) : undefined
  if (refused) programs.push(refused)
  const broken = r.chance(0.3) ? drawBroken(r, names, changed) : undefined
  if (broken) programs.push(broken)

  const ops: Op[] = []
  const trouble = r.chance(0.12) ? 0 : 1
  ops.push(applyOf(r, programs, 0, trouble * 0.25))
  if (trouble && r.chance(0.4)) ops.push(breaking(r, programs))
  if (refused) ops.push({ kind: 'apply', program: 2, onFailure: 'revert' })
  ops.push(mainOp(r, programs, trouble))
  if (trouble && r.chance(0.25)) ops.push(mainOp(r, programs, trouble))
  // What is retained is given up when it goes, and what is protected does not go: there is no way back to the base.
  const oneWay = base.some((n) => n.retain || n.protect) || changed.some((n) => n.retain || n.protect)
  return drawMore({
    seed, parallelism: r.chance(0.4) ? 1 : r.between(2, 4), store: new Stream(seed, 'store').chance(ON_FILE) ? 'sqlite' : 'memory', turnsMax: r.chance(0.4) ? 0 : r.between(1, 4),
    programs, ops, last: oneWay || r.chance(0.8) ? 1 : 0, destroyed: r.chance(0.3),
  })
}

/** Fresh names, addresses and slots. */
class Names {
  readonly r: Stream
  #n = 0
  #slots = 0
  readonly component: string | undefined
  constructor(r: Stream) {
    this.r = r
    this.component = r.chance(0.3) ? 'c' : undefined
  }

  address(): string {
    const short = `n${++this.#n}`
    return this.component !== undefined && this.r.chance(0.5) ? `${this.component}/${short}` : short
  }

  name(): string {
    return `o${++this.#n}`
  }

  slot(): number {
    return ++this.#slots
  }
}

function drawNode(r: Stream, names: Names, before: readonly NodeSpec[], chain: number): NodeSpec {
  const kind = r.pick(kindsByWeight)
  // What has a slot, or is deleted first, may have to go before its successor comes: nothing strict refers to it.
  const free = before.filter((n) => n.slot === undefined && !kinds[n.kind].deleteFirst)
  const refs: string[] = []
  const last = free.at(-1)
  if (last && r.chance(chain)) refs.push(last.address)
  if (free.length > 0 && r.chance(0.2)) refs.push(r.pick(free).address)
  const readable = free.filter((n) => kinds[n.kind].readable)
  // What is retained keeps its name and whatever it refers to.
  const retain = !kinds[kind].byName && refs.length === 0 && r.chance(0.06)
  return {
    address: names.address(), kind, name: names.name(), size: r.between(1, 9), zone: 'a',
    ...(r.chance(0.12) && !retain ? { slot: names.slot() } : {}),
    ...(refs.length ? { refs: [...new Set(refs)] } : {}),
    ...(readable.length > 0 && r.chance(0.12) ? { sizeOf: r.pick(readable).address } : {}),
    ...(before.length > 0 && r.chance(0.15) ? { dependsOn: [r.pick(before).address] } : {}),
    ...(kind !== 'R' && r.chance(0.05) ? { protect: true as const } : retain ? { retain: true as const } : {}),
    ...(r.chance(0.12) ? { retries: r.between(1, 2) } : {}),
    ...(r.chance(0.1) ? { tag: 'x' } : {}),
  }
}

function drawBase(r: Stream, names: Names): Program {
  const count = r.chance(0.75) ? r.between(2, 4) : r.between(5, 8)
  const chain = r.fraction() * 0.9
  const out: NodeSpec[] = []
  for (let i = 0; i < count; i++) out.push(drawNode(r, names, out, chain))
  return out
}

/** Prepend, drop, keep, update, copy, rename with or without a word about it, insert, append. */
function drawChanged(r: Stream, names: Names, base: Program): Program {
  const change = 0.15 + r.fraction() * 0.7
  const renamed = new Map<string, string>()
  const gone = new Set<string>()
  const out: NodeSpec[] = []
  const at = (a: string): string => renamed.get(a) ?? a
  if (r.chance(0.1)) out.push(drawNode(r, names, [], 0))
  for (const n of base) {
    let m: NodeSpec = carried(n, at, gone)
    if (r.chance(0.05)) out.push(drawNode(r, names, out, 0.5))
    if (!r.chance(change)) {
      out.push(m)
      continue
    }
    const kept = n.protect === true
    switch (r.below(13)) {
      case 0: case 1: m = { ...m, size: m.size + 10 }; break
      case 2: if (!kept) m = { ...m, zone: 'b' }; break
      case 3: if (!kept) m = { ...m, name: names.name() }; break
      case 4: case 5:
        if (kept) break
        gone.add(n.address)
        continue
      case 6: {
        const address = names.address()
        renamed.set(n.address, address)
        m = { ...m, address, movedFrom: [n.address], ...(r.chance(0.4) ? { size: m.size + 10 } : {}), ...(r.chance(0.15) && !kept ? { zone: 'b' } : {}) }
        break
      }
      case 7: {
        // The same thing under another address, without saying so.
        if (kept) break
        const address = names.address()
        renamed.set(n.address, address)
        m = { ...m, address }
        break
      }
      case 8: {
        const { slot: _, ...rest } = m
        out.push(m)
        m = { ...rest, address: names.address(), name: names.name() }
        break
      }
      case 9: if (!kept && !n.retain) m = { ...m, kind: m.kind === 'A' ? 'R' : m.kind === 'B' ? 'L' : m.kind === 'L' ? 'B' : m.kind === 'C' ? 'X' : 'A' }; break
      case 10: m = { ...m, tag: m.tag === 'y' ? 'z' : 'y' }; break
      case 11:
        if (r.chance(0.5) && m.kind !== 'R' && !m.retain) m = { ...m, protect: true }
        else if (m.refs?.length) {
          const { refs: _, ...rest } = m
          m = rest
        } else if (out.length > 0) m = { ...m, dependsOn: [r.pick(out).address] }
        break
      default: if (!n.retain && !referred(base, n)) m = { ...m, slot: names.slot() }
    }
    out.push(m)
  }
  for (let i = r.chance(0.4) ? r.between(1, 2) : 0; i > 0; i--) out.push(drawNode(r, names, out, 0.5))
  if (r.chance(0.2)) handOver(r, out, base, gone, names)
  return out.filter((n) => fits(n, out))
}

const referred = (p: Program, n: NodeSpec): boolean => p.some((x) => x.refs?.includes(n.address) || x.sizeOf === n.address)

/** A node whose dependencies were renamed or dropped. */
function carried(n: NodeSpec, at: (a: string) => string, gone: ReadonlySet<string>): NodeSpec {
  const { refs, sizeOf, dependsOn, movedFrom: _, ...rest } = n
  const left = (list: readonly string[] | undefined) => (list ?? []).filter((a) => !gone.has(a)).map(at)
  return {
    ...rest, ...(left(refs).length ? { refs: left(refs) } : {}), ...(sizeOf !== undefined && !gone.has(sizeOf) ? { sizeOf: at(sizeOf) } : {}),
    ...(left(dependsOn).length ? { dependsOn: left(dependsOn) } : {}),
  }
}

/** A later node takes the slot of one that goes, or of an earlier one, which moves to another. */
function handOver(r: Stream, out: NodeSpec[], base: Program, gone: ReadonlySet<string>, names: Names): void {
  const free = base.find((n) => n.slot !== undefined && gone.has(n.address) && !n.protect)
  const taker = out.findIndex((n, i) => i > 0 && n.slot === undefined && !n.protect && !n.retain && !referred(out, n))
  if (free && taker >= 0) {
    out[taker] = { ...(out[taker] as NodeSpec), slot: free.slot as number }
    return
  }
  const placed = out.map((n, i) => ({ n, i })).filter(({ n }) => n.slot !== undefined && !n.protect)
  const [giver, second] = [placed[0], placed[1]]
  if (!giver || !second || !r.chance(0.7)) return
  out[giver.i] = { ...giver.n, slot: names.slot() }
  out[second.i] = { ...second.n, slot: giver.n.slot as number }
}

/** A size is read only from what tells it, an id only from what keeps to the order of deletions. */
function fits(n: NodeSpec, all: Program): boolean {
  const bad = (a: string) => {
    const d = all.find((x) => x.address === a)
    return !d || d.slot !== undefined || kinds[d.kind].deleteFirst
  }
  const wrong = (n.refs ?? []).some(bad) || (n.sizeOf !== undefined && (bad(n.sizeOf) || !kinds[all.find((x) => x.address === n.sizeOf)?.kind ?? 'F'].readable))
  if (wrong) Object.assign(n, { refs: undefined, sizeOf: undefined })
  return true
}

/** A program that is to be turned away: nothing may happen then. */
function drawRefused(r: Stream, names: Names, p: Program): Program {
  const kept = p.find((n) => n.protect)
  const [one, two] = [p[0], p.at(-1)]
  switch (r.below(3)) {
    case 0: if (kept) return p.filter((n) => n !== kept).map((n) => carried(n, (a) => a, new Set([kept.address]))); break
    case 1: if (one && two && one !== two) return p.map((n) => (n === one || n === two ? { ...n, slot: 99 } : n)); break
    default: if (one) return [...p, { address: names.address(), kind: one.kind, name: names.name(), size: 1, zone: 'a', movedFrom: [one.address] }]
  }
  return p
}

/** Some of its nodes cannot be made. */
function drawBroken(r: Stream, names: Names, p: Program): Program {
  const at = r.below(p.length + 1)
  const n = p[at]
  if (n && r.chance(0.5)) return p.map((x) => (x === n ? { ...n, fail: true as const, size: n.size + 100 } : x))
  return [...p, { ...drawNode(r, names, p, 0.5), fail: true }]
}

const brokenOf = (programs: readonly Program[]): number => {
  const at = programs.findIndex((p) => p.some((n) => n.fail))
  return at < 0 ? 1 : at
}

function drawFaults(r: Stream, programs: readonly Program[], chance: number): { faults?: Fault[] } {
  if (!r.chance(chance)) return {}
  const all = programs.slice(0, 2).flat()
  const faults: Fault[] = []
  for (let i = r.chance(0.6) ? 1 : r.between(2, 4); i > 0; i--) {
    const call = r.pick(['create', 'create', 'update', 'update', 'delete', 'delete', 'read'] as const)
    const { name } = r.pick(all)
    for (let n = r.chance(0.8) ? 1 : r.between(2, 5); n > 0; n--) faults.push({ call, name, what: r.pick(faultNames) })
  }
  return { faults }
}

function drawEnd(r: Stream, chance: number): { end?: NonNullable<Op['end']> } {
  if (!r.chance(chance)) return {}
  return { end: { how: r.pick(['dies', 'dies', 'dies', 'full', 'stop', 'abort'] as const), commit: r.chance(0.6) ? r.between(2, 12) : r.between(2, 30), phase: r.chance(0.5) ? 'before' : 'after' } }
}

const afterFailure = (r: Stream) => r.pick(['revert', 'revert', 'revert', 'revert', 'keep', 'continue'] as const)

function applyOf(r: Stream, programs: readonly Program[], program: number, trouble: number): Op {
  return { kind: 'apply', program, onFailure: afterFailure(r), ...drawFaults(r, programs, trouble), ...drawEnd(r, trouble * 0.7) }
}

/** Leaves something behind: a run that failed or was killed, deletions that were not made, changes of which nobody knows. */
function breaking(r: Stream, programs: readonly Program[]): Op {
  const program = r.chance(0.5) ? brokenOf(programs) : 1
  const faults = drawFaults(r, programs, 0.7)
  return { kind: 'apply', program, onFailure: r.chance(0.4) ? 'keep' : afterFailure(r), ...faults, ...drawEnd(r, faults.faults ? 0.4 : 1) }
}

function mainOp(r: Stream, programs: readonly Program[], trouble: number): Op {
  const all = programs.slice(0, 2).flat()
  const some = () => [...new Set(Array.from({ length: r.between(1, 2) }, () => r.pick(all).address))]
  const more = { ...drawFaults(r, programs, trouble * 0.55), ...drawEnd(r, trouble * 0.3), ...(r.chance(0.7) ? { person: true } : {}) }
  const onFailure = afterFailure(r)
  const kind = r.below(100)
  if (kind < 45) return { kind: 'apply', program: r.chance(0.7) ? 1 : brokenOf(programs), onFailure, ...more }
  if (kind < 60) return { kind: 'apply', program: 1, onFailure, ...more, ...(r.chance(0.7) ? { targets: some() } : {}), ...(r.chance(0.4) ? { excludes: some() } : {}) }
  if (kind < 66) return { kind: 'apply', program: r.below(2), onFailure, ...more, replace: [r.pick(programs[1]?.length ? programs[1] : all).address] }
  if (kind < 72) return { kind: 'destroy', onFailure, ...more }
  if (kind < 76) return { kind: 'destroy', onFailure, ...more, ...(r.chance(0.6) ? { targets: some() } : { excludes: some() }) }
  if (kind < 86) {
    // Nobody sees what happened to something that cannot be read.
    const seen = (programs[0] ?? all).filter((n) => kinds[n.kind].readable)
    if (seen.length === 0) return { kind: 'revert', ...more }
    const { name, kind: k } = r.pick(seen)
    // An update that says only what differs says nothing of what somebody else changed.
    const what = kinds[k].update === 'full' && r.chance(0.5) ? 'changed' as const : 'gone' as const
    return { kind: 'repair', program: r.below(2), onFailure, ...more, drift: [{ name, what }] }
  }
  return kind < 93 ? { kind: 'revert', ...more } : { kind: 'resume', ...more }
}
