import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/index.ts'
import { clockPutOn, currentHolder, holderAlive, openSqliteStore, type Store } from '../../src/store/index.ts'
import { createEnv, ENV, event } from '../../src/testing/store-fixtures.ts'
import { ended, runChild, tempFolder } from './child.ts'

const folder = tempFolder()
const path = join(folder.path, 'state.db')
let store: Store
beforeAll(async () => {
  store = await openSqliteStore({ path })
  await store.commit([createEnv()], { env: ENV })
})
afterAll(async () => {
  await store.close()
  folder.remove()
})

/** Times leave room for a machine that is busy with other tests: the thread must start within the life of the lease. */
const HOLD = (scope: string, ttlMs: number, keep: boolean) => `
  const s = await store.openSqliteStore({ path })
  const got = await s.lease.acquire('${scope}', store.currentHolder(), ${ttlMs})
  ${keep ? "s.lease.keep(got.granted, 50, (why) => console.log('lost', why))" : ''}
  console.log('held')
  const until = Date.now() + 4500
  while (Date.now() < until); // a provider that lets nothing else run
  await new Promise((next) => setTimeout(next, 50))
  console.log('done')
  await s.lease.release(got.granted)
  await s.close()
`

const TRY_MS = 60_000
const HOUR = 3_600_000

describe('leases between processes', () => {
  test('a provider that blocks the main thread does not lose the lease', async () => {
    const child = runChild(path, HOLD('blocked', 2_000, true))
    const end = ended(child)
    await new Promise((up) => child.stdout?.once('data', up))
    for (let i = 0; i < 40; i++) {
      expect(await store.lease.acquire('blocked', currentHolder(), TRY_MS)).toHaveProperty('heldBy.holder.pid', child.pid)
      await new Promise((next) => setTimeout(next, 100))
    }
    expect((await end).out).toBe('held\ndone\n')
    expect((await store.leases()).filter((l) => l.scope === 'blocked')).toEqual([])
  })

  test('the lease of a process that was killed is taken over at once', async () => {
    const child = runChild(path, HOLD('killed', 3_600_000, true))
    const end = ended(child)
    await new Promise((up) => child.stdout?.once('data', up))
    expect(await store.lease.acquire('killed', currentHolder(), TRY_MS)).toHaveProperty('heldBy')
    child.kill('SIGKILL')
    await end
    const got = await store.lease.acquire('killed', currentHolder(), TRY_MS)
    expect(got).toHaveProperty('tookOver.holder.pid', child.pid)
    if ('granted' in got) await store.lease.release(got.granted)
  })

  test('a lease that nobody renews ends with its time', async () => {
    const child = runChild(path, HOLD('expired', 300, false))
    const end = ended(child)
    await new Promise((up) => child.stdout?.once('data', up))
    await new Promise((next) => setTimeout(next, 500))
    const got = await store.lease.acquire('expired', currentHolder(), TRY_MS)
    expect(got).toHaveProperty('tookOver.holder.pid', child.pid)
    if ('granted' in got) {
      await store.commit([event('x')], { env: ENV, fence: { scope: 'expired', fence: got.granted.fence } })
      await store.lease.release(got.granted)
    }
    child.kill('SIGKILL')
    await end
  })

  test('a waiter that was killed loses its place at once; who comes after it is served', async () => {
    const held = await store.lease.acquire('queued', currentHolder(), TRY_MS)
    if (!('granted' in held)) throw new Error('not granted')
    const child = runChild(path, `
      const s = await store.openSqliteStore({ path })
      const got = await s.lease.acquire('queued', store.currentHolder(), 60000, { ticket: 'new' })
      console.log(got.ticket.id)
      setTimeout(() => {}, 60000)
    `)
    const end = ended(child)
    await new Promise((up) => child.stdout?.once('data', up))
    const me = currentHolder()
    const mine = await store.lease.acquire('queued', me, TRY_MS, { ticket: 'new' })
    if (!('heldBy' in mine) || !mine.ticket) throw new Error('no place')
    expect((await store.tickets()).map((t) => t.holder.pid)).toEqual([child.pid, process.pid])
    await store.lease.release(held.granted)
    expect(await store.lease.acquire('queued', me, TRY_MS, { ticket: mine.ticket.id })).toHaveProperty('behind.holder.pid', child.pid)
    child.kill('SIGKILL')
    await end
    const got = await store.lease.acquire('queued', me, TRY_MS, { ticket: mine.ticket.id })
    expect(got).toHaveProperty('granted')
    expect(await store.tickets()).toEqual([])
    if ('granted' in got) await store.lease.release(got.granted)
  })

  test('twenty processes that wait for one lease get it in the order in which they came', async () => {
    const held = await store.lease.acquire('line', currentHolder(), TRY_MS)
    if (!('granted' in held)) throw new Error('not granted')
    const children = []
    const order: number[] = []
    for (let i = 0; i < 20; i++) {
      const child = runChild(path, `
        const s = await store.openSqliteStore({ path })
        const me = store.currentHolder()
        let got = await s.lease.acquire('line', me, 60000, { ticket: 'new' })
        console.log('waits')
        while (!('granted' in got)) {
          await new Promise((next) => setTimeout(next, 20))
          got = await s.lease.acquire('line', me, 60000, { ticket: got.ticket.id })
        }
        console.log('got')
        await new Promise((next) => setTimeout(next, 5))
        await s.lease.release(got.granted)
        await s.close()
      `)
      child.stdout?.on('data', (d) => { if (String(d).includes('got')) order.push(i) })
      const end = ended(child)
      await new Promise((up) => child.stdout?.once('data', up)) // they come one after the other
      children.push(end)
    }
    await store.lease.release(held.granted)
    for (const end of children) expect((await end).err).toBe('')
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  }, 120_000)

  test('B8.9#147 a clock that is put on or back by an hour ends no lease early; what is put on is no time that has passed', async () => {
    const file = join(folder.path, 'clock.db')
    let offset = 0
    const clock = { ...systemClock, now: () => Date.now() + offset }
    const mine = await openSqliteStore({ path: file, clock })
    await mine.commit([createEnv()], { env: ENV })
    const other = await openSqliteStore({ path: file, clock })
    const stranger = { ...currentHolder(), host: 'elsewhere' }
    for (const jump of [HOUR, -HOUR]) {
      offset = 0
      const me = currentHolder()
      const held = await mine.lease.acquire(`jump${jump}`, me, 30_000)
      if (!('granted' in held)) throw new Error('not granted')
      offset = jump
      expect(await other.lease.acquire(`jump${jump}`, stranger, 30_000)).toHaveProperty('heldBy.holder.id', me.id)
      expect(await other.lease.acquire(`jump${jump}`, currentHolder(), 30_000)).toHaveProperty('heldBy.holder.id', me.id)
      await expect(other.commit([event('x')], { env: ENV, hold: { scope: `jump${jump}`, holder: stranger, ttlMs: 1, nowMs: clock.now(), after: 'release' } })).rejects.toMatchObject({ code: 'HF4201' })
      await mine.commit([event('goes on')], { env: ENV, fence: { scope: `jump${jump}`, fence: held.granted.fence } })
      await mine.lease.release(held.granted)
    }
    // Time that passes ends it, as ever.
    offset = 0
    const short = await mine.lease.acquire('short', currentHolder(), 0)
    expect(short).toHaveProperty('granted')
    expect(await other.lease.acquire('short', stranger, 1)).toHaveProperty('granted')
    await mine.close()
    await other.close()
    expect(clockPutOn(currentHolder(), Date.now() + HOUR)).toBeGreaterThan(HOUR - 1_000)
    expect(clockPutOn(stranger, Date.now() + HOUR)).toBe(0)
  })

  test('a holder is alive, dead, or not to be told', () => {
    const me = currentHolder()
    expect(holderAlive(me)).toBe(true)
    expect(holderAlive({ ...me, startedAt: `${me.startedAt}1` })).toBe(false)
    expect(holderAlive({ ...me, pid: 2 ** 22 + 1 })).toBe(false)
    expect(holderAlive({ ...me, host: 'elsewhere' })).toBeUndefined()
    expect(holderAlive({ ...me, bootId: 'earlier' })).toBeUndefined()
    expect(currentHolder().id).not.toBe(me.id)
  })
})
