import { describe, expect, test } from 'vitest'
import { limits, systemClock, systemRandom, type Clock } from '../../src/base/index.ts'
import { beginRun, compactHistory, showRun } from '../../src/engine/index.ts'
import type { EventRow } from '../../src/state/index.ts'
import { MemoryStore, type Store, type WatchOptions } from '../../src/store/index.ts'
import { buildGraph } from '../../src/program/index.ts'
import { makeLab, never } from '../support/world.ts'

const DAY = 86_400_000

function world(cls: 'B' | 'D' = 'B') {
  let ms = 1_800_000_000_000
  const clock: Clock = { ...systemClock, now: () => ms }
  const store = new MemoryStore({ clock, random: systemRandom })
  return { lab: makeLab({ clock, store, class: cls }), store, later: (by: number) => { ms += by } }
}
const id = async (store: Store) => (await store.env('lab', 'default'))?.id as string
const all = async (store: Store) => store.events(await id(store), { seq: 0 }, 1_000_000)
/** Events that nobody needs: `n` commits of ten. */
async function noise(store: Store, n: number, at: number): Promise<void> {
  const env = await id(store)
  for (let i = 0; i < n; i++) await store.commit(Array.from({ length: 10 }, (_, k) => ({ t: 'event' as const, at, kind: `noise.${k}`, data: '{}' })), { env })
}
async function watched(store: Store, from: WatchOptions['from'], n: number): Promise<EventRow[]> {
  const got: EventRow[] = []
  const stop = new AbortController()
  for await (const e of store.watch(await id(store), { from, signal: stop.signal })) if (got.push(e) === n) stop.abort()
  return got
}

describe('old events', () => {
  test('a run that has committed takes those away that are old and many; what it wrote itself, and the newest, stay', async () => {
    const { lab, store, later } = world()
    const size = (n: number) => lab.apply(() => void lab.Box('one', { name: 'one', size: n }))
    const first = await size(1)
    await noise(store, limits.eventsKeptMin / 10 + 150, lab.cx.clock.now())
    later(limits.eventsKeptMs - DAY)
    const before = await all(store)
    await size(2)
    expect((await all(store)).slice(0, before.length)).toEqual(before) // many, and not old
    later(2 * DAY)
    const run = await size(3)
    const events = await all(store)
    expect(events.length).toBeGreaterThan(limits.eventsKeptMin)
    expect(events.length).toBeLessThan(limits.eventsKeptMin + 40)
    const said = events.filter((e) => e.kind === 'history.compacted').map((e) => JSON.parse(e.data) as { upTo: number; events: number })
    expect(said).toEqual([{ upTo: (events[0] as EventRow).seq - 1, events: expect.any(Number) }])
    expect(((await showRun(lab.cx, run.run as string)).events as { kind: string }[]).map((e) => e.kind)).toContain('run.started')
    expect((await showRun(lab.cx, first.run as string)).events).toEqual([]) // its rows tell of it still
    expect((await showRun(lab.cx, first.run as string)).tasks).toHaveLength(1)
    expect((await store.doctor()).filter((c) => !c.ok)).toEqual([])
    // The next one finds nothing to do.
    await size(4)
    expect((await all(store)).filter((e) => e.kind === 'history.compacted')).toHaveLength(1)
  })

  test('B8.9#144 a watch from before what was taken away is told so (HF6009); the state and a watch from its commit number on miss nothing', async () => {
    const { lab, store, later } = world()
    await lab.apply(() => void lab.Box('one', { name: 'one' }))
    const past = (await store.env('lab', 'default'))?.seq as number
    later(DAY)
    await lab.apply(() => { lab.Box('one', { name: 'one' }); lab.Box('two', { name: 'two' }) })
    const { upTo, events, left } = await compactHistory(lab.cx, { olderMs: 1, keep: undefined })
    expect([upTo, left]).toEqual([past, (await all(store)).length])
    expect(events).toBeGreaterThan(3)
    for (const from of [0, past - 1]) await expect(watched(store, from, 1).catch((e) => [e.code, e.details])).resolves.toEqual(['HF6009', { env: await id(store), from, compactedTo: past }])
    // List, then resume.
    const env = await store.env('lab', 'default')
    expect((await store.resources(await id(store), 'committed')).map((r) => r.address)).toEqual(['one', 'two'])
    const rest = watched(store, env?.seq as number, 2)
    await lab.apply(() => void lab.Box('two', { name: 'two' }))
    const seen = await rest
    expect(seen).toEqual((await all(store)).filter((e) => e.seq > (env?.seq as number)).slice(0, 2))
    expect((await watched(store, past, left))).toEqual((await all(store)).slice(0, left))
  })

  test('what an open run has written stays, however old it is', async () => {
    const { lab, store, later } = world('D')
    await lab.apply(() => void lab.Box('one', { name: 'one' }))
    later(DAY)
    const session = await lab.session()
    lab.cloud.fault('create two', 'lost')
    const open = await session.apply(await session.plan({ graph: buildGraph(lab.app(() => { lab.Box('one', { name: 'one' }); lab.Box('two', { name: 'two' }) }), {}) }), { onFailure: 'revert', stop: never, abort: never })
    await session.end()
    expect(open.outcome).toBe('incomplete')
    later(365 * DAY)
    const written = (await all(store)).findIndex((e) => e.kind === 'run.started' && JSON.parse(e.data).run === open.run)
    const kept = (await all(store)).slice(written)
    const { events } = await compactHistory(lab.cx, { olderMs: 0, keep: 0 })
    expect([written, events]).toEqual([expect.any(Number), written])
    expect((await all(store)).slice(0, kept.length)).toEqual(kept)
    const again = await compactHistory(lab.cx, { olderMs: 0, keep: 0 })
    expect(again.upTo).toBeNull()
  })

  test('nothing is taken away while somebody changes the environment (HF4201)', async () => {
    const { lab, later } = world()
    await lab.apply(() => void lab.Box('one', { name: 'one' }))
    later(DAY)
    await lab.apply(() => void lab.Box('two', { name: 'two' }))
    const run = await beginRun(lab.cx, { lockTimeoutMs: 0, stop: new AbortController().signal })
    await run.plan({ graph: buildGraph(lab.app(() => undefined), {}) })
    await expect(compactHistory(lab.again().cx, { olderMs: 0, keep: 0 }).catch((e) => e.code)).resolves.toBe('HF4201')
    await run.end()
    expect((await compactHistory(lab.cx, { olderMs: 0, keep: 0 })).events).toBeGreaterThan(0)
  })
})
