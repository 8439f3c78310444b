import assert from 'node:assert/strict'
import { ComponentDoesNotExist, ResourceReferenceError, ResourceStateDoesNotExist } from '../../backend/index.ts'
import { cases, creating, deleting, NOBODY, r, refer, refused, renaming, to, unrefer, updating, X, Y } from './trial.ts'

/** References between components: spec section 8.5. */
export const referenceCases = cases((test) => {
  test('S000-91 S000-94 B8.5#88 five resources are referred to, counted, and let go', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    const five = ['1', '2', '3', '4', '5'].map((n) => r(n))
    await t.make(state, 'A', ...five)
    for (const x of five) await t.be.resolveReferenceChange(state, refer('C', to('A', x)))
    const references = (await t.be.getComponent(state, 'C')).references
    assert.deepEqual(references.map((x) => [x.componentName, x.ruuid, x.name, x.isInParentResourceState ?? false]).sort(), five.map((x) => ['A', X, x.name, false]))
    assert.deepEqual((await t.be.getComponent(state, 'A')).externalReferences, Object.fromEntries(five.map((x) => [`${X};${x.name}`, { cnt: 1 }])))
    for (const x of five) await t.be.resolveReferenceChange(state, unrefer('C', to('A', x)))
    assert.deepEqual((await t.be.getComponent(state, 'C')).references, [])
    assert.deepEqual((await t.be.getComponent(state, 'A')).externalReferences, {})
  })
  test('S000-94 D17 what a component refers to is read where it is', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    await t.change(state, creating('C', r('1')), { id: 'of C' })
    await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    const [reference] = (await t.be.getComponent(state, 'C')).references
    assert.equal(await t.be.getCloudOutputValueByName(state, reference?.componentName as string, X, reference?.name as string, 'id'), 'id of 1')
  })
  test('S000-93 a component or a resource that is not there is not referred to', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    for (const reference of [to('none', r('1')), to('A', r('2')), to('A', { ...r('1'), ruuid: Y })]) {
      await refused(ResourceReferenceError, t.be.resolveReferenceChange(state, refer('C', reference)))
    }
    assert.deepEqual((await t.be.getComponent(state, 'C')).references, [])
    await refused(ResourceStateDoesNotExist, t.be.resolveReferenceChange(NOBODY, refer('C', to('A', r('1')))))
  })
  test('S000-93 B8.5#90 without a parent nothing in it is referred to', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    await refused(ResourceReferenceError, t.be.resolveReferenceChange(state, refer('C', to('A', r('1'), { isInParentResourceState: true }))))
  })
  test('S000-93 B8.5#91 what was never referred to is not let go', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    await refused(ResourceReferenceError, t.be.resolveReferenceChange(state, unrefer('C', to('A', r('1')))))
    assert.deepEqual((await t.be.getComponent(state, 'A')).externalReferences, {})
  })
  test('B8.5#92 a component that is not there refers to nothing', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1'))
    await refused(ComponentDoesNotExist, t.be.resolveReferenceChange(state, refer('none', to('A', r('1')))))
    await refused(ComponentDoesNotExist, t.be.resolveReferenceChange(state, unrefer('none', to('A', r('1')))))
  })
  test('S000-94 a component refers to another while a change of its own is open', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    const [token] = await t.be.createResourceChangeTransaction(state, 'C', creating('C', r('2')))
    await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    assert.deepEqual((await t.be.getComponent(state, 'A')).externalReferences, { [`${X};1`]: { cnt: 1 } })
    await t.be.resolveReferenceChange(state, unrefer('C', to('A', r('1'))))
    await t.be.completeResourceChange(state, 'C', creating('C', r('2')), token, {})
  })
  test('B8.5#93 the same reference made twice is one', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    for (let i = 0; i < 2; i++) await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    assert.equal((await t.be.getComponent(state, 'C')).references.length, 1)
    assert.deepEqual(Object.values((await t.be.getComponent(state, 'A')).externalReferences), [{ cnt: 1 }])
    await t.be.resolveReferenceChange(state, unrefer('C', to('A', r('1'))))
    assert.deepEqual((await t.be.getComponent(state, 'A')).externalReferences, {})
  })
  test('B8.5#93 every component that refers counts once', async (t) => {
    const state = await t.state('demo', 'A', 'C', 'D')
    await t.make(state, 'A', r('1'))
    for (const c of ['C', 'D']) await t.be.resolveReferenceChange(state, refer(c, to('A', r('1'))))
    assert.deepEqual(Object.values((await t.be.getComponent(state, 'A')).externalReferences), [{ cnt: 2 }])
  })
  test('B8.5#94 D6 a reference into the parent state changes a counter there, and nothing else', async (t) => {
    const parent = await t.state('parent', 'A', 'other')
    await t.make(parent, 'A', r('1'))
    await t.make(parent, 'other', r('9'))
    const child = await t.be.createResourceState('child', parent)
    await t.component(child, 'app')
    const other = await t.be.getComponent(parent, 'other')
    const reference = to('A', r('1'), { isInParentResourceState: true })
    await t.be.resolveReferenceChange(child, refer('app', reference))
    assert.deepEqual((await t.be.getResourceState(parent)).components.map((c) => c.name).sort(), ['A', 'other'])
    assert.deepEqual(await t.be.getComponent(parent, 'other'), other)
    assert.deepEqual((await t.be.getComponent(parent, 'A')).externalReferences, { [`${X};1`]: { cnt: 1 } })
    assert.deepEqual((await t.be.getComponent(child, 'app')).references.map((x) => ({ ...x })), [reference])
    await refused(ResourceReferenceError, t.open(parent, deleting('A', r('1'))))
    await t.be.resolveReferenceChange(child, unrefer('app', reference))
    await t.change(parent, deleting('A', r('1')))
  })
  test('S000-97 B8.5#96 D16 what is referred to is not deleted, and the referrers are named', async (t) => {
    const state = await t.state('demo', 'A', 'consumer')
    await t.make(state, 'A', r('1'))
    await t.be.resolveReferenceChange(state, refer('consumer', to('A', r('1'))))
    const e = await refused(ResourceReferenceError, t.open(state, deleting('A', r('1'))))
    assert.match(e.errorMessage, /consumer/)
    assert.deepEqual([await t.names(state, 'A'), await t.openTokens(state)], [['1'], []])
  })
  test('B8.5#97 D18 what is not referred to any more is deleted', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    await t.be.resolveReferenceChange(state, unrefer('C', to('A', r('1'))))
    await t.change(state, deleting('A', r('1')))
    assert.deepEqual(await t.names(state, 'A'), [])
  })
  test('S000-97 B8.5#98 of a reference and a delete at once, one happens', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    const other = await t.second()
    const outcomes = await Promise.allSettled([
      t.be.resolveReferenceChange(state, refer('C', to('A', r('1')))),
      other.createResourceChangeTransaction(state, 'A', deleting('A', r('1'))),
    ])
    assert.equal(outcomes.filter((o) => o.status === 'fulfilled').length, 1, outcomes.map((o) => (o.status === 'rejected' ? String(o.reason) : 'done')).join(' | '))
  }, ['second'])
  test('S000-97 what is about to be deleted is not referred to', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    await t.open(state, deleting('A', r('1')))
    await assert.rejects(t.be.resolveReferenceChange(state, refer('C', to('A', r('1')))))
    assert.deepEqual((await t.be.getComponent(state, 'C')).references, [])
  })
  test('B8.2#31 when a resource is changed or renamed, references to it stay', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1', 'h1'))
    await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    await t.change(state, updating('A', r('1', 'h1'), r('1', 'h2')))
    await t.change(state, renaming('A', r('1', 'h2'), r('2', 'h2')))
    assert.deepEqual((await t.be.getComponent(state, 'C')).references.map((x) => x.name), ['2'])
    assert.deepEqual((await t.be.getComponent(state, 'A')).externalReferences, { [`${X};2`]: { cnt: 1 } })
    await refused(ResourceReferenceError, t.open(state, deleting('A', r('2', 'h2'))))
  })
})
