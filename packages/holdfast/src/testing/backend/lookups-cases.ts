import assert from 'node:assert/strict'
import {
  CloudOutputDoesNotExist, ComponentDoesNotExist, InvalidDifference, KeyNotInCloudOutput, ResourceDoesNotExist, ResourceStateDoesNotExist, type Backend, type ResourceModel,
} from '../../backend/index.ts'
import { cases, creating, NOBODY, r, refused, X, Y, type Trial } from './trial.ts'

const five = ['1', '2', '3', '4', '5'].map((n) => r(n, `h${n}`, { size: Number(n), list: [n, n] }))

async function withFive(t: Trial): Promise<string> {
  const state = await t.state('demo', 'A')
  for (const x of five) await t.change(state, creating('A', x), { url: `https://${x.name}`, n: Number(x.name) })
  return state
}

/** Every look-up, with the state and the component left open. */
const lookups: Readonly<Record<string, (be: Backend, state: string, component: string) => Promise<unknown>>> = {
  byName: (be, s, c) => be.getResourceByName(s, c, X, '1'),
  byHash: (be, s, c) => be.getResourceByHash(s, c, X, 'h1'),
  byTag: (be, s, c) => be.getResourcesByTag(s, c, X, 'team'),
  listByTag: (be, s, c) => be.listResourcesByTag(s, c, X, 'team'),
  valueByName: (be, s, c) => be.getCloudOutputValueByName(s, c, X, '1', 'url'),
  outputByName: (be, s, c) => be.getCloudOutputByName(s, c, X, '1'),
  valueByHash: (be, s, c) => be.getCloudOutputValueByHash(s, c, X, 'h1', 'url'),
  outputByHash: (be, s, c) => be.getCloudOutputByHash(s, c, X, 'h1'),
}

/** Look-ups and outputs: spec section 8.4. */
export const lookupCases = cases((test) => {
  test('S000-98 S000-102 B8.4#75 each of five resources is found by name and by hash, as it was stored', async (t) => {
    const state = await withFive(t)
    for (const x of five) {
      assert.deepEqual(await t.be.getResourceByName(state, 'A', X, x.name), x)
      assert.deepEqual(await t.be.getResourceByHash(state, 'A', X, x.hash), x)
    }
  })
  test('S000-99 D39 the type tells apart what has the same name or hash', async (t) => {
    const state = await t.state('demo', 'A')
    const other: ResourceModel = { ...r('1', 'h1'), ruuid: Y, more: true }
    await t.change(state, creating('A', r('1', 'h1')), { id: 'of x' })
    await t.change(state, creating('A', other), { id: 'of y' })
    assert.deepEqual(await t.be.getResourceByName(state, 'A', X, '1'), r('1', 'h1'))
    assert.deepEqual(await t.be.getResourceByName(state, 'A', Y, '1'), other)
    assert.deepEqual(await t.be.getResourceByHash(state, 'A', Y, 'h1'), other)
    assert.deepEqual([await t.be.getCloudOutputByName(state, 'A', X, '1'), await t.be.getCloudOutputByName(state, 'A', Y, '1')], [{ id: 'of x' }, { id: 'of y' }])
    assert.deepEqual([await t.be.getCloudOutputValueByHash(state, 'A', X, 'h1', 'id'), await t.be.getCloudOutputValueByHash(state, 'A', Y, 'h1', 'id')], ['of x', 'of y'])
  })
  test('S000-101 S000-104 B8.4#76 a name or a hash that nothing has is not found', async (t) => {
    const state = await withFive(t)
    await refused(ResourceDoesNotExist, t.be.getResourceByName(state, 'A', X, 'h1'))
    await refused(ResourceDoesNotExist, t.be.getResourceByName(state, 'A', Y, '1'))
    await refused(ResourceDoesNotExist, t.be.getResourceByHash(state, 'A', X, '1'))
    await refused(ResourceDoesNotExist, t.be.getResourceByHash(state, 'A', Y, 'h1'))
  })
  test('S000-100 S000-103 S000-106 S000-111 S000-116 S000-120 B8.4#78 nothing is found in an unknown state or component', async (t) => {
    const state = await withFive(t)
    for (const look of Object.values(lookups)) {
      await refused(ResourceStateDoesNotExist, look(t.be, NOBODY, 'A'))
      await refused(ComponentDoesNotExist, look(t.be, state, 'none'))
    }
  })
  test('S000-105 S000-109 B8.4#79 D35 all that carry a tag are found by its key and by key and value, sorted by name', async (t) => {
    const state = await t.state('demo', 'A')
    const tagged = (name: string, tags?: Record<string, string>) => r(name, `h${name}`, tags ? { tags } : {})
    await t.make(state, 'A', tagged('c', { team: 'red' }), tagged('a', { team: 'blue', env: 'prod' }), tagged('b', { team: 'red', note: 'a=b' }), tagged('team'), tagged('d', { teams: 'red' }))
    await t.change(state, creating('A', { ...tagged('e', { team: 'red' }), ruuid: Y }))
    const found = async (tag: string) => (await t.be.getResourcesByTag(state, 'A', X, tag)).map((x) => x.name)
    assert.deepEqual(await found('team'), ['a', 'b', 'c'])
    assert.deepEqual(await found('team=red'), ['b', 'c'])
    assert.deepEqual(await found('note=a=b'), ['b'])
    assert.deepEqual(await t.be.getResourcesByTag(state, 'A', X, 'env=prod'), [tagged('a', { team: 'blue', env: 'prod' })])
    assert.deepEqual(await t.be.listResourcesByTag(state, 'A', X, 'team=red'), await t.be.getResourcesByTag(state, 'A', X, 'team=red'))
  })
  test('S000-107 S000-109 B8.4#80 a tag that nothing carries is refused, and an empty list where a list is asked for', async (t) => {
    const state = await t.state('demo', 'A')
    await t.make(state, 'A', r('team'), r('1', 'h', { tags: { team: 'red' } }))
    for (const tag of ['other', 'team=blue', 'team=']) {
      await refused(ResourceDoesNotExist, t.be.getResourcesByTag(state, 'A', X, tag))
      assert.deepEqual(await t.be.listResourcesByTag(state, 'A', X, tag), [])
    }
  })
  test('D30 tags that nothing could carry are refused, and nothing is opened', async (t) => {
    const state = await t.state('demo', 'A')
    const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`key${i}`, 'v']))
    for (const tags of [many(51), { '': 'v' }, { ['k'.repeat(129)]: 'v' }, { k: 'v'.repeat(257) }, { 'aws:name': 'v' }, { AwsName: 'v' }]) {
      await refused(InvalidDifference, t.open(state, creating('A', r('1', 'h', { tags }))))
    }
    assert.deepEqual(await t.openTokens(state), [])
    await t.change(state, creating('A', r('1', 'h', { tags: { ...many(49), ['k'.repeat(128)]: 'v'.repeat(256) } })))
    assert.equal((await t.be.getResourcesByTag(state, 'A', X, 'key48')).length, 1)
  })
  test('S000-105 look-ups follow what happens to a resource', async (t) => {
    const state = await t.state('demo', 'A')
    const [before, after] = [r('1', 'h1', { tags: { team: 'red' } }), r('2', 'h1', { tags: { team: 'red' } })]
    await t.make(state, 'A', before)
    await t.change(state, { actionType: 'UPDATE_NAME', componentName: 'A', previousResource: before, newResource: after }, { id: 1 })
    assert.deepEqual(await t.be.getResourceByHash(state, 'A', X, 'h1'), after)
    await t.be.updateComponent(state, { actionType: 'UPDATE_NAME', previousName: 'A', newName: 'B' })
    assert.deepEqual(await t.be.getResourcesByTag(state, 'B', X, 'team'), [after])
    await t.change(state, { actionType: 'DELETE', componentName: 'B', previousResource: after })
    await refused(ResourceDoesNotExist, t.be.getResourceByHash(state, 'B', X, 'h1'))
    assert.deepEqual(await t.be.listResourcesByTag(state, 'B', X, 'team'), [])
  })
  test('S000-110 S000-118 B8.4#81 one value of an output is found by name and by hash', async (t) => {
    const state = await withFive(t)
    assert.equal(await t.be.getCloudOutputValueByName(state, 'A', X, '3', 'url'), 'https://3')
    assert.equal(await t.be.getCloudOutputValueByHash(state, 'A', X, 'h3', 'n'), 3)
  })
  test('S000-112 S000-113 B8.4#82 an empty output has no value, and counts as missing to whoever looks for that', async (t) => {
    const state = await t.state('demo', 'A')
    await t.change(state, creating('A', r('1', 'h1')), {})
    await refused(CloudOutputDoesNotExist, t.be.getCloudOutputValueByName(state, 'A', X, '1', 'url'))
    await refused(KeyNotInCloudOutput, t.be.getCloudOutputValueByName(state, 'A', X, '1', 'url'))
    await refused(CloudOutputDoesNotExist, t.be.getCloudOutputValueByHash(state, 'A', X, 'h1', 'url'))
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '1'), {})
  })
  test('S000-113 S000-120 B8.4#84 a key that the output lacks is refused', async (t) => {
    const state = await withFive(t)
    for (const key of ['none', 'constructor', '__proto__', 'toString', '']) {
      await refused(KeyNotInCloudOutput, t.be.getCloudOutputValueByName(state, 'A', X, '1', key))
      await refused(KeyNotInCloudOutput, t.be.getCloudOutputValueByHash(state, 'A', X, 'h1', key))
    }
  })
  test('S000-112 S000-120 S000-121 B8.4#85 a resource that is not there has no output', async (t) => {
    const state = await withFive(t)
    await refused(ResourceDoesNotExist, t.be.getCloudOutputByName(state, 'A', X, 'none'))
    await refused(ResourceDoesNotExist, t.be.getCloudOutputValueByName(state, 'A', X, 'none', 'url'))
    await refused(ResourceDoesNotExist, t.be.getCloudOutputByHash(state, 'A', X, 'none'))
    await refused(ResourceDoesNotExist, t.be.getCloudOutputValueByHash(state, 'A', X, 'none', 'url'))
  })
  test('S000-115 S000-117 the whole output is one object, and a key is not asked for', async (t) => {
    const state = await withFive(t)
    assert.deepEqual(await t.be.getCloudOutputByName(state, 'A', X, '2'), { url: 'https://2', n: 2 })
    assert.deepEqual(await t.be.getCloudOutputByHash(state, 'A', X, 'h2'), { url: 'https://2', n: 2 })
  })
  test('S000-122 B8.4#86 null, false, 0 and an empty text are values', async (t) => {
    const state = await t.state('demo', 'A')
    const output = { a: null, b: false, c: 0, d: '' }
    await t.change(state, creating('A', r('1', 'h1')), output)
    for (const [key, value] of Object.entries(output)) {
      assert.strictEqual(await t.be.getCloudOutputValueByName(state, 'A', X, '1', key), value)
      assert.strictEqual(await t.be.getCloudOutputValueByHash(state, 'A', X, 'h1', key), value)
    }
  })
  test('S000-114 a value is given as the function makes it, and what that throws passes through', async (t) => {
    const state = await t.state('demo', 'A')
    await t.change(state, creating('A', r('1', 'h1')), { url: 'https://host.example/path' })
    assert.equal(await t.be.getCloudOutputValueByName(state, 'A', X, '1', 'url', (u: string) => new URL(u).host), 'host.example')
    assert.equal(await t.be.getCloudOutputValueByHash(state, 'A', X, 'h1', 'url', (u: string) => u.length), 25)
    const thrown = new RangeError('mine')
    await assert.rejects(t.be.getCloudOutputValueByName(state, 'A', X, '1', 'url', () => { throw thrown }), (e) => e === thrown)
    assert.equal(await t.be.getCloudOutputValueByName(state, 'A', X, '1', 'url'), 'https://host.example/path')
  })
  test('S000-118 S000-119 by hash, the component is known by its name and by its uuid', async (t) => {
    const state = await withFive(t)
    const uuid = await t.be.getComponentUuid(state, 'A')
    assert.equal(await t.be.getCloudOutputValueByHash(state, uuid, X, 'h4', 'n'), 4)
    assert.equal(await t.be.getCloudOutputValueByHash(state, 'A', X, 'h4', 'n'), 4)
    await refused(ComponentDoesNotExist, t.be.getCloudOutputValueByHash(await t.state('other', 'A'), uuid, X, 'h4', 'n'))
  })
})
