import { mutant } from '../base/index.ts'
import type { ResourceRow } from '../state/index.ts'

type Row = Pick<ResourceRow, 'uid' | 'address' | 'meta'>

/** Uid of what the object of a row lies in (`deletedWith`). */
export function tiedTo({ meta }: Pick<ResourceRow, 'meta'>): string | undefined {
  const to = meta.rules?.deletedWith
  return to === undefined ? undefined : meta.tied?.[to]
}

/**
 * Whose deletion takes whom along (`deletedWith`), among rows that are deleted together: uid -> uid of the one that is called, through any number
 * of others. What stays (retain), or has no object (a look-up), takes nothing along; nor does what is not deleted now. Those in `alone` go by themselves.
 */
function takenAlong(rows: readonly Row[], alone: ReadonlySet<string> = new Set()): Map<string, string> {
  const out = new Map<string, string>()
  const called = new Map<string, Row>()
  // What owes nothing but a hook is gone already, and its hook is still to run.
  for (const r of rows) if (!r.meta.retain && !r.meta.lookup && r.meta.due !== 'afterDelete') called.set(r.uid, r)
  const above = (r: Row): Row | undefined => {
    const uid = tiedTo(r)
    return uid === undefined || uid === r.uid || alone.has(r.uid) ? undefined : called.get(uid)
  }
  for (const r of called.values()) {
    let top = above(r)
    if (!top) continue
    for (let i = 0, next = above(top); next && i < rows.length; i++, next = above(top)) top = next
    if (top.uid !== r.uid && !mutant('taken-along-by-itself')) out.set(r.uid, top.uid)
  }
  return out
}

export interface Deletion {
  readonly row: Row
  /** Id of the task that deletes it. */
  readonly task: string
  /** It can go before what its node depends on is made. */
  readonly early: boolean
}

export interface DeletionOrder {
  /** uid -> tasks that end before. */
  readonly after: ReadonlyMap<string, readonly string[]>
  /** uid -> uids that go in the same call. */
  readonly takes: ReadonlyMap<string, readonly string[]>
  /** uid -> address of whose call takes it along. */
  readonly with: ReadonlyMap<string, string>
}

/**
 * Rows that cannot go in the call of another: what they refer to besides has to go before that other, and they before it. `grouped`: all that go in one
 * call go at one time.
 */
function inBetween(byUid: ReadonlyMap<string, Deletion>, usedBy: (d: Deletion) => readonly Deletion[], along: ReadonlyMap<string, string>, grouped: boolean): string[] {
  const topOf = (uid: string) => along.get(uid) ?? uid
  const groups = new Map<string, Deletion[]>()
  for (const [uid, d] of byUid) groups.set(topOf(uid), [...(groups.get(topOf(uid)) ?? []), d])
  return [...along].flatMap(([uid, top]) => {
    const own = byUid.get(uid)
    if (!own?.early) return []
    const seen = new Set<string>()
    const todo = usedBy(own).filter((d) => topOf(d.row.uid) !== top)
    for (let d = todo.pop(); d; d = todo.pop()) {
      const of = topOf(d.row.uid)
      if (of === top) return [uid]
      const key = grouped ? of : d.row.uid
      if (seen.has(key)) continue
      seen.add(key)
      for (const x of grouped ? (groups.get(of) ?? []) : [d]) if (x.early) todo.push(...usedBy(x).filter((y) => !grouped || topOf(y.row.uid) !== of))
    }
    return []
  })
}

/** Order among objects that are deleted in one phase: what refers to another goes before it, but what goes with another goes after it, without a call. */
export function orderDeletions(deletions: readonly Deletion[]): DeletionOrder {
  const byUid = new Map(deletions.map((d) => [d.row.uid, d]))
  const at = new Map<string, Deletion[]>()
  for (const d of deletions) at.set(d.row.address, [...(at.get(d.row.address) ?? []), d])
  // Several objects of one node may go: of which of them it is a part, or is made with, a row says.
  const usedBy = ({ row: { meta } }: Deletion): Deletion[] => meta.deps.flatMap((a) => {
    const there = at.get(a) ?? []
    const uid = meta.tied?.[a]
    return uid === undefined || there.length < 2 ? there : there.filter((d) => d.row.uid === uid)
  })
  const alone = new Set<string>()
  let along = takenAlong(deletions.map((d) => d.row))
  while (along.size > 0) {
    const direct = inBetween(byUid, usedBy, along, false)
    // Where no single object stands between, whole calls may still wait for each other: then one after the other goes by itself.
    const between = direct.length > 0 ? direct : inBetween(byUid, usedBy, along, true).slice(0, 1)
    if (between.length === 0) break
    // What lies in one that goes alone may still go with that.
    const hostOf = (uid: string) => tiedTo((byUid.get(uid) as Deletion).row)
    const outer = between.filter((uid) => !between.includes(hostOf(uid) ?? uid))
    for (const uid of outer.length > 0 ? outer : between) alone.add(uid)
    along = takenAlong(deletions.map((d) => d.row), alone)
  }
  const after = new Map<string, Set<string>>()
  const takes = new Map<string, string[]>()
  const wait = (uid: string, task: string) => {
    const list = after.get(uid)
    if (list) list.add(task)
    else after.set(uid, new Set([task]))
  }
  const topOf = (uid: string) => along.get(uid) ?? uid
  for (const d of deletions) {
    const top = byUid.get(topOf(d.row.uid)) as Deletion
    if (top !== d) {
      wait(d.row.uid, top.task)
      takes.set(top.row.uid, [...(takes.get(top.row.uid) ?? []), d.row.uid])
    }
    if (!d.early) continue
    for (const x of usedBy(d)) {
      const xTop = topOf(x.row.uid)
      if (xTop !== top.row.uid) wait(xTop, top.task)
    }
  }
  return {
    after: new Map([...after].map(([uid, tasks]) => [uid, [...tasks]])), takes,
    with: new Map([...along].map(([uid, top]) => [uid, (byUid.get(top) as Deletion).row.address])),
  }
}
