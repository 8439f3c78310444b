import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LeaseConflict, SqliteBackend, type BackendError, type ResourceDifference } from '../../src/backend/index.ts'
import { currentHolder, openSqliteStore } from '../../src/store/index.ts'
import { dist } from '../cli/holdfast.ts'

const X = 'cdev::simple::x'
const creating = (componentName: string, name: string): ResourceDifference => ({ actionType: 'CREATE', componentName, newResource: { name, ruuid: X, hash: `hash of ${name}` } })

let folder: string
let path: string
let state: string
let be: SqliteBackend
let child: ChildProcess | undefined
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hf-two-'))
  path = join(folder, 'state.db')
  be = new SqliteBackend({ path })
  state = await be.createResourceState('shop/prod')
  for (const newName of ['db', 'web', 'web/api']) await be.updateComponent(state, { actionType: 'CREATE', newName })
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await be.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Another process opens a change in a component and holds it open until it is told to complete it, or is killed. */
async function other(component: string, name: string): Promise<{ complete(): Promise<void>; kill(): Promise<void> }> {
  const file = join(folder, 'child.mjs')
  writeFileSync(file, `
    import { SqliteBackend } from ${JSON.stringify(pathToFileURL(join(dist, 'backend.js')).href)}
    const be = new SqliteBackend({ path: ${JSON.stringify(path)} })
    const diff = ${JSON.stringify(creating(component, name))}
    const [token] = await be.createResourceChangeTransaction(${JSON.stringify(state)}, ${JSON.stringify(component)}, diff)
    console.log('open')
    for await (const line of process.stdin) break
    await be.completeResourceChange(${JSON.stringify(state)}, ${JSON.stringify(component)}, diff, token, { id: 1 })
    await be.close()
  `)
  const started = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] })
  child = started
  const end = new Promise<void>((done) => started.once('close', () => done()))
  await new Promise<void>((up, no) => {
    started.stdout.once('data', () => up())
    void end.then(() => no(new Error('the other process ended')))
  })
  return {
    async complete() {
      started.stdin.end('go\n')
      await end
    },
    async kill() {
      started.kill('SIGKILL')
      await end
    },
  }
}

describe('two processes', () => {
  test('S000-50 S000-51 change different components at the same time, and one component one after the other', async () => {
    const theirs = await other('db', 'theirs')
    const diff = creating('web', 'ours')
    const [token] = await be.createResourceChangeTransaction(state, 'web', diff)
    const inside = creating('web/api', 'inside')
    const [second] = await be.createResourceChangeTransaction(state, 'web/api', inside)
    const refused = await be.createResourceChangeTransaction(state, 'db', creating('db', 'late')).then(() => undefined, (e: BackendError) => e)
    expect(refused).toBeInstanceOf(LeaseConflict)
    expect(refused?.details).toMatchObject({ pid: child?.pid })
    // Whoever works on the whole state is kept out by either.
    const store = await openSqliteStore({ path })
    expect(await store.lease.acquire('shop/prod', currentHolder(), 1000)).toHaveProperty('heldBy')
    await be.completeResourceChange(state, 'web', diff, token, {})
    await be.completeResourceChange(state, 'web/api', inside, second, {})
    expect(await store.lease.acquire('shop/prod', currentHolder(), 1000)).toMatchObject({ heldBy: { scope: 'shop/prod:db' } })
    await theirs.complete()
    const got = await store.lease.acquire('shop/prod', currentHolder(), 60_000)
    expect(got).toHaveProperty('granted')
    expect((await be.getResourceState(state)).components.flatMap((c) => c.resources.map((r) => r.name)).sort()).toEqual(['inside', 'ours', 'theirs'])
    await expect(be.createResourceChangeTransaction(state, 'db', creating('db', 'late'))).rejects.toBeInstanceOf(LeaseConflict)
    if ('granted' in got) await store.lease.release(got.granted)
    expect((await store.doctor()).filter((c) => !c.ok && !c.name.includes('owner'))).toEqual([])
    await store.close()
  }, 60_000)

  test('S000-74 S000-88 what a killed process left open is taken over at once, in each of the four ways', async () => {
    for (const way of ['complete', 'fail', 'recover', 'remove'] as const) {
      const theirs = await other('db', `left-${way}`)
      await theirs.kill()
      const [left] = await be.listChanges({ stateUuid: state })
      if (!left) throw new Error('nothing is open')
      expect([left.status, left.ownerGone]).toEqual(['open', true])
      const { transactionToken: token, diff } = left
      if (way === 'complete') await be.completeResourceChange(state, 'db', diff, token, { id: 2 })
      else await be.failResourceChange(state, 'db', diff, token, { outcome: 'unknown' })
      if (way === 'recover') await be.recoverFailedResourceChange(state, token, false, { id: 3 })
      else if (way !== 'complete') await be.removeFailedResourceChange(state, token)
      expect(await be.listChanges({ stateUuid: state })).toEqual([])
    }
    expect((await be.getComponent(state, 'db')).resources.map((r) => r.name)).toEqual(['left-complete', 'left-recover'])
  }, 60_000)
})
