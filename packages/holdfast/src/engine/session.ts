import { setMaxListeners } from 'node:events'
import { failure, isFailure, joinSignals, limits, mutant, type Joined } from '../base/index.ts'
import { classOf, failLone, maxCallMsOf, refusals } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import { EnvState, fail, settle, type EngineContext, type Work } from '../resource/index.ts'
import type { LeaseRow, TxRow } from '../state/index.ts'
import { holderAlive } from '../store/index.ts'
import type { ApplyOptions, PlanRequest } from './api.ts'
import { applyOn } from './apply.ts'
import { refuseUnapproved } from './approval.ts'
import type { RunDocument } from './documents.ts'
import { forgetOn } from './forget.ts'
import { acquire, envScope, type LeaseOptions } from './lease.ts'
import { holdPart, refuseBeyond, takeOverParts, type Leasing } from './part.ts'
import { loadOn, planOn, refuseStale, vectorOf, wrap, type PlannedRun } from './plan.ts'
import { refreshOn, type RefreshDocument, type RefreshRequest } from './refresh.ts'
import { revertOn } from './revert.ts'
import { objectsOf, ownDeadline, settleByHand, type SettleHow } from './settle.ts'
import { readPlan } from '../plan/index.ts'
import { takeSpooled } from './spool.ts'
import { taintOn } from './taint.ts'

export type RunOptions = Omit<ApplyOptions, 'lockTimeoutMs'>

/** Holds the lease of one environment. Everything that changes the world goes through one. */
export interface RunSession {
  readonly cx: EngineContext
  /** Run that was neither committed nor taken back when this session began. */
  readonly tookOver: string | undefined
  plan(request: PlanRequest): Promise<PlannedRun>
  /** A stored plan or a plan file; refused when stale (HF2401). */
  load(ref: { readonly id: string } | { readonly text: string }): Promise<PlannedRun>
  /** Fails HF2502 where the environment wants plans approved and this one is not; `apply` asks the same. */
  refuseUnapproved(planned: PlannedRun): Promise<void>
  apply(planned: PlannedRun, o: RunOptions): Promise<RunDocument>
  /** Takes the open run back to the base. Fails HF6005 when there is none. */
  revert(o: RunOptions): Promise<RunDocument>
  /** The stored plan of the open run, or of the last partly committed one, again. */
  resume(o: RunOptions): Promise<RunDocument>
  /** Records the world as it is. */
  refresh(request: RefreshRequest, o: Pick<RunOptions, 'stop'>): Promise<RefreshDocument>
  /** A person's word about a change; of a session that holds a part, only about what lies in it. */
  settle(tx: string, how: SettleHow): Promise<Record<string, unknown>>
  /** What a change that is not settled may have left in the world. */
  objectsOf(tx: string): ReturnType<typeof objectsOf>
  /** Gives a node up: its object stays. */
  forget(address: Address): Promise<Record<string, unknown>>
  /** Marks nodes for a new object, or takes the marks away. */
  taint(addresses: readonly Address[], tainted: boolean): Promise<Record<string, unknown>>
  end(): Promise<void>
}

/**
 * Takes the lease, then settles what a dead run left: every transaction whose end was never written.
 *
 * Takes    `only`: what the command is restricted to, if it is: it holds no more of the environment than that needs, and others may change the rest meanwhile.
 * Fails    HF4201 naming the holder when the lease is not free within `lockTimeoutMs`; HF1008 when stopped while waiting; as {@link holdPart}.
 */
export async function beginRun(cx: EngineContext, o: LeaseOptions & { readonly abort?: AbortSignal; readonly only?: PlanRequest | undefined }): Promise<RunSession> {
  const scope = envScope(cx)
  const early = mutant('queued-run-stale') ? await EnvState.load(cx) : undefined
  const lost = new AbortController()
  /** Fences of leases that others have taken over. */
  const gone = new Set<number>()
  const leasing: Leasing = {
    take: async (wish) => {
      const lease = await acquire(cx, wish.scope, o, wish.mode)
      cx.store.lease.keep(lease, limits.leaseHeartbeatMs, (reason) => {
        gone.add(lease.fence)
        cx.emit({ type: 'lock.lost', message: reason })
        lost.abort(new Error(reason))
      })
      return lease
    },
    giveBack: async (leases) => {
      for (const lease of leases) if (!gone.has(lease.fence)) await cx.store.lease.release(lease)
    },
  }
  const part = o.only && o.lease === undefined ? await holdPart(cx, o.only, leasing) : undefined
  const leases = part?.leases ?? [await leasing.take({ scope, mode: 'X' })]
  const fence = part?.state.fence ?? { scope, fence: (leases[0] as LeaseRow).fence }
  let env = cx.env.id
  const abort = o.abort ? either(o.abort, lost.signal) : { signal: lost.signal, leave: () => undefined }
  const release = async () => {
    abort.leave()
    cx.spool?.end(env, fence.fence)
    await leasing.giveBack(leases)
  }
  try {
    if (!part) await takeOverParts(cx, fence)
    const state = part?.state ?? early ?? (await EnvState.load(cx, fence))
    state.fence = fence
    env = state.env.id
    const tookOver = state.env.openRun
    await takeSpooled(state, abort.signal)
    const asked = new Set<string>()
    if (state.env.seq > 0) await settleLeft(state, abort.signal, (tx) => (tx.status === 'open' || tx.status === 'sent') && (state.holds(tx.address) || mutant('part-settles-others')) && asked.add(tx.token) !== undefined)
    return makeSession(cx, state, tookOver, asked, lost.signal, abort.signal, release)
  } catch (e) {
    await release().catch(() => undefined) // the first failure is the one to tell
    throw e
  }
}

function makeSession(cx: EngineContext, state: EnvState, tookOver: string | undefined, asked: ReadonlySet<string>, lost: AbortSignal, abort: AbortSignal, release: () => Promise<void>): RunSession {
  // What was given up because its provider or its type was away is asked again before anything new is done, but never before a person's word about it, and
  // not what has been asked just now.
  const askAgain = () => (state.unknown.size > 0 ? settleLeft(state, abort, (tx) => tx.status === 'unknown' && state.holds(tx.address) && !asked.has(tx.token) && canBeAsked(cx, tx)) : undefined)
  /** Does something under the signals of its caller and the loss of the lease. */
  const joined = async (o: RunOptions, act: (o: RunOptions) => Promise<RunDocument>): Promise<RunDocument> => {
    const stopping = either(o.stop, lost)
    const aborting = either(o.abort, lost)
    try {
      return await act({ ...o, stop: stopping.signal, abort: aborting.signal })
    } finally {
      stopping.leave()
      aborting.leave()
    }
  }
  return {
    cx, tookOver,
    async plan(request) {
      await askAgain()
      const planned = await planOn(state, request)
      refuseBeyond(state, planned.plan.changes)
      return planned
    },
    async load(ref) {
      const planned = await loadOn(state, ref)
      refuseStale(planned.plan, await vectorOf(state))
      return planned
    },
    refuseUnapproved: (planned) => refuseUnapproved(state, planned),
    async apply(planned, o) {
      refuseStale(planned.plan, await vectorOf(state))
      await refuseUnapproved(state, planned)
      return joined(o, (j) => applyOn(state, planned, 'apply', j))
    },
    async revert(o) {
      await askAgain()
      return joined(o, (j) => revertOn(state, j))
    },
    async resume(o) {
      await askAgain()
      const run = state.env.openRun === undefined ? (state.env.partial ? (await cx.store.runs(state.env.id, 1))[0] : undefined) : await cx.store.run(state.env.openRun)
      if (!run || run.plan === '' || (state.env.openRun === undefined && run.status !== 'kept')) throw failure('HF6005')
      if (run.status !== 'kept' && (await cx.store.tasks(run.id)).some((t) => t.intention === 'revert')) {
        throw failure('HF2401', { run: run.id, message: `Run ${run.id} has begun to take back what was done, so its plan does not fit any more.`, hint: 'Run `holdfast apply` to plan anew, or `holdfast run revert` to take back the rest.' })
      }
      const row = await cx.store.plan(run.plan)
      if (!row) throw failure('HF2404', { message: `The plan ${run.plan} of run ${run.id} is not in the state.` })
      const planned = wrap(readPlan(row.doc, cx.ring), state, true)
      return joined(o, (j) => applyOn(state, planned, 'resume', j))
    },
    async refresh(request, o) {
      await askAgain()
      const stopping = either(o.stop, lost)
      try {
        return await refreshOn(state, request, { stop: stopping.signal })
      } catch (e) {
        if (lost.aborted && isFailure(e) && e.code === 'HF1008') throw failure('HF4203', { message: lost.reason instanceof Error ? lost.reason.message : 'The lease was lost.' })
        throw e
      } finally {
        stopping.leave()
      }
    },
    settle: (tx, how) => settleByHand(state, tx, how),
    objectsOf: (tx) => objectsOf(state, tx),
    forget: (address) => forgetOn(state, address),
    taint: (addresses, tainted) => taintOn(state, addresses, tainted),
    end: release,
  }
}

/** Every running task listens to it, and every run that goes on at the same time to the two: that is no leak, and nobody is warned of one. */
function either(a: AbortSignal, b: AbortSignal): Joined {
  const joined = joinSignals(a, b)
  setMaxListeners(0, joined.signal, a, b)
  return joined
}

const SETTLE_PARALLEL = 16

/**
 * Transactions without an end are settled before anything is sent again. What only a person can decide stays `unknown`.
 *
 * Fails    HF1008 when it is stopped meanwhile, HF4203 when the lease was lost: while nobody knows how a change ended, nothing else is begun or taken back.
 */
async function settleLeft(state: EnvState, abort: AbortSignal, which: (tx: TxRow) => boolean): Promise<void> {
  const { cx } = state
  const open = (await cx.store.txs({ env: state.env.id, unresolved: true })).filter(which)
  if (open.length === 0) return
  const { storeId } = await cx.store.meta()
  let next = 0
  let stoppedAt: TxRow | undefined
  const worker = async () => {
    for (let tx = open[next++]; tx; tx = open[next++]) if (!(await settleOne({ state, run: tx.run, storeId, abort, referred: () => false }, tx))) stoppedAt ??= tx
  }
  await Promise.all(Array.from({ length: cx.serial ? 1 : Math.min(SETTLE_PARALLEL, open.length) }, worker))
  if (!stoppedAt) return
  const { fence } = state
  if (fence && !(await cx.store.leases()).some((l) => l.scope === fence.scope && l.fence === fence.fence)) throw refusals.fenceLost(fence.scope)
  throw failure('HF1008', { address: stoppedAt.address, message: `Cancelled while it was looked up how the ${stoppedAt.op} of ${stoppedAt.address} ended; nothing else was begun.` })
}

function canBeAsked(cx: EngineContext, tx: TxRow): boolean {
  if (tx.target.change !== undefined) return false // whoever opened it made the call, if anybody did
  const type = cx.types.get(tx.type)
  return type !== undefined && classOf(tx.op, tx.capability, type.read !== undefined, type.find !== undefined) !== 'D'
}

/** False: it was stopped before it was known. */
async function settleOne(work: Work, tx: TxRow): Promise<boolean> {
  const { state } = work
  if (tx.target.change !== undefined) {
    // No provider of ours was called: only who opened it, or a person, knows what happened.
    const lone = { tx, env: state.env, holder: state.cx.holder, now: state.cx.clock.now() }
    const evidence = 'the process that opened it is gone'
    await state.commit(failLone(lone, 'unknown', evidence, undefined))
    state.unknown.set(tx.address, { ...tx, status: 'unknown', evidence })
    state.cx.emit({ type: 'log', node: tx.address, message: `settled what was left: ${tx.op} is unknown` })
    return true
  }
  if (tx.status === 'open') {
    await fail(work, tx, 'no', failure('HF3106', { address: tx.address, message: 'The run ended before anything was sent.' }))
    return true
  }
  const late = maxCallMsOf(tx.capability) > 0 ? begunLate(tx) : await holderQuiet(work, tx)
  if (!late) return false
  const result = await settle(work, late, 'the process ended before the answer came', false, undefined, work.abort, ownDeadline(state, late))
  if (result.kind === 'lost') return false
  if (result.kind === 'failed') await fail(work, result.tx, result.applied, result.error)
  state.cx.emit({ type: 'log', node: tx.address, message: `settled what was left: ${tx.op} ${result.kind === 'done' ? 'had happened' : result.kind === 'failed' ? 'had not happened' : 'is unknown'}` })
  return true
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
