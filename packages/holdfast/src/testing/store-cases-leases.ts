import assert from 'node:assert/strict'
import type { LeaseMode, LeaseRow, TicketRow } from '../state/index.ts'
import type { AcquireOptions, Store } from '../store/index.ts'
import { isBug, refused, started, type Case } from './store-case.ts'
import { ENV, event, holder, put, resourceRow } from './store-fixtures.ts'

const TTL = 60_000
const ask = (store: Store, scope: string, id: string, options?: AcquireOptions) => store.lease.acquire(scope, holder({ id }), TTL, options)

async function got(store: Store, scope: string, id: string, mode?: LeaseMode): Promise<LeaseRow> {
  const answer = await ask(store, scope, id, mode && { mode })
  assert('granted' in answer, `${id} gets ${scope}`)
  return answer.granted
}

/** Who stands in the way. */
async function blocked(store: Store, scope: string, id: string, options?: AcquireOptions): Promise<string> {
  const answer = await ask(store, scope, id, options)
  assert('heldBy' in answer, `${id} does not get ${scope}`)
  return answer.heldBy.holder.id
}

/** Leases with levels and modes, and the queue. */
export const leaseCases: Readonly<Record<string, Case>> = {
  'two holders of two components work at the same time; what is around both is taken': async ({ store, second }) => {
    const other = second ? await second() : store
    const db = await got(store, 'shop/prod:db', 'one')
    const web = await got(other, 'shop/prod:web', 'two')
    assert(web.fence > db.fence)
    assert.equal(await blocked(store, 'shop/prod:db', 'three'), 'one')
    assert.equal(await blocked(store, 'shop/prod:db/disk', 'three'), 'one')
    assert.equal(await blocked(store, 'shop/prod', 'three'), 'one')
    assert.equal(await blocked(store, '*', 'three'), 'one')
    await got(store, 'shop/prod:dbx', 'three')
    await got(store, 'shop/prod2', 'three')
    await got(store, 'shop/prod:.', 'three')
    await store.lease.release(db)
    assert.equal(await blocked(store, 'shop/prod', 'four'), 'two') // the one who has it longest
    assert.deepEqual((await store.leases()).map((l) => [l.scope, l.mode, l.holder.id]), [['shop/prod2', 'X', 'three'], ['shop/prod:.', 'X', 'three'], ['shop/prod:dbx', 'X', 'three'], ['shop/prod:web', 'X', 'two']])
  },
  'the holder of a state has all of its components, and the holder of the store has every state': async ({ store }) => {
    const state = await got(store, 'shop/prod', 'one')
    assert.equal(await blocked(store, 'shop/prod:db', 'two'), 'one')
    await store.lease.release(state)
    const all = await got(store, '*', 'three')
    assert.equal(await blocked(store, 'shop/prod', 'two'), 'three')
    assert.equal(await blocked(store, 'other/default:a/b', 'two'), 'three')
    await store.lease.release(all)
    await got(store, 'shop/prod:db', 'two')
  },
  'those who only rely on a scope share it, and keep away who wants to change it': async ({ store }) => {
    const [a, b] = [await got(store, 'shop/prod:db', 'one', 'S'), await got(store, 'shop/prod:db', 'two', 'S')]
    assert.notEqual(a.fence, b.fence)
    assert.equal((await store.leases()).length, 2)
    assert.equal(await blocked(store, 'shop/prod:db', 'three'), 'one')
    assert.equal(await blocked(store, 'shop/prod', 'three', { mode: 'X' }), 'one')
    await got(store, 'shop/prod', 'four', 'S')
    assert.equal(await blocked(store, 'shop/prod:web', 'five'), 'four')
    await store.lease.release(a)
    assert.equal(await blocked(store, 'shop/prod:db', 'three'), 'two')
    await store.lease.release(b)
    assert.equal(await blocked(store, 'shop/prod:db', 'three'), 'four')
  },
  'a commit under the lease of a component changes that component, and needs that lease': async ({ store }) => {
    await started(store)
    const db = await got(store, 'shop/default:db', 'one')
    const fence = { scope: db.scope, fence: db.fence }
    await store.commit([put(resourceRow('u1', { address: 'db/main' })), event('mine')], { env: ENV, fence })
    await isBug(store.commit([put(resourceRow('u2', { address: 'web/main' }))], { env: ENV, fence }))
    await isBug(store.commit([put(resourceRow('u2', { address: 'dbx/main' }))], { env: ENV, fence }))
    await refused('HF4203', store.commit([event('none')], { env: ENV, fence: { scope: 'shop/default', fence: db.fence } }))
    await store.lease.release(db)
    const relying = await got(store, 'shop/default:db', 'two', 'S')
    await refused('HF4203', store.commit([event('late')], { env: ENV, fence }))
    await refused('HF4203', store.commit([event('only relying')], { env: ENV, fence: { scope: relying.scope, fence: relying.fence } }))
    const inside = await got(store, 'shop/default:web', 'three', 'IX')
    await store.commit([put(resourceRow('u3', { address: 'web/main' }))], { env: ENV, fence: { scope: inside.scope, fence: inside.fence } })
    const outside = await got(store, 'shop/default:.', 'four')
    await store.commit([put(resourceRow('u4', { address: 'alone' }))], { env: ENV, fence: { scope: outside.scope, fence: outside.fence } })
    await isBug(store.commit([put(resourceRow('u5', { address: 'web/other' }))], { env: ENV, fence: { scope: outside.scope, fence: outside.fence } }))
  },
  'twenty who wait for one lease get it in the order in which they came': async ({ store, second }) => {
    const stores = [store, second ? await second() : store]
    const of = (i: number) => stores[i % 2] as Store
    let held = await got(store, 'shop/prod', 'first')
    const places: TicketRow[] = []
    for (let i = 0; i < 20; i++) {
      const answer = await ask(of(i), 'shop/prod', `w${i}`, { ticket: 'new' })
      assert('heldBy' in answer && answer.ticket)
      places.push(answer.ticket)
    }
    assert.deepEqual((await store.tickets()).map((t) => t.holder.id), places.map((_, i) => `w${i}`))
    const served: string[] = []
    while (served.length < 20) {
      await of(served.length).lease.release(held)
      // Everybody asks, the last ones first; whoever has no place asks, too.
      assert.equal(await blocked(store, 'shop/prod', 'pushing'), `w${served.length}`)
      let next: LeaseRow | undefined
      for (let i = 19; i >= served.length; i--) {
        const answer = await ask(of(i), 'shop/prod', `w${i}`, { ticket: (places[i] as TicketRow).id })
        if ('granted' in answer) {
          assert.equal(next, undefined)
          next = answer.granted
        } else if (next === undefined) assert.equal(answer.behind?.id, (places[served.length] as TicketRow).id)
      }
      assert(next)
      served.push(next.holder.id)
      held = next
    }
    assert.deepEqual(served, places.map((_, i) => `w${i}`))
    assert.deepEqual(await store.tickets(), [])
  },
  'a place that is given up holds nobody up, and a place for another component neither': async ({ store }) => {
    const db = await got(store, 'shop/prod:db', 'one')
    const first = await ask(store, 'shop/prod:db', 'two', { ticket: 'new' })
    const second = await ask(store, 'shop/prod:db', 'three', { ticket: 'new' })
    assert('heldBy' in first && first.ticket && 'heldBy' in second && second.ticket)
    await got(store, 'shop/prod:web', 'four')
    await store.lease.release(db)
    assert.equal(await blocked(store, 'shop/prod:db', 'three', { ticket: second.ticket.id }), 'two')
    await store.lease.leave(first.ticket)
    await store.lease.leave(first.ticket)
    const answer = await ask(store, 'shop/prod:db', 'three', { ticket: second.ticket.id })
    assert('granted' in answer && answer.granted.fence > second.ticket.id)
    // A place that is gone is a new place at the end.
    const again = await ask(store, 'shop/prod:db', 'two', { ticket: first.ticket.id })
    assert('heldBy' in again && again.ticket && again.ticket.id > answer.granted.fence)
  },
  'a commit that holds its own lease heeds components, what is around it, and who waits': async ({ store }) => {
    await started(store)
    const db = await got(store, 'shop/default:db', 'one')
    const hold = (scope: string, id: string, after: 'keep' | 'release') => store.commit([event(id)], { env: ENV, hold: { scope, holder: holder({ id }), ttlMs: TTL, nowMs: db.grantedAt, after } })
    await refused('HF4201', hold('shop/default', 'two', 'release'))
    await refused('HF4201', hold('shop/default:db/disk', 'two', 'release'))
    const { lease } = await hold('shop/default:web', 'two', 'keep')
    assert.deepEqual(lease, (await store.leases()).find((l) => l.scope === 'shop/default:web'))
    // Its own leases inside and around are in nobody's way but the others'.
    assert.equal((await hold('shop/default:web/api', 'two', 'release')).lease, undefined)
    assert.equal(await blocked(store, 'shop/default:web', 'three'), 'two')
    const place = await ask(store, 'shop/default:db', 'three', { ticket: 'new' })
    assert('heldBy' in place && place.ticket)
    await store.lease.release(db)
    await refused('HF4201', hold('shop/default:db', 'four', 'release'))
    await store.lease.leave(place.ticket)
    await hold('shop/default:db', 'four', 'release')
    await hold('shop/default:web', 'two', 'release')
    assert.deepEqual(await store.leases(), [])
    assert.equal((await store.events(ENV, { seq: 1 }, 9)).length, 4)
  },
  'a lease that is handed over goes on without a gap, and who gave it away writes nothing under it': async ({ store, second }) => {
    await started(store)
    const other = second ? await second() : store
    const mine = await got(store, 'shop/default', 'one')
    const place = await ask(other, 'shop/default', 'waiting', { ticket: 'new' })
    assert('heldBy' in place && place.ticket)
    const theirs = await store.lease.transfer(mine, holder({ id: 'two' }), TTL)
    assert.deepEqual([theirs.scope, theirs.mode, theirs.grantedAt, theirs.holder.id], ['shop/default', 'X', mine.grantedAt, 'two'])
    assert(theirs.fence > place.ticket.id)
    assert.deepEqual(await other.leases(), [theirs])
    await refused('HF4203', store.commit([event('late')], { env: ENV, fence: { scope: mine.scope, fence: mine.fence } }))
    await other.commit([event('mine now')], { env: ENV, fence: { scope: theirs.scope, fence: theirs.fence } })
    await refused('HF4203', store.lease.transfer(mine, holder({ id: 'three' }), TTL))
    assert.equal(await blocked(store, 'shop/default', 'waiting', { ticket: place.ticket.id }), 'two')
    await store.lease.release(mine) // is not the one that is there
    assert.deepEqual(await other.leases(), [theirs])
    await other.lease.release(theirs)
    assert('granted' in (await ask(store, 'shop/default', 'waiting', { ticket: place.ticket.id })))
    const shared = await got(store, 'shop/default:db', 'one', 'S').catch(() => undefined)
    assert.equal(shared, undefined) // the one who waited has all of it
  },
  'a shared lease is handed over as a shared one': async ({ store }) => {
    const [a, b] = [await got(store, 'shop/prod:db', 'one', 'S'), await got(store, 'shop/prod:db', 'two', 'S')]
    const theirs = await store.lease.transfer(a, holder({ id: 'three' }), TTL)
    assert.equal(theirs.mode, 'S')
    assert.deepEqual((await store.leases()).map((l) => l.holder.id), ['two', 'three'])
    await store.lease.release(b)
    assert.equal(await blocked(store, 'shop/prod:db', 'four'), 'three')
  },
  'a lease is kept no more by who handed it over': async ({ store }) => {
    const old = await store.lease.acquire('shop/prod', holder({ id: 'one' }), 60_000)
    assert('granted' in old)
    store.lease.keep(old.granted, 10, () => undefined)
    const theirs = await store.lease.transfer(old.granted, holder({ id: 'two' }), 0)
    await new Promise((next) => setTimeout(next, 40))
    assert.deepEqual((await store.leases()).map((l) => [l.holder.id, l.expiresAt]), [['two', theirs.expiresAt]])
  },
  'a lease is taken away by force only where it is named, together with what is written about it': async ({ store, second }) => {
    await started(store)
    const other = second ? await second() : store
    const db = await got(store, 'shop/default:db', 'one')
    const web = await got(store, 'shop/default:web', 'two')
    const elsewhere = await got(store, 'shop/prod', 'three')
    const place = await ask(store, 'shop/default', 'waiting', { ticket: 'new' })
    const force = (fences: readonly number[], after: 'keep' | 'release', kind: string) =>
      other.commit([event(kind)], { env: ENV, hold: { scope: 'shop/default', holder: holder({ id: 'strong' }), ttlMs: TTL, nowMs: db.grantedAt, after, force: fences } })
    await refused('HF4201', force([db.fence], 'release', 'not all of them'))
    assert.equal((await store.leases()).length, 3)
    await force([db.fence, web.fence, elsewhere.fence], 'release', 'forced')
    assert.deepEqual((await store.leases()).map((l) => l.holder.id), ['three']) // it was not in the way
    await refused('HF4203', store.commit([event('late')], { env: ENV, fence: { scope: db.scope, fence: db.fence } }))
    assert.equal((await store.events(ENV, { seq: 1 }, 9)).map((e) => e.kind).join(), 'forced')
    assert('heldBy' in place && place.ticket)
    const next = await ask(store, 'shop/default', 'waiting', { ticket: place.ticket.id })
    assert('granted' in next && next.granted.fence > elsewhere.fence)
    // Taken at once, over whoever waits.
    await ask(store, 'shop/default', 'again', { ticket: 'new' })
    await force([next.granted.fence], 'keep', 'taken')
    assert.deepEqual((await store.leases()).map((l) => l.holder.id), ['strong', 'three'])
  },
  'a free lease is given without a place, also to who would wait': async ({ store }) => {
    assert('granted' in (await ask(store, 'shop/prod', 'one', { ticket: 'new' })))
    assert.deepEqual(await store.tickets(), [])
  },
  'a kept lease of a component is lost when the state around it is taken over': async ({ store }) => {
    const old = await store.lease.acquire('shop/prod:db', holder({ id: 'one' }), 0)
    assert('granted' in old)
    const state = await ask(store, 'shop/prod', 'two')
    assert('granted' in state)
    assert.equal(state.tookOver?.fence, old.granted.fence)
    await new Promise<void>((lost) => store.lease.keep(old.granted, 20, () => lost()))
    assert.deepEqual((await store.leases()).map((l) => l.scope), ['shop/prod'])
  },
}
