import type { EpochMs, Millis } from '../base/index.ts'
import { limits, mutant } from '../base/index.ts'
import type { Holder, LeaseMode, LeaseRow, TicketRow } from '../state/index.ts'
import type { Hold } from './port.ts'

/**
 * Names of scopes. `*` is the whole store, `app/env` a state, `app/env:db` a component, `app/env:db/disk` a component inside it.
 * What a scope covers follows from its name, so nobody can forget to mark the scopes around the one he takes.
 */
const STORE_SCOPE = '*'

/** Whether `inner` lies inside of `outer`; a scope does not lie inside itself. */
export function covers(outer: string, inner: string): boolean {
  if (outer === inner) return false
  return outer === STORE_SCOPE || inner.startsWith(outer.includes(':') ? `${outer}/` : `${outer}:`)
}

/** Two holders of one scope. */
const together: Readonly<Record<LeaseMode, readonly LeaseMode[]>> = { IS: ['IS', 'IX', 'S'], IX: ['IS', 'IX'], S: ['IS', 'S'], X: [] }
/** What the holder of an inner scope has on every scope around it. */
const intention = { IS: 'IS', S: 'IS', IX: 'IX', X: 'IX' } as const satisfies Record<LeaseMode, LeaseMode>

interface Wish {
  readonly scope: string
  readonly mode: LeaseMode
}

/** Whether two holders cannot be there at the same time. Symmetric. */
export function conflict(a: Wish, b: Wish): boolean {
  if (a.scope === b.scope) return !together[a.mode].includes(b.mode)
  if (covers(a.scope, b.scope)) return !together[a.mode].includes(intention[b.mode])
  if (covers(b.scope, a.scope)) return !together[b.mode].includes(intention[a.mode])
  return false
}

export interface GrantRows {
  readonly leases: readonly LeaseRow[]
  readonly tickets: readonly TicketRow[]
  /** Last number that was given to a lease or a ticket. */
  readonly fenceSeq: number
}

export interface GrantRequest extends Wish {
  readonly holder: Holder
  readonly ttlMs: Millis
  readonly nowMs: EpochMs
  /** A place in the queue: the one that was given before, or `new`. Absent: whoever does not wait has no place, and does not push in. */
  readonly ticket: number | 'new' | undefined
}

export type PutOn = (holder: Holder, nowMs: EpochMs) => Millis
const never: PutOn = () => 0

/** What `Leases.acquire` gives. */
export type Acquired =
  | { readonly granted: LeaseRow; readonly tookOver: LeaseRow | undefined }
  /** `behind`: nobody holds it, but this one has waited longer; `heldBy` then says who it is. `ticket`: the caller's own place, when he asked for one. */
  | { readonly heldBy: LeaseRow; readonly behind?: TicketRow; readonly ticket?: TicketRow }

/** What must become true with the answer, in one transaction. Empty when nothing changes. */
export interface GrantActs {
  readonly dropLeases: readonly LeaseRow[]
  readonly dropTickets: readonly TicketRow[]
  readonly putLease?: LeaseRow
  readonly putTicket?: TicketRow
  /** Only the life of a place is made longer: a heartbeat. */
  readonly beat?: true
}

/**
 * Who gets a scope. Pure: the same rows and the same request give the same answer in every store.
 *
 * Granted when no living holder and no living waiter with an earlier place conflicts with it. A holder or waiter has gone when its time has passed,
 * or when `alive` knows that its process is dead; holders that have gone and conflict are replaced. Every number is higher than all before it.
 * `putOn`: by how much the clock was put on since the holder looked at it; that is no time that has passed.
 */
export function grant(rows: GrantRows, request: GrantRequest, alive: (holder: Holder) => boolean | undefined, putOn: PutOn = never): { readonly answer: Acquired; readonly acts: GrantActs } {
  const { scope, mode, holder, nowMs } = request
  const endOf = (row: LeaseRow | TicketRow) => (mutant('renewal-ignored') && 'grantedAt' in row ? row.grantedAt + request.ttlMs : row.expiresAt)
  const lives = (row: LeaseRow | TicketRow) => (endOf(row) + Math.max(0, putOn(row.holder, nowMs)) > nowMs || mutant('lease-never-ends')) && alive(row.holder) !== false
  const own = typeof request.ticket === 'number' ? rows.tickets.find((t) => t.id === request.ticket) : undefined
  const inTheWay = rows.leases.filter((l) => conflict(l, request)).sort((a, b) => a.fence - b.fence)
  const held = inTheWay.find(lives)
  const ahead = held ? undefined : first(rows.tickets.filter((t) => t !== own && t.id < (own?.id ?? Number.POSITIVE_INFINITY) && conflict(t, request) && lives(t)))
  const gone = () => rows.tickets.filter((t) => t !== own && !lives(t))
  const number = rows.fenceSeq + (mutant('fence-not-raised') && rows.fenceSeq > 0 ? 0 : 1)
  if (!held && !ahead) {
    const granted: LeaseRow = { scope, mode, holder, fence: number, grantedAt: nowMs, expiresAt: nowMs + request.ttlMs }
    return {
      answer: { granted, tookOver: inTheWay.find((l) => l.scope === scope) ?? inTheWay[0] },
      acts: { dropLeases: inTheWay, dropTickets: own ? [own, ...gone()] : gone(), putLease: granted },
    }
  }
  const expiresAt = nowMs + limits.ticketTtlMs
  const ticket: TicketRow | undefined = request.ticket === undefined ? undefined
    : own ? (own.expiresAt - nowMs > limits.ticketTtlMs / 2 ? own : { ...own, expiresAt })
      : { id: number, scope, mode, holder, askedAt: nowMs, expiresAt }
  const answer: Acquired = { heldBy: held ?? asHolder(ahead as TicketRow), ...(ahead && { behind: ahead }), ...(ticket && { ticket }) }
  if (ticket === own) return { answer, acts: { dropLeases: [], dropTickets: [] } }
  return { answer, acts: { dropLeases: [], dropTickets: own ? [] : gone(), putTicket: ticket as TicketRow, ...(own && { beat: true }) } }
}

/**
 * The lease of a commit that takes it, keeps it or gives it back in its own transaction. Who has it already is not asked again; anybody else is
 * asked for as by {@link grant}, without a place in the queue.
 */
export function hold(rows: GrantRows, wish: Hold, alive: (holder: Holder) => boolean | undefined, putOn: PutOn = never): { readonly heldBy: LeaseRow } | { readonly acts: GrantActs } {
  const { scope, holder, ttlMs, nowMs, after, force } = wish
  const own = rows.leases.find((l) => l.scope === scope && l.mode === 'X' && l.holder.id === holder.id)
  if (own) {
    if (after === 'release') return { acts: { dropLeases: [own], dropTickets: [] } }
    return { acts: { dropLeases: [], dropTickets: [], ...(own.expiresAt < nowMs + ttlMs / 2 && { putLease: { ...own, expiresAt: nowMs + ttlMs } }) } }
  }
  // What the same holder has inside or around is not in its own way.
  const taken = force === undefined ? [] : rows.leases.filter((l) => force.includes(l.fence) && conflict(l, { scope, mode: 'X' }))
  const others = { ...rows, leases: rows.leases.filter((l) => l.holder.id !== holder.id && !taken.includes(l)), ...(force && { tickets: [] }) }
  const { answer, acts } = grant(others, { scope, mode: 'X', holder, ttlMs, nowMs, ticket: undefined }, alive, putOn)
  if ('heldBy' in answer) return { heldBy: answer.heldBy }
  return { acts: after === 'keep' ? { ...acts, dropLeases: [...acts.dropLeases, ...taken] } : { dropLeases: taken, dropTickets: [] } }
}

/** A lease in other hands: see `Leases.transfer`. Undefined: it is not there any more. */
export function handOver(rows: GrantRows, wish: HandOver): { readonly granted: LeaseRow; readonly acts: GrantActs } | undefined {
  const old = rows.leases.find((l) => l.scope === wish.scope && l.fence === wish.fence)
  if (!old) return undefined
  const granted: LeaseRow = { ...old, holder: wish.to, fence: rows.fenceSeq + 1, expiresAt: wish.nowMs + wish.ttlMs }
  return { granted, acts: { dropLeases: [old], dropTickets: [], putLease: granted } }
}

export interface HandOver {
  readonly scope: string
  readonly fence: number
  readonly to: Holder
  readonly ttlMs: Millis
  readonly nowMs: EpochMs
}

const first = (tickets: readonly TicketRow[]) => tickets.reduce<TicketRow | undefined>((a, b) => (a && a.id < b.id ? a : b), undefined)
/** Who is next has it, as far as the others are concerned. */
const asHolder = (t: TicketRow): LeaseRow => ({ scope: t.scope, mode: t.mode, holder: t.holder, fence: 0, grantedAt: t.askedAt, expiresAt: t.expiresAt })
