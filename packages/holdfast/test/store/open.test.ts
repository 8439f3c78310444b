import { createRequire } from 'node:module'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import { connect, createFile, migrate } from '../../src/store/sqlite/open.ts'
import { migrations } from '../../src/store/sqlite/migrations.ts'
import { driver, isOld, storeFailure } from '../../src/store/sqlite/driver.ts'
import { commitRevision, createEnv, ENV, event, put, resourceRow } from '../../src/testing/store-fixtures.ts'
import { ended, runChild, tempFolder } from './child.ts'

const folder = tempFolder()
afterAll(() => folder.remove())
let files = 0
const fresh = () => join(folder.path, String(files++), 'state.db')
const mode = (file: string) => (statSync(file).mode & 0o777).toString(8)
const noFailpoint = { before() {}, after() {} }

async function filled(path: string): Promise<void> {
  const store = await openSqliteStore({ path })
  await store.commit([createEnv(), put(resourceRow('u1')), commitRevision(0)], { env: ENV })
  await store.close()
}

async function codeOf(act: Promise<Store | undefined>): Promise<unknown> {
  try {
    await (await act)?.close()
    return 'opened'
  } catch (e) {
    return (e as { code?: unknown }).code ?? e
  }
}

describe('opening a state file', () => {
  test('a folder that cannot be made is refused (HF4003), also where the system says that its parent is not there, and it is', async () => {
    const path = process.platform === 'linux' ? '/proc/holdfast/deep/state.db' : '/dev/null/deep/state.db'
    const child = runChild(path, "store.openSqliteStore({ path }).then(() => console.log('opened'), (e) => console.log(e.code))")
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    expect((await ended(child)).out.trim()).toBe('HF4003')
    clearTimeout(late)
  })

  test('the folder and every file are for the owner only, whatever the umask', async () => {
    const path = fresh()
    const old = process.umask(0)
    try {
      const store = await openSqliteStore({ path })
      await store.commit([createEnv()], { env: ENV })
      expect([mode(join(path, '..')), ...['', '-wal', '-shm'].map((s) => mode(path + s))]).toEqual(['700', '600', '600', '600'])
      await store.close()
    } finally {
      process.umask(old)
    }
    chmodSync(path, 0o644)
    await (await openSqliteStore({ path })).close()
    expect(mode(path)).toBe('600')
  })

  test('a folder in the place of the file is refused (HF4003), and stays as open as it was', async () => {
    const path = fresh()
    mkdirSync(path, { recursive: true })
    chmodSync(path, 0o755)
    expect(await codeOf(openSqliteStore({ path }))).toBe('HF4003')
    expect(mode(path)).toBe('755')
  })

  test('a closed store leaves one file, whether it wrote much, little or nothing', async () => {
    for (const commits of [0, 3, 100]) {
      const path = fresh()
      await filled(path)
      const store = await openSqliteStore({ path })
      await Promise.all(Array.from({ length: commits }, () => store.commit([event('e')], { env: ENV })))
      await store.resources(ENV, 'committed')
      await store.doctor()
      for await (const _ of store.export()) break
      await store.close()
      expect(readdirSync(join(path, '..'))).toEqual(['state.db'])
      const reader = await openSqliteStore({ path, readonly: true })
      expect((await reader.resources(ENV, 'committed')).length).toBe(1)
      await reader.close()
      expect(readdirSync(join(path, '..'))).toEqual(['state.db'])
    }
  })

  test('a missing file is made, or not, as asked', async () => {
    const path = fresh()
    expect(await openSqliteStore({ path, createIfMissing: false })).toBeUndefined()
    expect(existsSync(join(path, '..'))).toBe(false)
    expect(await codeOf(openSqliteStore({ path, readonly: true }))).toBe('HF4003')
    expect(await codeOf(openSqliteStore({ path }))).toBe('opened')
  })

  test('a store that only reads refuses to write', async () => {
    const path = fresh()
    await filled(path)
    const store = await openSqliteStore({ path, readonly: true })
    await expect(store.commit([event('x')], { env: ENV })).rejects.toMatchObject({ code: 'HF4003' })
    await store.close()
  })

  test('what is not a database, or not ours, is left as it is (HF4001)', async () => {
    const text = fresh()
    mkdirSync(join(text, '..'))
    writeFileSync(text, 'not a database at all, just some text that is long enough to have a header in it......................')
    const before = readFileSync(text)
    expect(await codeOf(openSqliteStore({ path: text }))).toBe('HF4001')
    expect(readFileSync(text)).toEqual(before)
    const other = fresh()
    mkdirSync(join(other, '..'))
    const db = driver().open(other)
    db.exec('create table somebody (x)')
    db.close()
    const bytes = readFileSync(other)
    expect(await codeOf(openSqliteStore({ path: other }))).toBe('HF4001')
    expect(readFileSync(other)).toEqual(bytes)
  })

  test('a file with torn pages is reported, not read', async () => {
    const path = fresh()
    await filled(path)
    const bytes = readFileSync(path)
    bytes.fill(0xa5, 4096, bytes.length)
    writeFileSync(path, bytes)
    const store = await openSqliteStore({ path }).catch((e: unknown) => e as { code: string })
    if ('code' in store) return expect(store.code).toBe('HF4001')
    await expect(store.resources(ENV, 'current')).rejects.toMatchObject({ code: 'HF4001' })
    await store.close()
  })

  test('an empty file is a new state', async () => {
    const path = fresh()
    mkdirSync(join(path, '..'))
    writeFileSync(path, '')
    expect(await codeOf(openSqliteStore({ path }))).toBe('opened')
  })

  test('a newer schema is refused (HF4002), and nothing is changed', async () => {
    const path = fresh()
    await filled(path)
    const db = connect(path, 'write')
    db.prepare('insert into schema_versions (version, name, at) values (?, ?, ?)').run(99, 'later.sql', 1)
    db.close()
    expect(await codeOf(openSqliteStore({ path }))).toBe('HF4002')
    expect(await codeOf(openSqliteStore({ path, readonly: true }))).toBe('HF4002')
  })

  test('a file that is held by another program for too long is busy (HF4004)', async () => {
    const path = fresh()
    await filled(path)
    const store = await openSqliteStore({ path })
    const child = runChild(path, `
      import { createRequire } from 'node:module'
      const { DatabaseSync } = createRequire(import.meta.url)('@photostructure/sqlite')
      const db = (globalThis.db = new DatabaseSync(path)) // kept: a connection that is collected lets go
      db.exec('begin immediate')
      console.log('held')
      setTimeout(() => {}, 60000)
    `)
    await new Promise((up) => child.stdout?.once('data', up))
    await expect(store.commit([event('x')], { env: ENV })).rejects.toMatchObject({ code: 'HF4004' })
    child.kill('SIGKILL')
    await ended(child)
    await store.commit([event('x')], { env: ENV })
    await store.close()
  }, 20_000)

  test.runIf(process.getuid?.() === 0)('what may not be written is said at once (HF4003), and can still be read', async () => {
    const path = fresh()
    await filled(path)
    chmodSync(folder.path, 0o755)
    chmodSync(join(path, '..'), 0o755)
    chmodSync(path, 0o644)
    const code = `
      const codes = []
      try { await store.openSqliteStore({ path }) } catch (e) { codes.push(e.code) }
      const s = await store.openSqliteStore({ path, readonly: true })
      codes.push((await s.resources(store.ENV, 'committed')).length, (await s.doctor()).filter((c) => !c.ok).map((c) => c.name).join())
      await s.close()
      console.log(codes.join(' '))
    `
    const { out, err } = await ended(runChild(path, code, { uid: 65534, gid: 65534 }))
    expect(err).toBe('')
    expect(out).toBe('HF4003 1 only the owner can read the files\n')
  })

  test('many processes that open a new file at once all find it usable', async () => {
    const path = fresh()
    const code = `
      const s = await store.openSqliteStore({ path })
      try { await s.commit([store.createEnv()], { env: store.ENV }) } catch (e) { if (e.code !== 'HF2401') throw e }
      await Promise.all(Array.from({ length: 20 }, () => s.commit([store.event('e')], { env: store.ENV })))
      await s.close()
    `
    const ends = await Promise.all(Array.from({ length: 6 }, () => ended(runChild(path, code))))
    expect(ends.map((e) => [e.code, e.err])).toEqual(ends.map(() => [0, '']))
    const store = await openSqliteStore({ path })
    expect((await store.env('shop', 'default'))?.seq).toBe(121)
    expect((await store.doctor()).filter((c) => !c.ok)).toEqual([])
    await store.close()
  }, 60_000)

  test('two stores of one process on one file keep their locks', async () => {
    const path = fresh()
    await filled(path)
    const [a, b] = [await openSqliteStore({ path }), await openSqliteStore({ path })]
    await Promise.all([a, b].flatMap((s) => Array.from({ length: 200 }, () => s.commit([event('e')], { env: ENV }))))
    await a.close()
    expect((await b.env('shop', 'default'))?.seq).toBe(401)
    await b.close()
    expect(readdirSync(join(path, '..'))).toEqual(['state.db'])
  })
})

describe('the schema', () => {
  test('the embedded text is that of the numbered files', () => {
    const sql = new URL('../../src/store/sqlite/sql/', import.meta.url)
    const names = readdirSync(sql).filter((f) => f.endsWith('.sql')).sort()
    expect(migrations.map((m) => m.name)).toEqual(names)
    expect(migrations.map((m) => m.version)).toEqual(names.map((_, i) => i + 1))
    for (const m of migrations) expect(m.sql).toBe(readFileSync(new URL(m.name, sql), 'utf8'))
  })

  test('a migration is one transaction, and an existing file is copied before it', async () => {
    const path = fresh()
    await filled(path)
    const db = connect(path, 'write')
    const next = [...migrations, { version: migrations.length + 1, name: 'next.sql', sql: 'create table later (x) strict;' }]
    expect(() => migrate(db, path, systemClock, systemRandom, noFailpoint, next)).toThrow()
    expect(() => db.prepare('select * from later')).toThrow()
    next[next.length - 1] = { version: next.length, name: 'next.sql', sql: 'create table later (x integer) strict;' }
    migrate(db, path, systemClock, systemRandom, noFailpoint, next)
    expect(db.prepare('select max(version) as v from schema_versions').get()?.v).toBe(next.length)
    db.close()
    const copy = `${path}.schema-${migrations.length}.bak`
    expect(mode(copy)).toBe('600')
    const old = await openSqliteStore({ path: copy })
    expect((await old.resources(ENV, 'committed')).length).toBe(1)
    await old.close()
  })

  test('a file of the first schema keeps its rows, and is found by name, hash and tag afterwards', async () => {
    const path = fresh()
    createFile(path)
    const db = connect(path, 'write')
    migrate(db, path, systemClock, systemRandom, noFailpoint, migrations.slice(0, 1))
    db.exec(`insert into envs (id, app, name, revision, partial, seq) values ('${ENV}', 'shop', 'default', 1, 0, 1);
      insert into docs (inputs, outputs) values ('{}', '{}');
      insert into resources (env, uid, since, seq, doc, ordinal, status, address, type, fingerprint, shape, meta) values (1, 'u1', 1, 1, 1, 1, 'ready', 'db/a', 'x', 'f1:a', '', '{"typeVersion":1,"provider":"p","tags":{"team":"x"}}')`)
    db.close()
    const store = await openSqliteStore({ path })
    expect(mode(`${path}.schema-1.bak`)).toBe('600')
    for (const by of [{ address: 'db/a' }, { component: 'db' }, { fingerprint: 'f1:a' }, { tag: 'team', value: 'x' }]) expect((await store.find(ENV, 'committed', by)).map((r) => r.uid)).toEqual(['u1'])
    expect((await store.doctor()).filter((c) => !c.ok)).toEqual([])
    expect((await store.meta()).schema).toBe(migrations.length)
    await store.close()
  })

  test('every commit is synced, also when the file is opened again', async () => {
    const path = fresh()
    await filled(path)
    const db = connect(path, 'write')
    expect(db.prepare('pragma synchronous').get()?.synchronous).toBe(2)
    expect(db.prepare('pragma journal_mode').get()?.journal_mode).toBe('wal')
    expect(db.prepare('pragma mmap_size').get()?.mmap_size ?? 0).toBe(0)
    db.close()
  })

  test('libraries that can damage a shared file are refused', () => {
    expect(['3.45.1', '3.51.2', '3.51.3', '3.53.0', '4.0.0'].map(isOld)).toEqual([true, true, false, false, false])
    expect(isOld(driver().version)).toBe(false)
    expect(createRequire(import.meta.url)('@photostructure/sqlite')).toBeTruthy()
  })

  test("SQLite's codes become ours", () => {
    const codes = (doing: 'read' | 'write') => [5, 8, 10, 266, 11, 13, 14, 26].map((errcode) => (storeFailure(Object.assign(new Error('x'), { errcode }), '/f', doing) as { code: string }).code)
    expect(codes('write')).toEqual(['HF4004', 'HF4003', 'HF4006', 'HF4006', 'HF4001', 'HF4006', 'HF4003', 'HF4001'])
    expect(codes('read')).toEqual(['HF4004', 'HF4003', 'HF4001', 'HF4001', 'HF4001', 'HF4006', 'HF4003', 'HF4001'])
  })

  test('a statement that asks for the open rows, or for documents, does not walk the environment', async () => {
    const path = fresh()
    await filled(path)
    const db = connect(path, 'write')
    const plan = (sql: string) => db.prepare(`explain query plan ${sql}`).all().map((r) => r.detail as string).join('\n')
    expect(plan('select d.inputs from resources r join docs d on d.id = r.doc where r.env in (select k from envs) and r.uid = ? and r.since = ?')).toMatch(/resources_key \(env=\? AND uid=\? AND since=\?\)/)
    expect(plan('select uid from resources indexed by resources_since where env = ? and since = ? and alone is null')).toMatch(/resources_since \(env=\? AND since=\?\)/)
    db.close()
  })
})
