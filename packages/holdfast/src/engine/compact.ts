import { limits } from '../base/index.ts'
import { KEPT_EVENTS, type KeptEvents } from '../journal/index.ts'
import type { EngineContext } from '../resource/index.ts'
import { oldEvents } from '../store/index.ts'
import { envScope } from './lease.ts'

export interface CompactDocument {
  /** How many events were taken away. */
  readonly events: number
  /** Up to which commit; null: nothing was ever taken away by this call. A watch from there on misses nothing. */
  readonly upTo: number | null
  /** How many are left. */
  readonly left: number
}

/**
 * Takes old events of the environment away. State, changes and runs stay; so does what the open run and the newest run have written.
 *
 * Takes    `older`, `keep`: only what is older, and not among so many of the newest; of one of them alone the other does not count. Neither: as every run does it.
 * Durable  on return, 5,000 events at a time.
 * Fails    HF4201 while somebody changes the environment.
 */
export async function compactHistory(cx: EngineContext, o: { readonly olderMs: number | undefined; readonly keep: number | undefined }): Promise<CompactDocument> {
  const keep: KeptEvents = o.olderMs === undefined && o.keep === undefined ? KEPT_EVENTS : { ms: o.olderMs ?? 0, least: o.keep ?? 0, most: Number.POSITIVE_INFINITY }
  let events = 0
  let upTo: number | null = null
  const now = cx.clock.now() // what this writes is never old enough for itself
  for (;;) {
    const env = await cx.store.env(cx.env.app, cx.env.name)
    if (!env) return { events, upTo, left: 0 }
    const entries = await oldEvents(cx.store, env, now, keep)
    const [going] = entries
    if (going?.t !== 'events.compact') return { events, upTo, left: await cx.store.eventsKept(env.id) }
    const before = await cx.store.eventsKept(env.id)
    await cx.store.commit(entries, { env: env.id, expectSeq: env.seq, hold: { scope: envScope(cx), holder: cx.holder, ttlMs: limits.leaseTtlMs, nowMs: now, after: 'release' } })
    events += before + 1 - (await cx.store.eventsKept(env.id)) // one more: the commit says what it did
    upTo = going.upTo
  }
}
