import { describe, expect, test } from 'vitest'
import { systemClock, systemRandom, type Clock } from '../../base/index.ts'
import { createEnv, ENV, event, holder } from '../../testing/store-fixtures.ts'
import { storeSuite } from '../../testing/store-suite.ts'
import { MemoryStore } from './index.ts'

const clock: Clock = { ...systemClock, now: () => 1_000_000 }

storeSuite('memory', async () => {
  const store = new MemoryStore({ clock, random: systemRandom })
  return {
    store,
    reopen: async () => {
      await store.close()
      return new MemoryStore({ clock, random: systemRandom, tables: store.tables })
    },
    second: async () => new MemoryStore({ clock, random: systemRandom, tables: store.tables }),
    close: () => store.close(),
  }
}, { framework: { describe, test } })

describe('memory store under a simulator', () => {
  test('a crash before a commit loses it, a crash after it loses only the answer', async () => {
    for (const when of ['before', 'after'] as const) {
      const store: MemoryStore = new MemoryStore({ clock, random: systemRandom, faults: { [when]: async (n: number) => { if (n === 2) store.crash() } } })
      await store.commit([createEnv()], { env: ENV })
      const answered = await Promise.race([store.commit([event('a')], { env: ENV }).then(() => true), new Promise((next) => setTimeout(next, 5, false))])
      expect(answered).toBe(false)
      const after = new MemoryStore({ clock, random: systemRandom, tables: store.tables })
      expect((await after.events(ENV, { seq: 0 }, 10)).length).toBe(when === 'before' ? 0 : 1)
    }
  })

  test('a kept lease lives as long as its keeper, without a timer', async () => {
    let now = 0
    const moving: Clock = { ...systemClock, now: () => now }
    const dead = new Set<string>()
    const first = new MemoryStore({ clock: moving, random: systemRandom, isDead: (h) => dead.has(h.id) })
    const second = new MemoryStore({ clock: moving, random: systemRandom, tables: first.tables, isDead: (h) => dead.has(h.id) })
    const got = await first.lease.acquire('a', holder(), 100)
    if (!('granted' in got)) throw new Error('not granted')
    first.lease.keep(got.granted, 30, () => {})
    now = 1000
    expect(await second.lease.acquire('a', holder({ id: 'h-2' }), 100)).toHaveProperty('heldBy')
    first.crash()
    expect(await second.lease.acquire('a', holder({ id: 'h-2' }), 100)).toHaveProperty('heldBy')
    dead.add('h-1')
    expect(await second.lease.acquire('a', holder({ id: 'h-2' }), 100)).toHaveProperty('granted')
  })
})
