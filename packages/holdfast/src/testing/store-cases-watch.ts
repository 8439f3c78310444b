import assert from 'node:assert/strict'
import type { EventRow } from '../state/index.ts'
import type { Store, WatchOptions } from '../store/index.ts'
import { ALREADY, refused, type Case } from './store-case.ts'
import { createEnv, ENV, event } from './store-fixtures.ts'

/** What a watch gives until `enough`, and then that it ends. */
async function watched(store: Store, env: string | undefined, from: WatchOptions['from'], enough: (events: readonly EventRow[]) => boolean): Promise<EventRow[]> {
  const stop = new AbortController()
  const got: EventRow[] = []
  if (enough(got)) stop.abort()
  for await (const e of store.watch(env, { from, signal: stop.signal })) {
    got.push(e)
    if (enough(got)) stop.abort()
  }
  return got
}
const until = (n: number) => (events: readonly EventRow[]) => events.length >= n
const names = (events: readonly EventRow[]) => events.map((e) => e.kind)
const pause = (ms: number) => new Promise((next) => setTimeout(next, ms))

/** Watching: in order, from any commit, none twice, none left out. */
export const watchCases: Readonly<Record<string, Case>> = {
  'a watch gives what was committed after any commit, and goes on with what is committed now': async ({ store }) => {
    await store.commit([createEnv(), event('e1'), event('e1b')], ALREADY)
    await store.commit([], ALREADY)
    for (let i = 3; i <= 6; i++) await store.commit([event(`e${i}`)], ALREADY)
    const all = ['e1', 'e1b', 'e3', 'e4', 'e5', 'e6', 'e7']
    const starts = Array.from({ length: 7 }, (_, from) => ({ from, expected: from === 0 ? all : all.filter((name) => Number.parseInt(name.slice(1), 10) > from) }))
    const watches = starts.map(({ from, expected }) => watched(store, ENV, from, until(expected.length)))
    await pause(5)
    await store.commit([event('e7')], ALREADY)
    for (const [i, { expected }] of starts.entries()) assert.deepEqual(names(await (watches[i] as Promise<EventRow[]>)), expected)
    assert.deepEqual(await watched(store, ENV, 0, until(7)), await store.events(ENV, { seq: 0 }, 100))
  },
  'watchers of two stores over one state see every event of both once, in order of commit': async ({ store, second }) => {
    await store.commit([createEnv()], ALREADY)
    const other = second ? await second() : store
    const N = 150
    const watches = [store, other].flatMap((s) => [watched(s, ENV, 0, until(2 * N)), watched(s, ENV, 'now', until(2 * N))])
    await Promise.all([store, other].map(async (s, which) => {
      for (let i = 0; i < N;) {
        const many = Math.min(1 + ((i * 7) % 5), N - i)
        await s.commit(Array.from({ length: many }, (_, k) => event(`${which}-${i + k}`)), ALREADY)
        i += many
      }
    }))
    const truth = await store.events(ENV, { seq: 0 }, 10_000)
    assert.equal(truth.length, 2 * N)
    for (const watch of watches) assert.deepEqual(await watch, truth)
  },
  'a watch ends at the signal, also while it waits, and when the store is closed': async ({ store, second }) => {
    await store.commit([createEnv(), event('a')], ALREADY)
    const stop = new AbortController()
    const it = store.watch(ENV, { from: 0, signal: stop.signal })[Symbol.asyncIterator]()
    assert.equal((await it.next()).value?.kind, 'a')
    const next = it.next()
    await pause(30)
    stop.abort()
    assert.deepEqual(await next, { value: undefined, done: true })
    assert.deepEqual(await watched(store, ENV, 0, until(0)), [])
    if (!second) return
    const other = await second()
    const rest = other.watch(ENV, { from: 'now' })[Symbol.asyncIterator]().next()
    await pause(10)
    await other.close()
    assert.deepEqual(await rest, { value: undefined, done: true })
  },
  'a watcher that falls behind reads on, also in the middle of a large commit': async ({ store }) => {
    await store.commit([createEnv(), ...Array.from({ length: 2_500 }, (_, i) => event(`x${i}`))], ALREADY)
    let given = 0
    const stop = new AbortController()
    for await (const e of store.watch(ENV, { from: 0, signal: stop.signal })) {
      assert.equal(e.kind, `x${given++}`)
      if (given === 700) await store.commit(Array.from({ length: 1_200 }, (_, i) => event(`x${2_500 + i}`)), ALREADY)
      if (given === 3_700) stop.abort()
    }
    assert.equal(given, 3_700)
  },
  'a watch over all environments takes each from its own place, and those that are made later': async ({ store }) => {
    await store.commit([createEnv(), event('a1')], ALREADY)
    await store.commit([createEnv({ id: 'e-2', name: 'prod' }), event('b1')], { env: 'e-2' })
    await store.commit([event('a2')], ALREADY)
    await store.commit([event('b2')], { env: 'e-2' })
    const watch = watched(store, undefined, { [ENV]: 1 }, until(5))
    await pause(5)
    await store.commit([createEnv({ id: 'e-3', name: 'third' }), event('c1')], { env: 'e-3' })
    await store.commit([event('a3')], ALREADY)
    const got = await watch
    const of = (env: string) => names(got.filter((e) => e.env === env))
    assert.deepEqual([of(ENV), of('e-2'), of('e-3')], [['a2', 'a3'], ['b1', 'b2'], ['c1']])
  },
  'events that were compacted are gone, and a watch that would need them says so': async ({ store, reopen }) => {
    await store.commit([createEnv(), event('e1')], ALREADY)
    for (let i = 2; i <= 9; i++) await store.commit([event(`e${i}`)], ALREADY)
    const behind = store.watch(ENV, { from: 0 })[Symbol.asyncIterator]()
    assert.equal((await behind.next()).value?.kind, 'e1')
    assert.deepEqual([await store.eventsKept(ENV), await store.eventsKept('none')], [9, 0])
    await store.commit([event('e10'), { t: 'events.compact', env: ENV, upTo: 6 }], ALREADY)
    assert.equal(await store.eventsKept(ENV), 4)
    assert.deepEqual(names(await store.events(ENV, { seq: 0 }, 100)), ['e7', 'e8', 'e9', 'e10'])
    const again = reopen ? await reopen() : store
    const e = await refused('HF6009', watched(again, ENV, 5, until(1)))
    assert.deepEqual(e.details, { env: ENV, from: 5, compactedTo: 6 })
    await refused('HF6009', watched(again, undefined, 0, until(1)))
    assert.deepEqual(names(await watched(again, ENV, 6, until(4))), ['e7', 'e8', 'e9', 'e10'])
    // Never more than what is past, and never back.
    await again.commit([{ t: 'events.compact', env: ENV, upTo: 99 }, event('e11')], ALREADY)
    await again.commit([{ t: 'events.compact', env: ENV, upTo: 2 }], ALREADY)
    assert.deepEqual(names(await again.events(ENV, { seq: 0 }, 100)), ['e11'])
    await again.commit([event('e13')], ALREADY)
    assert.deepEqual(names(await watched(again, ENV, 10, until(2))), ['e11', 'e13'])
    return again
  },
}
