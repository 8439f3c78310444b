import type { EpochMs } from '../base/index.ts'
import { COMPACT_EVENTS_MAX, compactable, compactEntries, KEPT_EVENTS, type Entry, type KeptEvents } from '../journal/index.ts'
import type { EnvRow } from '../state/index.ts'
import type { Store } from './port.ts'

/** Not worth a note in the history when nobody asked for it. */
const FEWEST = 1_000

/**
 * Entries that take the oldest events of an environment away, at most 5,000 of them; empty when all are to stay.
 * What the open run, and the newest run that has ended, have written stays: it is what `run show` tells of them.
 *
 * Costs  two look-ups while the oldest event is to stay.
 */
export async function oldEvents(store: Store, env: Pick<EnvRow, 'id' | 'openRun' | 'parts'>, now: EpochMs, asked?: KeptEvents): Promise<Entry[]> {
  const keep = asked ?? KEPT_EVENTS
  const count = await store.eventsKept(env.id)
  if (count <= keep.least) return []
  const [first] = await store.events(env.id, { seq: 0 }, 1)
  if (!first || (first.at >= now - keep.ms && count <= keep.most)) return []
  const oldest = await store.events(env.id, { seq: 0 }, COMPACT_EVENTS_MAX + 1)
  const going = compactable({ count, oldest, now, needed: await neededSince(store, env), keep })
  if (going && !asked && going.events < FEWEST) return []
  return going ? compactEntries(env.id, now, going) : []
}

async function neededSince(store: Store, env: Pick<EnvRow, 'id' | 'openRun' | 'parts'>): Promise<EpochMs | undefined> {
  const [newest] = await store.runs(env.id, 1)
  const open = await Promise.all([env.openRun, ...(env.parts ?? []).map((p) => p.run)].map((id) => (id === undefined ? undefined : store.run(id))))
  const starts = [newest, ...open].flatMap((run) => (run ? [run.startedAt] : []))
  return starts.length === 0 ? undefined : Math.min(...starts)
}
