import { limits, mutant, type Millis } from '../base/index.ts'
import type { FlowSpec, TaskSpec } from '../flow/index.ts'
import type { Address, CallOp } from '../model/index.ts'
import { deleteTask, goneTask, goneTaskAfter, type PlannedChange } from '../plan/index.ts'
import type { EnvState } from '../resource/index.ts'
import type { Run } from './apply.ts'
import { goneBelow, readsIn } from './reads.ts'
import { doneTasks } from './revert.ts'
import type { RunOptions } from './session.ts'

/** Changes that wait for a person, and all that waits for them. */
export function blockedChanges(changes: readonly PlannedChange[], state: EnvState): Set<string> {
  const blocked = new Set<string>()
  const named = namedByUnknown(state)
  const goesFirst = (c: PlannedChange) => c.phase === 'expand' && (c.deleteFirst || c.doc.action === 'delete') && named.has(c.doc.address)
  const waits = (a: string) => blocked.has(a) || blocked.has(a.replace(/(~[^~]*)?#delete$/, ''))
  for (let before = -1; before < blocked.size;) {
    before = blocked.size
    for (const c of changes) if (state.unknown.has(c.doc.address) || goesFirst(c) || c.after.some(waits) || c.goneAfter?.some(waits)) blocked.add(c.doc.address)
  }
  return blocked
}

/** What an object may refer to of which nobody knows whether it exists (spec/reliability.md F3): it is not deleted. */
export function namedByUnknown(state: EnvState): Set<Address> {
  const named = new Set<Address>()
  if (mutant('named-by-unknown-deleted')) return named
  for (const tx of state.unknown.values()) for (const d of tx.target.row?.meta.deps ?? []) named.add(d)
  return named
}

/**
 * The tasks of the first phase: what the open run has done already, which only knows how to be taken back, and what the plan asks for.
 *
 * Takes    `blocked`: addresses that are left alone; the log says so.
 */
export function expandSpec(run: Run, changes: readonly PlannedChange[], through: readonly { readonly id: string; readonly after: readonly string[] }[], blocked: ReadonlySet<string>, o: RunOptions): FlowSpec {
  const { state, tasks, log } = run
  const specs: TaskSpec[] = mutant('open-run-left-beside') ? [] : doneTasks(state, tasks)
  const doneAt = new Map<Address, string[]>()
  for (const s of specs) {
    if (s.done !== true) continue
    const uid = s.id.slice('done:'.length)
    const address = (state.base.get(uid) ?? state.current.get(uid))?.address as Address
    doneAt.set(address, [...(doneAt.get(address) ?? []), s.id])
  }
  const none: readonly string[] = []
  const doneOf = (a: Address) => doneAt.get(a) ?? none
  const reads = readsIn(state, changes, doneOf)
  const standsOnGone = goneBelow(state)
  const makes = new Set(changes.filter((c) => c.doc.action === 'create' || c.mayReplace).map((c) => c.doc.address))
  // Who waits for another without depending on it takes over something of it.
  const takers = new Map<string, string[]>()
  for (const c of changes) if (c.inputs) for (const a of c.after) if (!c.deps.includes(a)) takers.set(a, [...(takers.get(a) ?? []), c.doc.address])
  const fresh = { restoreAfter: none, makes: true }
  const nothing = { restoreAfter: none }
  const undoOf = (id: string, uid: string | undefined): TaskSpec['undo'] => {
    const freedBy = takers.get(id)
    if (uid === undefined && !freedBy) return makes.has(id) ? fresh : nothing
    return { restoreAfter: reads(uid), ...(freedBy ? { freedBy } : {}), makes: makes.has(id) }
  }
  // What is changed in place and lies in something new after that has to be out of it before that goes.
  const hostsOf = (c: PlannedChange): readonly string[] => {
    const host = c.options?.deletedWith
    if (host === undefined || c.uid === undefined || c.deleteFirst || c.doc.action === 'replace' || c.doc.action === 'create') return none
    // Unless it refers to what has to be made again first.
    if (standsOnGone(c.uid) || reads(c.uid).some((id) => id.endsWith('#delete'))) return none
    return [...(makes.has(host) ? [host] : none), ...doneOf(host)]
  }
  const spec = (id: string, limit: string, after: readonly string[], uid: string | undefined, deadlineMs?: number, retries = 0): TaskSpec =>
    ({ id, after, limit, undo: undoOf(id, uid), retries, deadlineMs, done: false })

  // What goes may be of another type than what comes, and counts against the limit of its own.
  const typeOf = (uid: string | undefined) => (uid === undefined ? undefined : state.current.get(uid)?.type)
  for (const c of changes) {
    if (c.phase !== 'expand') continue
    const { address, type, action } = c.doc
    if (blocked.has(address)) {
      log.records.set(address, { address, op: action, outcome: 'skipped', attempts: 0, ms: 0 })
      continue
    }
    // What an earlier run of this one has made and the plan leaves alone is no task of the plan, and may be taken back all the same: not before what refers to it. It may have had another address.
    const before = [...doneOf(address), ...(c.uid === undefined || doneOf(address).includes(`done:${c.uid}`) ? none : [`done:${c.uid}`])]
    const after = doneAt.size ? [...c.after, ...before, ...[...new Set([...c.after, ...c.deps])].flatMap((a) => doneOf(a))] : c.after
    const deadlineMs = deadlineOf(state, c)
    const retries = c.options?.hooks?.onError ? limits.hookRetriesMax : c.options?.retries
    if (action === 'delete' || action === 'forget') {
      tasks.removal(goneTask(c), c.uid as string, c.pending ? 'contract' : 'expand', c.takes)
      specs.push(spec(goneTask(c), typeOf(c.uid) ?? type, after, c.uid, rowDeadline(state, c.uid), hookRetries(state, c.uid)))
      continue
    }
    tasks.plan(address, c)
    if (c.deleteFirst && c.uid !== undefined) {
      // The old object goes in a task of its own, so that others can wait for its place, too.
      tasks.plan(deleteTask(address), c)
      tasks.removal(deleteTask(address), c.uid, 'expand', c.takes)
      const goneAfter = goneTaskAfter(c)
      specs.push(spec(deleteTask(address), typeOf(c.uid) ?? type, doneAt.size ? [...goneAfter, ...before, ...goneAfter.flatMap(doneOf)] : goneAfter, c.uid, rowDeadline(state, c.uid), hookRetries(state, c.uid)))
      specs.push(spec(address, type, [...after, deleteTask(address)], c.uid, deadlineMs, retries))
    } else {
      const own = spec(address, type, after, c.uid, deadlineMs, retries)
      const within = hostsOf(c)
      specs.push(within.length > 0 && own.undo !== 'none' ? { ...own, undo: { ...own.undo, within } } : own)
    }
  }
  const planned = new Set(specs.map((s) => s.id))
  const claimants = new Map<string, PlannedChange[]>()
  for (const c of changes) for (const k of c.claims ?? []) if (planned.has(c.doc.address)) claimants.set(k, [...(claimants.get(k) ?? []), c])
  for (const [i, s] of specs.entries()) {
    if (s.done === 'unknown') {
      // A change that is not settled may refer to what a task of this plan changes: that is kept, too, while nobody knows.
      const deps = state.unknownDeps(s.id.slice('unknown:'.length)).filter((a) => planned.has(a))
      if (deps.length > 0) specs[i] = { ...s, after: [...s.after, ...deps] }
    } else if (s.done && s.undo !== 'none') {
      // What an earlier run of this one has done away with stood on what this plan changes: that is brought back first.
      const uid = s.id.slice('done:'.length)
      const base = state.base.get(uid)
      if (!base) continue
      const restoreAfter = [...new Set([...s.undo.restoreAfter, ...reads(uid)])].filter((id) => id !== s.id)
      // And what of its places this plan takes is free again.
      const takenBy = base.meta.claims.flatMap((k) => (claimants.get(k) ?? []).filter((c) => c.uid !== uid).map((c) => c.doc.address))
      const freedBy = [...new Set([...(s.undo.freedBy ?? []), ...takenBy])]
      specs[i] = { ...s, undo: { ...s.undo, restoreAfter, freedBy } }
    }
  }
  for (const t of through) specs.push(spec(t.id, '', t.after, undefined))
  return { tasks: specs, parallelism: state.cx.serial ? 1 : state.cx.parallelism, limits: limitsOf(state), onFailure: o.onFailure }
}

/** Deadline of a task: that of the calls it makes. Whether a change that may be one is an update shows later: it has the time of one. */
function deadlineOf(state: EnvState, c: PlannedChange): Millis | undefined {
  const type = state.cx.types.get(c.doc.type)
  const of = (op: CallOp): Millis | undefined => (mutant('own-timeout-unheard') ? undefined : c.options?.timeouts?.[op]) ?? c.options?.timeoutMs ?? type?.timeoutMs
  switch (c.doc.action) {
    case 'create': case 'replace': return of('create')
    case 'read': return of('read')
    case 'adopt': return (of('read') ?? 0) + (of('update') ?? 0)
    default: return of('update')
  }
}

/** Of a deletion: the node may have left the program. */
export function rowDeadline(state: EnvState, uid: string | undefined): Millis | undefined {
  // What an earlier run has deleted first has a deadline, too: it may have to be made again.
  const row = uid === undefined ? undefined : (state.current.get(uid) ?? state.base.get(uid))
  return row && (row.meta.timeouts?.delete ?? state.cx.types.get(row.type)?.timeoutMs)
}

/** An onError hook asks for further attempts by itself. */
export const hookRetries = (state: EnvState, uid: string | undefined): number => (uid !== undefined && state.current.get(uid)?.meta.hooks?.onError !== undefined ? limits.hookRetriesMax : 0)

export function limitsOf(state: EnvState): Record<string, number> {
  const out: Record<string, number> = {}
  for (const t of state.cx.types.all()) out[t.type] = t.limit
  return out
}
