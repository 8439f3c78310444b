import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/index.ts'
import { ENV } from '../../src/testing/store-fixtures.ts'
import { ended, runChild, tempFolder } from './child.ts'

const folder = tempFolder()
afterAll(() => folder.remove())

const KILLS = Number(process.env.HOLDFAST_KILLS ?? 8)

// Twenty commits in flight, each an event and a row; what was acknowledged goes to a file of its own, number by number.
const COMMIT_FOREVER = `
  import { writeSync, openSync } from 'node:fs'
  const s = await store.openSqliteStore({ path })
  const acks = openSync(path + '.acks', 'a')
  const env = store.ENV
  let first = (await s.env('shop', 'default'))?.seq
  if (first === undefined) first = (await s.commit([store.createEnv()], { env })).seq
  let n = first * 1000
  process.stdout.write('up\\n')
  for (let lane = 0; lane < 20; lane++) (async () => {
    for (;;) {
      const uid = 'u' + String(n++).padStart(12, '0')
      await s.commit([store.put(store.resourceRow(uid)), store.event(uid)], { env })
      writeSync(acks, uid + '\\n')
    }
  })()
`

describe('a process is killed while it commits', () => {
  test(`nothing that was acknowledged is lost, and no commit is there by half (${KILLS} kills)`, async () => {
    const path = join(folder.path, 'a', 'state.db')
    for (let kill = 0; kill < KILLS; kill++) {
      const child = runChild(path, COMMIT_FOREVER)
      const end = ended(child)
      const early = await Promise.race([new Promise<undefined>((up) => child.stdout?.once('data', () => up(undefined))), end])
      expect(early).toBeUndefined()
      await new Promise((next) => setTimeout(next, 5 + Math.random() * 120))
      child.kill('SIGKILL')
      expect((await end).signal).toBe('SIGKILL')

      const store = await openSqliteStore({ path })
      const acked = existsSync(`${path}.acks`) ? readFileSync(`${path}.acks`, 'utf8').split('\n').filter((l) => l.length === 13) : []
      const rows = new Set((await store.resources(ENV, 'current')).map((r) => r.uid))
      const events = new Set((await store.events(ENV, { seq: 0 }, 1e9)).map((e) => e.kind))
      expect(acked.filter((uid) => !rows.has(uid))).toEqual([])
      expect(rows).toEqual(events)
      expect(rows.size).toBe(((await store.env('shop', 'default'))?.seq ?? 0) - 1)
      expect((await store.doctor()).filter((c) => !c.ok && c.name !== 'provisional rows belong to an open run')).toEqual([])
      await store.close()
      expect(existsSync(`${path}-wal`)).toBe(false)
    }
    expect(readFileSync(`${path}.acks`, 'utf8').length).toBeGreaterThan(0)
  }, 120_000)

  const SEVEN_COMMITS = `
    const s = await store.openSqliteStore({ path })
    const env = store.ENV
    const got = await s.lease.acquire('env', store.currentHolder(), 60000)
    s.lease.keep(got.granted, 10, () => {})
    await s.commit([store.createEnv()], { env })
    await new Promise((next) => setTimeout(next, 150))
    await Promise.all([1, 2, 3].map((i) => s.commit([store.event('e' + i)], { env })))
    await s.lease.release(got.granted)
    await s.close()
    console.log(JSON.stringify({ commits: store.commitsMade() }))
  `
  const run = (name: string, failpoint: string | undefined, more: Record<string, string> = { HOLDFAST_TEST: '1' }) =>
    ended(runChild(join(folder.path, name, 'state.db'), SEVEN_COMMITS, { env: { ...process.env, ...more, ...(failpoint ? { HOLDFAST_FAILPOINT: failpoint } : {}) } }))

  test('durable commits are counted: the schema, leases and every transaction alone, but no heartbeat', async () => {
    const { out, code, err } = await run('count', 'count')
    expect(err).toBe('')
    expect([code, out]).toEqual([0, '{"commits":7}\n'])
  })

  test('a failpoint kills before or after the named commit, in whichever thread it is made', async () => {
    for (let n = 1; n <= 7; n++) {
      for (const when of ['before', 'after']) {
        const name = `kill-${n}-${when}`
        expect((await run(name, `commit:${n}:${when}`)).signal).toBe('SIGKILL')
        const store = await openSqliteStore({ path: join(folder.path, name, 'state.db') })
        const made = n - (when === 'before' ? 1 : 0)
        const events = (await store.events(ENV, { seq: 0 }, 10)).length
        expect({ name, events }).toEqual({ name, events: Math.max(0, Math.min(3, made - 3)) })
        expect({ name, leases: (await store.leases()).length }).toEqual({ name, leases: made >= 2 && made < 7 ? 1 : 0 })
        await store.close()
      }
    }
    expect((await run('past', 'commit:8:before')).code).toBe(0)
  }, 60_000)

  test('failpoints are ignored without HOLDFAST_TEST', async () => {
    expect((await run('ignored', 'commit:2:before', { HOLDFAST_TEST: '' })).code).toBe(0)
  })
})
