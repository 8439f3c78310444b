import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { InvalidArgument, InvalidDifference, MemoryBackend, SqliteBackend, type ResourceDifference, type StoreBackend } from '../../src/backend/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-names-'))
const any = (x: unknown) => x as never
const create = (newResource: object): ResourceDifference => ({ actionType: 'CREATE', componentName: 'db', newResource: { name: 'x', ruuid: 't', hash: 'h', ...newResource } })

const backends: [string, StoreBackend][] = [['memory', new MemoryBackend({})], ['sqlite', new SqliteBackend({ path: join(folder, 'state.db') })]]
afterAll(async () => {
  for (const [, be] of backends) await be.close()
  rmSync(folder, { recursive: true })
})

describe.each(backends)('%s', (_, be) => {
  test('a name, type, hash, tag or key of the wrong kind is refused in words by every look-up', async () => {
    const state = await be.createResourceState('kinds')
    await be.updateComponent(state, { actionType: 'CREATE', newName: 'db' })
    for (const bad of [undefined, null, 5, {}, ['db'], Symbol('db'), () => 'db', new Date(), 'd\0b', '\ud800']) {
      for (const act of [
        () => be.getComponent(state, any(bad)), () => be.getComponentUuid(state, any(bad)), () => be.createResourceChangeTransaction(state, any(bad), create({})),
        () => be.completeResourceChange(state, any(bad), create({}), 't', {}), () => be.failResourceChange(state, any(bad), create({}), 't', {}), () => be.setComponentExports(state, any(bad), null),
        () => be.getResourceByName(state, any(bad), 't', 'x'), () => be.getResourceByName(state, 'db', any(bad), 'x'), () => be.getResourceByName(state, 'db', 't', any(bad)),
        () => be.getResourceByHash(state, any(bad), 't', 'h'), () => be.getResourceByHash(state, 'db', any(bad), 'h'), () => be.getResourceByHash(state, 'db', 't', any(bad)),
        () => be.getResourcesByTag(state, any(bad), 't', 'k'), () => be.getResourcesByTag(state, 'db', any(bad), 'k'), () => be.listResourcesByTag(state, 'db', 't', any(bad)),
        () => be.getCloudOutputByName(state, any(bad), 't', 'x'), () => be.getCloudOutputByHash(state, 'db', 't', any(bad)), () => be.getCloudOutputValueByName(state, 'db', 't', 'x', any(bad)),
        () => be.getCloudOutputValueByHash(state, any(bad), 't', 'h', 'k'), () => be.createDifferences(state, [], [any(bad)]),
      ]) await expect(act(), `${act.toString()} ${String(bad)}`).rejects.toBeInstanceOf(InvalidArgument)
    }
  })

  test('a text that a row cannot carry is refused, and names that begin alike stay apart', async () => {
    const state = await be.createResourceState('carried')
    await be.updateComponent(state, { actionType: 'CREATE', newName: 'db' })
    for (const bad of ['a\0b', 'a\ud800b']) {
      await expect(be.createResourceState(bad)).rejects.toBeInstanceOf(InvalidArgument)
      await expect(be.updateComponent(state, { actionType: 'CREATE', newName: bad })).rejects.toBeInstanceOf(InvalidDifference)
      await expect(be.createResourceState('other', null, { requestId: bad })).rejects.toBeInstanceOf(InvalidArgument)
      await expect(be.createResourceState('other', null, { principal: bad })).rejects.toBeInstanceOf(InvalidArgument)
      for (const field of ['name', 'ruuid', 'hash']) await expect(be.createResourceChangeTransaction(state, 'db', create({ [field]: bad }))).rejects.toBeInstanceOf(InvalidDifference)
    }
    await expect(be.getResourceState(`${state}\0x`)).rejects.toMatchObject({ code: 'RESOURCE_STATE_DOES_NOT_EXIST' })
    expect((await be.getResourceState(state)).components).toMatchObject([{ name: 'db', resources: [] }])
  })

  test('a name is one name, however its accents are written', async () => {
    const [nfd, nfc] = ['cafe\u0301', 'caf\u00e9']
    const state = await be.createResourceState('accents')
    await be.updateComponent(state, { actionType: 'CREATE', newName: nfd })
    const diff = { ...create({ name: nfd, tags: { k: 'v' } }), componentName: nfd }
    const [token] = await be.createResourceChangeTransaction(state, nfd, diff)
    await be.completeResourceChange(state, nfd, diff, token, { o: 1 })
    for (const name of [nfd, nfc]) {
      expect(await be.getResourceByName(state, name, 't', name)).toMatchObject({ name: nfc })
      expect(await be.getResourceByHash(state, name, 't', 'h')).toMatchObject({ name: nfc })
      expect(await be.getResourcesByTag(state, name, 't', 'k')).toHaveLength(1)
      expect(await be.getCloudOutputValueByName(state, name, 't', name, 'o')).toBe(1)
      expect(await be.getComponentUuid(state, name)).toBe(await be.getComponentUuid(state, nfc))
      expect(await be.createDifferences(state, [{ name, resources: [{ name, ruuid: 't', hash: 'h', tags: { k: 'v' } }] }], [name])).toEqual([[], [], []])
      await expect(be.createResourceChangeTransaction(state, name, { ...diff, newResource: { name, ruuid: 't', hash: 'i' } })).rejects.toMatchObject({ code: 'RESOURCE_ALREADY_EXISTS' })
    }
  })

  test('a colon in the name of a state or a component parts nothing', async () => {
    const state = await be.createResourceState('shop/prod:blue')
    await be.updateComponent(state, { actionType: 'CREATE', newName: 'db:1' })
    const diff = { ...create({ name: 'a:b' }), componentName: 'db:1' }
    const [token] = await be.createResourceChangeTransaction(state, 'db:1', diff)
    await be.completeResourceChange(state, 'db:1', diff, token, {})
    expect(await be.getResourceByName(state, 'db:1', 't', 'a:b')).toMatchObject({ hash: 'h' })
  })

  test('which way a change is recovered is said with true or false, and what was resolved is an object', async () => {
    const state = await be.createResourceState('ways')
    await be.updateComponent(state, { actionType: 'CREATE', newName: 'db' })
    const [failed] = await be.createResourceChangeTransaction(state, 'db', create({}))
    await be.failResourceChange(state, 'db', create({}), failed, {})
    for (const way of [null, 0, '', 'no', 5, {}]) await expect(be.recoverFailedResourceChange(state, failed, any(way), {})).rejects.toBeInstanceOf(InvalidArgument)
    for (const output of [5, 'arn', [1]]) for (const way of [true, false]) await expect(be.recoverFailedResourceChange(state, failed, way, any(output))).rejects.toBeInstanceOf(InvalidArgument)
    expect(await be.listChanges({ stateUuid: state })).toMatchObject([{ transactionToken: failed, status: 'failed' }])
    const [token] = await be.createResourceChangeTransaction(state, 'db', create({ name: 'y' }))
    for (const resolved of [5, 'a', ['a'], true]) await expect(be.completeResourceChange(state, 'db', create({ name: 'y' }), token, {}, any(resolved))).rejects.toBeInstanceOf(InvalidArgument)
    await be.completeResourceChange(state, 'db', create({ name: 'y' }), token, {}, any(null))
  })
})
