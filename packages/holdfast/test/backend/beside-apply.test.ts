import { expect, test } from 'vitest'
import { ComponentBusy, StoreBackend, type ResourceDifference } from '../../src/backend/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { inside, machine, parts, sound } from '../support/parts.ts'

const queue = (component: string, name: string): ResourceDifference => ({ actionType: 'CREATE', componentName: component, newResource: { ruuid: 'acme::queue', name, hash: `h-${name}` } })

test('a component is changed through the contract while a restricted apply changes another; what that apply holds, or has left, is not', async () => {
  const { start, cloud, tables } = machine()
  const be = new StoreBackend({
    capabilities: { name: 'memory', durable: false, severalWriters: true },
    connect: async () => ({ store: new MemoryStore({ clock: systemClock, random: systemRandom, tables }), identity: tables, keys: { read: () => undefined, create: () => systemRandom.bytes(32) } }),
  })
  const one = start().lab
  await one.apply(parts(one, { web: { a: 1 }, db: { a: 1 } }))
  const uuid = (await be.getTopLevelResourceStates())[0]?.uuid as string
  const create = async (component: string, name: string) => {
    const diff = queue(component, name)
    const [token] = await be.createResourceChangeTransaction(uuid, component, diff)
    await be.completeResourceChange(uuid, component, diff, token, { arn: name })
  }
  let reach = () => {}
  let open = () => {}
  const reached = new Promise<void>((r) => { reach = r })
  const opened = new Promise<void>((r) => { open = r })
  cloud.latency = async () => {
    reach()
    await opened
  }
  const web = one.apply(parts(one, { web: { a: 2, b: 2 }, db: { a: 1 } }), { request: inside('web') })
  await reached
  await create('db', 'jobs')
  await expect(create('web', 'mails')).rejects.toBeInstanceOf(ComponentBusy)
  open()
  expect(await web).toMatchObject({ outcome: 'applied', revision: { from: 2, to: 3 } })
  await create('web', 'mails')
  expect((await be.getComponent(uuid, 'web')).resources.map((r) => r.name).sort()).toEqual(['a', 'b', 'mails'])
  expect((await be.getComponent(uuid, 'db')).resources.map((r) => r.name).sort()).toEqual(['a', 'jobs'])

  const victim = start({ n: 5, when: 'after' })
  const grown = parts(victim.lab, { web: { a: 1, b: 2 }, db: { a: 1 } })
  expect(await Promise.race([victim.died, victim.lab.apply(grown, { request: { targets: ['web/a', 'web/b'] } })])).toBe('died')
  expect([...tables.envs.values()][0]?.parts).toHaveLength(1)
  for (const [scope, lease] of tables.leases) if (lease.holder.id === victim.lab.cx.holder.id) tables.leases.delete(scope) // its time has passed
  await expect(create('web', 'more')).rejects.toBeInstanceOf(ComponentBusy)
  await create('db', 'more')
  await sound(one.store)
})
