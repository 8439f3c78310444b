import type { Holder, LeaseRow, TicketRow } from '../../state/index.ts'
import type { GrantActs, GrantRows } from '../grant.ts'
import type { Connection, Row } from './driver.ts'

export const leaseRow = (row: Row): LeaseRow => ({
  scope: row.scope, mode: row.mode, holder: JSON.parse(row.holder) as Holder, fence: row.fence, grantedAt: row.granted_at, expiresAt: row.expires_at,
})

export const ticketRow = (row: Row): TicketRow => ({
  id: row.id, scope: row.scope, mode: row.mode, holder: JSON.parse(row.holder) as Holder, askedAt: row.asked_at, expiresAt: row.expires_at,
})

/**
 * A holder is as long as all else that the row says, twice over, and such a row does not fit into a page: another page would be written with every lease that is
 * taken, and with every one that is given back. So it stands in `words`; rows of before have it themselves.
 */
const ROWS = 'select scope, fence, mode, coalesce((select text from words where k = cast(leases.holder as integer)), holder) as holder, granted_at, expires_at from leases'

/** All that a grant is decided on: few rows, because few hold or wait at one time. */
export function grantRows(db: Connection): GrantRows {
  const [counter, ...leases] = db.prepare(`${ROWS} order by scope, fence`).all()
  return { leases: leases.map(leaseRow), tickets: db.prepare('select * from tickets').all().map(ticketRow), fenceSeq: (counter as Row).fence as number }
}

/** The row with the empty scope is no lease: it counts fences and places, so that a grant writes one page. */
export const LEASES = `${ROWS} where scope <> '' order by scope, fence`
export const fenceSeqOf = (db: Connection): number => db.prepare("select fence from leases where scope = ''").get()?.fence as number
/** The fence is part of the key: SQLite updates a key by way of a table beside, which takes five times as long as these two. */
export function raiseFenceSeq(db: Connection, to: number): void {
  if (Number(db.prepare("delete from leases where scope = '' and fence < ?").run(to).changes) === 0) return
  db.prepare("insert into leases (scope, fence, mode, holder, granted_at, expires_at) values ('', ?, '', '{}', 0, 0)").run(to)
}

/** Number of a text that stands in many rows. */
function wordOf(db: Connection, text: string): number {
  const found = db.prepare('select k from words where text = ?').get(text)
  return found ? (found.k as number) : Number(db.prepare('insert into words (text) values (?)').run(text).lastInsertRowid)
}

export function putLease(db: Connection, l: LeaseRow, word: (text: string) => number = (text) => wordOf(db, text)): void {
  db.prepare('insert or replace into leases (scope, fence, mode, holder, granted_at, expires_at) values (?, ?, ?, ?, ?, ?)').run(l.scope, l.fence, l.mode, String(word(JSON.stringify(l.holder))), l.grantedAt, l.expiresAt)
}

/** Makes a decision true. The caller has begun the database transaction in which it was taken. `word`: where the caller knows numbers of its own. */
export function performGrant(db: Connection, { dropLeases, dropTickets, putLease: l, putTicket: t }: GrantActs, word?: (text: string) => number): void {
  for (const old of dropLeases) db.prepare('delete from leases where scope = ? and fence = ?').run(old.scope, old.fence)
  for (const old of dropTickets) db.prepare('delete from tickets where id = ?').run(old.id)
  if (l) putLease(db, l, word)
  if (t) db.prepare('insert or replace into tickets (id, scope, mode, holder, asked_at, expires_at) values (?, ?, ?, ?, ?, ?)').run(t.id, t.scope, t.mode, JSON.stringify(t.holder), t.askedAt, t.expiresAt)
  const number = Math.max(l?.fence ?? 0, t?.id ?? 0)
  if (number > 0) raiseFenceSeq(db, number)
}
