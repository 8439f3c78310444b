import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  BackendInitializationError, CanNotFindResourceStateFile, FenceRejected, InvalidResourceStateData, LeaseConflict, loadBackend, ResourceBusy, SchemaTooNew, SqliteBackend, StoreCorrupt,
} from '../../src/backend/index.ts'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import type { Holder } from '../../src/state/index.ts'
import { creating, r, refused } from '../../src/testing/backend/trial.ts'
import { dist } from '../cli/holdfast.ts'

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-file-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
/** A state with one component, in a file. */
async function made(path: string): Promise<string> {
  const be = new SqliteBackend({ path })
  const state = await be.createResourceState('demo')
  await be.updateComponent(state, { actionType: 'CREATE', newName: 'A' })
  await be.close()
  return state
}
const loading = (path: string) => loadBackend({ module: 'holdfast/backend', export: 'SqliteBackend', config: { path } })

describe('a state file', () => {
  test('B8.1#18 D42 that is damaged says so, and is never taken for empty or for a state that is not there', async () => {
    const path = join(place(), 'state.db')
    const state = await made(path)
    const bytes = readFileSync(path)
    for (const [what, damaged] of Object.entries({ 'no database': Buffer.from('not a database at all, however long this text may be'.repeat(100)), 'overwritten in the middle': Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xa5)]) })) {
      writeFileSync(path, damaged)
      const be = new SqliteBackend({ path })
      const e = await refused(StoreCorrupt, be.getResourceState(state))
      expect(e, what).toBeInstanceOf(InvalidResourceStateData)
      await refused(StoreCorrupt, be.getTopLevelResourceStates())
      await refused(StoreCorrupt, be.createResourceState('other'))
      await be.close()
      const loaded = await refused(BackendInitializationError, loading(path))
      expect(loaded, what).toMatchObject({ code: 'STORE_CORRUPT', cause: expect.any(StoreCorrupt) })
    }
  })

  test('has short pages when it is made for single changes, and keeps the pages that it was made with', async () => {
    const pageBytes = (path: string) => readFileSync(path).readUInt16BE(16)
    const [single, grouped] = [join(place(), 'state.db'), join(place(), 'state.db')]
    await (await openSqliteStore({ path: grouped })).close()
    for (const path of [single, grouped]) await made(path)
    await (await openSqliteStore({ path: single })).close()
    expect([pageBytes(single), pageBytes(grouped)]).toEqual([512, 2048])
  })

  test('B8.1#18 of a newer version is refused, and left as it is', async () => {
    const path = join(place(), 'state.db')
    const state = await made(path)
    const { DatabaseSync } = createRequire(import.meta.url)('@photostructure/sqlite') as { DatabaseSync: new (path: string) => { exec(sql: string): void; close(): void } }
    const db = new DatabaseSync(path)
    db.exec('update schema_versions set version = 999 where version = (select max(version) from schema_versions)')
    db.close()
    const be = new SqliteBackend({ path })
    await refused(SchemaTooNew, be.getResourceState(state))
    await be.close()
    await expect(loading(path)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW', cause: expect.any(SchemaTooNew) })
  })

  test('that is not there is made, or missed, as is asked for', async () => {
    const path = join(place(), 'state.db')
    const be = new SqliteBackend({ path, create: false })
    await refused(CanNotFindResourceStateFile, be.getTopLevelResourceStates())
    await be.close()
    expect(existsSync(path)).toBe(false)
    await expect(loadBackend({ module: 'holdfast/backend', export: 'SqliteBackend', config: { path, create: false } })).rejects.toMatchObject({ code: 'CONNECT_FAILED', cause: expect.any(CanNotFindResourceStateFile) })
    await expect(loadBackend({ module: 'holdfast/backend', export: 'SqliteBackend', config: { path, nonsense: 1 } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(loadBackend({ module: 'holdfast/backend', export: 'SqliteBackend', config: {} })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('D22 D25 what was acknowledged is there when the process is killed in the next moment, in one file', async () => {
    const folder = place()
    const path = join(folder, 'state.db')
    const program = `
      import { SqliteBackend } from ${JSON.stringify(pathToFileURL(join(dist, 'backend.js')).href)}
      const be = new SqliteBackend({ path: ${JSON.stringify(path)} })
      const state = await be.createResourceState('demo')
      await be.updateComponent(state, { actionType: 'CREATE', newName: 'A' })
      const diff = { actionType: 'CREATE', componentName: 'A', newResource: { ruuid: 'x', name: '1', hash: 'h', list: ['b', 'a', 'a'] } }
      const [token] = await be.createResourceChangeTransaction(state, 'A', diff)
      await be.completeResourceChange(state, 'A', diff, token, { id: 1 })
      process.kill(process.pid, 'SIGKILL')`
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env, NODE_OPTIONS: '' }, encoding: 'utf8' })).toMatchObject({ signal: 'SIGKILL', stderr: '' })
    const be = new SqliteBackend({ path })
    const [state] = await be.getTopLevelResourceStates()
    expect(state).toMatchObject({ name: 'demo', components: [{ name: 'A', resources: [{ list: ['b', 'a', 'a'] }], cloudOutput: { 'x;1': { id: 1 } } }] })
    await be.close()
    expect(readdirSync(folder).filter((name) => name !== 'key')).toEqual(['state.db'])
  })
})

describe('somebody else at work', () => {
  const somebody = (over: Partial<Holder> = {}): Holder => ({ id: 'h-somebody', host: 'elsewhere', bootId: 'another boot', pid: 4711, startedAt: '1', ...over })
  const world = async () => {
    const path = join(place(), 'state.db')
    const state = await made(path)
    const [be, store] = [new SqliteBackend({ path }), await openSqliteStore({ path }) as Store]
    onTestFinished(async () => {
      await be.close()
      await store.close()
    })
    return { be, store, state, scope: `state/${state}` }
  }
  const open = (be: SqliteBackend, state: string, name = '1') => be.createResourceChangeTransaction(state, 'A', creating('A', r(name)))

  test('B8.9#136 a second writer is refused at once, and told who works there, since when and until when', async () => {
    const { be, store, state, scope } = await world()
    const got = await store.lease.acquire(scope, somebody(), 60_000)
    expect(got).toHaveProperty('granted')
    await refused(LeaseConflict, be.updateComponent(state, { actionType: 'CREATE', newName: 'B' }))
    const e = await refused(LeaseConflict, open(be, state))
    expect(e.details).toMatchObject({ holder: 'h-somebody', host: 'elsewhere', pid: 4711, ageMs: expect.any(Number), expiresAt: expect.anything() })
    expect(e.errorMessage).toMatch(/4711.*elsewhere|elsewhere.*4711/)
    expect(await be.listChanges()).toEqual([])
  })

  test('B8.9#141 whoever only reads, or asks for differences, needs no lease', async () => {
    const { be, store, state, scope } = await world()
    await store.lease.acquire(scope, somebody(), 60_000)
    expect((await be.getResourceState(state)).components.map((c) => c.name)).toEqual(['A'])
    expect((await be.createDifferences(state, [{ name: 'A', resources: [r('1')] }], ['A']))[1]).toHaveLength(1)
    expect(await be.listChanges()).toEqual([])
  })

  test('B8.9#138 a lease that ran out, or whose holder is dead on this host, stands in nobody\'s way', async () => {
    const { be, store, state, scope } = await world()
    await store.lease.acquire(scope, somebody(), 0)
    const [token] = await open(be, state)
    await be.completeResourceChange(state, 'A', creating('A', r('1')), token, {})
    expect((await be.getComponent(state, 'A')).resources).toHaveLength(1)
  })

  test('B8.9#135 states are worked on side by side', async () => {
    const { be, store, state, scope } = await world()
    await store.lease.acquire(scope, somebody(), 60_000)
    const other = await be.createResourceState('other')
    await be.updateComponent(other, { actionType: 'CREATE', newName: 'A' })
    const [token] = await open(be, other)
    await be.completeResourceChange(other, 'A', creating('A', r('1')), token, {})
    await refused(LeaseConflict, open(be, state))
  })

  test('B8.9#135 components of one state are worked on side by side', async () => {
    const { be, store, state, scope } = await world()
    await be.updateComponent(state, { actionType: 'CREATE', newName: 'B' })
    await store.lease.acquire(`${scope}:A`, somebody(), 60_000)
    await refused(LeaseConflict, open(be, state))
    const diff = creating('B', r('1'))
    const [token] = await be.createResourceChangeTransaction(state, 'B', diff)
    expect((await store.leases()).map((l) => l.scope)).toEqual([`${scope}:A`, `${scope}:B`])
    await be.completeResourceChange(state, 'B', diff, token, {})
    expect((await be.getComponent(state, 'B')).resources).toHaveLength(1)
  })

  test('B8.9#139 who was taken over writes nothing any more', async () => {
    const { be, store, state, scope } = await world()
    const old = await store.lease.acquire(scope, somebody(), 0)
    const next = await store.lease.acquire(scope, somebody({ id: 'h-next' }), 60_000)
    if (!('granted' in old) || !('granted' in next)) throw new Error('not granted')
    const late = { fence: { scope, fence: old.granted.fence } }
    await refused(FenceRejected, be.createResourceChangeTransaction(state, 'A', creating('A', r('1')), late))
    await refused(FenceRejected, be.updateComponent(state, { actionType: 'CREATE', newName: 'B' }, late))
    expect([(await be.getResourceState(state)).components.map((c) => c.name), await be.listChanges()]).toEqual([['A'], []])
    // Who has taken over works through the same contract, under the lease that it has.
    const now = { fence: { scope, fence: next.granted.fence } }
    const [token] = await be.createResourceChangeTransaction(state, 'A', creating('A', r('1')), now)
    await be.completeResourceChange(state, 'A', creating('A', r('1')), token, {}, {}, now)
    await be.updateComponent(state, { actionType: 'CREATE', newName: 'B' }, now)
    expect((await be.getResourceState(state)).components.map((c) => [c.name, c.resources.length])).toEqual([['A', 1], ['B', 0]])
    expect((await store.leases()).map((l) => l.holder.id)).toEqual(['h-next'])
  })

  for (const when of ['before', 'after'] as const) {
    test(`B8.9#146 whether a call that was cut off ${when} its commit had been done shows when it is made again`, async () => {
      const path = join(place(), 'state.db')
      const state = await made(path)
      const diff = creating('A', r('1'))
      const ctx = { requestId: 'r-1' }
      const program = `
        import { SqliteBackend } from ${JSON.stringify(pathToFileURL(join(dist, 'backend.js')).href)}
        const be = new SqliteBackend({ path: ${JSON.stringify(path)} })
        await be.createResourceChangeTransaction(${JSON.stringify(state)}, 'A', ${JSON.stringify(diff)}, ${JSON.stringify(ctx)})`
      const env = { ...process.env, NODE_OPTIONS: '', HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: `commit:1:${when}` }
      expect(spawnSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' })).toMatchObject({ signal: 'SIGKILL', stderr: '' })
      const be = new SqliteBackend({ path })
      onTestFinished(() => be.close())
      const left = await be.listChanges()
      expect(left).toHaveLength(when === 'after' ? 1 : 0)
      const [token, namespace] = await be.createResourceChangeTransaction(state, 'A', diff, ctx)
      if (when === 'after') expect(token).toBe(left[0]?.transactionToken)
      expect(await be.createResourceChangeTransaction(state, 'A', diff, ctx)).toEqual([token, namespace])
      expect(await be.listChanges()).toHaveLength(1)
      await refused(ResourceBusy, be.createResourceChangeTransaction(state, 'A', diff, { requestId: 'r-2' }))
    })
  }
})
