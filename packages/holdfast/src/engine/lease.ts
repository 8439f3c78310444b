import { failure, limits, type Millis } from '../base/index.ts'
import { refusals } from '../journal/index.ts'
import { EnvState, type EngineContext } from '../resource/index.ts'
import { isKept, keptFor, type LeaseMode, type LeaseRow, type TicketRow } from '../state/index.ts'
import { conflict, holderAlive } from '../store/index.ts'
import { ensureEnv } from './plan.ts'
import { iso } from './read.ts'

/** How a lease comes to a run. */
export interface LeaseOptions {
  readonly lockTimeoutMs: Millis
  readonly stop: AbortSignal
  /** A lease that an earlier command has left for this one: see {@link keepForLater}. */
  readonly lease?: string | undefined
}

/** What a change of this environment holds. */
export const envScope = (cx: EngineContext): string => `${cx.env.app}/${cx.env.name}`

const POLL_MS = 200

/**
 * Takes the lease of a scope, or waits for it in the queue.
 *
 * Fails    HF4201 naming the holder when it is not free within `lockTimeoutMs`; HF1008 when stopped while waiting; HF4203 when the lease that was left is gone.
 */
export async function acquire(cx: EngineContext, scope: string, o: LeaseOptions, mode: LeaseMode = 'X'): Promise<LeaseRow> {
  if (o.lease !== undefined) return takeKept(cx, scope, o.lease)
  const until = cx.clock.mono() + o.lockTimeoutMs
  let told = false
  let place: TicketRow | undefined
  const leave = async () => {
    if (place) await cx.store.lease.leave(place)
  }
  for (;;) {
    // Who waits has a place in the queue; who does not wait takes none.
    const answer = await cx.store.lease.acquire(scope, cx.holder, limits.leaseTtlMs, { mode, ...(o.lockTimeoutMs > 0 ? { ticket: place?.id ?? 'new' } : {}) })
    if ('granted' in answer) {
      const gone = answer.tookOver
      cx.emit({ type: 'lock.acquired', ...(gone ? { message: isKept(gone.holder) ? 'a lease that was kept for an apply had run out' : `taken over from pid ${gone.holder.pid} on ${gone.holder.host}, which is gone` } : {}) })
      return answer.granted
    }
    place = answer.ticket
    const why = refusals.heldBy(answer.heldBy, cx.clock.now())
    if (cx.clock.mono() >= until) {
      await leave()
      throw why
    }
    if (!told) cx.emit({ type: 'lock.waiting', message: why.message })
    told = true
    try {
      await cx.clock.sleep(POLL_MS, o.stop)
    } catch {
      await leave()
      throw failure('HF1008', { message: 'Cancelled while waiting for the lease; nothing was changed.' })
    }
  }
}

/** A lease as the next command names it. */
const tokenOf = (lease: Pick<LeaseRow, 'scope' | 'fence'>): string => `${lease.scope}#${lease.fence}`

/**
 * Leaves a lease to a later command, on whichever machine, for so long.
 *
 * Gives    the word by which that command asks for it. Until then nobody else gets it.
 */
export async function keepForLater(cx: EngineContext, lease: LeaseRow, forMs: Millis): Promise<{ readonly token: string; readonly expires: string }> {
  const kept = await cx.store.lease.transfer(lease, keptFor(cx.holder), forMs)
  return { token: tokenOf(kept), expires: iso(kept.expiresAt) }
}

async function takeKept(cx: EngineContext, scope: string, token: string): Promise<LeaseRow> {
  const [, of, fence] = /^(.*)#(\d+)$/.exec(token) ?? []
  if (of !== scope) throw failure('HF1001', { message: `--lease ${token} is no lease of ${scope}.`, hint: 'Give the word that `holdfast plan --hold` has printed.' })
  const row = (await cx.store.leases()).find((l) => l.scope === scope && l.fence === Number(fence))
  if (!row || !isKept(row.holder)) {
    throw failure('HF4203', { message: `The lease ${token} is not there any more: it was used or given up, or its time passed and somebody else took it. Nothing was changed.`, hint: 'Plan again.', details: { scope } })
  }
  const lease = await cx.store.lease.transfer(row, cx.holder, limits.leaseTtlMs)
  cx.emit({ type: 'lock.acquired', message: `kept since ${iso(lease.grantedAt)}` })
  return lease
}

/** A lease that stands in the way of a change of the environment. */
export interface HeldLease {
  readonly scope: string
  readonly fence: number
  readonly host: string
  readonly pid: number
  readonly since: string
  readonly expires: string
  /** `undefined`: it cannot be told from here. */
  readonly alive: boolean | undefined
  /** Nobody works under it: it is kept for a later command. */
  readonly kept: boolean
}

export async function heldLeases(cx: EngineContext): Promise<HeldLease[]> {
  const rows = (await cx.store.leases()).filter((l) => conflict(l, { scope: envScope(cx), mode: 'X' }))
  return rows.map((l) => ({
    scope: l.scope, fence: l.fence, host: l.holder.host, pid: l.holder.pid, since: iso(l.grantedAt), expires: iso(l.expiresAt), alive: holderAlive(l.holder), kept: isKept(l.holder),
  }))
}

/**
 * Takes leases away from whoever has them: for a holder that is gone, or hangs, where nobody can tell from here.
 *
 * Durable  on return: the leases are free, and an event says who did it. Their holders write nothing under them any more; what they had sent is settled by the
 *          next run, which waits as long as it may still land.
 * Fails    HF4201 when by now another holder stands in the way, who was not named.
 */
export async function forceLeases(cx: EngineContext, leases: readonly HeldLease[]): Promise<void> {
  const state = await EnvState.load(cx)
  const now = cx.clock.now()
  const said = leases.map(({ scope, fence, host, pid, kept }) => ({ scope, fence, host, pid, kept }))
  await cx.store.commit([...(await ensureEnv(state)), { t: 'event', at: now, kind: 'lease.forced', data: JSON.stringify({ by: `pid ${cx.holder.pid} on ${cx.holder.host}`, leases: said }) }], {
    env: state.env.id, hold: { scope: envScope(cx), holder: cx.holder, ttlMs: limits.leaseTtlMs, nowMs: now, after: 'release', force: leases.map((l) => l.fence) },
  })
}
