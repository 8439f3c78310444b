import { describe, expect, test } from 'vitest'
import { listResources, readStatus } from '../../src/engine/index.ts'
import { str } from '../../src/program/index.ts'
import { type CloudObject, type Lab, makeLab, resume, strictLab } from '../support/world.ts'

/** What the simulation found in the engine, one small test each (the seeds themselves go stale with any change): what failed half-way, and what a partial run left. */

describe('what was half done', () => {
  test('an object is not made anew by the same plan again when the plan said that it is updated', async () => {
    const lab = makeLab()
    lab.cloud.fault('create x', 'partly')
    expect(await lab.apply(() => void lab.Box('a', { name: 'x' }), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    const next = () => void lab.Box('a', { name: 'x', size: 2 })
    lab.cloud.fault('update x', 'partly')
    expect(await lab.apply(next, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', summary: {} })
    expect(await resume(lab)).toMatchObject({ outcome: 'reverted', error: { code: 'HF2401', address: 'a' } })
    expect(lab.cloud.calls).toEqual(['create x', 'update x'])
    expect((await lab.plan(next)).document.changes).toMatchObject([{ action: 'replace', address: 'a' }])
    expect(await lab.apply(next)).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=2'])
  })

  test('an output of the app that is not known after a partial run keeps its former value', async () => {
    const lab = makeLab()
    const doc = await lab.apply(() => {
      lab.Box('a', { name: 'a' })
      return { id: lab.Box('bad', { name: 'bad', fail: true }).id }
    }, { onFailure: 'keep' })
    expect(doc).toMatchObject({ outcome: 'kept', outputs: {} })
  })

  test('what an attempt reported while a lost call was settled is not forgotten: the object is withdrawn', async () => {
    const lab = makeLab()
    lab.cloud.fault('create x', 'lost', 'partly')
    expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual([])
    expect(await readStatus(lab.cx)).toMatchObject({ open: [], resources: 0 })
  })

  test('an object whose update failed half-way is updated again, not made anew', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    lab.cloud.fault('update x', 'partly')
    const next = () => void lab.Box('a', { name: 'x', size: 3 })
    expect(await lab.apply(next, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    lab.cloud.calls.length = 0
    expect(await lab.apply(next)).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['update x'])
    expect((await lab.plan(next)).empty).toBe(true)
  })

  test('a protected node that turns out to need a new object is refused while it is carried out', async () => {
    const lab = makeLab()
    const program = (size: number) => () => {
      const a = lab.Box('a', { name: 'a', size })
      lab.Box('p', { name: str`p-${a.name}` }, { protect: true })
    }
    lab.cloud.fault('create p-a', 'partly')
    await lab.apply(program(1), { onFailure: 'keep' })
    const plan = await lab.plan(program(2))
    expect(plan.document.changes.map((c) => `${c.action} ${c.address}`)).toEqual(['update a', 'maybe p'])
    const doc = await lab.apply(program(2))
    expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF5001', address: 'p' } })
    expect(lab.cloud.content).toEqual(['a=1', 'p-a=1'])
  })

  test('a protected node that failed half-way can be made anew once the program gives its protection up', async () => {
    const lab = makeLab()
    lab.cloud.fault('create x', 'partly')
    await lab.apply(() => void lab.Box('a', { name: 'x' }, { protect: true }), { onFailure: 'keep' })
    await expect(lab.plan(() => void lab.Box('a', { name: 'x' }, { protect: true }))).rejects.toMatchObject({ code: 'HF5001' })
    expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
  })
})

test('after a partial run an old object is kept as long as something may still refer to it', async () => {
  const lab = strictLab()
  const program = (a: { name: string; zone: string }, fail: boolean) => () => {
    const box = lab.Box('a', a)
    lab.Box('user', { name: str`user-of-${box.id}`, fail })
  }
  await lab.apply(program({ name: 'x', zone: 'a' }, false))
  lab.cloud.calls.length = 0
  expect(await lab.apply(program({ name: 'y', zone: 'b' }, true), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', pending: ['a'] })
  expect(lab.cloud.calls).not.toContain('delete x')
  expect(await lab.apply(program({ name: 'y', zone: 'b' }, false))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.content).toEqual(['user-of-o3=1', 'y=1'])
})

test('after a partial run what an old object that waits refers to waits, too', async () => {
  const lab = strictLab()
  const program = (zone: string, fail: boolean) => () => {
    const a = lab.Box('a', { name: `a-${zone}`, zone })
    const b = lab.Box('b', { name: str`b-of-${a.id}`, zone })
    lab.Box('c', { name: str`c-of-${b.id}`, fail })
  }
  await lab.apply(program('a', false))
  expect(await lab.apply(program('z', true), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', pending: ['a', 'b'], error: { address: 'c' } })
  expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual([])
  expect(await lab.apply(program('z', false))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual(['delete b-of-o1', 'delete a-a'])
})

test('an object whose update failed half-way, and that others refer to, is replaced without deleting it first', async () => {
  const lab = strictLab({ class: 'A', more: { capability: { create: { token: { windowMs: 3_600_000 } }, update: 'patch', maxCallMs: 0 }, claims: () => [] } })
  const program = (size: number) => () => {
    const a = lab.Box('a', { name: 'a', size })
    lab.Box('user', { name: str`user-of-${a.id}` })
  }
  await lab.apply(program(1))
  lab.cloud.fault('update a', 'partly')
  expect(await lab.apply(program(2), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
  expect(await lab.apply(program(2))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.content).toEqual(['a=2', 'user-of-o3=1'])
})

test.each([['after a partial run', true], ['when it could not be deleted at once', false]])('what left the program goes before what it uses, although that has moved: %s', async (_when, partial) => {
  const lab = strictLab()
  await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('user', { name: str`user-of-${a.id}` })
  })
  lab.cloud.fault('delete user-of-o1', 'reject')
  await lab.apply(() => {
    lab.Box('moved', { name: 'a' }, { movedFrom: ['a'] })
    if (partial) lab.Box('bad', { name: 'bad', fail: true })
  }, { onFailure: 'keep' })
  expect(lab.cloud.content).toEqual(['a=1', 'user-of-o1=1'])
  if (partial) lab.cloud.faults.clear()
  lab.cloud.calls.length = 0
  expect(await lab.destroy()).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls).toEqual(['delete user-of-o1', 'delete a'])
})

test('what was renamed after a partial run, because what it uses had moved, is renamed again when that moves back', async () => {
  const lab = makeLab()
  const before = () => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('user', { name: str`user-of-${a.id}` })
  }
  const uses = async () => (await listResources(lab.cx)).find((r) => r.address === 'user')?.dependsOn
  await lab.apply(before)
  await lab.apply(() => {
    lab.Box('moved', { name: 'a' }, { movedFrom: ['a'] })
    lab.Box('bad', { name: 'bad', fail: true })
  }, { onFailure: 'keep' })
  expect(await uses()).toEqual(['moved'])
  await lab.apply(before)
  expect(await uses()).toEqual(['a'])
})

describe('an object whose update broke off may still refer to what it referred to', () => {
  // What breaks off has changed nothing: the box still refers to what it did.
  const torn = () => {
    let fails = true
    const lab: Lab = makeLab({ more: { claims: () => [], update: ({ inputs: i, outputs: prior, signal, partial }) => lab.cloud.run(`update ${i.name}`, signal, async () => {
      const b = lab.cloud.objects.get(prior.id as string) as CloudObject
      if (fails && i.name === 'user') {
        fails = false
        await partial({ id: b.id })
        throw new Error('broke off')
      }
      Object.assign(b, { size: i.size, on: i.on })
      return { id: b.id, name: b.name, size: b.size, token: '' }
    }) as never } })
    lab.cloud.strict = true
    return lab
  }
  const before = (lab: Lab) => () => {
    const base = lab.Box('base', { name: 'base' })
    const a = lab.Box('a', { name: 'a', on: base.id })
    lab.Box('user', { name: 'user', on: a.id })
  }
  const after = (lab: Lab) => () => {
    lab.Box('base', { name: 'base' })
    lab.Box('user', { name: 'user' })
  }

  test('that is not deleted in a run that goes on, and goes after it', async () => {
    const lab = torn()
    await lab.apply(before(lab))
    expect(await lab.apply(after(lab), { onFailure: 'continue' })).toMatchObject({ outcome: 'kept', error: { address: 'user' }, pending: [] })
    expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual([])
    const deletes = async (ends: Promise<unknown>) => {
      expect(await ends).toMatchObject({ outcome: 'applied', pending: [] })
      return lab.cloud.calls.filter((c) => c.startsWith('delete'))
    }
    const other = lab.again()
    expect(await deletes(other.destroy())).toEqual(['delete user', 'delete a', 'delete base'])
    expect(lab.cloud.content).toEqual([])
  })

  test('also where that has moved', async () => {
    const lab = torn()
    await lab.apply(before(lab))
    await lab.apply(() => {
      const base = lab.Box('base', { name: 'base' })
      lab.Box('moved', { name: 'a', on: base.id }, { movedFrom: ['a'] })
      lab.Box('user', { name: 'user' })
    }, { onFailure: 'continue' })
    expect((await listResources(lab.cx)).find((r) => r.address === 'user')).toMatchObject({ dependsOn: expect.arrayContaining(['moved']) })
    expect(await lab.destroy()).toMatchObject({ outcome: 'applied', pending: [] })
    expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual(['delete user', 'delete a', 'delete base'])
  })

  test('a whole update ends that', async () => {
    const lab = torn()
    await lab.apply(before(lab))
    await lab.apply(after(lab), { onFailure: 'continue' })
    expect(await lab.apply(after(lab))).toMatchObject({ outcome: 'applied', pending: [] })
    expect((await listResources(lab.cx)).find((r) => r.address === 'user')).toMatchObject({ dependsOn: [] })
    expect(lab.cloud.content).toEqual(['base=1', 'user=1'])
  })
})
