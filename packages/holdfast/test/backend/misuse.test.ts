import { afterAll, expect, test } from 'vitest'
import { BackendError, compareComponents, InvalidArgument, InvalidDifference, MemoryBackend } from '../../src/backend/index.ts'

const be = new MemoryBackend({})
afterAll(() => be.close())
const any = (x: unknown) => x as never

const refused = async (Class: new (...a: never[]) => BackendError, named: string | RegExp, act: () => Promise<unknown>) => {
  const e = await Promise.resolve().then(act).then(() => undefined, (x: unknown) => x) as BackendError | undefined
  expect([e?.constructor.name ?? 'nothing', e instanceof Class, e?.message]).toEqual([Class.name, true, expect.stringMatching(named)])
  expect(e?.helpMessage).not.toBe('')
}

test('what a caller without types gives is refused in words, and nothing is written', async () => {
  const state = await be.createResourceState('misused')
  await be.updateComponent(state, { actionType: 'CREATE', newName: 'db' })
  await be.updateComponent(state, { actionType: 'CREATE', newName: 'api' })
  const { revision } = await be.getResourceState(state)

  for (const name of [undefined, null, 5, '', {}]) await refused(InvalidArgument, 'name', () => be.createResourceState(any(name)))
  for (const diff of [undefined, null, 5, 'CREATE']) {
    await refused(InvalidDifference, 'no object', () => be.updateComponent(state, any(diff)))
    await refused(InvalidDifference, 'no object', () => be.resolveReferenceChange(state, any(diff)))
    await refused(InvalidDifference, 'no object', () => be.createResourceChangeTransaction(state, 'db', any(diff)))
  }
  const target = { componentName: 'db', ruuid: 't', name: 'x' }
  for (const reference of [undefined, null, 5, {}, { ...target, name: undefined }, { ...target, ruuid: 5 }, { ...target, componentName: '' }, { ...target, isInParentResourceState: 'yes' }]) {
    await refused(InvalidDifference, 'resourceReference', () => be.resolveReferenceChange(state, any({ actionType: 'CREATE', originatingComponentName: 'api', resourceReference: reference })))
  }
  // A difference of another component than the one that is named is a mix-up; a name that nobody has may be the one the component is about to get.
  const create = (componentName: unknown) => any({ actionType: 'CREATE', componentName, newResource: { name: 'x', ruuid: 't', hash: 'h' } })
  await refused(InvalidDifference, 'api', () => be.createResourceChangeTransaction(state, 'db', create('api')))
  await refused(InvalidDifference, 'componentName', () => be.createResourceChangeTransaction(state, 'db', create(5)))

  for (const filter of [5, 'open', { status: 'FAILED' }, { status: 5 }, { stateUuid: 5 }, { state }]) await refused(InvalidArgument, 'filter', () => be.listChanges(any(filter)))
  for (const ctx of [5, 'me', { requestid: 'r' }, { requestId: 5 }, { requestId: '' }, { principal: 5 }, { expectedRevision: 'x' }, { expectedRevision: 1.5 }, { fence: 5 }, { fence: { scope: 's' } }, { reveal: 'yes' }]) {
    for (const act of [
      () => be.createResourceState('other', null, any(ctx)), () => be.updateComponent(state, { actionType: 'CREATE', newName: 'new' }, any(ctx)), () => be.getComponent(state, 'db', any(ctx)), () => be.getTopLevelResourceStates(any(ctx)),
      () => be.listChanges({}, any(ctx)), () => be.createDifferences(state, [], [], any(ctx)),
    ]) await refused(InvalidArgument, 'ctx', act)
  }
  const whole = { name: 'x', ruuid: 't', hash: 'h' }
  for (const [components, old] of [
    [undefined, []], [5, []], [{}, []], [[], undefined], [[], 'db'], [[], [5]], [[null], []], [[{}], []], [[{ name: 5 }], []], [[{ name: 'a', resources: 5 }], []], [[{ name: 'a', resources: [{}] }], []], [[{ name: 'a', resources: [null] }], []],
    [[{ name: 'a', resources: [{ ...whole, hash: undefined }] }], []], [[{ name: 'a', resources: [{ ...whole, ruuid: 5 }] }], []], [[{ name: 'a', resources: [], references: [{}] }], []], [[{ name: 'a', resources: [], references: 5 }], []], [[{ name: 'a', aliases: 'b' }], []],
  ]) await refused(InvalidArgument, /components|oldComponents/, () => be.createDifferences(state, any(components), any(old)))
  expect((await be.getResourceState(state)).revision).toBe(revision)
  expect((await be.getTopLevelResourceStates()).map((s) => s.name)).toEqual(['misused'])
})

test('a component of a difference may leave out what it has none of', async () => {
  const state = await be.createResourceState('short')
  expect(await be.createDifferences(state, [any({ name: 'a' })], [])).toEqual([[{ actionType: 'CREATE', newName: 'a' }], [], []])
  const token = (await be.updateComponent(state, { actionType: 'CREATE', newName: 'a' }), await be.createResourceChangeTransaction(state, 'a', { actionType: 'CREATE', componentName: 'soon', newResource: { name: 'x', ruuid: 't', hash: 'h' } }))[0]
  expect((await be.listChanges({ stateUuid: state, status: 'open' })).map((c) => c.transactionToken)).toEqual([token])
})

test('components that are compared without a state are looked at in the same way', async () => {
  expect(compareComponents([any({ name: 'a' })], [any({ name: 'b' })]).components.map((d) => d.actionType)).toEqual(['UPDATE_NAME'])
  for (const [news, olds] of [[undefined, []], [[], undefined], [[], [{}]], [[null], []], [[{ name: 'a', resources: [{}] }], []], [[], [{ name: 'a', resources: 5 }]]]) await refused(InvalidArgument, /components/, async () => compareComponents(any(news), any(olds)))
})

test('an output is an object of data, or nothing', async () => {
  const state = await be.createResourceState('outputs')
  await be.updateComponent(state, { actionType: 'CREATE', newName: 'a' })
  const diff = { actionType: 'CREATE', componentName: 'a', newResource: { name: 'x', ruuid: 't', hash: 'h' } } as const
  const [token] = await be.createResourceChangeTransaction(state, 'a', diff)
  for (const output of [5, 'arn', [1], true]) await refused(InvalidArgument, 'output', () => be.completeResourceChange(state, 'a', diff, token, any(output)))
  for (const output of [{ f: () => 1 }, { n: Number.NaN }]) await expect(be.completeResourceChange(state, 'a', diff, token, any(output))).rejects.toMatchObject({ code: 'HF1204' })
  await be.completeResourceChange(state, 'a', diff, token, any(null))
})

test('what is watched, exported and transformed is said clearly', async () => {
  const state = await be.createResourceState('watched')
  await be.updateComponent(state, { actionType: 'CREATE', newName: 'a' })
  const first = async (options: unknown) => { for await (const e of be.watch(state, any(options))) return e }
  for (const options of [5, null, 'now', { from: 'x' }, { from: -1 }, { from: 1.5 }, { signal: 5 }, { since: 1 }]) await refused(InvalidArgument, 'watch', () => first(options))
  expect(await first({ from: 0 })).toMatchObject({ kind: 'state.created' })

  for (const exports of [undefined, 5, 'x', {}, [5], [null], [{}], [{ resources: 5 }], [{ resources: 't;*', to: 5 }], [{ resources: 't;*', too: 'x' }]]) await refused(InvalidArgument, 'exports', () => be.setComponentExports(state, 'a', any(exports)))
  for (const exports of [[], [{ resources: 't;*' }, { resources: '*', to: 'shop/*' }], null]) await be.setComponentExports(state, 'a', exports)

  const diff = { actionType: 'CREATE', componentName: 'a', newResource: { name: 'x', ruuid: 't', hash: 'h' } } as const
  const [token] = await be.createResourceChangeTransaction(state, 'a', diff)
  await be.completeResourceChange(state, 'a', diff, token, { arn: 1 })
  for (const transform of ['x', 5, {}]) {
    await refused(InvalidArgument, 'transform', () => be.getCloudOutputValueByName(state, 'a', 't', 'x', 'arn', any(transform)))
    await refused(InvalidArgument, 'transform', () => be.getCloudOutputValueByHash(state, 'a', 't', 'h', 'arn', any(transform)))
  }
})
