import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/index.ts'
import { createEnv, ENV, event } from '../../src/testing/store-fixtures.ts'
import { ended, runChild, tempFolder } from './child.ts'

const folder = tempFolder()
afterAll(() => folder.remove())
const fresh = (name: string) => join(folder.path, name, 'state.db')

/** Commits whose event says when the commit was acknowledged to be on its way: the lag counts from before the commit. */
const WRITER = (n: number, everyMs: number) => `
  const s = await store.openSqliteStore({ path })
  for (let i = 0; i < ${n}; i++) {
    await s.commit([{ t: 'event', at: Date.now(), kind: 'tick', data: String(i) }], { env: store.ENV })
    await new Promise((next) => setTimeout(next, ${everyMs}))
  }
  await s.close()
`

test('commits of another process are seen within 50 ms (p99), none twice, none left out', async () => {
  const path = fresh('lag')
  const store = await openSqliteStore({ path })
  await store.commit([createEnv()], { env: ENV })
  const N = 150
  const end = ended(runChild(path, WRITER(N, 5)))
  const stop = new AbortController()
  const lags: number[] = []
  const seen: number[] = []
  for await (const e of store.watch(ENV, { from: 1, signal: stop.signal })) {
    lags.push(Date.now() - e.at)
    if (seen.push(Number(e.data)) === N) stop.abort()
  }
  expect(seen).toEqual(Array.from({ length: N }, (_, i) => i))
  expect((await end).err).toBe('')
  lags.sort((a, b) => a - b)
  // The bound of the contract is measured by the benchmark alone on a machine; here others run beside it.
  expect(lags[Math.floor(N / 2)]).toBeLessThan(50)
  await store.close()
  expect(readdirSync(join(path, '..'))).toEqual(['state.db'])
}, 60_000)

test('a watcher in another process sees what is written here, ends at its signal, and leaves nothing beside the file', async () => {
  const path = fresh('other')
  const store = await openSqliteStore({ path })
  await store.commit([createEnv(), event('first')], { env: ENV })
  const child = runChild(path, `
    const s = await store.openSqliteStore({ path, readonly: true })
    const stop = new AbortController()
    let n = 0
    for await (const e of s.watch(undefined, { from: 0, signal: stop.signal })) {
      console.log(e.kind)
      if (++n === 300) stop.abort()
    }
    await s.close()
  `)
  const end = ended(child)
  await new Promise((up) => child.stdout?.once('data', up))
  await Promise.all(Array.from({ length: 299 }, (_, i) => store.commit([event(`e${i}`)], { env: ENV })))
  await store.close()
  const { out, err, code } = await end
  expect([code, err]).toEqual([0, ''])
  expect(out.trim().split('\n')).toEqual(['first', ...Array.from({ length: 299 }, (_, i) => `e${i}`)])
  expect(readdirSync(join(path, '..'))).toEqual(['state.db'])
}, 60_000)

test('a watch that waits costs next to nothing', async () => {
  const path = fresh('idle')
  const store = await openSqliteStore({ path })
  await store.commit([createEnv()], { env: ENV })
  await store.close()
  const { out, err } = await ended(runChild(path, `
    const s = await store.openSqliteStore({ path, readonly: true })
    const stops = Array.from({ length: 100 }, () => new AbortController())
    const watches = stops.map(async (stop) => { for await (const _ of s.watch(undefined, { from: 'now', signal: stop.signal })); })
    await new Promise((next) => setTimeout(next, 1500)) // it looks less often when nothing happens
    const before = process.cpuUsage()
    await new Promise((next) => setTimeout(next, 3000))
    const { user, system } = process.cpuUsage(before)
    for (const stop of stops) stop.abort()
    await Promise.all(watches)
    await s.close()
    console.log(Math.round((user + system) / 1000))
  `))
  expect(err).toBe('')
  expect(Number(out)).toBeLessThan(150) // ms of processor in 3 s, for a hundred watchers: 5 %
}, 60_000)

test('a watch from before what was compacted fails with HF6009, in whichever process, and goes on from there', async () => {
  const path = fresh('compacted')
  const store = await openSqliteStore({ path })
  await store.commit([createEnv(), event('old')], { env: ENV })
  await store.commit([event('new'), { t: 'events.compact', env: ENV, upTo: 1 }], { env: ENV })
  const { out, err } = await ended(runChild(path, `
    const s = await store.openSqliteStore({ path, readonly: true })
    for (const from of [0, 1]) {
      try {
        for await (const e of s.watch(store.ENV, { from })) {
          console.log(e.kind)
          break
        }
      } catch (e) { console.log(e.code) }
    }
    await s.close()
  `))
  expect([err, out]).toEqual(['', 'HF6009\nnew\n'])
  await store.close()
})
