import { refusals } from '../../journal/index.ts'
import type { Cell, Connection, Row } from './driver.ts'

/** `k` of the environment. What gives the key up with this revision hands it over within its environment. */
export function putClaim(db: Connection, k: number, key: string, uid: Cell, until: Cell): void {
  const done = db.prepare(`insert into claims (key, env, uid, until) values (?, ?, ?, ?)
    on conflict (key) do update set uid = excluded.uid, until = excluded.until where uid = excluded.uid or (until is not null and env = excluded.env)`).run(key, k, uid, until)
  if (Number(done.changes) === 0) throw taken(db, key)
}

/** `key`: null for all that the uid has. */
export function dropClaim(db: Connection, k: number, uid: Cell, key: Cell): void {
  if (key === null) db.prepare('delete from claims where uid = ? and env = ?').run(uid, k)
  else db.prepare('delete from claims where key = ? and uid = ? and env = ?').run(key, uid, k)
}

/** Those that were given up with a revision go when it is committed. Most commits find none, and one look says so. */
export function freeClaims(db: Connection, k: number, revision: number): void {
  if (db.prepare('select 1 from claims where env = ? and until is not null and until <= ? limit 1').get(k, revision)) db.prepare('delete from claims where env = ? and until is not null and until <= ?').run(k, revision)
}

function taken(db: Connection, key: string): Error {
  const row = db.prepare(`select c.uid, e.app, e.name, (select address from resources r where r.env = c.env and r.uid = c.uid order by since desc limit 1) as address
    from claims c join envs e on e.k = c.env where c.key = ?`).get(key) as Row
  return refusals.claimTaken(key, { app: row.app as string, env: row.name as string, uid: row.uid as string, address: (row.address as string | null) ?? undefined })
}
