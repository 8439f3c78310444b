import { canonical, limits } from '../../src/base/index.ts'
import { reveal, type Value } from '../../src/model/index.ts'
import { callKey, decodeDoc } from '../../src/secret/index.ts'
import { unresolved, type ResourceRow, type TxRow } from '../../src/state/index.ts'
import type { Lab, PlanText } from './lab.ts'
import { SHARED } from './extras.ts'
import type { Part } from './scenario.ts'
import type { Given, Inputs, Mutation, Watcher } from './world.ts'

export interface Base {
  readonly revision: number
  readonly rows: ReadonlyMap<string, ResourceRow>
  /** Of each row, sealed. */
  readonly inputs: ReadonlyMap<string, string>
}

/** A sealed document as the plain values it stands for. */
export function opened(lab: Lab, row: { readonly uid: string; readonly type: string }, field: 'inputs' | 'outputs', text: string): Record<string, unknown> {
  const key = `${row.uid} ${field} ${text}`
  let known = lab.opened.get(key)
  if (!known) {
    known = reveal(decodeDoc(text, { table: 'resource', row: row.uid, field, type: row.type }, lab.ring) as Value) as Record<string, unknown>
    lab.opened.set(key, known)
  }
  return known
}

/** The one unsettled transaction of an object. */
export const openTx = (lab: Lab, uid: string): TxRow | undefined => {
  const token = lab.tables.unresolvedOf.get(uid)
  return token === undefined ? undefined : lab.tables.txs.get(token)
}

/** What must hold whenever a call begins, and whenever one takes effect. */
export function watcherOf(lab: Lab): Watcher {
  const { kernel, world } = lab
  return {
    started(op: Mutation, g: Given) {
      const tx = openTx(lab, g.mark.uid)
      const what = `${g.process.name}: ${op} ${g.inputs.name}`
      if (!tx || (tx.status !== 'sent' && tx.status !== 'unknown') || tx.op !== op || tx.ordinal !== g.mark.ordinal) return kernel.fail('I-INTENT', `${what} is called, and no intent is on record`)
      const key = String(callKey(lab.ring, lab.storeId, tx))
      if (key !== g.key) return kernel.fail('I-INTENT', `${what} is called under another key than the one on record`)
      const inputs = opened(lab, tx, 'inputs', tx.target.inputs)
      kernel.check(canonical(inputs) === canonical(g.inputs), 'I-INTENT', () => `${what} is called with other inputs than those on record`)
      const scopes = [APP_SCOPE, `${APP_SCOPE}:.`, `${APP_SCOPE}:./${tx.address}`]
      const holds = [...lab.tables.leases.values()].some((l) => l.mode === 'X' && l.holder.pid === g.process.pid && scopes.includes(l.scope))
      const age = kernel.now - (tx.lastSentAt ?? 0)
      kernel.check(tx.undo || isPlanned(lab, tx), 'I-PLAN', () => `${what} (${tx.address}) is called, and the plan of ${tx.run} says nothing of it`)
      kernel.check(holds || age <= limits.leaseMarginMs, 'I-FENCE', () => `${what} is called ${age} ms after its intent, and the lease has gone to another`)
      lab.rules.begins(op, g)
    },
    answered: (g, rejected) => lab.rules.answered(g, rejected),
    landing(op: Mutation, g: Given) {
      const tx = openTx(lab, g.mark.uid)
      const fits = tx !== undefined && tx.op === op && tx.ordinal === g.mark.ordinal
      kernel.check(fits, op === 'create' ? 'I-ORPHAN' : 'I-UNK', () => `${op} ${g.inputs.name} takes effect after its outcome was settled`)
      if (op === 'delete') {
        const row = lab.base.rows.get(g.mark.uid)
        const o = world.ours(g.mark)[0]
        if (o) for (const user of usersInFlight(lab, o.id, g.mark.uid)) kernel.fail('I-REF', `${g.inputs.name} is deleted, and what becomes of ${user.op} ${user.address}, which refers to it, is not known`)
        // What broke off half-way, in this run or before, can only be made anew: its operator gives its protection up for that.
        kernel.check(!row?.meta.protect || row.status === 'partial' || newest(lab, g.mark.uid)?.status === 'partial', 'I-PROT', () => `${g.inputs.name} is protected, and it is deleted`)
        kernel.check(!lab.rules.isToStay(g.mark.uid), 'I-PROT', () => `${g.inputs.name} is protected or to be retained, and it is deleted`)
      }
      lab.rules.refers(op, g)
    },
    avoidable(gone, user) {
      // The one circle there is: what is taken back was made from something that its user read in the base and that has to be restored, too. The user is
      // not restored before that is restored, that not before everything made from it is withdrawn, and the world does not let this one go while the
      // user refers to it. What the run left alone, or has restored already, holds nobody up; nor does what stands beside its successor.
      const tx = gone.mark && openTx(lab, gone.mark.uid)
      if (!tx?.undo || !gone.mark || !user.mark) return true
      const madeFrom = reach(lab, gone.mark.uid, (uid) => newest(lab, uid), () => true)
      const read = reach(lab, user.mark.uid, (uid) => lab.base.rows.get(uid), (address) => isUnrestored(lab, address))
      if ([...madeFrom].some((address) => read.has(address))) return false
      // Or it was made from something that took over what one of those gave up: that cannot be restored before the taker is withdrawn.
      const given = new Set([...lab.base.rows.values()].filter((r) => read.has(r.address)).flatMap((r) => r.meta.claims))
      return ![...lab.tables.resources.keys()].map((uid) => newest(lab, uid)).some((r) => r && r.since > lab.base.revision && madeFrom.has(r.address) && r.meta.claims.some((c) => given.has(c)))
    },
  }
}

/** Whether what the base has at an address is changed or gone, and stands nowhere any more. */
function isUnrestored(lab: Lab, address: string): boolean {
  for (const [uid, row] of lab.base.rows) {
    if (row.address !== address) continue
    const now = newest(lab, uid)
    if (now && now.status === 'deleting') continue
    if (!now || now.since > lab.base.revision || now.until !== undefined) return true
  }
  return false
}

/** Changes under way whose inputs refer to an object. */
function* usersInFlight(lab: Lab, id: string, but: string): Generator<TxRow> {
  for (const token of lab.tables.unresolvedOf.values()) {
    const tx = lab.tables.txs.get(token) as TxRow
    if (tx.uid === but || tx.op === 'delete' || (tx.status !== 'sent' && tx.status !== 'unknown')) continue
    const { refs } = opened(lab, tx, 'inputs', tx.target.inputs) as unknown as Inputs
    if (refs.includes(id)) yield tx
  }
}

/** Whether the plan of its run asks for a change. */
function isPlanned(lab: Lab, tx: TxRow): boolean {
  const plan = lab.tables.runs.get(tx.run)?.plan
  const doc = plan === undefined ? undefined : lab.tables.plans.get(plan)?.doc
  if (plan === undefined || doc === undefined) return false
  let known = lab.plans.get(plan)
  // As it stands: what is sealed in a plan are expressions, and they are not looked at.
  if (!known) lab.plans.set(plan, known = JSON.parse(doc.slice(doc.indexOf('\n') + 1)) as PlanText)
  const does = tx.op === 'delete' ? ['delete', 'replace', 'move', 'maybe', 'create'] : tx.op === 'create' ? ['create', 'replace', 'move', 'maybe'] : ['update', 'move', 'maybe']
  return known.changes.some((c) => (c.doc.address === tx.address || c.uid === tx.uid) && does.includes(c.doc.action)) || (tx.op === 'delete' && known.pending.some((p) => p.uid === tx.uid))
}

/** The row of an object as the open run has it. */
function newest(lab: Lab, uid: string): ResourceRow | undefined {
  let out: ResourceRow | undefined
  for (const { row } of lab.tables.resources.get(uid)?.values() ?? []) if (!out || row.since > out.since) out = row
  return out
}

/** Addresses that an object depends on, directly or not, by the rows of one revision, over those that `counts` says. */
function reach(lab: Lab, uid: string, rowOf: (uid: string) => ResourceRow | undefined, counts: (address: string) => boolean): Set<string> {
  const uidsAt = new Map<string, string[]>()
  for (const other of lab.tables.resources.keys()) {
    const address = rowOf(other)?.address
    if (address !== undefined) uidsAt.set(address, [...(uidsAt.get(address) ?? []), other])
  }
  const out = new Set<string>()
  const todo = [...(rowOf(uid)?.meta.deps ?? [])]
  for (let a = todo.pop(); a !== undefined; a = todo.pop()) {
    if (out.has(a) || !counts(a)) continue
    out.add(a)
    for (const next of uidsAt.get(a) ?? []) todo.push(...(rowOf(next)?.meta.deps ?? []))
  }
  return out
}

const APP_SCOPE = 'sim/default'

const rowText = (r: ResourceRow) => canonical([r.address, r.type, r.fingerprint, r.shape, r.status, r.meta.claims as string[], r.meta.protect, r.meta.deps as string[]])

/** A row and its inputs, but for the ids and tokens of other objects. */
function textBesideRefs(lab: Lab, r: ResourceRow, sealed: string): string {
  const { refs, secret, ...inputs } = opened(lab, r, 'inputs', sealed)
  return canonical([rowText({ ...r, fingerprint: '', shape: '' }), inputs, (refs as string[]).length, secret !== undefined])
}

/** Its secret is the one that it had, or the token of an object that stands and that it depends on. */
function hasTokenOf(lab: Lab, rows: ReadonlyMap<string, ResourceRow>, now: ResourceRow, had: unknown): boolean {
  const { secret } = opened(lab, now, 'inputs', lab.tables.resources.get(now.uid)?.get(now.since)?.docs.inputs ?? '')
  if (secret === had) return true
  return [...rows.values()].some((dep) => now.meta.deps.includes(dep.address) && lab.world.ours(dep).some((o) => o.token === secret))
}

/** Where something that it depends on was deleted to make room and made again, it names the new id, or has the new token; nothing else may differ. */
function isAsBefore(lab: Lab, rows: ReadonlyMap<string, ResourceRow>, was: ResourceRow, now: ResourceRow): boolean {
  const { base, tables } = lab
  const follows = [...base.rows].some(([uid, dep]) => was.meta.deps.includes(dep.address) && rows.get(uid)?.ordinal !== dep.ordinal)
  if (!follows) return rowText(now) === rowText(was)
  const before = base.inputs.get(was.uid) ?? ''
  return hasTokenOf(lab, rows, now, opened(lab, was, 'inputs', before).secret) && textBesideRefs(lab, now, tables.resources.get(now.uid)?.get(now.since)?.docs.inputs ?? '') === textBesideRefs(lab, was, before)
}

/** The records are as the last committed revision has them. */
export function checkReverted(lab: Lab, rows: ReadonlyMap<string, ResourceRow>, part?: Part): void {
  const { kernel, base } = lab
  for (const [uid, was] of base.rows) {
    if (part && !part.all.includes(was.address)) continue
    const now = rows.get(uid)
    // What had failed half-way before may be whole now; nothing else may differ.
    kernel.check(now !== undefined && (was.status === 'partial' || isAsBefore(lab, rows, was, now)), 'I-REVERT', () => `${was.address} is not recorded as it was: ${now ? `${rowText(was)} became ${rowText(now)}` : 'it is gone'}`)
  }
  for (const [uid, now] of rows) kernel.check(base.rows.has(uid) || (part !== undefined && !part.all.includes(now.address)), 'I-REVERT', () => `${now.address} is recorded, and it was not there before`)
}

/**
 * What must hold while no process is at work: records and world agree, as far as nothing is on its way.
 * `strict`: there is no unsettled change.
 */
export function audit(lab: Lab, when: string): void {
  const { kernel, tables, world, base } = lab
  const current = new Map<string, { readonly row: ResourceRow; readonly inputs: string; readonly outputs: string }>()
  for (const rows of tables.resources.values()) for (const { row, docs } of rows.values()) if (row.until === undefined) current.set(row.uid, { row, ...docs })
  for (const { row, inputs, outputs } of current.values()) {
    if (row.status !== 'ready' || tables.unresolvedOf.has(row.uid)) continue
    if (row.meta.lookup) continue
    const found = world.ours(row)
    kernel.check(found.length > 0, 'I-PHANTOM', () => `${when}: ${row.address} is recorded, and there is no such object`)
    kernel.check(found.length < 2, 'I-DUP', () => `${when}: ${row.address} stands for ${found.length} objects`)
    const [o] = found
    if (!o || kernel.violation) continue
    const want = world.specText(opened(lab, row, 'inputs', inputs) as unknown as Inputs)
    kernel.check(world.specText(o.spec) === want, 'I-OUT', () => `${when}: ${row.address} is recorded as ${want}, and is ${world.specText(o.spec)}`)
    const out = canonical(opened(lab, row, 'outputs', outputs))
    kernel.check(canonical(world.outputsOf(o)) === out, 'I-OUT', () => `${when}: the outputs of ${row.address} are recorded as ${out}, and are ${canonical(world.outputsOf(o))}`)
  }
  // A partial revision may hold what uses something that has made room already.
  const partial = [...tables.envs.values()].some((e) => e.partial)
  const standing = new Set([...current.values()].filter(({ row }) => row.status !== 'deleting').map(({ row }) => row.address))
  // What the open run has not written names what it uses as that is called in the base.
  const moved = new Set([...base.rows].flatMap(([uid, was]) => (current.has(uid) ? [was.address] : [])))
  for (const { row } of current.values()) {
    // What is kept of a run may have a node under its new address and a user that still names the old one.
    if (row.status === 'ready' && !partial) for (const dep of row.meta.deps) kernel.check(standing.has(dep) || (row.since <= base.revision && moved.has(dep)), 'I-REF', () => `${when}: ${row.address} is recorded as using ${dep}, which is not recorded`)
  }
  for (const o of world.objects.values()) {
    if (!partial && o.mark && !tables.unresolvedOf.has(o.mark.uid) && !o.torn) for (const id of o.spec.refs) kernel.check(world.objects.has(id) || id.startsWith(SHARED), 'I-REF', () => `${when}: ${o.id} (${o.spec.name}) refers to ${id}, which is gone`)
  }
  const perMark = new Map<string, string>()
  for (const o of world.objects.values()) {
    if (!o.mark) continue
    const mark = `${o.mark.uid} ${o.mark.ordinal}`
    const twin = perMark.get(mark)
    kernel.check(twin === undefined, 'I-DUP', () => `${when}: ${o.id} and ${twin} are one object of one node`)
    perMark.set(mark, o.id)
    const row = current.get(o.mark.uid)?.row
    kernel.check(tables.unresolvedOf.has(o.mark.uid) || row?.ordinal === o.mark.ordinal || (!row && lab.rules.retained.has(o.mark.uid)), 'I-ORPHAN', () => `${when}: nobody knows of ${o.id} (${o.spec.name}, ${o.kind.type})`)
  }
  lab.told.audit(when)
  checkOpen(lab, when)
}

/** One object has at most one unsettled change. */
function checkOpen(lab: Lab, when: string): void {
  const open = new Set<string>()
  for (const tx of lab.tables.txs.values()) {
    if (!unresolved(tx)) continue
    lab.kernel.check(!open.has(tx.uid), 'I-ONE', () => `${when}: ${tx.address} has two unsettled changes`)
    open.add(tx.uid)
  }
}
