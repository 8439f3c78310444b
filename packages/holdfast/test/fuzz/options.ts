import { canonical } from '../../src/base/index.ts'
import type { ResourceRow, TxRow } from '../../src/state/index.ts'
import type { NodeSpec, Op, Program } from './case.ts'
import type { Checks } from './check.ts'
import { kindOf } from './kinds.ts'
import { depsOf } from './program.ts'
import type { Outcome } from './run.ts'
import { markText, type Given, type Mutation } from './world.ts'

/** What a plan was made of, and which rows its changes speak of. */
export interface PlanSeen {
  readonly program: Program
  readonly uidOf: ReadonlyMap<string, string | undefined>
  readonly actionOf: ReadonlyMap<string, string>
  readonly restricted: boolean
}

type Inputs = Readonly<Record<string, unknown>>

/** The node that a change is of, in the program that its run carries out. */
export function nodeOf(c: Checks, tx: TxRow): { readonly node: NodeSpec; readonly plan: PlanSeen } | undefined {
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

/** Uid of what its object goes with, as its row has it. */
export const tiedTo = ({ meta }: Pick<ResourceRow, 'meta'>): string | undefined => (meta.rules?.deletedWith === undefined ? undefined : meta.tied?.[meta.rules.deletedWith])

/** Where the program that is carried out has the node still, and does not say that it goes with another, it has a call of its own. */
export function goesWith(c: Checks, row: Pick<ResourceRow, 'meta'>, tx: TxRow): string | undefined {
  const found = nodeOf(c, tx)
  return found && found.node.deletedWith === undefined ? undefined : tiedTo(row)
}

const tiesOf = (n: NodeSpec): string[] => [...(n.replaceWith ?? []), ...(n.deletedWith === undefined ? [] : [n.deletedWith])]

/** What is left at the end: each node is as new as what it is replaced with, and nothing waits for a new object. */
export function checkConverged(c: Checks, program: Program, rows: ReadonlyMap<string, ResourceRow>): void {
  for (const n of program) {
    const row = rows.get(n.address)
    c.hooks.converged(n, row)
    const [o, around] = [n.address, n.deletedWith].map((a) => (a === undefined || !rows.has(a) ? undefined : c.lab.world.ours(rows.get(a) as ResourceRow)[0]))
    c.must(o?.spec.within === around?.id, 'o', () => `${n.address} lies in ${o?.spec.within}, and should in ${around?.id}`)
    c.must(row?.meta.tainted !== true, 'o', () => `${n.address} is tainted still`)
    const when = row?.meta.rules?.replaceWhen
    if (n.whenOf === undefined) c.must((n.when === undefined) === (when === undefined) && keptOf(c, n.when, when) === when, 'o', () => `replaceWhen of ${n.address} is ${n.when}, and ${when} is kept of it`)
    for (const a of tiesOf(n)) c.must(row?.meta.tied?.[a] === rows.get(a)?.uid, 'o', () => `${n.address} was made with ${row?.meta.tied?.[a]}, and ${a} is ${rows.get(a)?.uid}`)
  }
}

/** One text for one value of `replaceWhen`, as far as it was seen before. */
function keptOf(c: Checks, value: number | undefined, now: string | undefined): string | undefined {
  if (value === undefined || now === undefined) return undefined
  const known = c.whens.get(value)
  if (known !== undefined) return known
  if ([...c.whens.values()].includes(now)) return `${now} of another value`
  c.whens.set(value, now)
  return now
}

/** What the options and the words of a command promise about it as a whole. The world may be looked at where nothing was unsettled before. */
export function checkCommand(c: Checks, out: Outcome): void {
  const { op, doc, planned } = out
  if (op.kind === 'taint' && !out.error) {
    for (const a of op.addresses) for (const r of c.current()) if (r.address === a && r.status !== 'deleting') c.must((r.meta.tainted === true) === (op.off !== true), 'o', () => `${a} was to be marked, and is ${r.meta.tainted ? '' : 'not '}tainted`)
  }
  if (op.kind === 'refresh' && c.clean) c.must(c.lab.world.mutations === out.callsFrom, 'r', () => 'what only looks has changed something')
  // What goes with another in one phase has no call of its own.
  for (const d of c.deletions) if (d.with !== undefined && !between(c, d.uid, d.with) && c.deletions.some((x) => x.uid === d.with && x.run === d.run && x.phase === d.phase)) c.must(false, 'w', () => `${c.addressOf.get(d.uid)} is deleted by a call of its own, and ${c.addressOf.get(d.with as string)}, which it goes with, in the same phase`)
  if (op.kind === 'plan') c.must(c.lab.world.mutations === out.callsFrom, 'r', () => 'what only plans has changed something')
  if (!c.clean || !('onFailure' in op)) return
  checkScope(c, out)
  if (!planned || doc?.outcome !== 'applied') return
  if (!doc.error) c.hooks.done()
  const program = 'program' in op ? c.lab.programs[op.program] as Program : []
  const now = new Map(c.current().filter((r) => r.status !== 'deleting').map((r) => [r.address, r]))
  const touched = scopeOf(c, out.op)
  for (const n of program) {
    const was = standing(c, n)
    const is = now.get(n.address)
    if (!was || !is || (touched && !touched.has(n.address))) continue
    const anew = markText(was) !== markText(is)
    if ('refresh' in op && op.refresh) c.must(!c.lab.world.ours(is).some((o) => o.drifted), 'r', () => `${n.address} was changed from outside, was looked at, and is not as the program says`)
    c.must(!was.meta.tainted || anew, 'o', () => `${n.address} was tainted, and is not made anew`)
    if (!('stored' in op) && kindOf(was.type).readable) c.must((c.lab.world.dueAt.get(markText(was)) ?? Number.POSITIVE_INFINITY) > c.plannedAt || anew, 'o', () => `${n.address} was due, and is not made anew`)
    const [before, after] = [was.meta.rules?.replaceWhen, is.meta.rules?.replaceWhen]
    c.must(before === undefined || after === undefined || before === after || anew, 'o', () => `the value of replaceWhen of ${n.address} is another one, and the object is not`)
    for (const a of tiesOf(n)) {
      const with_ = program.find((x) => x.address === a)
      const [before, after] = [with_ && standing(c, with_), now.get(a)]
      if (before && after) c.must(anew || markText(before) === markText(after), 'o', () => `${a} is another object now, and ${n.address}, which is replaced with it, is not`)
    }
    checkOrder(c, out, n, was, is)
  }
}

/** Something that it refers to has to go between the two, or goes in one call with something that has to. */
function between(c: Checks, uid: string, around: string): boolean {
  const rows = [...c.rows.values()]
  const topOf = (r: { readonly uid: string } & Pick<ResourceRow, 'meta'>): string => {
    let top = r
    for (let i = 0, next = c.rows.get(tiedTo(top) ?? ''); next && i < 9; i++, next = c.rows.get(tiedTo(top) ?? '')) top = next
    return top.uid
  }
  const host = c.rows.get(around)
  const own = host && topOf(host)
  const seen = new Set<string>()
  const todo = (c.rows.get(uid)?.meta.deps ?? []).filter((a) => a !== host?.address)
  for (let a = todo.pop(); a !== undefined; a = todo.pop()) {
    if (a === host?.address) return true
    if (seen.has(a)) continue
    seen.add(a)
    for (const r of rows) if (r.address === a) for (const x of rows) if (x === r || topOf(x) === topOf(r)) todo.push(...x.meta.deps)
    if (rows.some((r) => r.address === a && topOf(r) === own)) return true
  }
  return false
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

export const restricted = (op: Op): boolean => ('targets' in op && op.targets !== undefined) || ('excludes' in op && op.excludes !== undefined)

/** Nodes and rows that a restricted command may touch, worked out anew; undefined: all. */
export function scopeOf(c: Checks, op: Op): Set<string> | undefined {
  if (!restricted(op)) return undefined
  const { targets = [], excludes = [], targetDependents, excludeDependents } = op as Extract<Op, { readonly onFailure: unknown }>
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
  const wanted = targets.length > 0 ? grown(meant(targets, all), targetDependents) : all
  const excluded = grown(meant(excludes, all), excludeDependents)
  return new Set([...wanted].filter((a) => targets.includes(a) || !excluded.has(a)))
}

/** `c/**` is all that lies in c, `*` all that lies in no component. */
const meant = (words: readonly string[], all: ReadonlySet<string>): string[] => words.flatMap((w) => (w === '*' ? [...all].filter((a) => !a.includes('/')) : w.endsWith('/**') ? [...all].filter((a) => a.startsWith(w.slice(0, -2))) : [w]))

/** What was not named keeps its object exactly. */
function checkScope(c: Checks, out: Outcome): void {
  const scope = scopeOf(c, out.op)
  if (!scope) return
  const program = 'program' in out.op ? c.lab.programs[out.op.program] as Program : []
  for (const { op, uid } of c.lab.world.effects.slice(out.effectsFrom)) {
    const was = c.before.get(uid)
    const names = [was, c.rows.get(uid)?.address, c.addressOf.get(uid), program.find((n) => was !== undefined && n.movedFrom?.includes(was))?.address]
    c.must(names.some((a) => a !== undefined && scope.has(a)), 'o', () => `${op} of ${names.join(' ')}, and only ${[...scope].join(' ')} may be touched`)
  }
}

/** Longest time that a call may take where nobody says otherwise (kinds.ts). */
const DEADLINE_MS = 5000

/** A call that is never answered is given up at the deadline of its node, where the plan said what call it would be. */
export function checkDeadline(c: Checks, op: Mutation | 'read', g: Given, elapsedMs: number): void {
  const tx = op === 'read' ? undefined : c.openTx(g.mark.uid)
  if (!tx || tx.undo || tx.op !== op) return
  const found = op === 'delete' ? undefined : nodeOf(c, tx)
  if (op !== 'delete' && found?.plan.actionOf.get(tx.address) !== op) return
  const own = op === 'delete' ? c.rows.get(tx.uid)?.meta.timeouts?.delete : found?.node.timeouts?.[op as 'create' | 'update']
  if (elapsedMs > (own ?? DEADLINE_MS)) c.fail('t', `${op} of ${tx.address} was given up after ${elapsedMs} ms, and has ${own ?? DEADLINE_MS}`)
}
