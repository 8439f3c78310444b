import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BackendError, LeaseConflict, ResourceReferenceError, SqliteBackend, type ResourceDifference, type ResourceState } from '../../src/backend/index.ts'
import { currentHolder, openSqliteStore } from '../../src/store/index.ts'
import { dist, folder, type Folder } from '../cli/holdfast.ts'

const program = (size: number, extra = '') => `
import { app, component, str, Value } from 'holdfast'
import { File } from 'holdfast/local'
import { Password } from 'holdfast/random'
import { z } from 'zod'
const Db = component('Db', {
  settings: z.object({ size: z.number() }),
  build({ settings }) {
    const password = Password('password', { length: 24 })
    const table = Value('table', { input: { size: settings.size, list: ['b', 'a', 'a'] } }, { tags: { tier: 'data' } })
    File('dsn', { path: 'out/dsn', content: str\`\${password.value}\\n\`, mode: 0o600 }, { deletedWith: table, replaceWith: [password] })
    ${extra}
    return { table: table.output }
  },
})
export default app('shop', { build() {
  const db = Db('db', { size: ${size} })
  Value('root', { input: 1 })
  return { table: db.table }
} })
`

let f: Folder
const open = () => new SqliteBackend({ path: join(f.path, '.holdfast/state.db') })
async function using<T>(act: (be: SqliteBackend, state: ResourceState) => Promise<T>): Promise<T> {
  const be = open()
  try {
    const [state] = await be.getTopLevelResourceStates()
    return await act(be, state as ResourceState)
  } finally {
    await be.close()
  }
}

beforeAll(async () => {
  f = folder({ 'app.ts': program(1) })
  const ran = await f.run('apply --yes --json')
  expect(ran.code, ran.stderr + ran.stdout).toBe(0)
}, 60_000)
afterAll(() => f.dispose())

describe('one truth', () => {
  test('S000-01 S000-19 what an apply wrote is read through the contract, and no second file holds state', async () => {
    const listed = (await f.run('state ls --json')).json().resources as { address: string; type: string }[]
    await using(async (be, state) => {
      expect(state.name).toBe('shop/default')
      expect(state.components.map((c) => c.name)).toEqual(['.', 'db'])
      const db = await be.getComponent(state.uuid, 'db')
      expect(db.resources.map((r) => [`db/${r.name}`, r.ruuid])).toEqual(listed.filter((r) => r.address.startsWith('db/')).map((r) => [r.address, r.type]))
      const table = await be.getResourceByName(state.uuid, 'db', listed.find((r) => r.address === 'db/table')?.type as string, 'table')
      expect(table).toMatchObject({ input: { size: 1, list: ['b', 'a', 'a'] }, tags: { tier: 'data' } })
      expect(await be.getCloudOutputValueByName(state.uuid, 'db', table.ruuid, 'table', 'output')).toEqual({ size: 1, list: ['b', 'a', 'a'] })
      expect((await be.getResourcesByTag(state.uuid, 'db', table.ruuid, 'tier=data')).map((r) => r.name)).toEqual(['table'])
      expect(await be.getComponentUuid(state.uuid, 'db')).toBe(state.componentNameToUuid.db)
    })
    expect(readdirSync(join(f.path, '.holdfast')).filter((n) => /state|\.db|json$/.test(n))).toEqual(['state.db'])
  })

  test('S000-19 a generated secret is masked, and opened by who has the key', async () => {
    await using(async (be, state) => {
      const password = state.components.find((c) => c.name === 'db')?.resources.find((r) => r.name === 'password')
      const type = password?.ruuid as string
      expect(await be.getCloudOutputByName(state.uuid, 'db', type, 'password')).toEqual({ value: { secret: true } })
      const clear = await be.getCloudOutputValueByName(state.uuid, 'db', type, 'password', 'value') as string
      expect(clear).toHaveLength(24)
      const everything = JSON.stringify([await be.getResourceState(state.uuid), await be.listChanges({ status: 'completed' })])
      expect(everything).not.toContain(clear)
    })
  })

  test('S000-57 S000-125 a change made through the contract is what the next plan finds and the next apply settles', async () => {
    const revision = (await f.run('plan --json')).json().revision as number
    await using(async (be, state) => {
      const table = state.components.find((c) => c.name === 'db')?.resources.find((r) => r.name === 'table')
      if (!table) throw new Error('no table')
      const diff: ResourceDifference = { actionType: 'UPDATE_IDENTITY', componentName: 'db', previousResource: table, newResource: { ...table, hash: 'by-hand', input: { size: 9 } } }
      const [token] = await be.createResourceChangeTransaction(state.uuid, 'db', diff)
      const busy = await f.run('apply --yes --json --lock-timeout 0s')
      expect([busy.code, busy.json().error.code]).toEqual([10, 'HF4201'])
      expect((await f.run('status --json')).json().open).toMatchObject([{ tx: token, address: 'db/table', op: 'update' }])
      await be.completeResourceChange(state.uuid, 'db', diff, token, { output: { size: 9 } })
    })
    const shown = await f.run(['state', 'show', 'db/table', '--json'])
    expect(shown.json()).toMatchObject({ outputs: { output: { size: 9 } }, inputs: { input: { size: 9 } }, dependsOn: [] })
    const plan = (await f.run('plan --json')).json()
    expect(plan.revision).toBe(revision + 1)
    expect(plan.changes.map((c: { address: string; action: string }) => [c.address, c.action])).toEqual([['db/table', expect.stringMatching(/update|replace/)]])
    expect((await f.run('run ls --json')).json().runs[0]).toMatchObject({ kind: 'change', status: 'committed' })
    const applied = await f.run('apply --yes --json')
    expect([applied.code, applied.json().outcome]).toEqual([0, 'applied'])
    expect((await f.run('state doctor --json')).json().ok).toBe(true)
  }, 60_000)

  test('S000-50 while an apply holds the lease, a change is refused and names the holder', async () => {
    const store = await openSqliteStore({ path: join(f.path, '.holdfast/state.db') })
    const got = await store.lease.acquire('shop/default', currentHolder(), 60_000)
    if (!('granted' in got)) throw new Error('the lease is not free')
    try {
      await using(async (be, state) => {
        const diff: ResourceDifference = { actionType: 'CREATE', componentName: 'db', newResource: { name: 'q', ruuid: 'x::y::z', hash: 'h' } }
        const e = await be.createResourceChangeTransaction(state.uuid, 'db', diff).then(() => undefined, (x: unknown) => x)
        expect(e).toBeInstanceOf(LeaseConflict)
        expect((e as BackendError).details).toMatchObject({ holder: got.granted.holder.id, pid: process.pid })
        await expect(be.updateComponent(state.uuid, { actionType: 'CREATE', newName: 'new' })).rejects.toBeInstanceOf(LeaseConflict)
        expect(await be.listChanges()).toEqual([])
      })
    } finally {
      await store.lease.release(got.granted)
      await store.close()
    }
  })

  test('S000-89 B8.3#72 a change that failed blocks its node in the next plan, until it is recovered', async () => {
    await using(async (be, state) => {
      const table = state.components.find((c) => c.name === 'db')?.resources.find((r) => r.name === 'table')
      if (!table) throw new Error('no table')
      const diff: ResourceDifference = { actionType: 'UPDATE_IDENTITY', componentName: 'db', previousResource: table, newResource: { ...table, hash: 'again' } }
      const [token] = await be.createResourceChangeTransaction(state.uuid, 'db', diff)
      await be.failResourceChange(state.uuid, 'db', diff, token, { why: 'the cloud said no' })
      const plan = (await f.run('plan --json')).json()
      expect(plan.changes).toMatchObject([{ address: 'db/table', reasons: [`blocked: failed transaction ${token}`, expect.any(String)] }])
      expect((await f.run('status --json')).json().open[0]).toMatchObject({ tx: token, status: 'failed', actions: ['--to previous', '--to new', '--abandon'] })
      const settled = await f.run(['run', 'settle', token, '--to', 'previous', '--yes', '--json'])
      expect([settled.code, settled.json().status], settled.stderr + settled.stdout).toEqual([0, 'failed'])
      expect((await be.getResourceState(state.uuid)).failedChanges).toEqual({})
    })
    expect((await f.run('plan --json')).json().changes).toEqual([])
  }, 60_000)

  test('B8.3#73 B8.3#74 a plan says that a node is busy while its owner lives, and that it needs recovery when that is gone', async () => {
    const reasons = async () => ((await f.run('plan --json')).json().changes as { address: string; reasons: string[] }[]).find((c) => c.address === 'db/table')?.reasons ?? []
    const change = (state: ResourceState): ResourceDifference => {
      const table = state.components.find((c) => c.name === 'db')?.resources.find((r) => r.name === 'table')
      if (!table) throw new Error('no table')
      return { actionType: 'UPDATE_IDENTITY', componentName: 'db', previousResource: table, newResource: { ...table, hash: 'open' } }
    }
    await using(async (be, state) => {
      const diff = change(state)
      const [token] = await be.createResourceChangeTransaction(state.uuid, 'db', diff)
      expect(await reasons()).toContain(`busy: ${token} is open`)
      await be.failResourceChange(state.uuid, 'db', diff, token, {})
      await be.recoverFailedResourceChange(state.uuid, token)
    })
    const { uuid, diff } = await using(async (_be, state) => ({ uuid: state.uuid, diff: change(state) }))
    const program = `
      import { SqliteBackend } from ${JSON.stringify(pathToFileURL(join(dist, 'backend.js')).href)}
      const be = new SqliteBackend({ path: ${JSON.stringify(join(f.path, '.holdfast/state.db'))} })
      await be.createResourceChangeTransaction(${JSON.stringify(uuid)}, 'db', ${JSON.stringify(diff)})
      process.kill(process.pid, 'SIGKILL')`
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })).toMatchObject({ signal: 'SIGKILL', stderr: '' })
    await using(async (be, state) => {
      const [open] = await be.listChanges()
      expect(open).toMatchObject({ status: 'open', ownerGone: true })
      expect(await reasons()).toContain(`needs recovery: ${open?.transactionToken}`)
      await be.failResourceChange(state.uuid, 'db', diff, open?.transactionToken as string, {})
      await be.recoverFailedResourceChange(state.uuid, open?.transactionToken as string)
    })
    expect(await reasons()).toEqual([])
  }, 60_000)

  test('S000-97 a plan that deletes what a component of another state refers to is refused', async () => {
    await using(async (be, state) => {
      const child = await be.createResourceState('reader', state.uuid)
      await be.updateComponent(child, { actionType: 'CREATE', newName: 'web' })
      const table = state.components.find((c) => c.name === 'db')?.resources.find((r) => r.name === 'table')
      const reference = { actionType: 'CREATE' as const, originatingComponentName: 'web', resourceReference: { componentName: 'db', ruuid: table?.ruuid as string, name: 'table', isInParentResourceState: true } }
      await be.resolveReferenceChange(child, reference)
      const refused = await f.run('destroy --yes --json')
      expect(refused.json().error).toMatchObject({ code: 'HF4103', address: 'db/table', details: { referrers: ['web'] } })
      const diff: ResourceDifference = { actionType: 'DELETE', componentName: 'db', previousResource: table as never }
      await expect(be.createResourceChangeTransaction(state.uuid, 'db', diff)).rejects.toBeInstanceOf(ResourceReferenceError)
      // It can be replaced and updated all the same.
      f.write({ 'app.ts': program(2) })
      expect((await f.run('apply --yes --json')).code).toBe(0)
      expect((await be.getComponent(child, 'web')).references).toEqual([reference.resourceReference])
      await be.resolveReferenceChange(child, { ...reference, actionType: 'DELETE' })
    })
    expect((await f.run('state doctor --json')).json().ok).toBe(true)
  }, 60_000)

  test('S000-54 a component that is renamed through the contract keeps its resources for the program under the new name', async () => {
    await using(async (be, state) => {
      const uuid = await be.getComponentUuid(state.uuid, 'db')
      await be.updateComponent(state.uuid, { actionType: 'UPDATE_NAME', previousName: 'db', newName: 'data' })
      expect(await be.getComponentUuid(state.uuid, 'data')).toBe(uuid)
    })
    expect((await f.run('state show data/dsn --json')).json().options).toEqual({ deletedWith: 'data/table', replaceWith: ['data/password'] })
    f.write({ 'app.ts': program(2).replace("Db('db'", "Db('data'") })
    const plan = (await f.run('plan --json')).json()
    expect(plan.changes.filter((c: { action: string }) => !['update', 'move'].includes(c.action))).toEqual([])
    expect((await f.run('state doctor --json')).json().ok).toBe(true)
    expect((await f.run('destroy --yes --json')).code).toBe(0)
  }, 60_000)
})
