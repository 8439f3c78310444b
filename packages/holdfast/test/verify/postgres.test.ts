import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endStrays, installed, processesOf, type Installed } from '../support/cli.ts'
import { database, type Database } from '../support/database.ts'
import { needPostgres } from '../support/postgres.ts'
import { leaksOf } from '../support/secret-scan.ts'

const pg = needPostgres()
let place: Installed
beforeAll(() => {
  place = installed()
  console.log(`PostgreSQL ${pg.version}${pg.user ? `, as ${pg.user}` : ''}`)
})
afterAll(() => {
  const strays = endStrays(place.home)
  place.dispose()
  expect(strays).toEqual([])
})

const trashed = (db: Database): number[] => {
  const trash = join(db.project.root, '.holdfast/trash')
  return existsSync(trash) ? readdirSync(trash).map((id) => lstatSync(join(trash, id, 'data')).ino) : []
}

for (const creates of [undefined, 'PG_VERSION']) {
  describe(`a database whose initdb says that it creates ${creates === undefined ? 'the data folder' : `${creates} in it`}`, () => {
    let db: Database
    let inode = 0
    let password = ''
    const passwords: Record<string, string> = {}
    beforeAll(async () => {
      db = await database(place, pg, `db-${creates ?? 'folder'}`, creates === undefined ? {} : { creates })
    })
    afterAll(async () => {
      await db.destroy()
    })
    const outcome = (n: { readonly json: { readonly tasks: readonly { readonly address: string; readonly outcome: string }[] } }, address: string) => n.json.tasks.find((t) => t.address === address)?.outcome

    test('a step after initdb that fails takes everything back: exit 4, the filled folder is in the trash, and nothing else is left', async () => {
      const failed = await db.apply({ broken: 'command' })
      expect(failed, failed.stderr).toMatchObject({ code: 4, json: { outcome: 'reverted', revision: { from: 0, to: 0 }, error: { code: 'HF3108', address: 'check' } } })
      expect(outcome(failed, 'initdb')).toBeDefined()
      expect(db.left()).toEqual([])
      const trash = await db.trash()
      expect(trash).toMatchObject([{ path: join(db.project.root, 'data') }])
      expect((trash[0] as { files: number }).files).toBeGreaterThan(900)
      ;[inode = 0] = trashed(db)
      expect(inode).toBeGreaterThan(0)
    })

    test('so does a server that refuses an option; the same data and password came back for it, and initdb was not run again', async () => {
      const failed = await db.apply({ broken: 'server' })
      expect(failed, failed.stderr).toMatchObject({ code: 4, json: { outcome: 'reverted', error: { code: 'HF3107', address: 'server' } } })
      expect(failed.stderr + failed.stdout).toContain('no_such_setting')
      expect(db.left()).toEqual([])
      expect(trashed(db)).toEqual([inode])
      expect(processesOf(db.project.root)).toEqual([])
    })

    test('applied without the failure, the server starts on that data, and a client logs in with the generated password and with no other', async () => {
      const up = await db.apply()
      expect(up, up.stderr).toMatchObject({ code: 0, json: { outcome: 'applied', revision: { from: 0, to: 1 } } })
      expect(db.inode()).toBe(inode)
      expect(await db.trash()).toEqual([])
      password = await db.password()
      passwords.first = password
      expect(password).toHaveLength(24)
      expect(readFileSync(join(db.project.root, 'secrets/admin'), 'utf8')).toBe(`${password}\n`)
      expect(db.sql(password, 'select count(*) from pg_database')).toBe('3')
      expect(() => db.sql('another', 'select 1')).toThrow(/password authentication failed/)
      db.sql(password, "create table note (text text); insert into note values ('kept')")
      expect(await db.apply()).toMatchObject({ code: 0, json: { outcome: 'unchanged' } })
    })

    test('a change of the running server that fails is taken back, and the data is served as before', async () => {
      const failed = await db.apply({ broken: 'server', connections: 30 })
      expect(failed, failed.stderr).toMatchObject({ code: 4, json: { outcome: 'reverted', revision: { from: 1, to: 1 }, error: { code: 'HF3107', address: 'server' } } })
      expect(db.inode()).toBe(inode)
      expect(db.sql(password, 'select text from note')).toBe('kept')
      expect(db.sql(password, 'show max_connections')).toBe('20')
      expect(await db.apply()).toMatchObject({ code: 0, json: { outcome: 'unchanged' } })
    })

    test('destroyed, nothing runs and the data is in the trash; the next apply has both back', async () => {
      expect(await db.destroy()).toMatchObject({ code: 0, json: { outcome: 'applied' } })
      expect(await db.listening()).toBe(false)
      expect(db.left()).toEqual([])
      expect(trashed(db)).toEqual([inode])
      const up = await db.apply()
      expect(up, up.stderr).toMatchObject({ code: 0 })
      expect(await db.password()).toBe(password)
      expect(db.inode()).toBe(inode)
      expect(db.sql(password, 'select text from note')).toBe('kept')
      expect(await db.trash()).toEqual([])
    })

    test('data that a person takes out of the trash is taken over by the next apply, with its password', async () => {
      await db.destroy()
      const [entry] = await db.trash()
      const restored = await db.project.call(['trash', 'restore', (entry as { id: string }).id, '--yes'])
      expect(restored).toMatchObject({ code: 0, json: { path: join(db.project.root, 'data') } })
      expect(db.inode()).toBe(inode)
      expect(await db.trash()).toEqual([])
      const up = await db.apply()
      expect(up, up.stderr).toMatchObject({ code: 0 })
      expect(db.inode()).toBe(inode)
      expect(existsSync(join(db.project.root, 'data/PG_VERSION'))).toBe(true)
      expect(await db.password()).toBe(passwords.first)
      expect(db.sql(passwords.first as string, 'select text from note')).toBe('kept')
    })

    test('after the trash is emptied the next apply makes a new cluster with a new password', async () => {
      await db.destroy()
      expect(await db.project.call(['trash', 'empty', '--yes'])).toMatchObject({ code: 0 })
      const up = await db.apply()
      expect(up, up.stderr).toMatchObject({ code: 0 })
      passwords.second = await db.password()
      db.sql(passwords.second, "create table note (text text); insert into note values ('second')")
      await db.destroy()
      const [entry] = await db.trash()
      expect(await db.project.call(['trash', 'empty', '--yes'])).toMatchObject({ code: 0, json: { emptied: [(entry as { id: string }).id] } })
      expect(await db.trash()).toEqual([])
      const fresh = await db.apply()
      expect(fresh, fresh.stderr).toMatchObject({ code: 0 })
      passwords.third = await db.password()
      expect(passwords.third).not.toBe(passwords.second)
      expect(() => db.sql(passwords.third as string, 'select text from note')).toThrow(/does not exist/)
      expect(() => db.sql(passwords.second as string, 'select 1')).toThrow(/password authentication failed/)
    })

    test('no password stands in a stream or in a file under .holdfast', () => {
      expect(leaksOf(passwords, { root: db.project.root, texts: db.project.seen })).toEqual([])
    })
  })
}
