import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../base/index.ts'
import type { Holder, LeaseMode, LeaseRow, TicketRow } from '../state/index.ts'
import { conflict, covers, grant, type GrantRequest } from './grant.ts'

const SCOPES = ['*', 'a/x', 'a/y', 'a/x:db', 'a/x:db/disk', 'a/x:dbx', 'a/x:.', 'b/x', 'plain'] as const
const MODES: readonly LeaseMode[] = ['IS', 'IX', 'S', 'X']
const holder = (n: number): Holder => ({ id: `h${n}`, host: 'here', bootId: 'b', pid: n, startedAt: '1' })

/** The same rule said another way: every holder writes his mode on his scope and his intention on each scope around it, and the table decides scope by scope. */
const TABLE: Readonly<Record<LeaseMode, Readonly<Record<LeaseMode, boolean>>>> = {
  IS: { IS: true, IX: true, S: true, X: false }, IX: { IS: true, IX: true, S: false, X: false }, S: { IS: true, IX: false, S: true, X: false }, X: { IS: false, IX: false, S: false, X: false },
}
const around: Readonly<Record<string, readonly string[]>> = {
  '*': [], 'a/x': ['*'], 'a/y': ['*'], 'a/x:db': ['*', 'a/x'], 'a/x:db/disk': ['*', 'a/x', 'a/x:db'], 'a/x:dbx': ['*', 'a/x'], 'a/x:.': ['*', 'a/x'], 'b/x': ['*'], plain: ['*'],
}
function marks(w: { readonly scope: string; readonly mode: LeaseMode }): readonly [string, LeaseMode][] {
  const intent: LeaseMode = w.mode === 'S' || w.mode === 'IS' ? 'IS' : 'IX'
  return [[w.scope, w.mode], ...(around[w.scope] as readonly string[]).map((s): [string, LeaseMode] => [s, intent])]
}

test('two wishes conflict exactly when their marks on some scope do not go together, whichever is asked first', () => {
  for (const scope of SCOPES) for (const mode of MODES) for (const other of SCOPES) for (const otherMode of MODES) {
    const [a, b] = [{ scope, mode }, { scope: other, mode: otherMode }]
    const expected = marks(a).some(([s, m]) => marks(b).some(([t, n]) => s === t && !TABLE[m][n]))
    expect([a, b, conflict(a, b)]).toEqual([a, b, expected])
    expect(conflict(b, a)).toBe(expected)
    expect(covers(scope, other)).toBe((around[other] as readonly string[]).includes(scope))
  }
})

type Step =
  | { readonly do: 'ask'; readonly who: number; readonly scope: string; readonly mode: LeaseMode; readonly ticket: 'no' | 'new' | 'own' }
  | { readonly do: 'release'; readonly who: number }
  | { readonly do: 'die'; readonly who: number }
  | { readonly do: 'beat'; readonly who: number }
  | { readonly do: 'pass'; readonly ms: number }

const who = fc.integer({ min: 1, max: 6 })
const steps: fc.Arbitrary<Step[]> = fc.array(fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('ask' as const), who, scope: fc.constantFrom(...SCOPES), mode: fc.constantFrom<LeaseMode>('X', 'X', 'S', 'IX', 'IS'), ticket: fc.constantFrom('no' as const, 'new' as const, 'own' as const, 'own' as const) }) },
  { weight: 3, arbitrary: fc.oneof(fc.record({ do: fc.constant('release' as const), who }), fc.record({ do: fc.constant('beat' as const), who })) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 8_000 }) }) },
), { maxLength: 60 })

const TTL = 20_000

test('whatever happens: no two living holders conflict, nobody overtakes, numbers only grow, and who is first and free of conflict gets it', () => {
  fc.assert(fc.property(steps, (list) => {
    let leases: LeaseRow[] = []
    let tickets: TicketRow[] = []
    let fenceSeq = 0
    let now = 1_000_000
    const dead = new Set<string>()
    const alive = (h: Holder) => (dead.has(h.id) ? false : undefined)
    const lives = (r: LeaseRow | TicketRow) => r.expiresAt > now && !dead.has(r.holder.id)
    let processes = 0
    const process = new Map<number, Holder>()
    const of = (n: number): Holder => {
      const known = process.get(n)
      if (known && !dead.has(known.id)) return known
      const fresh = holder(100 * n + processes++)
      process.set(n, fresh)
      return fresh
    }
    for (const s of list) {
      if (s.do === 'pass') now += s.ms
      else if (s.do === 'die') dead.add(of(s.who).id)
      else if (s.do === 'release') leases = leases.filter((l) => l.holder.id !== of(s.who).id)
      else if (s.do === 'beat') leases = leases.map((l) => (l.holder.id === of(s.who).id ? { ...l, expiresAt: now + TTL } : l))
      else {
        const me = of(s.who)
        const mine = tickets.find((t) => t.holder.id === me.id)
        const wish = s.ticket === 'own' && mine ? { scope: mine.scope, mode: mine.mode } : { scope: s.scope, mode: s.mode }
        const request: GrantRequest = { ...wish, holder: me, ttlMs: TTL, nowMs: now, ticket: s.ticket === 'no' ? undefined : s.ticket === 'own' && mine ? mine.id : 'new' }
        const before = { leases, tickets, fenceSeq }
        const { answer, acts } = grant(before, request, alive)
        expect(grant(before, request, alive)).toEqual({ answer, acts })
        const holders = leases.filter((l) => lives(l) && conflict(l, wish))
        const ahead = tickets.filter((t) => lives(t) && t.id !== request.ticket && conflict(t, wish) && (typeof request.ticket !== 'number' || t.id < request.ticket))
        expect('granted' in answer).toBe(holders.length === 0 && ahead.length === 0)
        leases = leases.filter((l) => !acts.dropLeases.includes(l))
        tickets = tickets.filter((t) => !acts.dropTickets.includes(t) && t.id !== acts.putTicket?.id)
        if (acts.putTicket) tickets.push(acts.putTicket)
        if (acts.putLease) leases.push(acts.putLease)
        const number = acts.putLease?.fence ?? (acts.beat ? undefined : acts.putTicket?.id)
        if (number !== undefined) expect((fenceSeq = number)).toBe(before.fenceSeq + 1)
        if ('granted' in answer) {
          expect([answer.granted.fence, answer.granted.expiresAt]).toEqual([fenceSeq, now + TTL])
          expect(acts.dropLeases.some(lives)).toBe(false)
          expect(tickets.some((t) => t.id === request.ticket)).toBe(false)
        } else {
          expect(answer.behind?.id).toBe(holders.length > 0 ? undefined : Math.min(...ahead.map((t) => t.id)))
          expect(answer.ticket !== undefined).toBe(request.ticket !== undefined)
          if (answer.ticket) expect(tickets.find((t) => t.id === answer.ticket?.id)?.expiresAt).toBeGreaterThan(now + limits.ticketTtlMs / 2 - 1)
        }
        expect(before.tickets.filter((t) => !tickets.some((u) => u.id === t.id)).filter(lives).filter((t) => t.id !== request.ticket)).toEqual([])
      }
      const living = leases.filter(lives)
      for (const a of living) for (const b of living) if (a !== b) expect(conflict(a, b)).toBe(false)
    }
  }), { numRuns: 400 })
})

test('a dead or silent waiter loses his place, and whoever is next moves up', () => {
  const ticket = (id: number, n: number, expiresAt: number): TicketRow => ({ id, scope: 'a/x', mode: 'X', holder: holder(n), askedAt: 0, expiresAt })
  const tickets = [ticket(1, 1, 10_000), ticket(2, 2, 500), ticket(3, 3, 10_000)]
  const ask = (nowMs: number, dead: number) => grant({ leases: [], tickets, fenceSeq: 3 }, { scope: 'a/x', mode: 'X', holder: holder(3), ttlMs: TTL, nowMs, ticket: 3 }, (h) => (h.pid === dead ? false : undefined))
  expect(ask(400, 0).answer).toMatchObject({ behind: { id: 1 } })
  expect(ask(400, 1).answer).toMatchObject({ behind: { id: 2 } })
  const { answer, acts } = ask(600, 1)
  expect(answer).toMatchObject({ granted: { fence: 4 } })
  expect(acts.dropTickets.map((t) => t.id).sort()).toEqual([1, 2, 3])
})
