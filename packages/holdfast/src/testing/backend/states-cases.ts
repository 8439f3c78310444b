import assert from 'node:assert/strict'
import { RequestIdConflict, ResourceStateAlreadyExists, ResourceStateDoesNotExist, ResourceStateNotEmpty } from '../../backend/index.ts'
import { cases, creating, NOBODY, r, refused } from './trial.ts'

/** Resource states: spec section 8.1. */
export const stateCases = cases((test) => {
  test('S000-21 S000-22 S000-23 B8.1#1 a new state has a uuid, by which it is found, and stands at the top', async ({ be }) => {
    const uuid = await be.createResourceState('demo')
    assert.ok(typeof uuid === 'string' && uuid !== '')
    const state = await be.getResourceState(uuid)
    assert.equal(state.name, 'demo')
    assert.equal(state.uuid, uuid)
    assert.deepEqual((await be.getTopLevelResourceStates()).map((s) => s.uuid), [uuid])
  })
  test('S000-30 S000-32 a state has its eight fields, and a new one has nothing in them', async ({ be }) => {
    const uuid = await be.createResourceState('demo')
    const { name, uuid: own, components, componentNameToUuid, parentUuid, children, resourceChanges, failedChanges } = await be.getResourceState(uuid)
    assert.deepEqual([name, own, components, componentNameToUuid, parentUuid, children, resourceChanges, failedChanges], ['demo', uuid, [], {}, null, [], {}, {}])
  })
  test('S000-25 B8.1#2 a name that is taken is refused', async ({ be }) => {
    await be.createResourceState('demo')
    await refused(ResourceStateAlreadyExists, be.createResourceState('demo'))
    assert.equal((await be.getTopLevelResourceStates()).length, 1)
  })
  test('B8.1#3 D4 the same name may stand under two parents, and once under each', async ({ be }) => {
    const [a, b] = [await be.createResourceState('a'), await be.createResourceState('b')]
    const [inA, inB] = [await be.createResourceState('demo', a), await be.createResourceState('demo', b)]
    assert.notEqual(inA, inB)
    await refused(ResourceStateAlreadyExists, be.createResourceState('demo', a))
    assert.ok(await be.createResourceState('demo'))
    await refused(ResourceStateAlreadyExists, be.createResourceState('demo'))
  })
  test('S000-26 B8.1#4 D4 an unknown parent is refused, and nothing is made', async ({ be }) => {
    await refused(ResourceStateDoesNotExist, be.createResourceState('demo', NOBODY))
    assert.deepEqual(await be.getTopLevelResourceStates(), [])
  })
  test('S000-24 D5 a state with a parent is among its children, and not at the top', async ({ be }) => {
    const parent = await be.createResourceState('parent')
    const [one, two] = [await be.createResourceState('one', parent), await be.createResourceState('two', parent)]
    assert.equal((await be.getResourceState(one)).parentUuid, parent)
    assert.deepEqual([...(await be.getResourceState(parent)).children].sort(), [one, two].sort())
    assert.deepEqual((await be.getTopLevelResourceStates()).map((s) => s.uuid), [parent])
    await be.deleteResourceState(one)
    assert.deepEqual((await be.getResourceState(parent)).children, [two])
  })
  test('S000-33 B8.1#6 D25 after opening again the same states are at the top', async (t) => {
    const parent = await t.state('parent')
    await t.be.createResourceState('child', parent)
    await t.state('other')
    const before = await t.be.getTopLevelResourceStates()
    assert.deepEqual(before.map((s) => s.name).sort(), ['other', 'parent'])
    assert.deepEqual(await (await t.reopen()).getTopLevelResourceStates(), before)
  }, ['reopen'])
  test('S000-33 exactly the states without a parent are listed', async ({ be }) => {
    const a = await be.createResourceState('a')
    const b = await be.createResourceState('b')
    await be.createResourceState('c', await be.createResourceState('d', a))
    assert.deepEqual((await be.getTopLevelResourceStates()).map((s) => s.uuid).sort(), [a, b].sort())
  })
  test('S000-34 an empty store has an empty list, and no error', async ({ be }) => assert.deepEqual(await be.getTopLevelResourceStates(), []))
  test('S000-31 B8.1#7 an unknown state is not found', async ({ be }) => void (await refused(ResourceStateDoesNotExist, be.getResourceState(NOBODY))))
  test('S000-28 B8.1#8 an unknown state is not deleted', async ({ be }) => void (await refused(ResourceStateDoesNotExist, be.deleteResourceState(NOBODY))))
  test('S000-29 B8.1#9 a state with a component is not deleted, even if that is empty', async (t) => {
    const state = await t.state('demo', 'A')
    await refused(ResourceStateNotEmpty, t.be.deleteResourceState(state))
    await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' })
    await t.be.deleteResourceState(state)
  })
  test('S000-29 B8.1#10 D5 a state with a child is not deleted', async ({ be }) => {
    const parent = await be.createResourceState('parent')
    const child = await be.createResourceState('child', parent)
    await refused(ResourceStateNotEmpty, be.deleteResourceState(parent))
    await be.deleteResourceState(child)
    await be.deleteResourceState(parent)
    assert.deepEqual(await be.getTopLevelResourceStates(), [])
  })
  test('S000-29 B8.1#12 D34 a state with an open or a failed change is not deleted, and the change stays', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.open(state, diff)
    await refused(ResourceStateNotEmpty, t.be.deleteResourceState(state))
    assert.deepEqual(await t.openTokens(state), [token])
    await t.be.failResourceChange(state, 'A', diff, token, {})
    // The component goes where the backend allows it; the record alone is enough to keep the state.
    await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' }).catch(() => {})
    await refused(ResourceStateNotEmpty, t.be.deleteResourceState(state))
    assert.deepEqual(await t.failedTokens(state), [token])
  })
  test('S000-27 B8.1#13 an empty state goes, and its name is free', async ({ be }) => {
    const state = await be.createResourceState('demo')
    await be.deleteResourceState(state)
    await refused(ResourceStateDoesNotExist, be.getResourceState(state))
    assert.deepEqual(await be.getTopLevelResourceStates(), [])
    const again = await be.createResourceState('demo')
    assert.notEqual(again, state)
  })
  test('B8.1#14 D25 a child that is deleted after opening again leaves nothing behind', async (t) => {
    const parent = await t.state('parent')
    const child = await t.be.createResourceState('child', parent)
    const be = await t.reopen()
    await be.deleteResourceState(child)
    assert.deepEqual((await be.getTopLevelResourceStates()).map((s) => s.uuid), [parent])
    assert.deepEqual((await be.getResourceState(parent)).children, [])
  }, ['reopen'])
  test('B8.1#15 a create that is repeated under its request id makes one state', async ({ be }) => {
    const first = await be.createResourceState('demo', null, { requestId: 'request-1' })
    assert.equal(await be.createResourceState('demo', null, { requestId: 'request-1' }), first)
    assert.equal((await be.getTopLevelResourceStates()).length, 1)
  })
  test('B8.1#15 a request is known after opening again', async (t) => {
    const first = await t.be.createResourceState('demo', null, { requestId: 'request-1' })
    const be = await t.reopen()
    assert.equal(await be.createResourceState('demo', null, { requestId: 'request-1' }), first)
  }, ['reopen'])
  test('B8.1#16 a request id is not used for another request', async ({ be }) => {
    await be.createResourceState('demo', null, { requestId: 'request-1' })
    await refused(RequestIdConflict, be.createResourceState('other', null, { requestId: 'request-1' }))
    assert.deepEqual((await be.getTopLevelResourceStates()).map((s) => s.name), ['demo'])
  })
  test('D21 two processes that make the same state at once make one', async (t) => {
    const other = await t.second()
    const outcomes = await Promise.allSettled([t.be.createResourceState('demo'), other.createResourceState('demo')])
    assert.equal(outcomes.filter((o) => o.status === 'fulfilled').length, 1)
    const lost = outcomes.find((o) => o.status === 'rejected') as PromiseRejectedResult
    await refused(ResourceStateAlreadyExists, Promise.reject(lost.reason))
    assert.equal((await other.getTopLevelResourceStates()).length, 1)
  }, ['second'])
  test('D21 what one process has written the other sees', async (t) => {
    const other = await t.second()
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1'))
    assert.deepEqual((await other.getComponent(state, 'A')).resources, [r('1')])
    await other.updateComponent(state, { actionType: 'CREATE', newName: 'B' })
    assert.deepEqual((await t.be.getResourceState(state)).components.map((c) => c.name).sort(), ['A', 'B'])
  }, ['second'])
  test('what was read is a copy: changing it changes nothing', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1', 'h', { list: [1] }))
    const before = structuredClone(await t.be.getResourceState(state))
    const read = await t.be.getResourceState(state) as any
    try {
      read.components[0].resources[0].list.push(2)
      read.components[0].resources.pop()
      read.name = 'other'
    } catch { /* frozen is as good as a copy */ }
    assert.deepEqual(await t.be.getResourceState(state), before)
  })
})
