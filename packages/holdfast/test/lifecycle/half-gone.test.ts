import { expect, test } from 'vitest'
import { readDrift, readStatus } from '../../src/engine/index.ts'
import { makeLab, type Lab } from '../support/world.ts'
import { calls, holds, settles } from './holds.ts'

// An update broke off, and then somebody else took the object away: it can be neither updated nor left.

const sized = (lab: Lab, size: number) => () => void lab.Box('a', { name: 'a', size })

async function half(lab: Lab): Promise<void> {
  await lab.apply(sized(lab, 1))
  lab.cloud.fault('update a', 'partly')
  expect(await lab.apply(sized(lab, 2), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
  calls(lab)
}

test('what an update left half-way is no drift while it is there, and gone when it is not; a repair makes it again', async () => {
  const lab = makeLab()
  await half(lab)
  expect(await readDrift(lab.cx)).toEqual({ drifted: [] })
  lab.cloud.objects.clear()
  expect(await lab.apply(sized(lab, 3))).toMatchObject({ outcome: 'reverted' })
  const drift = await readDrift(lab.cx)
  expect(drift).toEqual({ drifted: [{ address: 'a', kind: 'gone', paths: [] }] })
  expect((await lab.plan(sized(lab, 3), { repair: drift })).document.changes).toMatchObject([{ address: 'a', action: 'create' }])
  calls(lab)
  expect(await lab.apply(sized(lab, 3), { request: { repair: drift } })).toMatchObject({ outcome: 'applied' })
  expect(calls(lab)).toEqual(['create a'])
  expect(lab.cloud.content).toEqual(['a=3'])
  expect(await readStatus(lab.cx)).toMatchObject({ open: [] })
  await settles(lab, sized(lab, 3))
})

test('a repair that fails leaves it gone, and the next one makes it', async () => {
  const lab = makeLab()
  await half(lab)
  lab.cloud.objects.clear()
  lab.cloud.fault('create a', 'reject')
  expect(await lab.apply(sized(lab, 2), { request: { repair: await readDrift(lab.cx) } })).toMatchObject({ error: { code: 'HF3101' } })
  expect(await lab.apply(sized(lab, 2), { request: { repair: await readDrift(lab.cx) } })).toMatchObject({ outcome: 'applied' })
  expect(lab.cloud.content).toEqual(['a=2'])
  await settles(lab, sized(lab, 2))
})

test('the run that was to take the update back is open still: a repair takes that up, too', async () => {
  const lab = makeLab()
  await lab.apply(sized(lab, 1))
  lab.cloud.fault('update a', 'partly', 'reject')
  expect(await lab.apply(sized(lab, 2))).toMatchObject({ outcome: 'incomplete' })
  lab.cloud.objects.clear()
  const drift = await readDrift(lab.cx)
  expect(drift.drifted).toMatchObject([{ address: 'a', kind: 'gone' }])
  expect(await lab.apply(sized(lab, 2), { request: { repair: drift } })).toMatchObject({ outcome: 'applied' })
  expect(lab.cloud.content).toEqual(['a=2'])
  await settles(lab, sized(lab, 2))
})

test('it is not gone where it answers to what it was, or where a look fails', async () => {
  const found: string[] = []
  const lab = makeLab({ more: {
    update: async ({ outputs: prior, partial }) => {
      await partial({ id: prior.id })
      throw new Error('it broke off')
    },
    read: async ({ inputs: i }) => {
      found.push(i.name)
      if (i.name === 'unreadable') throw new Error('it cannot be read')
      const b = lab.cloud.byName(i.name)
      return b && { id: b.id, name: b.name, size: b.size, token: '' }
    },
  } })
  for (const name of ['b', 'unreadable']) {
    const build = (n: string) => () => void lab.Box(name, { name: n })
    await lab.apply(build(`${name}-was`))
    await lab.apply(build(name), { onFailure: 'keep' })
    found.length = 0
    expect(await readDrift(lab.cx)).toEqual({ drifted: [] })
    expect(found).toEqual(name === 'b' ? ['b', 'b-was'] : ['unreadable'])
    lab.cloud.objects.clear()
    expect((await readDrift(lab.cx)).drifted).toHaveLength(name === 'b' ? 1 : 0)
    await lab.apply(() => undefined)
  }
})

test('what broke off while it was made is no drift: every plan makes it anew', async () => {
  const lab = makeLab()
  lab.cloud.fault('create a', 'partly')
  await lab.apply(sized(lab, 1), { onFailure: 'keep' })
  lab.cloud.objects.clear()
  expect(await readDrift(lab.cx)).toEqual({ drifted: [] })
  expect(await lab.apply(sized(lab, 1))).toMatchObject({ outcome: 'applied' })
  await holds(lab)
})
