import type { FuzzCase, NodeSpec, Op, Program, Violation } from './case.ts'
import { runCase } from './run.ts'

/** Runs that making one case smaller may take. */
const RUNS_MAX = 600

/** As small as it gets while the same rule does not hold: fewer operations, nodes, faults and options. The same for the same case. */
export async function shrink(start: FuzzCase, violation: Violation): Promise<{ readonly fuzz: FuzzCase; readonly violation: Violation }> {
  let best = { fuzz: start, violation }
  let runs = 0
  for (let smaller = true; smaller && runs < RUNS_MAX;) {
    smaller = false
    for (const fuzz of candidates(best.fuzz)) {
      if (runs++ >= RUNS_MAX) break
      const found = (await runCase(fuzz)).violation
      if (found?.rule !== violation.rule || shape(found) !== shape(violation)) continue
      best = { fuzz, violation: found }
      smaller = true
      break
    }
  }
  return best
}

/** What was said, without names and numbers. */
const shape = (v: Violation): string => (v.message.split('\n')[0] ?? '').replace(/\b(?:c\/)?[a-z]?\d+\b|[rt]-[0-9A-Z]+|HF\d+|\{.*\}/g, '').slice(0, 60)

function* candidates(c: FuzzCase): Generator<FuzzCase> {
  for (let i = c.ops.length - 1; i >= 0; i--) yield { ...c, ops: c.ops.filter((_, j) => j !== i) }
  if (c.store === 'sqlite') yield { ...c, store: 'memory' }
  if (c.destroyed) yield { ...c, destroyed: false }
  if (c.turnsMax > 0) yield { ...c, turnsMax: 0 }
  if (c.parallelism > 1) yield { ...c, parallelism: 1 }
  // Programs that nothing names, or one in place of another.
  for (let p = c.programs.length - 1; p >= 0; p--) {
    if (p !== c.last && !c.ops.some((o) => 'program' in o && o.program === p)) yield without(c, p)
    if (c.last !== p) yield { ...c, last: p }
  }
  for (const address of new Set(c.programs.flat().map((n) => n.address))) yield { ...c, programs: c.programs.map((p) => dropped(p, address)) }
  for (let p = 0; p < c.programs.length; p++) {
    const program = c.programs[p] as Program
    for (const n of program) yield withProgram(c, p, dropped(program, n.address))
  }
  for (let i = 0; i < c.ops.length; i++) for (const op of simpler(c.ops[i] as Op)) yield { ...c, ops: c.ops.map((o, j) => (j === i ? op : o)) }
  // The same simplification everywhere, then in one place.
  for (const address of new Set(c.programs.flat().map((n) => n.address))) {
    const samples = c.programs.map((p) => p.find((n) => n.address === address)).filter((n) => n !== undefined)
    for (const key of new Set(samples.flatMap((n) => optional.filter((k) => n[k] !== undefined)))) yield { ...c, programs: c.programs.map((p) => p.map((n) => (n.address === address ? less(n, key) : n))) }
    if (samples.some((n) => n.kind !== 'A')) yield { ...c, programs: c.programs.map((p) => p.map((n) => (n.address === address ? { ...n, kind: 'A' as const } : n))) }
  }
  for (let p = 0; p < c.programs.length; p++) {
    const program = c.programs[p] as Program
    for (const n of program) for (const key of optional) if (n[key] !== undefined) yield withProgram(c, p, program.map((x) => (x === n ? less(n, key) : x)))
  }
  for (let p = 1; p < c.programs.length; p++) {
    const [before, program] = [c.programs[p - 1] as Program, c.programs[p] as Program]
    for (const n of program) {
      const was = before.find((x) => x.address === n.address)
      if (was && was !== n && JSON.stringify(was) !== JSON.stringify(n)) yield withProgram(c, p, program.map((x) => (x === n ? was : x)))
    }
  }
}

const optional = ['slot', 'refs', 'sizeOf', 'dependsOn', 'protect', 'retain', 'retries', 'tag', 'ttl', 'movedFrom', 'fail', 'ignore', 'replaceOn', 'replaceWith', 'deleteFirst', 'when', 'whenOf', 'deletedWith', 'adopt', 'hooks', 'timeouts'] as const

function less(n: NodeSpec, key: (typeof optional)[number]): NodeSpec {
  const { [key]: _, ...rest } = n
  return rest as NodeSpec
}

const withProgram = (c: FuzzCase, at: number, program: Program): FuzzCase => ({ ...c, programs: c.programs.map((p, i) => (i === at ? program : p)) })

const without = (c: FuzzCase, at: number): FuzzCase => {
  const moved = (p: number) => (p > at ? p - 1 : p)
  return { ...c, programs: c.programs.filter((_, i) => i !== at), last: moved(c.last), ops: c.ops.map((o) => ('program' in o ? { ...o, program: moved(o.program) } : o)) }
}

/** A node goes, and what others say of it. */
function dropped(p: Program, address: string): Program {
  return p.filter((n) => n.address !== address).map((n) => {
    const left = (list: readonly string[] | undefined) => list?.filter((a) => a !== address)
    const { refs, sizeOf, dependsOn, replaceWith, deletedWith, whenOf, ...rest } = n
    return {
      ...rest, ...(left(refs)?.length ? { refs: left(refs) as string[] } : {}), ...(left(dependsOn)?.length ? { dependsOn: left(dependsOn) as string[] } : {}),
      ...(sizeOf !== undefined && sizeOf !== address ? { sizeOf } : {}), ...(left(replaceWith)?.length ? { replaceWith: left(replaceWith) as string[] } : {}),
      ...(deletedWith !== undefined && deletedWith !== address ? { deletedWith } : {}), ...(whenOf !== undefined && whenOf !== address ? { whenOf } : {}),
    }
  })
}

function* simpler(o: Op): Generator<Op> {
  for (const key of ['waitMs', 'faults', 'end', 'drift', 'person', 'targets', 'excludes', 'targetDependents', 'excludeDependents', 'replace', 'unprotect', 'refresh', 'stored'] as const) {
    if (!(key in o)) continue
    const { [key]: _, ...rest } = o as Op & Record<typeof key, unknown>
    yield rest as Op
  }
  const { faults, end } = o
  if (faults && faults.length > 1) for (let i = 0; i < faults.length; i++) yield { ...o, faults: faults.filter((_, j) => j !== i) }
  if (faults) for (let i = 0; i < faults.length; i++) if (faults[i]?.what !== 'reject') yield { ...o, faults: faults.map((f, j) => (j === i ? { ...f, what: 'reject' as const } : f)) }
  if (end && end.how !== 'dies') yield { ...o, end: { ...end, how: 'dies' } }
  for (const key of ['targets', 'excludes'] as const) {
    const list = key in o ? (o as { readonly targets?: readonly string[] })[key as 'targets'] : undefined
    if (list && list.length > 1) for (let i = 0; i < list.length; i++) yield { ...o, [key]: list.filter((_, j) => j !== i) } as Op
  }
  if (o.person === 'retry') yield { ...o, person: true }
  if (o.kind === 'repair') yield { ...o, kind: 'apply' }
  if ('onFailure' in o && o.onFailure === 'keep') yield { ...o, onFailure: 'revert' }
}
