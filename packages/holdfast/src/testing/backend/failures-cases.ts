import assert from 'node:assert/strict'
import { ComponentDoesNotExist, OutputsRequired, ResourceBusy, ResourceChangeTransactionDoesNotExist, ResourceDoesNotExist, ResourceStateDoesNotExist } from '../../backend/index.ts'
import { cases, creating, deleting, NOBODY, r, refused, STRICT, updating, X, type Trial } from './trial.ts'

/** A component with one resource, and a failed update of it. */
async function failedUpdate(t: Trial): Promise<{ readonly state: string; readonly token: string }> {
  const state = await t.state('demo', 'A')
  await t.change(state, creating('A', r('1', 'h1')), { id: 'old' })
  return { state, token: await t.fail(state, updating('A', r('1', 'h1'), r('1', 'h2'))) }
}

/** Changes that fail, and the ways out: spec section 8.3 from 60 on. */
export const failureCases = cases((test) => {
  test('S000-68 S000-70 a change that fails leaves the component as it was, and is among the failed ones', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1', 'h1'))
    const before = await t.be.getComponent(state, 'A')
    const token = await t.fail(state, updating('A', r('1', 'h1'), r('1', 'h2')))
    assert.deepEqual(await t.be.getComponent(state, 'A'), before)
    assert.deepEqual([await t.openTokens(state), await t.failedTokens(state)], [[], [token]])
  })
  test('S000-71 S000-72 B8.3#60 nothing fails in an unknown state, and no unknown change fails', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.open(state, diff)
    await refused(ResourceStateDoesNotExist, t.be.failResourceChange(NOBODY, 'A', diff, token, {}))
    await refused(ResourceChangeTransactionDoesNotExist, t.be.failResourceChange(state, 'A', diff, NOBODY, {}))
    assert.deepEqual(await t.openTokens(state), [token])
  })
  test('S000-72 B8.3#61 a change fails once, and again only under its request id', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.open(state, diff)
    const fail = (requestId?: string) => t.be.failResourceChange(state, 'A', diff, token, { n: 1 }, requestId === undefined ? {} : { requestId })
    await fail('q')
    await fail('q')
    await refused(ResourceChangeTransactionDoesNotExist, fail())
    assert.deepEqual(await t.failedTokens(state), [token])
  })
  test('S000-69 B8.3#62 D11 a failed change keeps what was said of it, outputs included', async (t) => {
    const state = await t.state('demo', 'A')
    const failedState = { why: 'timeout', outputs: { bucket: 'b-1', parts: [3, 1, 2, 2] }, none: null }
    const diff = creating('A', r('1'))
    const token = await t.fail(state, diff, failedState)
    const failed = (await t.be.getResourceState(state)).failedChanges[token]
    assert.deepEqual({ componentName: failed?.componentName, diff: failed?.diff, failedState: failed?.failedState }, { componentName: 'A', diff, failedState })
  })
  test('S000-69 a failed change is there after opening again', async (t) => {
    const { state, token } = await failedUpdate(t)
    const before = (await t.be.getResourceState(state)).failedChanges
    assert.deepEqual((await (await t.reopen()).getResourceState(state)).failedChanges, before)
    assert.deepEqual(Object.keys(before), [token])
  }, ['reopen'])
  test('S000-73 B8.3#63 the failed state is replaced as a whole', async (t) => {
    const { state, token } = await failedUpdate(t)
    await t.be.changeFailedStateOfResourceChange(state, token, { other: [1] })
    assert.deepEqual((await t.be.getResourceState(state)).failedChanges[token]?.failedState, { other: [1] })
  })
  test('S000-74 S000-75 B8.3#64 the failed state of an unknown or open change, or in an unknown state, is not replaced', async (t) => {
    const { state, token } = await failedUpdate(t)
    await refused(ResourceStateDoesNotExist, t.be.changeFailedStateOfResourceChange(NOBODY, token, {}))
    await refused(ResourceChangeTransactionDoesNotExist, t.be.changeFailedStateOfResourceChange(state, NOBODY, {}))
    const open = await t.open(state, creating('A', r('2')))
    await refused(ResourceChangeTransactionDoesNotExist, t.be.changeFailedStateOfResourceChange(state, open, {}))
    assert.deepEqual((await t.be.getResourceState(state)).failedChanges[token]?.failedState, { why: 'the cloud said no' })
  })
  test('S000-76 S000-77 S000-79 a change that is recovered is as if it had never been, unless something else is asked for', async (t) => {
    const { state, token } = await failedUpdate(t)
    await t.be.recoverFailedResourceChange(state, token)
    assert.deepEqual(await t.be.getResourceByName(state, 'A', X, '1'), r('1', 'h1'))
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '1'), { id: 'old' })
    assert.deepEqual(await t.failedTokens(state), [])
    await refused(ResourceChangeTransactionDoesNotExist, t.be.recoverFailedResourceChange(state, token))
    await t.change(state, updating('A', r('1', 'h1'), r('1', 'h2')), { id: 'new' })
  })
  test('S000-78 S000-80 B8.3#66 D9 a change that is recovered forward has become true, with the outputs that are given', async (t) => {
    const { state, token } = await failedUpdate(t)
    await t.be.recoverFailedResourceChange(state, token, false, { id: 'new' })
    assert.deepEqual(await t.be.getResourceByName(state, 'A', X, '1'), r('1', 'h2'))
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '1'), { id: 'new' })
    assert.deepEqual([await t.failedTokens(state), await t.openTokens(state)], [[], []])
    await refused(ResourceChangeTransactionDoesNotExist, t.be.recoverFailedResourceChange(state, token, false, { id: 'new' }))
  })
  test('S000-78 B8.3#67 D9 recovered forward, a created resource appears and a deleted one goes', async (t) => {
    const state = await t.state('demo', 'A')
    const created = await t.fail(state, creating('A', r('1')))
    await t.be.recoverFailedResourceChange(state, created, false, { id: 1 })
    assert.deepEqual(await t.names(state, 'A'), ['1'])
    const deleted = await t.fail(state, deleting('A', r('1')))
    await t.be.recoverFailedResourceChange(state, deleted, false)
    const a = await t.be.getComponent(state, 'A')
    assert.deepEqual([a.resources, a.cloudOutput], [[], {}])
  })
  test('S000-80 B8.3#68 a change is not recovered forward without the outputs that its type has to have, and stays', async (t) => {
    const state = await t.state('demo', 'A')
    const strict = { ...r('1'), ruuid: STRICT }
    const token = await t.fail(state, creating('A', strict))
    for (const outputs of [undefined, {}, { id: 1 }]) {
      await refused(OutputsRequired, t.be.recoverFailedResourceChange(state, token, false, outputs))
      assert.deepEqual(await t.failedTokens(state), [token])
    }
    await t.be.recoverFailedResourceChange(state, token, false, { arn: 'a' })
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', STRICT, '1'), { arn: 'a' })
    const lax = await t.fail(state, creating('A', r('2')))
    await t.be.recoverFailedResourceChange(state, lax, false)
    assert.deepEqual(await t.names(state, 'A'), ['1', '2'])
  })
  test('S000-81 nothing is recovered in an unknown state', async (t) => {
    const { state, token } = await failedUpdate(t)
    await refused(ResourceStateDoesNotExist, t.be.recoverFailedResourceChange(NOBODY, token))
    await refused(ResourceChangeTransactionDoesNotExist, t.be.recoverFailedResourceChange(await t.state('other'), token))
    assert.deepEqual(await t.failedTokens(state), [token])
  })
  test('S000-82 B8.3#69 a component is not lost under a failed change: it stays, or the change is kept and says so', async (t) => {
    const state = await t.state('demo', 'A')
    const token = await t.fail(state, creating('A', r('1')))
    const gone = await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' }).then(() => true, () => false)
    if (!gone) return assert.deepEqual(await t.names(state, 'A'), [])
    await refused(ComponentDoesNotExist, t.be.recoverFailedResourceChange(state, token, false, { id: 1 }))
    assert.deepEqual(await t.failedTokens(state), [token])
  })
  test('S000-83 S000-87 B8.3#70 an unknown change is not recovered or removed, nor is an open one', async (t) => {
    const state = await t.state('demo', 'A')
    const open = await t.open(state, creating('A', r('1')))
    for (const token of [NOBODY, open]) {
      await refused(ResourceChangeTransactionDoesNotExist, t.be.recoverFailedResourceChange(state, token))
      await refused(ResourceChangeTransactionDoesNotExist, t.be.recoverFailedResourceChange(state, token, false, {}))
      await refused(ResourceChangeTransactionDoesNotExist, t.be.removeFailedResourceChange(state, token))
    }
    assert.deepEqual(await t.openTokens(state), [open])
  })
  test('S000-84 S000-86 a failed change that is removed is forgotten, and blocks nothing any more', async (t) => {
    const { state, token } = await failedUpdate(t)
    await refused(ResourceStateDoesNotExist, t.be.removeFailedResourceChange(NOBODY, token))
    await t.be.removeFailedResourceChange(state, token)
    assert.deepEqual([await t.failedTokens(state), await t.be.listChanges({ stateUuid: state })], [[], []])
    await refused(ResourceChangeTransactionDoesNotExist, t.be.removeFailedResourceChange(state, token))
    await t.change(state, updating('A', r('1', 'h1'), r('1', 'h2')), { id: 'new' })
  })
  test('D1 S000-90 a resource whose last change failed takes no other until that is settled', async (t) => {
    const state = await t.state('demo', 'A')
    const token = await t.fail(state, creating('A', r('1')))
    const e = await refused(ResourceBusy, t.open(state, creating('A', r('1'))))
    assert.equal(e.details.transactionToken, token)
    await refused(ResourceDoesNotExist, t.be.getResourceByName(state, 'A', X, '1'))
    await t.be.recoverFailedResourceChange(state, token)
    await t.change(state, creating('A', r('1')))
    assert.deepEqual(await t.names(state, 'A'), ['1'])
  })
  test('S000-90 D10 every change that is not settled is listed by its status', async (t) => {
    const state = await t.state('demo', 'A')
    const open = await t.open(state, creating('A', r('1')))
    const failed = await t.fail(state, creating('A', r('2')))
    await t.change(state, creating('A', r('3')))
    const changes = await t.be.listChanges({ stateUuid: state })
    assert.deepEqual(changes.map((c) => c.transactionToken).sort(), [open, failed].sort())
    assert.deepEqual((await t.be.listChanges({ stateUuid: state, status: 'open' })).map((c) => c.transactionToken), [open])
    const listed = changes.find((c) => c.transactionToken === failed)
    assert.ok(listed?.status === 'failed' || listed?.status === 'unknown')
    assert.deepEqual((await t.be.listChanges({ status: listed.status })).map((c) => c.transactionToken), [failed])
    assert.equal((await t.be.getResourceState(state)).failedChanges[failed]?.outcome, listed.status)
    await t.be.removeFailedResourceChange(state, failed)
    assert.deepEqual((await t.be.listChanges({ stateUuid: state })).map((c) => c.transactionToken), [open])
  })
})
