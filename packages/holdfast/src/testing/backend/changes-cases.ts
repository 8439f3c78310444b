import assert from 'node:assert/strict'
import {
  CloudOutputDoesNotExist, ComponentDoesNotExist, ResourceAlreadyExists, ResourceBusy, ResourceChangeTransactionDoesNotExist, ResourceDoesNotExist, ResourceStateDoesNotExist, StaleBase, TransactionAlreadyCompleted,
  TransactionMismatch,
} from '../../backend/index.ts'
import { cases, creating, deleting, NOBODY, r, refused, renaming, updating, X } from './trial.ts'

/** Change transactions that are opened and completed: spec section 8.3. */
export const changeCases = cases((test) => {
  test('S000-48 S000-57 B8.3#37 D24 an opened change gives two tokens, and stands in the list with owner, time and difference', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1', 'h', { size: 3 }))
    const tokens = await t.be.createResourceChangeTransaction(state, 'A', diff)
    assert.equal(tokens.length, 2)
    for (const token of tokens) assert.ok(typeof token === 'string' && token !== '')
    const open = (await t.be.getResourceState(state)).resourceChanges[tokens[0]]
    assert.deepEqual({ componentName: open?.componentName, diff: open?.diff }, { componentName: 'A', diff })
    const [listed, ...more] = await t.be.listChanges({ stateUuid: state })
    assert.equal(more.length, 0)
    assert.deepEqual({ token: listed?.transactionToken, status: listed?.status, diff: listed?.diff }, { token: tokens[0], status: 'open', diff })
    assert.ok(listed?.owner !== '' && !Number.isNaN(Date.parse(listed?.openedAt as string)))
    assert.deepEqual(await t.names(state, 'A'), [], 'nothing is changed yet')
  })
  test('S000-55 S000-56 B8.3#38 nothing is opened in an unknown state or component', async (t) => {
    const state = await t.state('demo', 'A')
    await refused(ResourceStateDoesNotExist, t.be.createResourceChangeTransaction(NOBODY, 'A', creating('A', r('1'))))
    await refused(ComponentDoesNotExist, t.be.createResourceChangeTransaction(state, 'none', creating('none', r('1'))))
    assert.deepEqual(await t.openTokens(state), [])
  })
  test('B8.3#39 two changes have two tokens', async (t) => {
    const state = await t.state('demo', 'A')
    assert.notEqual(await t.open(state, creating('A', r('1'))), await t.open(state, creating('A', r('2'))))
  })
  test('B8.3#40 D23 the namespace token is the same in every run and after a rename of the component, and another in another component', async (t) => {
    const state = await t.state('demo', 'A', 'B')
    const namespace = async (c: string, name: string) => {
      const diff = creating(c, r(name))
      const [token, ns] = await t.be.createResourceChangeTransaction(state, c, diff)
      await t.be.completeResourceChange(state, c, diff, token, {})
      return ns
    }
    const first = await namespace('A', '1')
    assert.equal(await namespace('A', '2'), first)
    assert.notEqual(await namespace('B', '1'), first)
    await t.be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'A', newName: 'renamed' })
    assert.equal(await namespace('renamed', '3'), first)
  })
  test('S000-50 S000-51 B8.3#42 D2 a resource with an open change takes no other, and the one that is open is named', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1', 'h1'))
    const token = await t.open(state, updating('A', r('1', 'h1'), r('1', 'h2')))
    for (const diff of [updating('A', r('1', 'h1'), r('1', 'h3')), deleting('A', r('1', 'h1'))]) {
      const e = await refused(ResourceBusy, t.open(state, diff))
      assert.equal(e.details.transactionToken, token)
    }
    const creation = await t.open(state, creating('A', r('2')))
    assert.equal((await refused(ResourceBusy, t.open(state, creating('A', r('2'))))).details.transactionToken, creation)
    assert.deepEqual((await t.openTokens(state)).sort(), [token, creation].sort())
  })
  test('B8.3#43 a change that is opened again under its request id has the same tokens', async (t) => {
    const state = await t.state('demo', 'A')
    const open = () => t.be.createResourceChangeTransaction(state, 'A', creating('A', r('1')), { requestId: 'q' })
    assert.deepEqual(await open(), await open())
    assert.equal((await t.openTokens(state)).length, 1)
  })
  test('S000-51 B8.3#44 D2 a change of a resource that has changed meanwhile is refused', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1', 'h1'))
    await t.change(state, updating('A', r('1', 'h1'), r('1', 'h2')))
    await refused(StaleBase, t.open(state, updating('A', r('1', 'h1'), r('1', 'h3'))))
    await refused(StaleBase, t.open(state, deleting('A', r('1', 'h1'))))
    assert.deepEqual(await t.openTokens(state), [])
  })
  test('S000-51 B8.3#45 D37 a resource that is there is not created again', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1'))
    await refused(ResourceAlreadyExists, t.open(state, creating('A', r('1', 'another'))))
    assert.deepEqual(await t.names(state, 'A'), ['1'])
  })
  test('S000-51 B8.3#46 what is not there is not deleted or updated', async (t) => {
    const state = await t.state('demo', 'A')
    await refused(ResourceDoesNotExist, t.open(state, deleting('A', r('1'))))
    await refused(ResourceDoesNotExist, t.open(state, updating('A', r('1'), r('1', 'h2'))))
  })
  test('B8.3#48 five resources are deleted, and their outputs and resolved values with them', async (t) => {
    const state = await t.state('demo', 'A')
    const all = ['1', '2', '3', '4', '5'].map((n) => r(n))
    for (const x of all) await t.change(state, creating('A', x), { id: x.name }, { 'x;p;k': x.name })
    assert.equal((await t.be.getComponent(state, 'A')).resources.length, 5)
    for (const x of all) await t.change(state, deleting('A', x))
    const a = await t.be.getComponent(state, 'A')
    assert.deepEqual([a.resources, a.cloudOutput, a.previousResolvedCloudValues], [[], {}, {}])
  })
  test('S000-59 S000-60 S000-61 a completed change has become true, with its output', async (t) => {
    const state = await t.state('demo', 'A')
    const resource = r('1', 'h1', { size: 1, nested: { list: [1, 'a', null, { b: true }] } })
    await t.change(state, creating('A', resource), { url: 'https://x', deep: { n: [1] } })
    assert.deepEqual(await t.be.getResourceByName(state, 'A', X, '1'), resource)
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '1'), { url: 'https://x', deep: { n: [1] } })
    assert.deepEqual(await t.openTokens(state), [])
    assert.deepEqual(await t.be.listChanges({ stateUuid: state }), [])
  })
  test('S000-62 B8.7#130 what was read of others is kept with the resource, and nothing is shared between changes', async (t) => {
    const state = await t.state('demo', 'A')
    await t.change(state, creating('A', r('1')))
    await t.change(state, creating('A', r('2')), {}, { 'cdev::simple::x;producer;arn': 'as it was' })
    const resolved = (await t.be.getComponent(state, 'A')).previousResolvedCloudValues
    assert.deepEqual(resolved[`${X};2`], { 'cdev::simple::x;producer;arn': 'as it was' })
    assert.deepEqual(resolved[`${X};1`] ?? {}, {})
    // A delete reads them here, whether the producer is still there or not.
    await t.open(state, deleting('A', r('2')))
    assert.deepEqual((await t.be.getComponent(state, 'A')).previousResolvedCloudValues[`${X};2`], { 'cdev::simple::x;producer;arn': 'as it was' })
  })
  test('S000-63 B8.3#49 an unknown change is not completed', async (t) => {
    const state = await t.state('demo', 'A')
    await refused(ResourceChangeTransactionDoesNotExist, t.be.completeResourceChange(state, 'A', creating('A', r('1')), NOBODY, {}))
  })
  test('S000-65 nothing is completed in an unknown state', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.open(state, diff)
    await refused(ResourceStateDoesNotExist, t.be.completeResourceChange(NOBODY, 'A', diff, token, {}))
    await refused(ResourceChangeTransactionDoesNotExist, t.be.completeResourceChange(await t.state('other', 'A'), 'A', diff, token, {}))
    assert.deepEqual(await t.openTokens(state), [token])
  })
  test('S000-64 B8.3#50 a change of a component that is not there is not completed, and stays open', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.open(state, diff)
    await refused(ComponentDoesNotExist, t.be.completeResourceChange(state, 'none', diff, token, {}))
    assert.deepEqual(await t.openTokens(state), [token])
    await t.be.completeResourceChange(state, 'A', diff, token, {})
  })
  test('S000-66 B8.3#51 D3 a change is completed or failed with the difference it was opened with, and with no other', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1', 'h', { size: 1 }))
    const token = await t.open(state, diff)
    for (const other of [creating('A', r('2')), creating('A', r('1', 'h', { size: 2 })), deleting('A', r('1', 'h', { size: 1 }))]) {
      await refused(TransactionMismatch, t.be.completeResourceChange(state, 'A', other, token, { id: 1 }))
      await refused(TransactionMismatch, t.be.failResourceChange(state, 'A', other, token, {}))
    }
    assert.deepEqual([await t.names(state, 'A'), await t.openTokens(state), await t.failedTokens(state)], [[], [token], []])
    // The same content in another order of keys is the same difference.
    await t.be.completeResourceChange(state, 'A', { newResource: { size: 1, hash: 'h', name: '1', ruuid: X }, componentName: 'A', actionType: 'CREATE' }, token, {})
  })
  test('S000-67 B8.3#52 a second complete succeeds under the same request id, and is refused without', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.open(state, diff)
    const complete = (output: Record<string, unknown>, requestId?: string) => t.be.completeResourceChange(state, 'A', diff, token, output, {}, requestId === undefined ? {} : { requestId })
    await complete({ id: 1 }, 'q')
    await complete({ id: 1 }, 'q')
    await refused(TransactionAlreadyCompleted, complete({ id: 1 }))
    await refused(ResourceChangeTransactionDoesNotExist, complete({ id: 2 }))
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '1'), { id: 1 })
    assert.deepEqual(await t.names(state, 'A'), ['1'])
  })
  test('S000-63 B8.3#54 a change that failed is not completed', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.fail(state, diff)
    await refused(ResourceChangeTransactionDoesNotExist, t.be.completeResourceChange(state, 'A', diff, token, {}))
    assert.deepEqual(await t.failedTokens(state), [token])
  })
  test('S000-60 B8.3#55 a completed update has the new resource and the new output alone', async (t) => {
    const state = await t.state('demo', 'A')
    await t.change(state, creating('A', r('1', 'h1')), { old: 1 })
    await t.change(state, updating('A', r('1', 'h1'), r('1', 'h2', { size: 2 })), { fresh: 2 })
    assert.deepEqual((await t.be.getComponent(state, 'A')).resources, [r('1', 'h2', { size: 2 })])
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '1'), { fresh: 2 })
  })
  test('an update between two names drops the output of the old name', async (t) => {
    const state = await t.state('demo', 'A')
    await t.change(state, creating('A', r('1', 'h1')), { old: 1 })
    await t.change(state, updating('A', r('1', 'h1'), r('2', 'h2')), { fresh: 2 })
    assert.deepEqual((await t.be.getComponent(state, 'A')).cloudOutput, { [`${X};2`]: { fresh: 2 } })
  })
  test('S000-60 B8.3#56 B8.7#129 a renamed resource has its output under the new name, and not under the old', async (t) => {
    const state = await t.state('demo', 'A')
    await t.change(state, creating('A', r('1', 'h')), { url: 'u' })
    await t.change(state, renaming('A', r('1', 'h'), r('2', 'h')), await t.be.getCloudOutputByName(state, 'A', X, '1'))
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '2'), { url: 'u' })
    await refused(ResourceDoesNotExist, t.be.getCloudOutputByName(state, 'A', X, '1'))
    assert.deepEqual(await t.names(state, 'A'), ['2'])
  })
  test('B8.3#57 D7 lists keep order and repetition after opening again', async (t) => {
    const state = await t.state('demo', 'A')
    const resource = r('1', 'h', { list: ['b', 'a', 'a'], nested: [[3, 1, 2], []], map: { z: 1, a: 2 } })
    const output = { sizes: [3, 1, 2, 3], rows: [{ b: [2, 2] }] }
    await t.change(state, creating('A', resource), output)
    const be = await t.reopen()
    assert.deepEqual(await be.getResourceByName(state, 'A', X, '1'), resource)
    assert.deepEqual(await be.getCloudOutputByName(state, 'A', X, '1'), output)
  }, ['reopen'])
  test('D24 an open change is there after opening again, and can be ended', async (t) => {
    const state = await t.state('demo', 'A')
    const diff = creating('A', r('1'))
    const token = await t.open(state, diff)
    const be = await t.reopen()
    assert.deepEqual((await be.listChanges()).map((c) => [c.transactionToken, c.status]), [[token, 'open']])
    await be.completeResourceChange(state, 'A', diff, token, { id: 1 })
    assert.deepEqual(await t.names(state, 'A'), ['1'])
  }, ['reopen'])
  test('D20 D21 many changes at once are all made', async (t) => {
    const state = await t.state('demo', 'A')
    const all = Array.from({ length: 20 }, (_, i) => r(`r${String(i).padStart(2, '0')}`))
    await Promise.all(all.map((x) => t.change(state, creating('A', x), { id: x.name })))
    const a = await t.be.getComponent(state, 'A')
    assert.deepEqual([...a.resources].map((x) => x.name).sort(), all.map((x) => x.name))
    assert.equal(Object.keys(a.cloudOutput).length, 20)
  })
  test('B8.7#128 D2 D21 of two processes that open a change of one resource at once, one does', async (t) => {
    const state = await t.state('demo', 'A')
    const other = await t.second()
    const open = (be: typeof other) => be.createResourceChangeTransaction(state, 'A', creating('A', r('1')))
    const outcomes = await Promise.allSettled([open(t.be), open(other)])
    assert.equal(outcomes.filter((o) => o.status === 'fulfilled').length, 1)
    assert.equal((await t.openTokens(state)).length, 1)
  }, ['second'])
  test('a resource without an output has none', async (t) => {
    const state = await t.state('demo', 'A')
    await t.change(state, creating('A', r('1')), {})
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '1').catch((e) => refused(CloudOutputDoesNotExist, Promise.reject(e)).then(() => ({}))), {})
  })
})
