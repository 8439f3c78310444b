import { limits, type EpochMs, type Millis } from '../base/index.ts'
import type { EventRow } from '../state/index.ts'
import type { Entry } from './entry.ts'

/** How much of the past stays. An event goes when it is older than `ms` and `least` newer ones are there; or, whatever its age, when `most` newer ones are there. */
export interface KeptEvents {
  readonly ms: Millis
  readonly least: number
  readonly most: number
}
export const KEPT_EVENTS: KeptEvents = { ms: limits.eventsKeptMs, least: limits.eventsKeptMin, most: limits.eventsKeptMax }

/** Events that one commit takes away, at most: it stays a small one, and the next goes on. */
export const COMPACT_EVENTS_MAX = 5_000

/**
 * Up to which commit events may go, and how many these are. Pure.
 *
 * Takes    `count`: how many there are; `oldest`: the first of them, in order, and up to COMPACT_EVENTS_MAX + 1; `needed`: what began at that moment or later stays, whatever its age.
 * Gives    undefined when none may go. A commit goes whole or not at all.
 */
export function compactable(o: { readonly count: number; readonly oldest: readonly EventRow[]; readonly now: EpochMs; readonly needed: EpochMs | undefined; readonly keep: KeptEvents }): { readonly upTo: number; readonly events: number } | undefined {
  const { count, oldest, now, needed, keep } = o
  let going = 0
  while (going < Math.min(oldest.length, COMPACT_EVENTS_MAX)) {
    const { at } = oldest[going] as EventRow
    const newer = count - going - 1
    const old = at < now - keep.ms && newer >= keep.least
    if ((needed !== undefined && at >= needed) || !(old || newer >= keep.most)) break
    going++
  }
  // The commit in the middle of which it ends stays.
  if (going < count) while (going > 0 && oldest[going]?.seq === oldest[going - 1]?.seq) going--
  return going === 0 ? undefined : { upTo: (oldest[going - 1] as EventRow).seq, events: going }
}

/** A commit that takes them away says so: a history that begins later than at the beginning was not cut by somebody else. */
export const compactEntries = (env: string, now: EpochMs, { upTo, events }: { readonly upTo: number; readonly events: number }): Entry[] =>
  [{ t: 'events.compact', env, upTo }, { t: 'event', at: now, kind: 'history.compacted', data: JSON.stringify({ upTo, events }) }]
