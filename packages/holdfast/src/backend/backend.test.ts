import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as api from './index.ts'
import { MemoryBackend, secret, SqliteBackend, type ResourceDifference, type StoreBackend } from './index.ts'

const QUEUE = 'cdev::simple::queue'
const make = (name: string, hash: string, more: object = {}): ResourceDifference => ({ actionType: 'CREATE', componentName: 'app', newResource: { name, ruuid: QUEUE, hash, ...more } })

async function add(be: StoreBackend, state: string, component: string, name: string, hash: string, output: Record<string, unknown> | undefined = { id: name }, more: object = {}) {
  const diff = make(name, hash, more)
  const [token] = await be.createResourceChangeTransaction(state, component, diff)
  await be.completeResourceChange(state, component, diff, token, output as never)
  return token
}
const fails = async (name: keyof typeof api, act: Promise<unknown>) => {
  const e = await act.then(() => undefined, (x: unknown) => x)
  expect(e).toBeInstanceOf(api.BackendError)
  expect((e as Error).name).toBe(name)
  return e as api.BackendError
}

for (const kind of ['memory', 'sqlite'] as const) {
  describe(`backend: ${kind}`, () => {
    let folder: string
    let be: StoreBackend
    let reopen: () => Promise<StoreBackend>
    let second: () => StoreBackend
    let state: string
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'hf-be-'))
      const path = join(folder, 'state.db')
      be = kind === 'memory' ? new MemoryBackend({}) : new SqliteBackend({ path })
      second = () => (kind === 'memory' ? new MemoryBackend({ of: be as MemoryBackend }) : new SqliteBackend({ path }))
      reopen = async () => {
        await be.close()
        return second()
      }
      state = await be.createResourceState('demo')
      await be.updateComponent(state, { actionType: 'CREATE', newName: 'app' })
    })
    afterEach(async () => {
      await be.close()
      rmSync(folder, { recursive: true, force: true })
    })

    test('a change is recorded, completed, and read back as it was given', async () => {
      const attributes = { list: ['b', 'a', 'a'], deep: { x: null, y: [1, { z: false }] } }
      await add(be, state, 'app', 'q', 'h1', { arn: 'a', empty: '', zero: 0, no: false, nil: null, list: [3, 1, 2] }, attributes)
      expect(await be.getResourceByName(state, 'app', QUEUE, 'q')).toEqual({ name: 'q', ruuid: QUEUE, hash: 'h1', ...attributes })
      expect(await be.getResourceByHash(state, 'app', QUEUE, 'h1')).toMatchObject({ name: 'q' })
      for (const [key, value] of Object.entries({ arn: 'a', empty: '', zero: 0, no: false, nil: null, list: [3, 1, 2] })) expect(await be.getCloudOutputValueByName(state, 'app', QUEUE, 'q', key)).toEqual(value)
      await fails('KeyNotInCloudOutput', be.getCloudOutputValueByName(state, 'app', QUEUE, 'q', 'other'))
      await fails('ResourceDoesNotExist', be.getCloudOutputByName(state, 'app', QUEUE, 'r'))
      const again = await reopen()
      expect(await again.getResourceByName(state, 'app', QUEUE, 'q')).toEqual({ name: 'q', ruuid: QUEUE, hash: 'h1', ...attributes })
      await again.close()
    })

    test('update, rename and delete keep outputs where they belong', async () => {
      await add(be, state, 'app', 'q', 'h1')
      const update: ResourceDifference = { actionType: 'UPDATE_IDENTITY', componentName: 'app', previousResource: { name: 'q', ruuid: QUEUE, hash: 'h1' }, newResource: { name: 'q', ruuid: QUEUE, hash: 'h2' } }
      const [t] = await be.createResourceChangeTransaction(state, 'app', update)
      await be.completeResourceChange(state, 'app', update, t, { id: 'new' }, { 'x;y;z': 1 })
      expect((await be.getComponent(state, 'app')).previousResolvedCloudValues).toEqual({ [`${QUEUE};q`]: { 'x;y;z': 1 } })
      const rename: ResourceDifference = { actionType: 'UPDATE_NAME', componentName: 'app', previousResource: { name: 'q', ruuid: QUEUE, hash: 'h2' }, newResource: { name: 'r', ruuid: QUEUE, hash: 'h2' } }
      const [t2] = await be.createResourceChangeTransaction(state, 'app', rename)
      await be.completeResourceChange(state, 'app', rename, t2, { id: 'new' })
      expect(await be.getCloudOutputByName(state, 'app', QUEUE, 'r')).toEqual({ id: 'new' })
      await fails('ResourceDoesNotExist', be.getCloudOutputByName(state, 'app', QUEUE, 'q'))
      const remove: ResourceDifference = { actionType: 'DELETE', componentName: 'app', previousResource: { name: 'r', ruuid: QUEUE, hash: 'h2' } }
      const [t3] = await be.createResourceChangeTransaction(state, 'app', remove)
      await be.completeResourceChange(state, 'app', remove, t3, {})
      expect(await be.getComponent(state, 'app')).toEqual({ name: 'app', hash: '0', resources: [], references: [], cloudOutput: {}, previousResolvedCloudValues: {}, externalReferences: {} })
    })

    test('what cannot be done now is refused by name', async () => {
      await add(be, state, 'app', 'q', 'h1')
      await fails('ResourceAlreadyExists', be.createResourceChangeTransaction(state, 'app', make('q', 'h9')))
      const update: ResourceDifference = { actionType: 'UPDATE_IDENTITY', componentName: 'app', previousResource: { name: 'q', ruuid: QUEUE, hash: 'old' }, newResource: { name: 'q', ruuid: QUEUE, hash: 'h2' } }
      await fails('StaleBase', be.createResourceChangeTransaction(state, 'app', update))
      const fresh = make('n', 'h3')
      const [open] = await be.createResourceChangeTransaction(state, 'app', fresh)
      expect((await fails('ResourceBusy', be.createResourceChangeTransaction(state, 'app', fresh))).details.transactionToken).toBe(open)
      await fails('TransactionMismatch', be.completeResourceChange(state, 'app', make('n', 'other'), open, {}))
      await fails('ComponentNotEmpty', be.updateComponent(state, { actionType: 'DELETE', previousName: 'app' }))
      await fails('ResourceStateNotEmpty', be.deleteResourceState(state))
      await be.completeResourceChange(state, 'app', fresh, open, { id: 1 })
      await fails('TransactionAlreadyCompleted', be.completeResourceChange(state, 'app', fresh, open, { id: 1 }))
      expect(new api.TransactionAlreadyCompleted()).toBeInstanceOf(api.ResourceChangeTransactionDoesNotExist)
    })

    test('a failed change stands in the way until it is recovered or removed', async () => {
      const diff = make('q', 'h1')
      const [a] = await be.createResourceChangeTransaction(state, 'app', diff)
      await be.failResourceChange(state, 'app', diff, a, { why: 'no', outputs: { arn: 'x' } })
      expect((await be.getResourceState(state)).failedChanges[a]).toMatchObject({ componentName: 'app', failedState: { why: 'no', outputs: { arn: 'x' } }, outcome: 'failed', diff: { actionType: 'CREATE', newResource: { name: 'q', hash: 'h1' } } })
      await fails('ResourceBusy', be.createResourceChangeTransaction(state, 'app', diff))
      await be.changeFailedStateOfResourceChange(state, a, ['other'])
      expect((await be.listChanges({ status: 'failed' }))[0]?.failedState).toEqual(['other'])
      await fails('ResourceChangeTransactionDoesNotExist', be.failResourceChange(state, 'app', diff, a, {}))
      await be.recoverFailedResourceChange(state, a)
      await fails('ResourceChangeTransactionDoesNotExist', be.recoverFailedResourceChange(state, a))
      const [b] = await be.createResourceChangeTransaction(state, 'app', diff)
      await be.failResourceChange(state, 'app', diff, b, { outcome: 'unknown' })
      expect((await be.getResourceState(state)).failedChanges[b]?.outcome).toBe('unknown')
      await be.changeFailedStateOfResourceChange(state, b, 'seen')
      await be.recoverFailedResourceChange(state, b, false, { arn: 'y' })
      expect(await be.getCloudOutputByName(state, 'app', QUEUE, 'q')).toEqual({ arn: 'y' })
      const other = make('r', 'h2')
      const [c] = await be.createResourceChangeTransaction(state, 'app', other)
      await be.failResourceChange(state, 'app', other, c, null)
      await be.removeFailedResourceChange(state, c)
      expect((await be.getResourceState(state)).failedChanges).toEqual({})
    })

    test('references are counted, guarded, and follow a rename', async () => {
      for (const i of [1, 2, 3]) await add(be, state, 'app', `q${i}`, `h${i}`)
      await be.updateComponent(state, { actionType: 'CREATE', newName: 'web' })
      const ref = (actionType: 'CREATE' | 'DELETE', name: string, componentName = 'app') => ({ actionType, originatingComponentName: 'web', resourceReference: { componentName, ruuid: QUEUE, name } })
      await be.resolveReferenceChange(state, ref('CREATE', 'q1'))
      await be.resolveReferenceChange(state, ref('CREATE', 'q1'))
      expect((await be.getComponent(state, 'app')).externalReferences).toEqual({ [`${QUEUE};q1`]: { cnt: 1 } })
      const remove: ResourceDifference = { actionType: 'DELETE', componentName: 'app', previousResource: { name: 'q1', ruuid: QUEUE, hash: 'h1' } }
      expect((await fails('ResourceReferenceError', be.createResourceChangeTransaction(state, 'app', remove))).details.referrers).toEqual(['web'])
      const uuid = await be.getComponentUuid(state, 'app')
      await be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'app', newName: 'core' })
      expect(await be.getComponentUuid(state, 'core')).toBe(uuid)
      await fails('ComponentDoesNotExist', be.getComponent(state, 'app'))
      expect((await be.getComponent(state, 'web')).references).toEqual([{ componentName: 'core', ruuid: QUEUE, name: 'q1' }])
      await fails('ResourceReferenceError', be.resolveReferenceChange(state, ref('DELETE', 'q2', 'core')))
      await be.setComponentExports(state, 'core', [{ resources: `${QUEUE};q3` }])
      await fails('PermissionDenied', be.resolveReferenceChange(state, ref('CREATE', 'q2', 'core')))
      await be.resolveReferenceChange(state, ref('CREATE', 'q3', 'core'))
      await be.updateComponent(state, { actionType: 'DELETE', previousName: 'web' })
      expect((await be.getComponent(state, 'core')).externalReferences).toEqual({})
    })

    test('a child refers to what its parent has, and nothing of the parent changes', async () => {
      await add(be, state, 'app', 'q', 'h1')
      const child = await be.createResourceState('kid', state)
      await be.updateComponent(child, { actionType: 'CREATE', newName: 'web' })
      const diff = { actionType: 'CREATE' as const, originatingComponentName: 'web', resourceReference: { componentName: 'app', ruuid: QUEUE, name: 'q', isInParentResourceState: true } }
      await be.resolveReferenceChange(child, diff)
      expect((await be.getComponent(child, 'web')).references).toEqual([diff.resourceReference])
      expect((await be.getResourceState(state)).components[0]?.externalReferences).toEqual({ [`${QUEUE};q`]: { cnt: 1 } })
      expect((await be.getResourceState(child)).parentUuid).toBe(state)
      expect((await be.getResourceState(state)).children).toEqual([child])
      expect((await be.getTopLevelResourceStates()).map((x) => x.name)).toEqual(['demo'])
      await fails('ResourceStateNotEmpty', be.deleteResourceState(state))
      await be.updateComponent(child, { actionType: 'DELETE', previousName: 'web' })
      await be.deleteResourceState(child)
      await fails('ResourceStateDoesNotExist', be.getResourceState(child))
      expect(await be.createResourceState('kid', state)).not.toBe(child)
    })

    test('a request that comes again has the first answer; under other arguments it is refused', async () => {
      const ctx = { requestId: 'r-1' }
      const uuid = await be.createResourceState('two', null, ctx)
      expect(await be.createResourceState('two', null, ctx)).toBe(uuid)
      await fails('RequestIdConflict', be.createResourceState('three', null, ctx))
      const diff = make('q', 'h1')
      const pair = await be.createResourceChangeTransaction(state, 'app', diff, ctx)
      expect(await be.createResourceChangeTransaction(state, 'app', diff, ctx)).toEqual(pair)
      const done = { requestId: 'r-2' }
      await be.completeResourceChange(state, 'app', diff, pair[0], { a: 1 }, {}, done)
      await be.completeResourceChange(state, 'app', diff, pair[0], { a: 1 }, {}, done)
    })

    test('secrets are sealed, masked, opened by right, and kept when a mask comes back', async () => {
      await add(be, state, 'app', 'q', 'h1', { password: secret('hunter-two'), plain: 'x' }, { token: secret('t0p-s3cret') })
      expect(await be.getCloudOutputByName(state, 'app', QUEUE, 'q')).toEqual({ password: { secret: true }, plain: 'x' })
      expect(await be.getCloudOutputByName(state, 'app', QUEUE, 'q', { reveal: true })).toEqual({ password: 'hunter-two', plain: 'x' })
      expect(await be.getCloudOutputValueByName(state, 'app', QUEUE, 'q', 'password', (p: string) => p.length)).toBe(10)
      const seen = await be.getResourceByName(state, 'app', QUEUE, 'q')
      expect(seen.token).toEqual({ secret: true })
      const update: ResourceDifference = { actionType: 'UPDATE_IDENTITY', componentName: 'app', previousResource: seen, newResource: { ...seen, hash: 'h2', size: 2 } }
      const [t] = await be.createResourceChangeTransaction(state, 'app', update)
      await be.completeResourceChange(state, 'app', update, t, { password: { secret: true } })
      expect(await be.getResourceByName(state, 'app', QUEUE, 'q', { reveal: true })).toMatchObject({ token: 't0p-s3cret', size: 2 })
      expect(await be.getCloudOutputValueByHash(state, await be.getComponentUuid(state, 'app'), QUEUE, 'h2', 'password')).toBe('hunter-two')
    })

    test('a key that is made for the first secret is the one that later sessions need', async () => {
      const ctx = { requestId: 'with-a-secret' }
      const diff = make('q', 'h1', { token: secret('t0p-s3cret') })
      const [token] = await be.createResourceChangeTransaction(state, 'app', diff, ctx)
      const again = await reopen()
      expect(await again.createResourceChangeTransaction(state, 'app', diff, ctx)).toEqual([token, expect.any(String)])
      await again.completeResourceChange(state, 'app', diff, token, { password: secret('hunter-two') })
      expect(await again.getCloudOutputValueByName(state, 'app', QUEUE, 'q', 'password')).toBe('hunter-two')
      await again.close()
      if (kind === 'sqlite') {
        expect(readFileSync(join(folder, 'state.db')).includes('hunter-two')).toBe(false)
        rmSync(join(folder, 'key'))
        const keyless = new SqliteBackend({ path: join(folder, 'state.db') })
        expect(await keyless.getCloudOutputByName(state, 'app', QUEUE, 'q')).toEqual({ password: { secret: true } })
        await fails('PermissionDenied', keyless.getCloudOutputValueByName(state, 'app', QUEUE, 'q', 'password'))
        await keyless.close()
      }
    })

    test('a hook decides who may do what', async () => {
      await add(be, state, 'app', 'q', 'h1', { password: secret('hunter-two') })
      const permit = (p: { principal: string | undefined; action: string }) => (p.principal === 'root' || p.action === 'output:read' || p.action === 'state:read' ? true : p.action === 'output:readSecret' ? 'ask root' : false)
      const guarded = kind === 'memory' ? new MemoryBackend({ of: be as MemoryBackend, permit }) : new SqliteBackend({ path: join(folder, 'state.db'), permit })
      const e = await fails('PermissionDenied', guarded.getCloudOutputValueByName(state, 'app', QUEUE, 'q', 'password'))
      expect(e.message).toContain('ask root')
      await fails('PermissionDenied', guarded.createResourceChangeTransaction(state, 'app', make('n', 'h2')))
      await fails('PermissionDenied', guarded.getComponent(state, 'app', { reveal: true }))
      expect(await guarded.getCloudOutputByName(state, 'app', QUEUE, 'q')).toEqual({ password: { secret: true } })
      expect(await guarded.getCloudOutputValueByName(state, 'app', QUEUE, 'q', 'password', undefined, { principal: 'root' })).toBe('hunter-two')
      expect(await be.listChanges()).toEqual([])
      await guarded.close()
    })

    test('tags find, sorted by name', async () => {
      await add(be, state, 'app', 'b', 'h1', {}, { tags: { team: 'x', tier: '1' } })
      await add(be, state, 'app', 'a', 'h2', {}, { tags: { team: 'y' } })
      await add(be, state, 'app', 'team', 'h3')
      expect((await be.getResourcesByTag(state, 'app', QUEUE, 'team')).map((r) => r.name)).toEqual(['a', 'b'])
      expect((await be.getResourcesByTag(state, 'app', QUEUE, 'team=x')).map((r) => r.name)).toEqual(['b'])
      await fails('ResourceDoesNotExist', be.getResourcesByTag(state, 'app', QUEUE, 'nothing'))
      expect(await be.listResourcesByTag(state, 'app', QUEUE, 'nothing')).toEqual([])
    })

    test('the namespace token is the same for a component in every run and after a rename', async () => {
      const [, before] = await be.createResourceChangeTransaction(state, 'app', make('q', 'h1'))
      const diff = make('q', 'h1')
      const [open] = (await be.listChanges({ status: 'open' })).map((c) => c.transactionToken)
      await fails('ComponentBusy', be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'app', newName: 'core' }))
      await be.completeResourceChange(state, 'app', diff, open as string, {})
      await be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'app', newName: 'core' })
      expect((await be.createResourceChangeTransaction(state, 'core', make('r', 'h2')))[1]).toBe(before)
    })

    test('an open change survives closing, and is completed by whoever opens the store again', async () => {
      const diff = make('q', 'h1')
      const [token] = await be.createResourceChangeTransaction(state, 'app', diff)
      const again = await reopen()
      expect((await again.listChanges()).map((c) => [c.transactionToken, c.status, c.ownerGone])).toEqual([[token, 'open', false]])
      await again.completeResourceChange(state, 'app', diff, token, { id: 1 })
      await again.close()
    })

    test('many changes at once end in one revision each', async () => {
      const names = Array.from({ length: 40 }, (_, i) => `n${i}`)
      await Promise.all(names.map((n) => add(be, state, 'app', n, `h-${n}`)))
      expect((await be.getComponent(state, 'app')).resources.map((r) => r.name)).toEqual([...names].sort())
      const other = second()
      await Promise.all(names.map((n, i) => add(i % 2 ? be : other, state, 'app', `m${n}`, `g-${n}`)))
      expect((await be.getComponent(state, 'app')).resources).toHaveLength(80)
      await other.close()
    })

    test('a stale revision is refused with the current one', async () => {
      const { revision } = await be.getResourceState(state)
      await be.updateComponent(state, { actionType: 'CREATE', newName: 'x' }, { expectedRevision: revision })
      const e = await fails('RevisionConflict', be.updateComponent(state, { actionType: 'CREATE', newName: 'y' }, { expectedRevision: revision }))
      expect(e.details.revision).toBe(revision + 1)
    })

    test('differences are those between what is stored and what is asked for', async () => {
      await add(be, state, 'app', 'q', 'h1')
      const [components, resources, references] = await be.createDifferences(state, [{ name: 'app', resources: [{ name: 'q', ruuid: QUEUE, hash: 'h2' }] }], ['app'])
      expect([components, resources.map((r) => r.actionType), references]).toEqual([[{ actionType: 'UPDATE_IDENTITY', previousName: 'app', newName: 'app' }], ['UPDATE_IDENTITY'], []])
      await fails('ComponentDoesNotExist', be.createDifferences(state, [], ['none']))
    })

    test('without outputs there is no output; an empty one is one', async () => {
      const diff = make('q', 'h1')
      const [t] = await be.createResourceChangeTransaction(state, 'app', diff)
      await be.completeResourceChange(state, 'app', diff, t, undefined as never)
      await fails('CloudOutputDoesNotExist', be.getCloudOutputByName(state, 'app', QUEUE, 'q'))
      await add(be, state, 'app', 'e', 'h2', {})
      expect(await be.getCloudOutputByName(state, 'app', QUEUE, 'e')).toEqual({})
      await fails('KeyNotInCloudOutput', be.getCloudOutputValueByName(state, 'app', QUEUE, 'e', 'id'))
    })
  })
}
