import { assert } from '../base/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { Edits } from './edits.ts'
import { lookupKeys, under, type StoredResource, type Tables } from './tables.ts'

/** Resources: a row for each revision in which one was as it says, and the indexes that find it. */

/** History rows and outputs taken away by one `env.commit`, at most; what is left waits for the next. */
export const COMPACT_ROWS_MAX = 1000

/** The only place where resource rows and their indexes change. */
export function storeResource(t: Tables, edits: Edits, old: StoredResource | undefined, now: StoredResource | undefined): void {
  const row = (now ?? old)?.row as ResourceRow
  const rows = under(t.resources, row.uid, () => new Map<number, StoredResource>())
  assert(!old || old.row.env === row.env, `${row.uid} belongs to two environments`)
  if (old?.row.until !== undefined) edits.leave(under(t.byUntil, row.env, () => new Map()), old.row.until, keyOf(row))
  index(t, edits, old?.row, now?.row)
  if (!now) {
    edits.drop(rows, row.since)
    edits.leave(under(t.bySince, row.env, () => new Map()), row.since, row.uid)
    if (rows.size === 0) edits.remove(under(t.uidsOf, row.env, () => new Set()), row.uid)
    return
  }
  edits.set(rows, row.since, now)
  if (row.until === undefined) {
    let openEnded = 0
    for (const r of rows.values()) if (r.row.until === undefined) openEnded++
    assert(openEnded === 1, `${row.uid} would have two rows without an end`)
  }
  edits.add(under(t.uidsOf, row.env, () => new Set()), row.uid)
  edits.add(under(under(t.bySince, row.env, () => new Map<number, Set<string>>()), row.since, () => new Set()), row.uid)
  if (row.until !== undefined) edits.add(under(under(t.byUntil, row.env, () => new Map<number, Set<string>>()), row.until, () => new Set()), keyOf(row))
}

function index(t: Tables, edits: Edits, old: ResourceRow | undefined, now: ResourceRow | undefined): void {
  const row = (now ?? old) as ResourceRow
  const was = old ? lookupKeys(old) : []
  const is = now ? lookupKeys(now) : []
  const buckets = under(t.lookup, row.env, () => new Map<string, Set<string>>())
  for (const k of was) if (!is.includes(k)) edits.leave(buckets, k, keyOf(row))
  for (const k of is) if (!was.includes(k)) edits.add(under(buckets, k, () => new Set()), keyOf(row))
}

/** Takes away the oldest rows that ended at `upTo` or before, and outputs that no kept revision shows. Bounded. */
export function compactHistory(t: Tables, edits: Edits, env: string, upTo: number): void {
  if (upTo < 1) return
  const buckets = t.byUntil.get(env)
  let left = COMPACT_ROWS_MAX
  for (const until of [...(buckets?.keys() ?? [])].filter((u) => u <= upTo).sort((a, b) => a - b)) {
    if (left <= 0) break
    const rows = [...(buckets?.get(until) ?? [])].map(parseKey).sort((a, b) => (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : a.since - b.since))
    for (const { uid, since } of rows.slice(0, left)) storeResource(t, edits, t.resources.get(uid)?.get(since), undefined)
    left -= rows.length
  }
  const outputs = t.outputs.get(env)
  if (!outputs) return
  const old = [...outputs.keys()].filter((s) => s <= upTo).sort((a, b) => a - b)
  for (const since of old.slice(0, -1)) edits.drop(outputs, since)
}

/** What the indexes hold of a row. */
const keyOf = (row: { readonly uid: string; readonly since: number }) => `${row.since} ${row.uid}`
export const parseKey = (key: string) => {
  const at = key.indexOf(' ')
  return { since: Number(key.slice(0, at)), uid: key.slice(at + 1) }
}
