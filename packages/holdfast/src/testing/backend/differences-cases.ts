import assert from 'node:assert/strict'
import {
  ComponentDoesNotExist, DependencyCycle, DuplicateComponentName, DuplicateResourceName, ReferenceToDeletedResource, ResourceStateDoesNotExist, UnknownReferenceTarget,
  type Differences, type NewComponent, type ResourceModel, type ResourceReferenceModel,
} from '../../backend/index.ts'
import { cases, NOBODY, r, refer, refused, to, Y, type Trial } from './trial.ts'

const c = (name: string, resources: readonly ResourceModel[] = [], references: readonly ResourceReferenceModel[] = [], more: Partial<NewComponent> = {}): NewComponent => ({ name, resources, references, ...more })

/** Puts the components into a state of their own. */
async function stored(t: Trial, components: readonly NewComponent[]): Promise<string> {
  const state = await t.state('demo', ...components.map((x) => x.name))
  for (const x of components) await t.make(state, x.name, ...x.resources)
  for (const x of components) for (const reference of x.references ?? []) await t.be.resolveReferenceChange(state, refer(x.name, reference))
  return state
}

/** What the backend says of stored components and new ones, as short lines. */
async function between(t: Trial, olds: readonly NewComponent[], news: readonly NewComponent[]): Promise<string[]> {
  return told(await t.be.createDifferences(await stored(t, olds), news, olds.map((x) => x.name)))
}
function told([components, resources, references]: Differences): string[] {
  const line = (a?: string, b?: string) => [a, b].filter((x) => x !== undefined).join('>')
  return [
    ...components.map((d) => `${d.actionType} ${line(d.previousName, d.newName)}`),
    ...resources.map((d) => `${d.actionType} ${d.componentName}/${line(d.previousResource && `${d.previousResource.name}:${d.previousResource.hash}`, d.newResource && `${d.newResource.name}:${d.newResource.hash}`)}`),
    ...references.map((d) => `${d.actionType} ${d.originatingComponentName}->${d.resourceReference.componentName}/${d.resourceReference.name}`),
  ]
}

/** Differences: spec sections 3.4, 3.5 and 8.6, and what is refused before anything is written (8.7). */
export const differenceCases = cases((test) => {
  test('S000-123 S000-124 the three lists come in order, and nothing is written', async (t) => {
    const state = await stored(t, [c('A', [r('1', 'h1')])])
    const before = await t.be.getResourceState(state)
    const differences = await t.be.createDifferences(state, [c('A', [r('1', 'h2')]), c('B', [], [to('A', r('1'))])], ['A'])
    assert.equal(differences.length, 3)
    assert.deepEqual(differences.map((list) => Object.keys(list[0] ?? {}).sort()), [
      ['actionType', 'newName', 'previousName'], ['actionType', 'componentName', 'newResource', 'previousResource'], ['actionType', 'originatingComponentName', 'resourceReference'],
    ])
    assert.deepEqual(await t.be.getResourceState(state), before)
  })
  test('B8.6#102 four components before and four after give four, four and two differences', async (t) => {
    const old = c('comp2', [r('resource1', '1'), r('resource2', '2'), r('resource3', '3'), r('resource4', '4')], [to('comp1', r('resource1')), to('comp1', r('resource2'))])
    const olds = [c('comp1', old.resources), old, c('comp3'), c('comp5')]
    const state = await stored(t, olds)
    const fresh = c('comp2', [r('resource1', '1'), r('resource2', '22'), r('resource44', '4'), r('resource5', '5')], [to('comp1', r('resource1')), to('comp1', r('resource3'))], { hash: 'whatever' })
    const [components, resources, references] = await t.be.createDifferences(
      state, [await t.be.getComponent(state, 'comp1'), fresh, c('comp4'), { ...await t.be.getComponent(state, 'comp5'), name: 'comp5comp5' }], olds.map((x) => x.name),
    )
    assert.deepEqual([components.length, resources.length, references.length], [4, 4, 2])
    assert.deepEqual(told([components, resources, references]), [
      'UPDATE_IDENTITY comp2>comp2', 'CREATE comp4', 'UPDATE_NAME comp5>comp5comp5', 'DELETE comp3',
      'UPDATE_IDENTITY comp2/resource2:2>resource2:22', 'UPDATE_NAME comp2/resource4:4>resource44:4', 'CREATE comp2/resource5:5', 'DELETE comp2/resource3:3',
      'CREATE comp2->comp1/resource3', 'DELETE comp2->comp1/resource2',
    ])
  })
  test('B8.6#103 nothing and nothing, or the same and the same, give three empty lists', async (t) => {
    assert.deepEqual(await t.be.createDifferences(await t.state('empty'), [], []), [[], [], []])
    const all = [c('A', [r('1', 'h1', { tags: { a: 'b' }, list: [1, 2] })]), c('B', [r('2')], [to('A', r('1'))])]
    assert.deepEqual(await between(t, all, all), [])
  })
  test('S000-40 S000-92 B8.6#104 a new component is created with all that is in it', async (t) => {
    assert.deepEqual(await between(t, [], [c('A', [r('2', 'h2'), r('1', 'h1')]), c('B', [], [to('A', r('1'))])]), ['CREATE A', 'CREATE B', 'CREATE A/1:h1', 'CREATE A/2:h2', 'CREATE B->A/1'])
  })
  test('S000-40 S000-92 B8.6#105 a component that is gone is deleted with all that was in it', async (t) => {
    assert.deepEqual(await between(t, [c('A', [r('1', 'h1')]), c('B', [r('2', 'h2')], [to('A', r('1'))])], [c('A', [r('1', 'h1')])]), ['DELETE B', 'DELETE B/2:h2', 'DELETE B->A/1'])
  })
  test('S000-40 B8.6#106 a renamed component with a renamed resource is two renames, and nothing else', async (t) => {
    assert.deepEqual(await between(t, [c('A', [r('1', 'h1'), r('2', 'h2')])], [c('B', [r('1', 'h1'), r('new', 'h2')])]), ['UPDATE_NAME A>B', 'UPDATE_NAME B/2:h2>new:h2'])
  })
  test('B8.6#108 with an alias, another name and another content are one change', async (t) => {
    assert.deepEqual(await between(t, [c('A', [r('1', 'h1')])], [c('B', [r('2', 'h2', { aliases: ['1'] })], [], { aliases: ['A'] })]), ['UPDATE_NAME A>B', 'UPDATE_IDENTITY B>B', 'UPDATE_IDENTITY B/1:h1>2:h2'])
  })
  test('S000-129 B8.6#109 D40 names that are exchanged are two updates', async (t) => {
    assert.deepEqual(await between(t, [c('C', [r('a', 'h1'), r('b', 'h2')])], [c('C', [r('a', 'h2'), r('b', 'h1')])]), ['UPDATE_IDENTITY C>C', 'UPDATE_IDENTITY C/a:h1>a:h2', 'UPDATE_IDENTITY C/b:h2>b:h1'])
  })
  test('S000-129 B8.6#109 D40 a name that takes over the content of another is an update, and that other is deleted', async (t) => {
    assert.deepEqual(await between(t, [c('C', [r('a', 'h1'), r('b', 'h2')])], [c('C', [r('a', 'h2')])]), ['UPDATE_IDENTITY C>C', 'UPDATE_IDENTITY C/a:h1>a:h2', 'DELETE C/b:h2'])
  })
  test('S000-129 B8.6#109 D39 a name that two types have is looked at by type', async (t) => {
    const table = (hash: string): ResourceModel => ({ ruuid: Y, name: 'n', hash })
    assert.deepEqual(await between(t, [c('C', [r('n', '1'), table('2')])], [c('C', [r('n', '3'), table('2')])]), ['UPDATE_IDENTITY C>C', 'UPDATE_IDENTITY C/n:1>n:3'])
  })
  test('S000-129 B8.6#109 D39 another type of the same name is another resource', async (t) => {
    assert.deepEqual(await between(t, [c('C', [r('n', '1')])], [c('C', [{ ruuid: Y, name: 'n', hash: '3' }])]), ['UPDATE_IDENTITY C>C', 'CREATE C/n:3', 'DELETE C/n:1'])
  })
  test('S000-129 B8.6#109 a copy of a component is a new component', async (t) => {
    const content = [r('1', 'h1')]
    assert.deepEqual(await between(t, [c('C', content)], [c('C', content), c('C2', content)]), ['CREATE C2', 'CREATE C2/1:h1'])
  })
  test('S000-129 B8.6#109 B8.6#112 D13 the content of a component counts, and not the hash that is declared', async (t) => {
    const old = [c('C', [r('1', 'h1')])]
    const state = await stored(t, old)
    const { hash } = await t.be.getComponent(state, 'C')
    assert.deepEqual(told(await t.be.createDifferences(state, [c('C', [r('1', 'h2')], [], { hash })], ['C'])), ['UPDATE_IDENTITY C>C', 'UPDATE_IDENTITY C/1:h1>1:h2'])
    assert.deepEqual(told(await t.be.createDifferences(state, [c('C', [r('1', 'h1')], [], { hash: 'another' })], ['C'])), [])
  })
  test('S000-129 B8.6#109 D12 a reference to the same name in another component is another reference', async (t) => {
    const [a, b] = [c('A', [r('1', 'h1')]), c('B', [r('1', 'h1')])]
    assert.deepEqual(await between(t, [a, b, c('C', [], [to('A', r('1'))])], [a, b, c('C', [], [to('B', r('1'))])]), ['UPDATE_IDENTITY C>C', 'CREATE C->B/1', 'DELETE C->A/1'])
  })
  test('S000-129 D13 D14 references alone are a difference, and none once they are made', async (t) => {
    const [a, b] = [c('A', [r('1', 'h1'), r('2', 'h2')]), c('C', [r('3', 'h3')], [to('A', r('1'))])]
    const state = await stored(t, [a, b])
    const news = [a, c('C', [r('3', 'h3')], [to('A', r('1')), to('A', r('2'))])]
    const differences = await t.be.createDifferences(state, news, ['A', 'C'])
    assert.deepEqual(told(differences), ['UPDATE_IDENTITY C>C', 'CREATE C->A/2'])
    for (const d of differences[2]) await t.be.resolveReferenceChange(state, d)
    assert.deepEqual(await t.be.createDifferences(state, news, ['A', 'C']), [[], [], []])
  })
  test('S000-127 B8.6#110 an unknown component or state is refused', async (t) => {
    const state = await t.state('demo', 'A')
    await refused(ComponentDoesNotExist, t.be.createDifferences(state, [], ['A', 'none']))
    await refused(ResourceStateDoesNotExist, t.be.createDifferences(NOBODY, [], []))
  })
  test('S000-126 B8.6#111 D1 components that are not named take no part', async (t) => {
    const all = [c('A', [r('1', 'h1')]), c('B', [r('2', 'h2')])]
    const state = await stored(t, all)
    assert.deepEqual(told(await t.be.createDifferences(state, [c('A', [r('1', 'h3')])], ['A'])), ['UPDATE_IDENTITY A>A', 'UPDATE_IDENTITY A/1:h1>1:h3'])
    assert.deepEqual(told(await t.be.createDifferences(state, [], ['A'])), ['DELETE A', 'DELETE A/1:h1'])
    assert.deepEqual(told(await t.be.createDifferences(state, [], [])), [])
  })
  test('B8.6#114 what could be several renames is deleted and created', async (t) => {
    assert.deepEqual(await between(t, [c('C', [r('1', 'h'), r('2', 'h')])], [c('C', [r('3', 'h'), r('4', 'h')])]), ['UPDATE_IDENTITY C>C', 'CREATE C/3:h', 'CREATE C/4:h', 'DELETE C/1:h', 'DELETE C/2:h'])
  })
  test('B8.6#115 the same inputs give the same differences, in whatever order they stand', async (t) => {
    const olds = [c('A', [r('1', 'h1'), r('2', 'h2'), r('3', 'h3')]), c('B', [r('4')], [to('A', r('1')), to('A', r('2'))])]
    const state = await stored(t, olds)
    const news = [c('A', [r('1', 'h1'), r('2', 'x'), r('9', 'h9')]), c('B', [r('5')], [to('A', r('9')), to('A', r('1'))])]
    const reversed = news.map((x) => ({ ...x, resources: [...x.resources].reverse(), references: [...x.references ?? []].reverse() }))
    assert.equal(JSON.stringify(await t.be.createDifferences(state, reversed, ['B', 'A'])), JSON.stringify(await t.be.createDifferences(state, news, ['A', 'B'])))
  })
  test('B8.6#116 differences, carried out, leave nothing to do', async (t) => {
    const olds = [c('A', [r('1', 'h1'), r('2', 'h2')]), c('B', [r('3', 'h3')], [to('A', r('1'))]), c('C', [r('4', 'h4')])]
    const state = await stored(t, olds)
    const news = [c('A2', [r('1', 'h1'), r('2', 'h22')], [], { aliases: ['A'] }), c('B', [r('3b', 'h3')], [to('A2', r('2'))]), c('D', [r('5', 'h5')], [to('B', r('3b'))])]
    const [components, resources, references] = await t.be.createDifferences(state, news, ['A', 'B', 'C'])
    for (const d of components) if (d.actionType !== 'DELETE') await t.be.updateComponent(state, d)
    for (const d of resources) if (d.actionType !== 'DELETE') await t.change(state, d, {})
    for (const action of ['CREATE', 'DELETE']) for (const d of references) if (d.actionType === action) await t.be.resolveReferenceChange(state, d)
    for (const d of resources) if (d.actionType === 'DELETE') await t.change(state, d)
    for (const d of components) if (d.actionType === 'DELETE') await t.be.updateComponent(state, d)
    assert.deepEqual(await t.be.createDifferences(state, news, ['A2', 'B', 'D']), [[], [], []])
    assert.deepEqual((await t.be.getResourceState(state)).components.map((x) => x.name).sort(), ['A2', 'B', 'D'])
  })
  test('names that stand twice are refused', async (t) => {
    const state = await t.state()
    await refused(DuplicateComponentName, t.be.createDifferences(state, [c('A'), c('A')], []))
    await refused(DuplicateResourceName, t.be.createDifferences(state, [c('A', [r('1', 'h1'), r('1', 'h2')])], []))
  })
  test('B8.7#123 a reference to what is deleted, or is not there, is refused before anything is written', async (t) => {
    const state = await stored(t, [c('A', [r('1', 'h1')]), c('other', [r('2', 'h2')])])
    await refused(ReferenceToDeletedResource, t.be.createDifferences(state, [c('A'), c('C', [], [to('A', r('1'))])], ['A']))
    await refused(UnknownReferenceTarget, t.be.createDifferences(state, [c('C', [], [to('nobody', r('1'))])], []))
    await refused(UnknownReferenceTarget, t.be.createDifferences(state, [c('C', [], [to('other', r('9'))])], []))
    assert.deepEqual(told(await t.be.createDifferences(state, [c('C', [], [to('other', r('2'))])], [])), ['CREATE C', 'CREATE C->other/2'])
  })
  test('B8.7#124 D41 D28 a circle is refused with its path, also where it goes through a list', async (t) => {
    const state = await t.state()
    const output = (name: string) => ({ of: [[{ id: 'cdev_cloud_output', type: 'resource', ruuid: r(name).ruuid, name, key: 'k' }]] })
    const e = await refused(DependencyCycle, t.be.createDifferences(state, [c('A', [r('1', 'h', output('2')), r('2', 'h', output('1'))])], []))
    assert.match(e.errorMessage, /A\/1.*A\/2.*A\/1/)
    await refused(DependencyCycle, t.be.createDifferences(state, [c('A', [r('1')], [to('B', r('2'))]), c('B', [r('2')], [to('A', r('1'))])], []))
    assert.deepEqual((await t.be.getResourceState(state)).components, [])
  })
})
