import assert from 'node:assert/strict'
import { ComponentAlreadyExists, ComponentBusy, ComponentDoesNotExist, ComponentNotEmpty, ResourceReferenceError, ResourceStateDoesNotExist, RevisionConflict } from '../../backend/index.ts'
import { cases, creating, deleting, NOBODY, r, refer, refused, to, unrefer } from './trial.ts'

/** Components: spec section 8.2. */
export const componentCases = cases((test) => {
  test('S000-35 S000-39 B8.2#19 a new component is found by its name, and is empty', async (t) => {
    const state = await t.state('demo', 'A')
    const { name, resources, references, cloudOutput } = await t.be.getComponent(state, 'A')
    assert.deepEqual({ name, resources, references, cloudOutput }, { name: 'A', resources: [], references: [], cloudOutput: {} })
    assert.deepEqual((await t.be.getResourceState(state)).components.map((c) => c.name), ['A'])
  })
  test('S000-38 a component has name, hash, resources, references, outputs, resolved values and counters', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.change(state, creating('A', r('1')), { url: 'u' }, { 'x;p;k': 1 })
    await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    const a = await t.be.getComponent(state, 'A')
    const key = 'cdev::simple::x;1'
    assert.deepEqual({ ...a, hash: '' }, {
      name: 'A', hash: '', resources: [r('1')], references: [], cloudOutput: { [key]: { url: 'u' } }, previousResolvedCloudValues: { [key]: { 'x;p;k': 1 } }, externalReferences: { [key]: { cnt: 1 } },
    })
    assert.ok(typeof a.hash === 'string' && a.hash !== '')
  })
  test('S000-43 B8.2#20 a component that is there is not created again', async (t) => {
    const state = await t.state('demo', 'A')
    await refused(ComponentAlreadyExists, t.component(state, 'A'))
  })
  test('S000-37 S000-39 B8.2#21 a component that was deleted is not found', async (t) => {
    const state = await t.state('demo', 'A')
    await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' })
    await refused(ComponentDoesNotExist, t.be.getComponent(state, 'A'))
  })
  test('S000-36 B8.2#22 the state is looked for before the component', async ({ be }) => void (await refused(ResourceStateDoesNotExist, be.getComponent(NOBODY, 'A'))))
  test('B8.2#24 a component with resources is not deleted', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1'))
    await refused(ComponentNotEmpty, t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' }))
    await t.change(state, deleting('A', r('1')))
    await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' })
  })
  test('B8.2#25 B8.5#99 D16 D19 with a component its references go at once, or it stays until they are gone', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    try {
      await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'C' })
    } catch (e) {
      await refused(ComponentNotEmpty, Promise.reject(e))
      await t.be.resolveReferenceChange(state, unrefer('C', to('A', r('1'))))
      await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'C' })
    }
    assert.deepEqual((await t.be.getComponent(state, 'A')).externalReferences, {})
    await t.change(state, deleting('A', r('1')))
    await t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' })
  })
  test('B8.2#26 S000-97 D16 a component whose resources are referred to is not deleted, and the referrers are named', async (t) => {
    const state = await t.state('demo', 'A', 'consumer')
    await t.make(state, 'A', r('1'))
    await t.be.resolveReferenceChange(state, refer('consumer', to('A', r('1'))))
    const e = await refused(ResourceReferenceError, t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' }))
    assert.match(e.errorMessage, /consumer/)
  })
  test('B8.2#27 D16 a component with an open change is not deleted', async (t) => {
    const state = await t.state('demo', 'A')
    await t.open(state, creating('A', r('1')))
    await refused(ComponentBusy, t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'A' }))
  })
  test('S000-39 S000-45 B8.2#28 D8 a component that was renamed is found under its new name, with its uuid and all that is in it, after opening again, too', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('1'))
    const uuid = await t.be.getComponentUuid(state, 'A')
    await t.be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'A', newName: 'B' })
    const be = await t.reopen()
    assert.deepEqual((await be.getComponent(state, 'B')).resources, [r('1')])
    assert.equal(await be.getComponentUuid(state, 'B'), uuid)
    assert.deepEqual((await be.getResourceState(state)).components.map((c) => c.name), ['B'])
    await refused(ComponentDoesNotExist, be.getComponent(state, 'A'))
  }, ['reopen'])
  test('S000-43 B8.2#30 a component does not get a name that is taken', async (t) => {
    const state = await t.state('demo', 'A', 'B')
    await refused(ComponentAlreadyExists, t.be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'A', newName: 'B' }))
    assert.deepEqual((await t.be.getResourceState(state)).components.map((c) => c.name).sort(), ['A', 'B'])
  })
  test('B8.2#31 when a component is renamed, references to it follow, and counters stay', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    await t.make(state, 'A', r('1'))
    await t.be.resolveReferenceChange(state, refer('C', to('A', r('1'))))
    const before = (await t.be.getComponent(state, 'A')).externalReferences
    await t.be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'A', newName: 'B' })
    assert.deepEqual((await t.be.getComponent(state, 'C')).references.map((x) => [x.componentName, x.name]), [['B', '1']])
    assert.deepEqual((await t.be.getComponent(state, 'B')).externalReferences, before)
    await t.be.resolveReferenceChange(state, unrefer('C', to('B', r('1'))))
    assert.deepEqual((await t.be.getComponent(state, 'B')).externalReferences, {})
  })
  test('S000-44 S000-45 B8.2#32 B8.2#33 the uuid of a component is its own: another in another state, the same after a rename', async (t) => {
    const [one, two] = [await t.state('one', 'A', 'B'), await t.state('two', 'A')]
    const uuids = [await t.be.getComponentUuid(one, 'A'), await t.be.getComponentUuid(one, 'B'), await t.be.getComponentUuid(two, 'A')]
    for (const uuid of uuids) assert.ok(typeof uuid === 'string' && uuid !== '')
    assert.equal(new Set(uuids).size, 3)
    await t.be.updateComponent(one, { actionType: 'UPDATE_NAME', previousName: 'A', newName: 'renamed' })
    assert.equal(await t.be.getComponentUuid(one, 'renamed'), uuids[0])
    assert.equal((await t.be.getResourceState(one)).componentNameToUuid.renamed, uuids[0])
  })
  test('S000-46 S000-47 B8.2#34 there is no uuid for an unknown state or component', async (t) => {
    await refused(ResourceStateDoesNotExist, t.be.getComponentUuid(NOBODY, 'A'))
    await refused(ComponentDoesNotExist, t.be.getComponentUuid(await t.state(), 'A'))
  })
  test('S000-41 S000-42 a component of an unknown state, and an unknown component, are not changed', async (t) => {
    const state = await t.state('demo', 'A')
    for (const diff of [{ actionType: 'CREATE', newName: 'X' }, { actionType: 'DELETE', previousName: 'A' }, { actionType: 'UPDATE_NAME', previousName: 'A', newName: 'B' }, { actionType: 'UPDATE_IDENTITY', previousName: 'A', newName: 'A' }] as const) {
      await refused(ResourceStateDoesNotExist, t.be.updateComponent(NOBODY, diff))
    }
    await refused(ComponentDoesNotExist, t.be.updateComponent(state, { actionType: 'DELETE', previousName: 'none' }))
    await refused(ComponentDoesNotExist, t.be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'none', newName: 'B' }))
    await t.be.updateComponent(state, { actionType: 'UPDATE_IDENTITY', previousName: 'A', newName: 'A' })
    assert.deepEqual((await t.be.getResourceState(state)).components.map((c) => c.name), ['A'])
  })
  test('B8.2#36 a change that was made on an older revision is refused with the current one, and made on that it is done', async (t) => {
    const state = await t.state('demo', 'A')
    const e = await refused(RevisionConflict, t.be.updateComponent(state, { actionType: 'CREATE', newName: 'B' }, { expectedRevision: 0 }))
    const { revision } = e.details
    assert.ok(typeof revision === 'number' && revision > 0)
    await t.be.updateComponent(state, { actionType: 'CREATE', newName: 'B' }, { expectedRevision: revision })
    await refused(RevisionConflict, t.be.updateComponent(state, { actionType: 'CREATE', newName: 'C' }, { expectedRevision: revision }))
    assert.deepEqual((await t.be.getResourceState(state)).components.map((c) => c.name).sort(), ['A', 'B'])
  })
  test('D12 D14 the hash of a component tells what it has and what it refers to, not the order or the names of resources', async (t) => {
    const state = await t.state('demo', 'A', 'B', 'C', 'one', 'two')
    const hash = async (c: string) => (await t.be.getComponent(state, c)).hash
    assert.equal(await hash('A'), await hash('B'))
    await t.make(state, 'A', r('1', 'h1'), r('2', 'h2'))
    await t.make(state, 'B', r('4', 'h2'), r('3', 'h1'))
    assert.equal(await hash('A'), await hash('B'))
    await t.make(state, 'C', { ...r('1', 'h1'), ruuid: 'cdev::simple::y' }, r('2', 'h2'))
    assert.notEqual(await hash('A'), await hash('C'))
    const empty = await hash('one')
    await t.be.resolveReferenceChange(state, refer('one', to('A', r('1'))))
    assert.notEqual(await hash('one'), empty)
    await t.be.resolveReferenceChange(state, refer('two', to('C', { ...r('1'), ruuid: 'cdev::simple::y' })))
    assert.notEqual(await hash('one'), await hash('two'))
    await t.be.resolveReferenceChange(state, unrefer('one', to('A', r('1'))))
    assert.equal(await hash('one'), empty)
  })
  test('D29 the hash is not fooled by texts that look like several', async (t) => {
    const state = await t.state('demo', 'A', 'B')
    await t.make(state, 'A', r('1', 'a;b'))
    await t.make(state, 'B', r('1', 'a'), r('2', 'b'))
    assert.notEqual((await t.be.getComponent(state, 'A')).hash, (await t.be.getComponent(state, 'B')).hash)
  })
  test('D15 two resources whose type and name run together the same way are counted apart', async (t) => {
    const state = await t.state('demo', 'A', 'C')
    const [one, two] = [{ ruuid: 'cdev::ab', name: 'c', hash: 'h' }, { ruuid: 'cdev::a', name: 'bc', hash: 'h' }]
    await t.make(state, 'A', one, two)
    await t.be.resolveReferenceChange(state, refer('C', to('A', one)))
    await t.change(state, deleting('A', two))
    assert.deepEqual(Object.values((await t.be.getComponent(state, 'A')).externalReferences), [{ cnt: 1 }])
  })
})
