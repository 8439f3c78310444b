import { expect, test } from 'vitest'
import { StoreBackend, type ResourceDifference } from '../../src/backend/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { listResources } from '../../src/engine/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { makeLab } from '../support/world.ts'

/** The contract over the store that a program is applied to. */
function world() {
  const store = new MemoryStore({ clock: systemClock, random: systemRandom })
  const { tables } = store
  const be = new StoreBackend({
    capabilities: { name: 'memory', durable: false, severalWriters: true },
    connect: async () => ({ store: new MemoryStore({ clock: systemClock, random: systemRandom, tables }), identity: tables, keys: { read: () => undefined, create: () => systemRandom.bytes(32) } }),
  })
  return { be, lab: makeLab({ store }) }
}

test('two resources of different types under one name: each is found by its type, and a plan refuses to take one for the other (HF2108)', async () => {
  const { be, lab } = world()
  const boxes = () => void lab.Box('one', { name: 'one' })
  await lab.apply(boxes)
  const [state] = await be.getTopLevelResourceStates()
  const uuid = state?.uuid as string
  const change = async (diff: ResourceDifference) => {
    const [token] = await be.createResourceChangeTransaction(uuid, '.', diff)
    await be.completeResourceChange(uuid, '.', diff, token, { of: diff.actionType })
  }
  const twin = { ruuid: 'acme::queue', name: 'one', hash: 'h', size: 1 }
  await change({ actionType: 'CREATE', componentName: '.', newResource: twin })
  expect(await be.getResourceByName(uuid, '.', 'acme::queue', 'one')).toEqual(twin)
  expect((await be.getResourceByName(uuid, '.', lab.Box.type, 'one')).ruuid).toBe(lab.Box.type)
  expect((await listResources(lab.cx)).map((r) => [r.address, r.type]).sort()).toEqual([['one', 'acme::queue'], ['one', lab.Box.type]])

  for (const act of [() => lab.plan(boxes), () => lab.plan(() => undefined), () => lab.apply(() => void lab.Box('one', { name: 'one', size: 2 })), () => lab.destroy()]) {
    await expect(act()).rejects.toMatchObject({ code: 'HF2108', address: 'one', message: `one stands for two resources, of the types acme::queue and ${lab.Box.type}. Nothing was changed.` })
  }
  expect(lab.cloud.content).toEqual(['one=1'])

  // The other one out of the way, the plan is as before.
  await change({ actionType: 'UPDATE_NAME', componentName: '.', previousResource: twin, newResource: { ...twin, name: 'queue' } })
  expect((await lab.plan(boxes).catch((e) => e.code))).toBe('HF2106') // nobody here knows how to delete a queue
  await change({ actionType: 'DELETE', componentName: '.', previousResource: { ...twin, name: 'queue' } })
  expect((await lab.plan(boxes)).empty).toBe(true)
  expect(await lab.apply(() => void lab.Box('one', { name: 'one', size: 2 }))).toMatchObject({ outcome: 'applied', summary: { update: 1 } })
})
