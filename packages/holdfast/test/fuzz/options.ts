import { canonical } from '../../src/base/index.ts'
import type { ResourceRow, TxRow } from '../../src/state/index.ts'
import type { NodeSpec, Op, Program } from './case.ts'
import type { Checks } from './check.ts'
import { depsOf } from './program.ts'
import type { Outcome } from './run.ts'
import { markText, type Given, type Mutation } from './world.ts'

/** What a plan was made of, and which rows its changes speak of. */
export interface PlanSeen {
  readonly program: Program
  readonly uidOf: ReadonlyMap<string, string | undefined>
}

type Inputs = Readonly<Record<string, unknown>>

/** The node that a change is of, in the program that its run carries out. */
function nodeOf(c: Checks, tx: TxRow): { readonly node: NodeSpec; readonly plan: PlanSeen } | undefined {
  const run = c.lab.tables.runs.get(tx.run)
  const plan = run && c.plans.get(run.plan)
  const node = plan?.program.find((n) => n.address === tx.address)
  return plan && node && { node, plan }
}

const ignores = (n: NodeSpec, input: string): boolean => n.ignore?.some((p) => p === '*' || p === input) === true
const FIELDS = ['name', 'size', 'zone', 'note'] as const

/** What the options of a node promise about its calls: looked at when one takes effect. */
export function checkOptions(c: Checks, op: Mutation, g: Given, tx: TxRow | undefined): void {
  if (!tx || tx.undo || op === 'delete') return
  const found = nodeOf(c, tx)
  if (!found) return
  const { node } = found
  const now = g.inputs as unknown as Inputs
  const before = op === 'update' ? (g.prior as unknown as Inputs | undefined) : stoodBefore(c, node, found.plan)
  if (!before) return
  for (const f of FIELDS) if (ignores(node, f) && canonical(before[f] ?? null) !== canonical(now[f] ?? null)) c.fail('o', `${op} ${node.address} with ${f} ${now[f]}, which it ignores; it was ${before[f]}`)
  if (op === 'update') for (const f of FIELDS) if (node.replaceOn?.some((p) => p === '*' || p === f) && canonical(before[f] ?? null) !== canonical(now[f] ?? null)) c.fail('o', `${node.address} is updated, and ${f}, which is to be replaced on, was ${before[f]} and is to be ${now[f]}`)
}

/** What is recorded of the object that another takes the place of, where it is of the same type. */
function stoodBefore(c: Checks, node: NodeSpec, plan: PlanSeen): Inputs | undefined {
  const uid = plan.uidOf.get(node.address)
  if (uid === undefined) return undefined
  const row = c.current().find((r) => r.uid === uid) ?? c.base.get(uid)?.row
  if (row?.type !== `fuzz:${node.kind}`) return undefined
  const docs = c.lab.tables.resources.get(uid)?.get(row.since)?.docs
  return docs && c.opened(row, 'inputs', docs.inputs)
}

/** What is left at the end: each node is as new as what it is replaced with, and nothing waits for a new object. */
export function checkConverged(c: Checks, program: Program, rows: ReadonlyMap<string, ResourceRow>): void {
  for (const n of program) {
    const row = rows.get(n.address)
    c.must(row?.meta.tainted !== true, 'o', () => `${n.address} is tainted still`)
    for (const a of n.replaceWith ?? []) c.must(row?.meta.tied?.[a] === rows.get(a)?.uid, 'o', () => `${n.address} was made with ${row?.meta.tied?.[a]}, and ${a} is ${rows.get(a)?.uid}`)
  }
}

/** What the options and the words of a command promise about it as a whole. The world may be looked at where nothing was unsettled before. */
export function checkCommand(c: Checks, out: Outcome): void {
  const { op, doc, planned } = out
  if (op.kind === 'taint' && !out.error) {
    for (const a of op.addresses) for (const r of c.current()) if (r.address === a && r.status !== 'deleting') c.must((r.meta.tainted === true) === (op.off !== true), 'o', () => `${a} was to be marked, and is ${r.meta.tainted ? '' : 'not '}tainted`)
  }
  if (!c.clean || !('onFailure' in op)) return
  checkScope(c, out)
  if (!planned || doc?.outcome !== 'applied') return
  const program = 'program' in op ? c.lab.programs[op.program] as Program : []
  const now = new Map(c.current().filter((r) => r.status !== 'deleting').map((r) => [r.address, r]))
  const touched = scopeOf(c, out)
  for (const n of program) {
    const was = standing(c, n)
    const is = now.get(n.address)
    if (!was || !is || (touched && !touched.has(n.address))) continue
    const anew = markText(was) !== markText(is)
    c.must(!was.meta.tainted || anew, 'o', () => `${n.address} was tainted, and is not made anew`)
    for (const a of n.replaceWith ?? []) {
      const with_ = program.find((x) => x.address === a)
      const [before, after] = [with_ && standing(c, with_), now.get(a)]
      if (before && after) c.must(anew || markText(before) === markText(after), 'o', () => `${a} is another object now, and ${n.address}, which is replaced with it, is not`)
    }
    checkOrder(c, out, n, was, is)
  }
}

/** The row that a node stands for, as it was before. What it claims may have led to others: those are not looked at. */
function standing(c: Checks, n: NodeSpec): ResourceRow | undefined {
  for (const address of [n.address, ...(n.movedFrom ?? [])]) for (const { row } of c.base.values()) if (row.address === address && row.status !== 'deleting') return row
  return undefined
}

/** Whether the old object of a replacement goes before the new one comes is what the node says, where nothing else asks for it. */
function checkOrder(c: Checks, { effectsFrom, planned }: Outcome, n: NodeSpec, was: ResourceRow, is: ResourceRow): void {
  if (n.deleteFirst !== true || was.uid === is.uid || n.retain || was.meta.retain || was.type !== is.type) return
  if (planned?.plan.changes.find((x) => x.doc.address === n.address)?.doc.action !== 'replace') return
  const effects = c.lab.world.effects.slice(effectsFrom)
  const gone = effects.findIndex((e) => e.op === 'delete' && e.uid === was.uid)
  const made = effects.findIndex((e) => e.op === 'create' && e.uid === is.uid)
  if (gone >= 0 && made >= 0) c.must(gone < made, 'o', () => `${n.address} is to be deleted first, and its new object was made before the old one went`)
  else if (c.calm) c.must(gone >= 0, 'o', () => `${n.address} is to be deleted first, and its old object is there`)
}

/** Nodes and rows that a restricted command may touch, worked out anew; undefined: all. */
function scopeOf(c: Checks, { op }: Outcome): Set<string> | undefined {
  const { targets = [], excludes = [], targetDependents, excludeDependents } = op as Extract<Op, { readonly onFailure: unknown }>
  if (targets.length === 0 && excludes.length === 0) return undefined
  const program = 'program' in op ? c.lab.programs[op.program] as Program : []
  const edges: [string, string][] = []
  for (const n of program) for (const d of depsOf(n)) edges.push([n.address, d])
  // A row is meant by the address that the program gives it now.
  const moved = new Map(program.flatMap((n) => (n.movedFrom ?? []).map((a) => [a, n.address] as const)))
  for (const { row } of c.base.values()) for (const d of row.meta.deps) edges.push([moved.get(row.address) ?? row.address, d], [row.address, d])
  const grown = (from: readonly string[], grow: boolean | undefined) => {
    const out = new Set(from)
    for (let before = -1; grow && before < out.size;) {
      before = out.size
      for (const [user, used] of edges) if (out.has(used) || out.has(moved.get(used) ?? '')) out.add(user)
    }
    return out
  }
  const all = new Set([...program.map((n) => n.address), ...[...c.base.values()].map(({ row }) => row.address)])
  const wanted = targets.length > 0 ? grown(targets, targetDependents) : all
  const excluded = grown(excludes, excludeDependents)
  return new Set([...wanted].filter((a) => targets.includes(a) || !excluded.has(a)))
}

/** What was not named keeps its object exactly. */
function checkScope(c: Checks, out: Outcome): void {
  const scope = scopeOf(c, out)
  if (!scope) return
  const program = 'program' in out.op ? c.lab.programs[out.op.program] as Program : []
  for (const { op, uid } of c.lab.world.effects.slice(out.effectsFrom)) {
    const was = c.before.get(uid)
    const names = [was, c.rows.get(uid)?.address, c.addressOf.get(uid), program.find((n) => was !== undefined && n.movedFrom?.includes(was))?.address]
    c.must(names.some((a) => a !== undefined && scope.has(a)), 'o', () => `${op} of ${names.join(' ')}, and only ${[...scope].join(' ')} may be touched`)
  }
}
