import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SqliteBackend, type Backend, type ResourceDifference } from '../../src/backend/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { dist } from '../cli/holdfast.ts'

const X = 'cdev::simple::x'
const creating = (name: string, hash: string): ResourceDifference => ({ actionType: 'CREATE', componentName: 'app', newResource: { name, ruuid: X, hash } })
const deleting = (name: string, hash: string): ResourceDifference => ({ actionType: 'DELETE', componentName: 'app', previousResource: { name, ruuid: X, hash } })

/** One durable commit each, in this order. The text runs in the child; the same text runs here to learn what each of them makes true. */
const STEPS = [
  `t.a = await open(creating('a', 'h1'))`,
  `await be.completeResourceChange(state, 'app', creating('a', 'h1'), t.a, { id: 'a' }, { 'p;q;r': 1 })`,
  `t.b = await open(creating('b', 'h2'))`,
  `await be.failResourceChange(state, 'app', creating('b', 'h2'), t.b, { why: 'no' })`,
  `await be.changeFailedStateOfResourceChange(state, t.b, { why: 'looked' })`,
  `await be.recoverFailedResourceChange(state, t.b, false, { id: 'b' })`,
  `t.c = await open(creating('c', 'h3'))`,
  `await be.failResourceChange(state, 'app', creating('c', 'h3'), t.c, { outcome: 'unknown' })`,
  `await be.recoverFailedResourceChange(state, t.c)`,
  `t.d = await open(creating('d', 'h4'))`,
  `await be.failResourceChange(state, 'app', creating('d', 'h4'), t.d, null)`,
  `await be.removeFailedResourceChange(state, t.d)`,
  `await be.resolveReferenceChange(state, { actionType: 'CREATE', originatingComponentName: 'web', resourceReference: { componentName: 'app', ruuid: X, name: 'b' } })`,
  `t.e = await open(deleting('a', 'h1'))`,
  `await be.completeResourceChange(state, 'app', deleting('a', 'h1'), t.e, {})`,
  `await be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'app', newName: 'core' })`,
]
const PRELUDE = `
  const X = '${X}'
  const creating = ${creating.toString().replaceAll('X', `'${X}'`)}
  const deleting = ${deleting.toString().replaceAll('X', `'${X}'`)}
  const t = {}
  const open = async (diff) => (await be.createResourceChangeTransaction(state, 'app', diff))[0]
`

let folder: string
let state: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hf-be-crash-'))
  const be = new SqliteBackend({ path: join(folder, 'base/state.db') })
  state = await be.createResourceState('demo')
  for (const newName of ['app', 'web']) await be.updateComponent(state, { actionType: 'CREATE', newName })
  await be.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fresh(name: string): string {
  mkdirSync(join(folder, name), { mode: 0o700 })
  cpSync(join(folder, 'base/state.db'), join(folder, name, 'state.db'))
  return join(folder, name, 'state.db')
}

/** What the contract shows of the state, less tokens and times. */
async function view(be: Backend): Promise<unknown> {
  const s = await be.getResourceState(state)
  return {
    components: s.components.map((c) => ({ name: c.name, resources: c.resources, cloudOutput: c.cloudOutput, references: c.references, resolved: c.previousResolvedCloudValues, external: c.externalReferences })),
    open: Object.values(s.resourceChanges).map((c) => [c.componentName, c.diff]),
    failed: Object.values(s.failedChanges).map((c) => [c.componentName, c.diff, c.outcome, c.failedState]),
    completed: (await be.listChanges({ status: 'completed' })).length,
    abandoned: (await be.listChanges({ status: 'abandoned' })).length,
  }
}

function runChild(path: string, failpoint: string): Promise<{ readonly code: number | null; readonly signal: string | null; readonly err: string }> {
  const file = `${path}.child.mjs`
  writeFileSync(file, `
    import { SqliteBackend } from ${JSON.stringify(pathToFileURL(join(dist, 'backend.js')).href)}
    const be = new SqliteBackend({ path: ${JSON.stringify(path)} })
    const state = ${JSON.stringify(state)}
    ${PRELUDE}
    ${STEPS.join('\n')}
    await be.close()
  `)
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: failpoint } })
  let err = ''
  child.stderr.on('data', (d) => { err += d })
  return new Promise((done) => child.once('close', (code, signal) => done({ code, signal, err })))
}

describe('a process is killed at every durable commit of the contract', () => {
  /** What is true after each number of commits. */
  const after: unknown[] = []

  test('each step is one durable commit', async () => {
    const be = new SqliteBackend({ path: fresh('steps') })
    const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<unknown>
    const t = {}
    after.push(await view(be))
    for (const step of STEPS) {
      await new AsyncFunction('be', 'state', 't', `${PRELUDE.replace('const t = {}', '')}\n${step}`)(be, state, t)
      after.push(await view(be))
    }
    await be.close()
    expect((await runChild(fresh('whole'), `commit:${STEPS.length + 1}:before`)).code).toBe(0)
  })

  for (const when of ['before', 'after'] as const) {
    test(`S000-49 S000-60 S000-68 S000-76 S003-32 killed ${when} any of them, the next process finds all of it or nothing, and goes on`, async () => {
      for (let n = 1; n <= STEPS.length; n++) {
        const name = `${when}-${n}`
        const path = fresh(name)
        const ran = await runChild(path, `commit:${n}:${when}`)
        expect({ name, signal: ran.signal, err: ran.err }).toEqual({ name, signal: 'SIGKILL', err: '' })
        const be = new SqliteBackend({ path })
        expect({ name, view: await view(be) }).toEqual({ name, view: after[when === 'before' ? n - 1 : n] })
        // What the dead process left open belongs to a process that is gone; whoever comes next ends it at once, lease and all.
        for (const change of await be.listChanges({ status: 'open' })) {
          expect({ name, gone: change.ownerGone }).toEqual({ name, gone: true })
          await be.completeResourceChange(state, change.componentName, change.diff, change.transactionToken, { late: true })
        }
        for (const change of await be.listChanges()) await be.recoverFailedResourceChange(state, change.transactionToken)
        const [component] = (await be.getResourceState(state)).components
        const diff = { ...creating('z', 'hz'), componentName: component?.name as string }
        const [token] = await be.createResourceChangeTransaction(state, diff.componentName, diff)
        await be.completeResourceChange(state, diff.componentName, diff, token, {})
        await be.close()
        const store = await openSqliteStore({ path })
        expect({ name, broken: (await store.doctor()).filter((c) => !c.ok), leases: await store.leases() }).toEqual({ name, broken: [], leases: [] })
        await store.close()
      }
    }, 120_000)
  }
})
