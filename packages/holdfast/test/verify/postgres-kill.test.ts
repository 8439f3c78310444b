import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endStrays, installed, processesOf, type Installed, type Ran } from '../support/cli.ts'
import { database, type Database } from '../support/database.ts'
import { needPostgres } from '../support/postgres.ts'

const pg = needPostgres()
/** Points of one command at which it is killed, when it has more commits than that. */
const POINTS_MAX = Number(process.env.HOLDFAST_KILL_POINTS ?? 6)
const BUDGET_MS = Number(process.env.HOLDFAST_KILL_MS ?? 90_000)

let place: Installed
beforeAll(() => {
  place = installed()
})
afterAll(() => {
  const strays = endStrays(place.home)
  place.dispose()
  expect(strays).toEqual([])
})

const failpoint = (what: string) => ({ env: { HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: what } })
const commitsOf = (ran: Ran): number => JSON.parse(ran.stderr.trimEnd().split('\n').at(-1) ?? '').commits
/** Before and after commits 1 to `commits`, spread evenly. */
function pointsOf(commits: number): string[] {
  const all = Array.from({ length: commits * 2 }, (_, i) => `commit:${(i >> 1) + 1}:${i % 2 === 0 ? 'before' : 'after'}`)
  return all.length <= POINTS_MAX ? all : Array.from({ length: POINTS_MAX }, (_, i) => all[Math.round((i * (all.length - 1)) / (POINTS_MAX - 1))] as string)
}

const untilThere = (path: string) => async (ended: AbortSignal): Promise<void> => {
  while (!ended.aborted && !existsSync(path)) await new Promise((done) => setTimeout(done, 2))
}

/** It is up as the program says, whoever died before. */
async function expectUp(db: Database, after: string): Promise<string> {
  const up = await db.apply()
  expect(up.code, `${after}: ${up.stderr}`).toBe(0)
  const password = await db.password()
  expect(db.sql(password, 'select count(*) from pg_database'), after).toBe('3')
  expect(() => db.sql('another', 'select 1')).toThrow(/password authentication failed/)
  expect(await db.trash(), after).toEqual([])
  expect(db.left().sort(), after).toEqual(['data', 'secrets'])
  expect(processesOf(db.project.root).filter((p) => p.kind === 'supervisor'), after).toHaveLength(1)
  expect((await db.project.call(['status'])).json, after).toMatchObject({ open: [], openRun: null, pendingDeletes: [] })
  expect((await db.project.call(['state', 'doctor'])).json.ok, after).toBe(true)
  expect(readdirSync(join(db.project.root, '.holdfast')).filter((n) => n.endsWith('-wal')), after).toEqual([])
  return password
}

describe('killed while initdb fills the folder', () => {
  // What initdb makes, in the order in which it does.
  for (const [seen, creates] of [['data/pg_wal', undefined], ['data/PG_VERSION', undefined], ['data/global', undefined], ['data/base/4', undefined], ['data/base/5', undefined], ['data/PG_VERSION', 'PG_VERSION'], ['data/base/4', 'PG_VERSION']] as const) {
    test(`when ${seen} is there, the next apply fills it from the beginning${creates ? `; initdb creates ${creates}` : ''}`, async () => {
      const db = await database(place, pg, `initdb-${seen.replaceAll('/', '-')}-${creates ?? ''}`, creates === undefined ? {} : { creates })
      const killed = db.apply({ kill: untilThere(join(db.project.root, seen)) })
      expect((await killed).signal).toBe('SIGKILL')
      await expectUp(db, seen)
      expect(await db.destroy()).toMatchObject({ code: 0 })
      expect(processesOf(db.project.root)).toEqual([])
    })
  }
})

test('killed at its commits, the first apply ends with one cluster that its password opens', async () => {
  const counted = await database(place, pg, 'first-count')
  const commits = commitsOf(await counted.apply(failpoint('count')))
  expect((await counted.destroy()).code).toBe(0)
  const points = pointsOf(commits)
  const until = performance.now() + BUDGET_MS
  let done = 0
  for (const point of points) {
    if (performance.now() > until) break
    const db = await database(place, pg, `first-${point.replaceAll(':', '-')}`)
    expect((await db.apply(failpoint(point))).signal, point).toBe('SIGKILL')
    await expectUp(db, point)
    expect((await db.destroy()).code, point).toBe(0)
    expect(processesOf(db.project.root), point).toEqual([])
    done++
  }
  console.log(`first apply: ${commits} commits, killed at ${done} of ${points.length} points`)
  expect(done).toBeGreaterThan(2)
})

describe('a cluster with data in it', () => {
  let db: Database
  let password = ''
  let inode: number | undefined
  beforeAll(async () => {
    db = await database(place, pg, 'kept')
    password = await expectUp(db, 'first')
    db.sql(password, "create table note (text text); insert into note values ('kept')")
    inode = db.inode()
  })
  afterAll(async () => {
    await db.destroy()
  })
  const expectKept = async (after: string): Promise<void> => {
    expect(await expectUp(db, after), after).toBe(password)
    expect(db.inode(), after).toBe(inode)
    expect(db.sql(password, 'select text from note'), after).toBe('kept')
  }
  const killedAt = async (name: string, act: (o: { env: Record<string, string> }) => Promise<Ran>, before: () => Promise<unknown>): Promise<void> => {
    await before()
    const commits = commitsOf(await act(failpoint('count')))
    await expectKept(`${name}, counted`)
    const points = pointsOf(commits)
    const until = performance.now() + BUDGET_MS
    let done = 0
    for (const point of points) {
      if (performance.now() > until) break
      await before()
      expect((await act(failpoint(point))).signal, `${name} ${point}`).toBe('SIGKILL')
      await expectKept(`${name} ${point}`)
      done++
    }
    console.log(`${name}: ${commits} commits, killed at ${done} of ${points.length} points`)
    expect(done).toBeGreaterThan(2)
  }

  test('killed while it is destroyed, it is whole again after the next apply', () => killedAt('destroy', (o) => db.destroy(o), async () => {}))

  test('killed while it comes back from the trash, it is whole after the next apply', () => killedAt('take back', (o) => db.apply(o), () => db.destroy()))

  test('killed while an apply that brought it back fails and is taken back, it is whole after the next apply', () =>
    killedAt('failing apply', (o) => db.apply({ broken: 'server', ...o }), () => db.destroy()))
})
