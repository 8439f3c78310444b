import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BackendError, FenceRejected, LeaseConflict, MemoryBackend, PermissionDenied, ResourceStateDoesNotExist, RevisionCompacted, secret, SqliteBackend, type PermitRequest, type StateEvent } from '../../src/backend/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { creating, r, refer, refused, renaming, to, updating, X } from '../../src/testing/backend/trial.ts'

const PASSWORD = 'correct horse battery staple'
const masked = { secret: true }

/** A backend on a file, and the text of every file beside it. */
function onFile(config: object = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-rights-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'state.db')
  const open = () => new SqliteBackend({ path, ...config })
  const texts = () => readdirSync(folder).filter((name) => name !== 'key').map((name) => readFileSync(join(folder, name)).toString('latin1')).join('')
  return { open, texts, path, folder }
}
/** A backend, and the store under it as another process has it. */
async function besides(config: object = {}) {
  const file = onFile(config)
  const be = file.open()
  await be.open()
  const store = await openSqliteStore({ path: file.path })
  onTestFinished(async () => {
    await be.close()
    await store.close()
  })
  return { be, store }
}
const withA = async (be: SqliteBackend | MemoryBackend, ...more: string[]): Promise<string> => {
  const state = await be.createResourceState('demo')
  for (const newName of ['A', ...more]) await be.updateComponent(state, { actionType: 'CREATE', newName })
  return state
}
async function change(be: SqliteBackend | MemoryBackend, state: string, diff: ReturnType<typeof creating>, output: object = {}): Promise<void> {
  const [token] = await be.createResourceChangeTransaction(state, diff.componentName, diff)
  await be.completeResourceChange(state, diff.componentName, diff, token, output as never)
}

describe('secrets', () => {
  test('B8.3#58 D32 secrets in outputs, attributes, resolved values and failed states are sealed in the file, and masked where they are read', async () => {
    const file = onFile()
    const be = file.open()
    const state = await withA(be)
    const diff = creating('A', r('1', 'h', { password: secret(PASSWORD), plain: 'shown' }))
    const [token] = await be.createResourceChangeTransaction(state, 'A', diff)
    await be.completeResourceChange(state, 'A', diff, token, { token: secret(PASSWORD), list: ['a', secret(PASSWORD)] }, { 'x;p;k': secret(PASSWORD) })
    const failing = creating('A', r('2', 'h2', { password: secret(PASSWORD) }))
    const [failed] = await be.createResourceChangeTransaction(state, 'A', failing)
    await be.failResourceChange(state, 'A', failing, failed, { why: 'no', with: secret(PASSWORD) })

    const read = await be.getResourceState(state)
    expect(JSON.stringify(read)).not.toContain(PASSWORD)
    expect(read.components[0]?.resources).toEqual([{ ruuid: X, name: '1', hash: 'h', password: masked, plain: 'shown' }])
    expect(await be.getCloudOutputByName(state, 'A', X, '1')).toEqual({ token: masked, list: ['a', masked] })
    expect(read.failedChanges[failed]?.failedState).toEqual({ why: 'no', with: masked })
    expect(JSON.stringify(await be.listChanges())).not.toContain(PASSWORD)
    expect(await be.getCloudOutputByName(state, 'A', X, '1', { reveal: true })).toEqual({ token: PASSWORD, list: ['a', PASSWORD] })
    await be.close()
    for (const form of [PASSWORD, Buffer.from(PASSWORD).toString('base64'), Buffer.from(PASSWORD).toString('hex'), encodeURIComponent(PASSWORD)]) expect(file.texts().includes(form), form).toBe(false)
  })

  test('a secret that was read masked comes back as the one that is stored, and is no difference; another one is', async () => {
    const file = onFile()
    const be = file.open()
    const state = await withA(be)
    await change(be, state, creating('A', r('1', 'h', { password: secret(PASSWORD), size: 1 })))
    const stored = await be.getComponent(state, 'A')
    expect(await be.createDifferences(state, [stored], ['A'])).toEqual([[], [], []])
    const real = (text: string, name = '1') => [{ name: 'A', resources: [r(name, 'h', { password: secret(text), size: 1 })] }]
    expect(await be.createDifferences(state, real(PASSWORD), ['A'])).toEqual([[], [], []])
    const [, other] = await be.createDifferences(state, real('another'), ['A'])
    expect(other).toMatchObject([{ actionType: 'UPDATE_IDENTITY', previousResource: { password: masked } }])
    const [, renamed] = await be.createDifferences(state, [{ ...stored, resources: [{ ...stored.resources[0], name: '2' } as never] }], ['A'])
    expect(renamed).toMatchObject([{ actionType: 'UPDATE_NAME', newResource: { name: '2', password: masked } }])
    await change(be, state, renaming('A', renamed[0]?.previousResource as never, renamed[0]?.newResource as never))
    expect(await be.getResourceByName(state, 'A', X, '2', { reveal: true })).toMatchObject({ password: PASSWORD })
    await be.close()
  })
})

describe('rights', () => {
  /** Everybody may do everything but what is named. */
  const without = (who: string, ...actions: string[]) => ({ permit: ({ principal, action }: PermitRequest) => (principal === who && actions.includes(action) ? `${who} has no right to it` : true) })

  test('only true allows: a hook that gives no answer refuses, and one that fails or gives what is no answer refuses aloud', async () => {
    let answer: () => unknown = () => true
    const be = new MemoryBackend({ permit: (() => answer()) as never })
    const state = await withA(be)
    const calls = { 'state:read': () => be.getResourceState(state), 'component:create': () => be.updateComponent(state, { actionType: 'CREATE', newName: 'new' }), 'state:create': () => be.createResourceState('other') }
    const list = () => be.getTopLevelResourceStates()
    for (const [said, given] of [['may not do', false], ['gave no answer', undefined], ['because', 'because'], ['may not do', '']] as const) {
      for (const how of [() => given, async () => given]) {
        answer = how
        for (const [action, call] of Object.entries(calls)) expect((await refused(PermissionDenied, call())).message).toMatch(new RegExp(`${action}.*${said}|${said}.*${action}`))
        expect(await list()).toEqual([])
      }
    }
    const failing = (e: unknown) => () => {
      throw e
    }
    for (const faulty of [() => null, () => 1, () => 'x'.split(''), () => ({}), () => ({ allowed: true }), () => () => true, failing(new Error(PASSWORD)), failing(undefined), async () => failing(PASSWORD)()]) {
      answer = faulty
      for (const [action, call] of Object.entries({ ...calls, 'state:read list': list })) {
        const e = await refused(PermissionDenied, call())
        expect(e.message).toContain(`The hook permit`)
        expect(e.details.action).toBe(action.split(' ')[0])
        expect(`${e.message} ${e.helpMessage} ${JSON.stringify(e.details)}`).not.toContain(PASSWORD)
      }
    }
    answer = failing(new PermissionDenied('ask the owner'))
    expect((await refused(PermissionDenied, calls['state:create']())).message).toBe('ask the owner')
    answer = () => true
    expect((await list()).map((s) => s.name)).toEqual(['demo'])
    expect((await be.getResourceState(state)).components.map((c) => c.name)).toEqual(['A'])
  })

  test('B8.4#87 a secret is not read without the right to, and all else is', async () => {
    const be = new MemoryBackend(without('reader', 'output:readSecret'))
    const state = await withA(be)
    await change(be, state, creating('A', r('1')), { token: secret(PASSWORD), url: 'u' })
    const reader = { principal: 'reader' }
    const e = await refused(PermissionDenied, be.getCloudOutputValueByName(state, 'A', X, '1', 'token', undefined, { ...reader, reveal: true }))
    expect(e.errorMessage).toMatch(/reader/)
    expect(`${e.message} ${JSON.stringify(e.details)}`).not.toContain(PASSWORD)
    await refused(PermissionDenied, be.getCloudOutputValueByHash(state, 'A', X, 'hash of 1', 'token', undefined, { ...reader, reveal: true }))
    expect(await be.getCloudOutputValueByName(state, 'A', X, '1', 'url', undefined, reader)).toBe('u')
    expect(await be.getCloudOutputByName(state, 'A', X, '1', reader)).toEqual({ token: masked, url: 'u' })
    expect(JSON.stringify(await be.getComponent(state, 'A', reader))).not.toContain(PASSWORD)
    expect(await be.getCloudOutputValueByName(state, 'A', X, '1', 'token', undefined, { principal: 'owner', reveal: true })).toBe(PASSWORD)
  })

  test('S000-114 the function that makes something of a value comes after the question of the right', async () => {
    const be = new MemoryBackend(without('reader', 'output:readSecret'))
    const state = await withA(be)
    await change(be, state, creating('A', r('1')), { token: secret(PASSWORD) })
    let seen: unknown
    await refused(PermissionDenied, be.getCloudOutputValueByName(state, 'A', X, '1', 'token', (v) => (seen = v), { principal: 'reader', reveal: true }))
    expect(seen).toBeUndefined()
  })

  test('S000-95 B8.5#100 what a component does not export is not referred to', async () => {
    const be = new MemoryBackend()
    const state = await withA(be, 'C')
    for (const name of ['public', 'private']) await change(be, state, creating('A', r(name)))
    await be.setComponentExports(state, 'A', [{ resources: `${X};pub*` }])
    await be.resolveReferenceChange(state, refer('C', to('A', r('public'))))
    const e = await refused(PermissionDenied, be.resolveReferenceChange(state, refer('C', to('A', r('private')))))
    expect(e.errorMessage).toMatch(/A .*private/)
    expect((await be.getComponent(state, 'C')).references).toHaveLength(1)
    await be.setComponentExports(state, 'A', null)
    await be.resolveReferenceChange(state, refer('C', to('A', r('private'))))
  })

  test('S000-95 a reference needs the right on both sides', async () => {
    const be = new MemoryBackend({ permit: ({ action, resource }) => !(action === 'reference:create' && resource.component === 'A' && resource.name === '1') })
    const state = await withA(be, 'C')
    for (const name of ['1', '2']) await change(be, state, creating('A', r(name)))
    await refused(PermissionDenied, be.resolveReferenceChange(state, refer('C', to('A', r('1')))))
    await be.resolveReferenceChange(state, refer('C', to('A', r('2'))))
  })

  test('S000-128 differences say which change the caller may not make, and why; opening it is refused for the same reason', async () => {
    const be = new MemoryBackend(without('guest', 'resource:update', 'component:delete'))
    const state = await withA(be, 'B', 'C')
    for (const c of ['A', 'B']) await change(be, state, creating(c, r('1', 'h1')))
    await be.setComponentExports(state, 'B', [])
    const news = [{ name: 'A', resources: [r('1', 'h2'), r('2', 'h2')], references: [to('B', r('1'))] }]
    const guest = { principal: 'guest' }
    const [components, resources, references] = await be.createDifferences(state, news, ['A', 'C'], guest)
    expect(components).toMatchObject([{ actionType: 'UPDATE_IDENTITY' }, { actionType: 'DELETE', denied: expect.stringContaining('guest has no right to it') }])
    expect(components[0]).not.toHaveProperty('denied')
    expect(resources.map((d) => [d.actionType, d.denied !== undefined])).toEqual([['UPDATE_IDENTITY', true], ['CREATE', false]])
    expect(references).toMatchObject([{ actionType: 'CREATE', denied: expect.stringContaining('B does not export') }])
    for (const d of [...components, ...resources]) if ('denied' in d) expect(d.denied).toMatch(/guest may not do (resource:update|component:delete) on demo/)

    const denied = await refused(PermissionDenied, be.createResourceChangeTransaction(state, 'A', updating('A', r('1', 'h1'), r('1', 'h2')), guest))
    expect(denied.errorMessage).toBe(resources[0]?.denied)
    await refused(PermissionDenied, be.updateComponent(state, { actionType: 'DELETE', previousName: 'C' }, guest))
    expect((await be.createDifferences(state, news, ['A', 'C'], { principal: 'owner' })).slice(0, 2).flat().filter((d) => 'denied' in d)).toEqual([])
    expect(await be.listChanges()).toEqual([])
  })

  test('who may not read a state, a component or an output reads none of it, and does not hear of it in a list', async () => {
    const reads: PermitRequest[] = []
    const be = new MemoryBackend({
      permit: (q: PermitRequest) => {
        if (q.principal === 'noted') reads.push(q)
        return !(q.principal === 'nobody' && q.action.endsWith(':read')) && !(q.principal === 'half' && q.resource.component === 'A')
      },
    })
    const state = await withA(be, 'B')
    for (const c of ['A', 'B']) await change(be, state, creating(c, r('1', 'h', { tags: { t: '1' } })), { url: 'u' })
    const [open] = await be.createResourceChangeTransaction(state, 'A', creating('A', r('2')))
    const reading = (principal: string): Record<string, () => Promise<unknown>> => {
      const ctx = { principal }
      return {
        'state:read': () => be.getResourceState(state, ctx), 'state:read differences': () => be.createDifferences(state, [], ['A'], ctx), 'state:read changes': () => be.listChanges({ stateUuid: state }, ctx),
        'component:read': () => be.getComponent(state, 'A', ctx), 'component:read uuid': () => be.getComponentUuid(state, 'A', ctx), 'component:read name': () => be.getResourceByName(state, 'A', X, '1', ctx),
        'component:read hash': () => be.getResourceByHash(state, 'A', X, 'h', ctx), 'component:read tag': () => be.getResourcesByTag(state, 'A', X, 't', ctx), 'component:read tags': () => be.listResourcesByTag(state, 'A', X, 't', ctx),
        'output:read': () => be.getCloudOutputByName(state, 'A', X, '1', ctx), 'output:read hash': () => be.getCloudOutputByHash(state, 'A', X, 'h', ctx),
        'output:read value': () => be.getCloudOutputValueByName(state, 'A', X, '1', 'url', undefined, ctx), 'output:read value by hash': () => be.getCloudOutputValueByHash(state, 'A', X, 'h', 'url', undefined, ctx),
      }
    }
    for (const [what, read] of Object.entries(reading('nobody'))) {
      const e = await refused(PermissionDenied, read())
      expect(e.details, what).toMatchObject({ action: what.split(' ')[0], state: 'demo' })
    }
    expect([await be.getTopLevelResourceStates({ principal: 'nobody' }), await be.listChanges({}, { principal: 'nobody' })]).toEqual([[], []])
    expect((await be.listChanges({}, { principal: 'owner' })).map((c) => c.transactionToken)).toEqual([open])
    for (const [what, read] of Object.entries(reading('half'))) {
      if (what.startsWith('state:read')) await read()
      else await refused(PermissionDenied, read())
    }
    await be.getComponent(state, 'B', { principal: 'half' })
    for (const read of Object.values(reading('noted'))) await read()
    expect(reads.filter((q) => q.action.startsWith('output')).map((q) => q.resource)).toEqual([
      { state: 'demo', component: 'A', ruuid: X, name: '1' }, { state: 'demo', component: 'A', ruuid: X }, { state: 'demo', component: 'A', ruuid: X, name: '1', key: 'url' }, { state: 'demo', component: 'A', ruuid: X, key: 'url' },
    ])
  })

  test('B8.9#140 a lease is taken away by force only with the right to; who had it writes nothing more, and it is written down', async () => {
    const { be, store } = await besides(without('guest', 'lease:force'))
    const state = await withA(be)
    const diff = creating('A', r('1'))
    const held = await store.lease.acquire(`state/${state}:A`, { id: 'h-hung', host: 'elsewhere', bootId: 'another', pid: 4711, startedAt: '1' }, 3_600_000)
    if (!('granted' in held)) throw new Error('not granted')
    const { scope, fence } = held.granted
    await refused(LeaseConflict, be.createResourceChangeTransaction(state, 'A', diff))
    await refused(PermissionDenied, be.forceUnlock(state, 'A', { principal: 'guest' }))
    await refused(LeaseConflict, be.createResourceChangeTransaction(state, 'A', diff))
    expect(await be.forceUnlock(state, 'B', { principal: 'owner' })).toEqual([])
    expect(await be.forceUnlock(state, 'A', { principal: 'owner' })).toEqual([{ scope, fence, host: 'elsewhere', pid: 4711 }])
    await refused(FenceRejected, be.createResourceChangeTransaction(state, 'A', diff, { fence: { scope, fence } }))
    const [token] = await be.createResourceChangeTransaction(state, 'A', diff)
    expect((await store.leases())[0]?.fence).toBeGreaterThan(fence)
    await be.completeResourceChange(state, 'A', diff, token, {})
    const forced = (await store.events(state, { seq: 0 }, 99)).filter((e) => e.kind === 'lease.forced')
    expect(forced.map((e) => JSON.parse(e.data))).toEqual([{ by: 'owner', leases: [{ scope, fence, host: 'elsewhere', pid: 4711 }] }])
    expect(await be.forceUnlock(state)).toEqual([])
  })

  test('a state is watched through the contract: in order, from any revision, by whom the hook lets; what was taken away is an error of its own', async () => {
    const { be, store } = await besides(without('guest', 'watch'))
    const state = await withA(be)
    const { revision } = await be.getResourceState(state)
    const seen: StateEvent[] = []
    const stop = new AbortController()
    const watching = (async () => {
      for await (const e of be.watch(state, { from: revision, signal: stop.signal })) if (seen.push(e) === 2) stop.abort()
    })()
    await change(be, state, creating('A', r('1')))
    await watching
    expect(seen.map((e) => [e.kind, e.data.node])).toEqual([['tx.sent', 'A/1'], ['tx.completed', 'A/1']])
    expect(seen.map((e) => e.revision)).toEqual([revision + 1, revision + 2])
    await refused(PermissionDenied, be.watch(state, {}, { principal: 'guest' }).next())
    await refused(ResourceStateDoesNotExist, be.watch('nobody').next())
    await store.commit([{ t: 'events.compact', env: state, upTo: revision }, { t: 'event', at: 1, kind: 'cut', data: '{}' }], { env: state })
    await refused(RevisionCompacted, be.watch(state, { from: revision - 1 }).next())
    expect((await be.watch(state, { from: revision }).next()).value).toEqual(seen[0])
    const ending = be.watch(state)
    const next = ending.next()
    await new Promise((go) => setTimeout(go, 20))
    await be.close()
    expect(await next).toEqual({ value: undefined, done: true })
  })

  test('whoever has opened a secret stands in the history, and what was opened does not', async () => {
    const { be, store } = await besides()
    const state = await withA(be)
    await change(be, state, creating('A', r('1')), { token: secret(PASSWORD), url: 'u' })
    const ctx = { principal: 'auditor' }
    const said = async (act: () => Promise<unknown>) => {
      const { seq } = (await store.envById(state)) as { seq: number }
      await act()
      const events = await store.events(state, { seq }, 99)
      expect(events.every((e) => e.kind === 'secret.revealed')).toBe(true)
      return events.map((e) => JSON.parse(e.data))
    }
    const about = { what: 'state', by: 'auditor', component: 'A', ruuid: X, name: '1' }
    expect(await said(() => be.getCloudOutputValueByName(state, 'A', X, '1', 'token', undefined, ctx))).toEqual([{ ...about, key: 'token' }])
    expect(await said(() => be.getCloudOutputValueByHash(state, 'A', X, 'hash of 1', 'token', undefined, ctx))).toEqual([{ ...about, key: 'token' }])
    expect(await said(() => be.getCloudOutputByName(state, 'A', X, '1', { ...ctx, reveal: true }))).toEqual([about])
    expect(await said(() => be.getResourceByName(state, 'A', X, '1', { ...ctx, reveal: true }))).toEqual([about])
    expect(await said(() => be.getComponent(state, 'A', { ...ctx, reveal: true }))).toEqual([{ what: 'state', by: 'auditor', component: 'A' }])
    expect(await said(() => be.getResourceState(state, { ...ctx, reveal: true }))).toEqual([{ what: 'state', by: 'auditor' }])
    expect(await said(() => be.getCloudOutputValueByName(state, 'A', X, '1', 'url', undefined, ctx))).toEqual([])
    expect(await said(() => be.getCloudOutputByName(state, 'A', X, '1', ctx))).toEqual([])
    expect(JSON.stringify(await store.events(state, { seq: 0 }, 99))).not.toContain(PASSWORD)
  })

  test('without a hook the caller owns everything', async () => {
    const be = new MemoryBackend()
    const state = await withA(be)
    await change(be, state, creating('A', r('1')), { token: secret(PASSWORD) })
    expect(await be.getCloudOutputValueByName(state, 'A', X, '1', 'token', undefined, { reveal: true })).toBe(PASSWORD)
    expect(new PermissionDenied()).toBeInstanceOf(BackendError)
  })
})
