import { checkTexts } from './check.ts'
import { limits } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import { conflict } from '../store/index.ts'
import type { RequestContext } from './contract.ts'
import { scopeOf, stateName } from './names.ts'
import { demand } from './permit.ts'
import { callerOf, stateOf } from './reader.ts'
import type { Session } from './session.ts'

/** Who had a lease that was taken away. */
export interface ForcedLease {
  readonly scope: string
  readonly fence: number
  readonly host: string
  readonly pid: number
}

/** See `StoreBackend.forceUnlock`. */
export async function forceUnlock(s: Session, stateUuid: string, component: string | undefined, ctx: RequestContext | undefined, note: (answer: ForcedLease[]) => Entry[]): Promise<ForcedLease[]> {
  const env = await stateOf(s, stateUuid)
  if (component !== undefined) checkTexts({ component })
  await demand(s.permit, ctx, 'lease:force', { state: stateName(env), ...(component === undefined ? {} : { component }) })
  const scope = scopeOf(env, component)
  const held = (await s.store.leases()).filter((l) => conflict(l, { scope, mode: 'X' })).map((l) => ({ scope: l.scope, fence: l.fence, host: l.holder.host, pid: l.holder.pid }))
  const entries = note(held)
  if (held.length === 0 && entries.length === 0) return []
  const now = s.clock.now()
  await s.store.commit([{ t: 'event', at: now, kind: 'lease.forced', data: JSON.stringify({ by: callerOf(s, ctx), leases: held }) }, ...entries], {
    env: env.id, hold: { scope, holder: { ...s.holder, id: s.ids.next('h') }, ttlMs: limits.leaseTtlMs, nowMs: now, after: 'release', force: held.map((l) => l.fence) },
  })
  return held
}
