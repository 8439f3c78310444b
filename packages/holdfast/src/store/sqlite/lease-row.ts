import type { Holder, LeaseRow, TicketRow } from '../../state/index.ts'
import type { GrantActs, GrantRows } from '../grant.ts'
import type { Connection, Row } from './driver.ts'

export const leaseRow = (row: Row): LeaseRow => ({
  scope: row.scope, mode: row.mode, holder: JSON.parse(row.holder) as Holder, fence: row.fence, grantedAt: row.granted_at, expiresAt: row.expires_at,
})

export const ticketRow = (row: Row): TicketRow => ({
  id: row.id, scope: row.scope, mode: row.mode, holder: JSON.parse(row.holder) as Holder, askedAt: row.asked_at, expiresAt: row.expires_at,
})

/** All that a grant is decided on: few rows, because few hold or wait at one time. */
export function grantRows(db: Connection): GrantRows {
  const [counter, ...leases] = db.prepare('select * from leases order by scope, fence').all()
  return { leases: leases.map(leaseRow), tickets: db.prepare('select * from tickets').all().map(ticketRow), fenceSeq: (counter as Row).fence as number }
}

/** The row with the empty scope is no lease: it counts fences and places, so that a grant writes one page. */
export const LEASES = "select * from leases where scope <> '' order by scope, fence"
export const fenceSeqOf = (db: Connection): number => db.prepare("select fence from leases where scope = ''").get()?.fence as number
/** The fence is part of the key: SQLite updates a key by way of a table beside, which takes five times as long as these two. */
export function raiseFenceSeq(db: Connection, to: number): void {
  if (Number(db.prepare("delete from leases where scope = '' and fence < ?").run(to).changes) === 0) return
  db.prepare("insert into leases (scope, fence, mode, holder, granted_at, expires_at) values ('', ?, '', '{}', 0, 0)").run(to)
}

/** Makes a decision true. The caller has begun the database transaction in which it was taken. */
export function performGrant(db: Connection, { dropLeases, dropTickets, putLease: l, putTicket: t }: GrantActs): void {
  for (const old of dropLeases) db.prepare('delete from leases where scope = ? and fence = ?').run(old.scope, old.fence)
  for (const old of dropTickets) db.prepare('delete from tickets where id = ?').run(old.id)
  if (l) db.prepare('insert or replace into leases (scope, fence, mode, holder, granted_at, expires_at) values (?, ?, ?, ?, ?, ?)').run(l.scope, l.fence, l.mode, JSON.stringify(l.holder), l.grantedAt, l.expiresAt)
  if (t) db.prepare('insert or replace into tickets (id, scope, mode, holder, asked_at, expires_at) values (?, ?, ?, ?, ?, ?)').run(t.id, t.scope, t.mode, JSON.stringify(t.holder), t.askedAt, t.expiresAt)
  const number = Math.max(l?.fence ?? 0, t?.id ?? 0)
  if (number > 0) raiseFenceSeq(db, number)
}
