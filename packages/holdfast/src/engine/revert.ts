import { failure, mutant, type HoldfastError } from '../base/index.ts'
import { runFlow, type TaskSpec } from '../flow/index.ts'
import type { Address } from '../model/index.ts'
import { makeScope, owesOnly, ResourceTasks, TaskLog, tiedTo, type EnvState, type Work } from '../resource/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { closeReverted, documentOf, endRun, guarded, openRun, type Run } from './apply.ts'
import type { RunDocument } from './documents.ts'
import { limitsOf } from './expand.ts'
import { goneBelow } from './reads.ts'
import { newRun } from './run-row.ts'
import type { RunOptions } from './session.ts'
import { ensureEnv } from './plan.ts'

/** What the open run has done so far, as tasks that have succeeded: they only know how to be taken back. */
export function doneTasks(state: EnvState, tasks: ResourceTasks): TaskSpec[] {
  const uids = new Map<string, { readonly address: Address; readonly seq: number; readonly type: string }>()
  for (const r of state.current.values()) if (state.provisional(r as never)) uids.set(r.uid, { address: r.address, seq: r.seq ?? 0, type: r.type })
  for (const r of state.base.values()) if (!uids.has(r.uid) && !mutant('revert-forgets-removed')) uids.set(r.uid, { address: r.address, seq: r.seq ?? 0, type: r.type })
  // The order of completion is the order of commits.
  const order = [...uids].sort((a, b) => a[1].seq - b[1].seq)
  const at = new Map<Address, string[]>()
  for (const [uid, u] of order) at.set(u.address, [...(at.get(u.address) ?? []), `done:${uid}`])
  const ids = (addresses: readonly Address[] | undefined) => (addresses ?? []).flatMap((a) => at.get(a) ?? [])
  // What is restored stood on what the base had there, wherever the run has moved that.
  const baseAt = new Map([...state.base.values()].map((r) => [r.address, `done:${r.uid}`]))
  const inBase = (addresses: readonly Address[] | undefined) => (addresses ?? []).flatMap((a) => baseAt.get(a) ?? [])
  const takers = takersOf(state)
  const standsOnGone = goneBelow(state)
  // What the run has changed so that it lies in something that it made has to be out of that before it goes; unless it refers to what is to be made again first.
  const hostsOf = (base: ResourceRow | undefined, now: ResourceRow | undefined): readonly string[] => {
    const host = base && now && base.ordinal === now.ordinal ? tiedTo(now) : undefined
    return base && host !== undefined && host !== tiedTo(base) && uids.has(host) && !state.base.has(host) && !standsOnGone(base.uid) ? [`done:${host}`] : []
  }
  const unknown = state.undecided.map((tx): TaskSpec =>
    ({ id: `unknown:${tx.token}`, after: ids(tx.target.row?.meta.deps), limit: tx.type, undo: 'none', retries: 0, deadlineMs: undefined, done: 'unknown' }))
  return [...unknown, ...order.map(([uid, u]): TaskSpec => {
    const id = `done:${uid}`
    tasks.done(id, uid)
    const now = state.current.get(uid)
    const base = state.base.get(uid)
    const within = hostsOf(base as ResourceRow | undefined, now as ResourceRow | undefined)
    const undo = { restoreAfter: inBase(base?.meta.deps), freedBy: base ? takers(base, now) : [], makes: !base, ...(within.length > 0 ? { within } : {}) }
    return { id, after: ids(now?.meta.deps ?? base?.meta.deps), limit: u.type, undo, retries: 0, deadlineMs: state.cx.types.get(u.type)?.timeoutMs, done: true }
  })]
}

/**
 * Tasks whose objects have what one of the base gave up: its place, when it was deleted first, or a claim. They are done, or nobody knows whether they are;
 * what is restored beside an object of which nobody knows would be a second one in its place.
 */
function takersOf(state: EnvState): (base: Placed, now: Placed | undefined) => string[] {
  const at = new Map<string, { readonly uid: string; readonly task: string }[]>()
  const has = (uid: string, task: string, places: readonly string[]) => {
    for (const place of places) at.set(place, [...(at.get(place) ?? []), { uid, task }])
  }
  for (const r of state.current.values()) if (state.provisional(r)) has(r.uid, `done:${r.uid}`, [`@${r.address}`, ...r.meta.claims])
  for (const tx of state.undecided) if (tx.op !== 'delete') has(tx.uid, `unknown:${tx.token}`, [`@${tx.address}`, ...(tx.target.row?.meta.claims ?? [])])
  const places = (base: Placed, now: Placed | undefined) => (now && !owesOnly(now) ? base.meta.claims.filter((c) => !now.meta.claims.includes(c)) : [`@${base.address}`, ...base.meta.claims])
  return (base, now) => [...new Set(places(base, now).flatMap((place) => at.get(place) ?? []).filter((t) => t.uid !== base.uid).map((t) => t.task))]
}

interface Placed {
  readonly uid: string
  readonly address: Address
  readonly meta: ResourceRow['meta']
}

/** `run revert`: back to the base. */
export async function revertOn(state: EnvState, o: RunOptions): Promise<RunDocument> {
  if (state.env.openRun === undefined) throw failure('HF6005', { message: 'There is no open run: the environment is at a committed revision.' })
  const { cx } = state
  const row = newRun(state, 'revert', '')
  await state.commit([...(await ensureEnv(state)), ...(await openRun(state, row))])
  const { storeId } = await cx.store.meta()
  const work: Work = { state, run: row.id, storeId, abort: o.abort, referred: () => false }
  const scope = makeScope(state, new Map(), [])
  const log = new TaskLog(cx, row.id)
  const run: Run = { state, work, log, tasks: new ResourceTasks(work, scope, log, state.env), scope, from: state.env.revision, row, phase: 'revert' }
  const specs = doneTasks(state, run.tasks)
  // While an outcome is unknown, nobody can say that everything is as it was.
  const stuck = () => state.undecided.length > 0
  const error = await guarded(run, async () => {
    const { outcome } = await runFlow({ tasks: specs, parallelism: cx.serial ? 1 : cx.parallelism, limits: limitsOf(state), onFailure: 'revert' }, run.tasks, { clock: cx.clock, stop: o.stop, abort: o.abort, revert: true })
    if (outcome === 'reverted' && !stuck()) await closeReverted(run)
    else await endRun(run, 'incomplete')
  })
  return documentOf(run, null, error ?? run.tasks.error ?? (stuck() ? unknownLeft(state) : undefined))
}

function unknownLeft(state: EnvState): HoldfastError {
  const [tx] = state.undecided
  return failure('HF3103', { ...(tx ? { address: tx.address, task: tx.token } : {}), message: `${tx?.address}: ${tx?.evidence}. Whether the ${tx?.op} happened is unknown.` })
}
