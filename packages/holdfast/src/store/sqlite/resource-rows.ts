import { assert } from '../../base/index.ts'
import { COMPACT_ROWS_MAX } from '../../journal/index.ts'
import type { Cell, Connection, Row } from './driver.ts'
import { sumOf } from './sum.ts'

/** The SQL of resources: a row for each revision in which one was as it says, with its documents and its tags. `k` of the environment. */

/** `c[at]`: the first of the cells of the operation. `completed`: the change that the transaction has completed so far. */
export function putResource(db: Connection, env: { readonly k: number; readonly id: string }, seq: number, c: readonly Cell[], at: number, completed: string | undefined): void {
  const { k, id } = env
  const inputs = c[at] as string | null
  const outputs = c[at + 1] as string | null
  const uid = c[at + 3] as string
  const since = c[at + 4] as number
  let doc: number | undefined
  let otherOpen = false
  for (const row of db.prepare('select since, doc from resources where env = ? and uid = ? and (since = ? or until is null)').all(k, uid, since)) {
    if (row.since === since) doc = row.doc as number
    else otherOpen = true
  }
  if (doc !== undefined) untag(db, k, uid, since)
  assert(inputs !== null || doc !== undefined, `resource.put: ${String(c[at + 8])} comes without documents, and there is no row since ${since}`)
  assert(!otherOpen || c[at + 5] !== null, `${uid} would have two rows without an end`)
  if (inputs !== null) {
    const same = sameInputs(db, completed, inputs)
    const text = same === null ? inputs : null
    if (doc === undefined) doc = Number(db.prepare('insert into docs (inputs, outputs, same, sum) values (?, ?, ?, ?)').run(text, outputs, same, sumOf(text, outputs)).lastInsertRowid)
    else db.prepare('update docs set inputs = ?, outputs = ?, same = ?, sum = ? where id = ?').run(text, outputs, same, sumOf(text, outputs), doc)
  }
  db.prepare(`insert into resources (env, seq, doc, alone, uid, since, until, ordinal, status, address, type, fingerprint, shape, meta, sum) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (env, uid, since) do update set seq = excluded.seq, alone = excluded.alone, until = excluded.until, ordinal = excluded.ordinal, status = excluded.status, address = excluded.address,
      type = excluded.type, fingerprint = excluded.fingerprint, shape = excluded.shape, meta = excluded.meta, sum = excluded.sum`).run(k, seq, doc as number, ...c.slice(at + 2, at + 13), sumOf(id, uid, since, ...c.slice(at + 6, at + 13)))
}

/** A change that completes in this transaction has its inputs in its target already, and the target of a completed change never changes. */
function sameInputs(db: Connection, completed: string | undefined, inputs: string): number | null {
  if (completed === undefined) return null
  const row = db.prepare('select d.id from txs t join docs d on d.id = t.target where t.token = ? and d.inputs = ?').get(completed, inputs)
  return row ? (row.id as number) : null
}

/** `until`: null takes the end of a row back. */
export function endResource(db: Connection, k: number, seq: number, uid: string, since: Cell, until: number | null): void {
  const done = db.prepare('update resources set until = ?, seq = ? where env = ? and uid = ? and since = ?').run(until, seq, k, uid, since)
  assert(Number(done.changes) === 1, `resource.until: there is no row ${uid} since ${String(since)}`)
  if (until !== null) return
  const row = db.prepare('select count(*) as n from resources where env = ? and uid = ? and until is null').get(k, uid) as Row
  assert(row.n === 1, `${uid} would have two rows without an end`)
}

export function dropResource(db: Connection, k: number, uid: string, since: number): void {
  const row = db.prepare('delete from resources where env = ? and uid = ? and since = ? returning doc').get(k, uid, since)
  if (!row) return
  db.prepare('delete from docs where id = ?').run(row.doc as number)
  untag(db, k, uid, since)
}

/** `pairs`: place of the first key; its value comes next. */
export function putTags(db: Connection, k: number, c: readonly Cell[], at: number, pairs: number, count: number): void {
  const insert = db.prepare('insert into tags (env, uid, since, key, value) values (?, ?, ?, ?, ?)')
  for (let i = 0; i < count; i++) insert.run(k, c[at] as Cell, c[at + 1] as Cell, c[pairs + 2 * i] as Cell, c[pairs + 2 * i + 1] as Cell)
}

function untag(db: Connection, k: number, uid: string, since: number): void {
  db.prepare('delete from tags where env = ? and uid = ? and since = ?').run(k, uid, since)
}

/** Takes away the oldest rows that ended at `upTo` or before, and outputs that no kept revision shows. Bounded. */
export function compactHistory(db: Connection, k: number, upTo: number): void {
  if (upTo < 1) return
  db.prepare('delete from outputs where env = ? and since < (select max(since) from outputs where env = ? and since <= ?)').run(k, k, upTo)
  // Most commits find nothing that old, and one look says so.
  if (!db.prepare('select 1 from resources where env = ? and until is not null and until <= ? limit 1').get(k, upTo)) return
  const old = 'select doc, uid, since from resources where env = ? and until is not null and until <= ? order by until, uid, since limit ?'
  db.prepare(`delete from tags where env = ? and (uid, since) in (select uid, since from (${old}))`).run(k, k, upTo, COMPACT_ROWS_MAX)
  db.prepare(`delete from docs where id in (select doc from (${old}))`).run(k, upTo, COMPACT_ROWS_MAX)
  db.prepare(`delete from resources where env = ? and (uid, since) in (select uid, since from (${old}))`).run(k, k, upTo, COMPACT_ROWS_MAX)
}
