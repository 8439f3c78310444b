import { setMaxListeners } from 'node:events'
import { failure, limits, type Millis } from '../base/index.ts'
import { classOf, failLone, maxCallMsOf } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import { EnvState, fail, settle, type EngineContext, type Work } from '../resource/index.ts'
import type { LeaseRow, TicketRow, TxRow } from '../state/index.ts'
import { holderAlive } from '../store/index.ts'
import type { ApplyOptions, PlanRequest } from './api.ts'
import { applyOn } from './apply.ts'
import type { RunDocument } from './documents.ts'
import { forgetOn } from './forget.ts'
import { loadOn, planOn, refuseStale, vectorOf, wrap, type PlannedRun } from './plan.ts'
import { refreshOn, type RefreshDocument, type RefreshRequest } from './refresh.ts'
import { revertOn } from './revert.ts'
import { objectsOf, settleByHand, type SettleHow } from './settle.ts'
import { readPlan } from '../plan/index.ts'
import { takeSpooled } from './spool.ts'

export type RunOptions = Omit<ApplyOptions, 'lockTimeoutMs'>

/** Holds the lease of one environment. Everything that changes the world goes through one. */
export interface RunSession {
  readonly cx: EngineContext
  /** Run that was neither committed nor taken back when this session began. */
  readonly tookOver: string | undefined
  plan(request: PlanRequest): Promise<PlannedRun>
  /** A stored plan or a plan file; refused when stale (HF2401). */
  load(ref: { readonly id: string } | { readonly text: string }): Promise<PlannedRun>
  apply(planned: PlannedRun, o: RunOptions): Promise<RunDocument>
  /** Takes the open run back to the base. Fails HF6005 when there is none. */
  revert(o: RunOptions): Promise<RunDocument>
  /** The stored plan of the open run, or of the last partly committed one, again. */
  resume(o: RunOptions): Promise<RunDocument>
  /** Records the world as it is. */
  refresh(request: RefreshRequest, o: Pick<RunOptions, 'stop'>): Promise<RefreshDocument>
  settle(tx: string, how: SettleHow): Promise<Record<string, unknown>>
  /** What a change that is not settled may have left in the world. */
  objectsOf(tx: string): ReturnType<typeof objectsOf>
  /** Gives a node up: its object stays. */
  forget(address: Address): Promise<Record<string, unknown>>
  end(): Promise<void>
}

const POLL_MS = 200

/**
 * Takes the lease, then settles what a dead run left: every transaction whose end was never written.
 *
 * Fails    HF4201 naming the holder when the lease is not free within `lockTimeoutMs`; HF1008 when stopped while waiting.
 */
export async function beginRun(cx: EngineContext, o: { readonly lockTimeoutMs: Millis; readonly stop: AbortSignal; readonly abort?: AbortSignal }): Promise<RunSession> {
  const scope = `${cx.env.app}/${cx.env.name}`
  const lease = await acquire(cx, scope, o)
  const lost = new AbortController()
  let lostBecause: string | undefined
  cx.store.lease.keep(lease, limits.leaseHeartbeatMs, (reason) => {
    lostBecause = reason
    cx.emit({ type: 'lock.lost', message: reason })
    lost.abort(new Error(reason))
  })
  let env = cx.env.id
  const release = async () => {
    cx.spool?.end(env, lease.fence)
    if (lostBecause === undefined) await cx.store.lease.release(lease)
  }
  try {
    const state = await EnvState.load(cx, { scope, fence: lease.fence })
    env = state.env.id
    const tookOver = state.env.openRun
    const abort = either(o.abort ?? lost.signal, lost.signal)
    await takeSpooled(state, abort)
    if (state.env.seq > 0) await settleLeft(state, abort, (tx) => tx.status === 'open' || tx.status === 'sent')
    return makeSession(cx, state, tookOver, lost.signal, abort, release)
  } catch (e) {
    await release().catch(() => undefined) // the first failure is the one to tell
    throw e
  }
}

function makeSession(cx: EngineContext, state: EnvState, tookOver: string | undefined, lost: AbortSignal, abort: AbortSignal, release: () => Promise<void>): RunSession {
  // What was given up because its provider or its type was away is asked again before anything new is done, but never before a person's word about it.
  const askAgain = () => (state.unknown.size > 0 ? settleLeft(state, abort, (tx) => tx.status === 'unknown' && canBeAsked(cx, tx)) : undefined)
  const joined = (o: RunOptions): RunOptions => ({ ...o, stop: either(o.stop, lost), abort: either(o.abort, lost) })
  return {
    cx, tookOver,
    async plan(request) {
      await askAgain()
      return planOn(state, request)
    },
    async load(ref) {
      const planned = await loadOn(state, ref)
      refuseStale(planned.plan, await vectorOf(state))
      return planned
    },
    async apply(planned, o) {
      refuseStale(planned.plan, await vectorOf(state))
      return applyOn(state, planned, 'apply', joined(o))
    },
    async revert(o) {
      await askAgain()
      return revertOn(state, joined(o))
    },
    async resume(o) {
      await askAgain()
      const run = state.env.openRun === undefined ? (state.env.partial ? (await cx.store.runs(state.env.id, 1))[0] : undefined) : await cx.store.run(state.env.openRun)
      if (!run || run.plan === '') throw failure('HF6005')
      if (run.status !== 'kept' && (await cx.store.tasks(run.id)).some((t) => t.intention === 'revert')) {
        throw failure('HF2401', { run: run.id, message: `Run ${run.id} has begun to take back what was done, so its plan does not fit any more.`, hint: 'Run `holdfast apply` to plan anew, or `holdfast run revert` to take back the rest.' })
      }
      const row = await cx.store.plan(run.plan)
      if (!row) throw failure('HF2404', { message: `The plan ${run.plan} of run ${run.id} is not in the state.` })
      return applyOn(state, wrap(readPlan(row.doc, cx.ring), state, true), 'resume', joined(o))
    },
    async refresh(request, o) {
      await askAgain()
      return refreshOn(state, request, { stop: either(o.stop, lost) })
    },
    settle: (tx, how) => settleByHand(state, tx, how),
    objectsOf: (tx) => objectsOf(state, tx),
    forget: (address) => forgetOn(state, address),
    end: release,
  }
}

/** Every running task listens to it: that is no leak, and nobody is warned of one. */
function either(a: AbortSignal, b: AbortSignal): AbortSignal {
  const signal = AbortSignal.any([a, b])
  setMaxListeners(0, signal)
  return signal
}

async function acquire(cx: EngineContext, scope: string, o: { readonly lockTimeoutMs: Millis; readonly stop: AbortSignal }): Promise<LeaseRow> {
  const until = cx.clock.mono() + o.lockTimeoutMs
  let told = false
  let place: TicketRow | undefined
  const leave = async () => {
    if (place) await cx.store.lease.leave(place)
  }
  for (;;) {
    // Who waits has a place in the queue; who does not wait takes none.
    const answer = await cx.store.lease.acquire(scope, cx.holder, limits.leaseTtlMs, o.lockTimeoutMs > 0 ? { ticket: place?.id ?? 'new' } : {})
    if ('granted' in answer) {
      cx.emit({ type: 'lock.acquired', ...(answer.tookOver ? { message: `taken over from pid ${answer.tookOver.holder.pid} on ${answer.tookOver.holder.host}, which is gone` } : {}) })
      return answer.granted
    }
    place = answer.ticket
    const { holder, grantedAt } = answer.heldBy
    const ageMs = Math.max(0, cx.clock.now() - grantedAt)
    const who = `pid ${holder.pid} on ${holder.host}, for ${Math.round(ageMs / 1000)} s`
    if (cx.clock.mono() >= until) {
      await leave()
      throw failure('HF4201', { message: `${scope} is held by ${holder.id} (${who}).`, details: { scope, holder: holder.id, host: holder.host, pid: holder.pid, ageMs } })
    }
    if (!told) cx.emit({ type: 'lock.waiting', message: `${scope} is held by ${who}` })
    told = true
    try {
      await cx.clock.sleep(POLL_MS, o.stop)
    } catch {
      await leave()
      throw failure('HF1008', { message: 'Cancelled while waiting for the lease; nothing was changed.' })
    }
  }
}

const SETTLE_PARALLEL = 16

/** Transactions without an end are settled before anything is sent again. What only a person can decide stays `unknown`. */
async function settleLeft(state: EnvState, abort: AbortSignal, which: (tx: TxRow) => boolean): Promise<void> {
  const { cx } = state
  const open = (await cx.store.txs({ env: state.env.id, unresolved: true })).filter(which)
  if (open.length === 0) return
  const { storeId } = await cx.store.meta()
  let next = 0
  const worker = async () => {
    for (let tx = open[next++]; tx; tx = open[next++]) await settleOne({ state, run: tx.run, storeId, abort, referred: () => false }, tx)
  }
  await Promise.all(Array.from({ length: cx.serial ? 1 : Math.min(SETTLE_PARALLEL, open.length) }, worker))
}

function canBeAsked(cx: EngineContext, tx: TxRow): boolean {
  if (tx.target.change !== undefined) return false // whoever opened it made the call, if anybody did
  const type = cx.types.get(tx.type)
  return type !== undefined && classOf(tx.op, tx.capability, type.read !== undefined, type.find !== undefined) !== 'D'
}

async function settleOne(work: Work, tx: TxRow): Promise<void> {
  const { state } = work
  if (tx.target.change !== undefined) {
    // No provider of ours was called: only who opened it, or a person, knows what happened.
    const lone = { tx, env: state.env, holder: state.cx.holder, now: state.cx.clock.now() }
    const evidence = 'the process that opened it is gone'
    await state.commit(failLone(lone, 'unknown', evidence, undefined))
    state.unknown.set(tx.address, { ...tx, status: 'unknown', evidence })
    state.cx.emit({ type: 'log', node: tx.address, message: `settled what was left: ${tx.op} is unknown` })
    return
  }
  if (tx.status === 'open') {
    await fail(work, tx, 'no', failure('HF3106', { address: tx.address, message: 'The run ended before anything was sent.' }))
    return
  }
  const late = maxCallMsOf(tx.capability) > 0 ? begunLate(tx) : await holderQuiet(work, tx)
  if (!late) return
  const result = await settle(work, late, 'the process ended before the answer came', false, undefined, work.abort)
  if (result.kind === 'failed') await fail(work, result.tx, result.applied, result.error)
  state.cx.emit({ type: 'log', node: tx.address, message: `settled what was left: ${tx.op} ${result.kind === 'done' ? 'had happened' : result.kind === 'failed' ? 'had not happened' : 'is unknown'}` })
}

/** The last holder may have begun its call a little after its intent. */
const begunLate = (tx: TxRow): TxRow => (tx.lastSentAt === undefined ? tx : { ...tx, lastSentAt: tx.lastSentAt + limits.leaseMarginMs })

const LOOK_MS = 200

/**
 * A call that dies with its process may land as long as that lives: one that was stopped (SIGSTOP, a long pause) goes on where it was. So what its
 * holder sent is judged when the holder is gone, or after the last moment at which it may have begun, and ended, a call under its lease.
 *
 * Gives    undefined when this run was stopped while it waited: the next one settles it.
 */
async function holderQuiet(work: Work, tx: TxRow): Promise<TxRow | undefined> {
  const { cx } = work.state
  const holder = (await cx.store.run(tx.run))?.holder
  if (!holder || tx.lastSentAt === undefined || (holder.pid === cx.holder.pid && holder.startedAt === cx.holder.startedAt && holder.bootId === cx.holder.bootId)) return tx
  let told = false
  for (;;) {
    const alive = holderAlive(holder)
    if (alive === false) return tx
    const leftMs = tx.lastSentAt + (alive ? limits.maxCallMs : limits.leaseMarginMs) - cx.clock.now()
    if (leftMs <= 0) return tx
    if (!told) cx.emit({ type: 'task.progress', run: work.run, node: tx.address, message: `pid ${holder.pid} on ${holder.host}, which sent the call, may still carry it out: waiting for its end, at most ${Math.ceil(leftMs / 1000)} s` })
    told = true
    try {
      await cx.clock.sleep(Math.min(leftMs, alive ? LOOK_MS : leftMs), work.abort)
    } catch {
      return undefined
    }
  }
}
