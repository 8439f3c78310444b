import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { systemClock } from '../../src/base/index.ts'
import { exitCodeOf, listResources, readOutputs, readStatus } from '../../src/engine/index.ts'
import { sensitive, str } from '../../src/program/index.ts'
import { inputs, makeLab, outputs } from '../support/world.ts'

const actions = (p: { document: { changes: readonly { address: string; action: string }[] } }) => p.document.changes.map((c) => `${c.action} ${c.address}`)

describe('a life', () => {
  test('create, nothing to do, update, replace, move, delete, destroy', async () => {
    const lab = makeLab()
    const { Box, cloud } = lab
    const first = () => {
      const a = Box('a', { name: 'a' })
      Box('b', { name: str`${a.name}-b`, size: 2 })
      return { id: a.id }
    }
    expect(actions(await lab.plan(first))).toEqual(['create a', 'create b'])
    const one = await lab.apply(first)
    expect(one.error).toBeUndefined()
    expect(one).toMatchObject({ outcome: 'applied', revision: { from: 0, to: 1 }, outputs: { id: 'o1' }, summary: { create: 2 } })
    expect(cloud.content).toEqual(['a-b=2', 'a=1'])
    cloud.calls.length = 0
    const again = await lab.plan(first)
    expect(again.empty).toBe(true)
    expect(again.document.summary).toEqual({ unchanged: 2 })
    expect((await lab.apply(first)).outcome).toBe('unchanged')
    expect(cloud.calls).toEqual([])

    const second = () => {
      const a = Box('a', { name: 'a', size: 5 })
      Box('b2', { name: str`${a.name}-b`, size: 2 }, { movedFrom: ['b'] })
      return { id: a.id }
    }
    expect(actions(await lab.plan(second))).toEqual(['update a', 'maybe b2'])
    const two = await lab.apply(second)
    expect(two).toMatchObject({ outcome: 'applied', revision: { from: 1, to: 2 } })
    expect(cloud.calls).toEqual(['update a'])
    expect(cloud.content).toEqual(['a-b=2', 'a=5'])
    expect((await listResources(lab.cx)).map((r) => r.address)).toEqual(['a', 'b2'])

    const third = () => void Box('b2', { name: 'x', zone: 'z' })
    expect(actions(await lab.plan(third))).toEqual(['replace b2', 'delete a'])
    cloud.calls.length = 0
    expect(await lab.apply(third)).toMatchObject({ outcome: 'applied', revision: { to: 3 }, pending: [] })
    expect(cloud.content).toEqual(['x=1'])
    expect(cloud.calls[0]).toBe('create x')
    expect(await readOutputs(lab.cx, { reveal: false })).toEqual({})
    expect(await lab.destroy()).toMatchObject({ outcome: 'applied', revision: { to: 4 } })
    expect(cloud.content).toEqual([])
    expect(await listResources(lab.cx)).toEqual([])
    expect(await readStatus(lab.cx)).toMatchObject({ open: [], pendingDeletes: [], openRun: null, resources: 0 })
  })

  test('a failure takes everything back, newest first, and the revision stays', async () => {
    const lab = makeLab()
    const { Box, cloud } = lab
    const base = () => {
      Box('keep', { name: 'keep' })
      Box('gone', { name: 'gone' })
    }
    await lab.apply(base)
    const before = cloud.content
    const next = () => {
      const k = Box('keep', { name: 'keep', size: 9 })
      const n = Box('new', { name: str`new-${k.size}` })
      Box('bad', { name: str`bad-${n.size}`, fail: true })
    }
    cloud.calls.length = 0
    const doc = await lab.apply(next)
    expect(doc).toMatchObject({ outcome: 'reverted', revision: { from: 1, to: 1 } })
    expect(doc.error).toMatchObject({ code: 'HF3101', address: 'bad' })
    expect(exitCodeOf(doc)).toBe(4)
    expect(cloud.content).toEqual(before)
    expect(cloud.calls).toEqual(['update keep', 'create new-9', 'create bad-1', 'delete new-9', 'update keep'])
    expect(doc.reverted.map((r) => r.address)).toEqual(['new', 'keep'])
    const after = await lab.plan(base)
    expect(after.empty).toBe(true)
    expect(await readStatus(lab.cx)).toMatchObject({ open: [], openRun: null, revision: 1 })
  })

  test('keep leaves what succeeded as a partial revision, and resume carries on', async () => {
    const lab = makeLab()
    const { Box, cloud } = lab
    const build = () => {
      const a = Box('a', { name: 'a' })
      Box('b', { name: str`b-${a.size}` })
    }
    cloud.fault('create b-1', 'reject')
    const doc = await lab.apply(build, { onFailure: 'keep' })
    expect(doc).toMatchObject({ outcome: 'kept', revision: { from: 0, to: 1 } })
    expect(exitCodeOf(doc)).toBe(12)
    expect(await readStatus(lab.cx)).toMatchObject({ partial: true, revision: 1 })
    const session = await lab.session()
    const never = new AbortController().signal
    const resumed = await session.resume({ onFailure: 'revert', stop: never, abort: never })
    await session.end()
    expect(resumed).toMatchObject({ outcome: 'applied', revision: { from: 1, to: 2 } })
    expect(cloud.content).toEqual(['a=1', 'b-1=1'])
  })

  test('a rename without movedFrom is a move when both claim one thing', async () => {
    const lab = makeLab()
    const { Box, cloud } = lab
    await lab.apply(() => void Box('old', { name: 'x' }))
    cloud.calls.length = 0
    const plan = await lab.plan(() => void Box('new', { name: 'x' }))
    expect(actions(plan)).toEqual(['move new'])
    expect(plan.document.changes[0]?.reasons[0]).toContain('claims box:x')
    await lab.apply(() => void Box('new', { name: 'x' }))
    expect(cloud.calls).toEqual([])
    expect(cloud.content).toEqual(['x=1'])
  })

  test('names that are swapped are deleted first, and a failure makes the old ones again', async () => {
    const lab = makeLab({ more: { replaceOn: ['name', 'zone'] } })
    const { Box, cloud } = lab
    await lab.apply(() => {
      Box('a', { name: 'x' })
      Box('b', { name: 'y', size: 2 })
    })
    const before = cloud.content
    const doc = await lab.apply(() => {
      const a = Box('a', { name: 'y' })
      const b = Box('b', { name: 'x', size: 2 })
      Box('bad', { name: str`bad${a.size}${b.size}`, fail: true })
    })
    expect(doc.outcome).toBe('reverted')
    expect(cloud.content).toEqual(before)
    expect(doc.reverted).toContainEqual({ address: 'a', identity: 'new' })
    const good = await lab.apply(() => {
      Box('a', { name: 'y' })
      Box('b', { name: 'x', size: 2 })
    })
    expect(good).toMatchObject({ outcome: 'applied' })
    expect(cloud.content).toEqual(['x=2', 'y=1'])
  })

  test('two nodes that claim one thing are refused, naming both', async () => {
    const lab = makeLab()
    await expect(lab.plan(() => {
      lab.Box('a', { name: 'x' })
      lab.Box('b', { name: 'x' })
    })).rejects.toMatchObject({ code: 'HF2104' })
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    await expect(lab.plan(() => {
      lab.Box('a', { name: 'x' })
      lab.Box('b', { name: 'x' })
    })).rejects.toMatchObject({ code: 'HF2104' })
  })

  test('a protected node is neither deleted nor replaced', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }, { protect: true }))
    await expect(lab.plan(() => undefined)).rejects.toMatchObject({ code: 'HF5001', address: 'a' })
    await expect(lab.plan(() => void lab.Box('a', { name: 'x', zone: 'q' }, { protect: true }))).rejects.toMatchObject({ code: 'HF5001' })
  })

  test('retain forgets a node and leaves its object', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }, { retain: true }))
    const plan = await lab.plan(() => undefined)
    expect(actions(plan)).toEqual(['forget a'])
    await lab.apply(() => undefined)
    expect(lab.cloud.content).toEqual(['x=1'])
    expect(await listResources(lab.cx)).toEqual([])
  })
})

describe('an answer that was lost', () => {
  for (const cls of ['A', 'B'] as const) {
    for (const fault of ['lost', 'lost-applied'] as const) {
      test(`is settled by class ${cls}, and one object exists (${fault})`, async () => {
        const lab = makeLab({ class: cls })
        lab.cloud.fault('create x', fault)
        const doc = await lab.apply(() => void lab.Box('a', { name: 'x' }))
        expect(doc.error).toBeUndefined()
        expect(doc.outcome).toBe('applied')
        expect(lab.cloud.content).toEqual(['x=1'])
        if (cls === 'A') expect(new Set(lab.cloud.keys).size).toBe(1)
      })
    }
  }

  test('is a question for a person in class D, and keeps what it may refer to', async () => {
    const lab = makeLab({ class: 'D', more: {} })
    lab.cloud.fault('create d', 'lost-applied')
    const build = () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('other', { name: 'other' })
      lab.Box('d', { name: 'd', size: a.size })
    }
    const doc = await lab.apply(build)
    expect(exitCodeOf(doc)).toBe(12)
    expect(doc.outcome).toBe('incomplete')
    expect(doc.error).toMatchObject({ code: 'HF3103', address: 'd' })
    expect(lab.cloud.content).toEqual(['a=1', 'd=1'])
    const status = await readStatus(lab.cx)
    expect(status.open).toMatchObject([{ address: 'd', status: 'unknown' }])
    // Each attempt ends with one event.
    expect(lab.events.filter((e) => e.type.startsWith('task.') && e.node === 'd')).toMatchObject([{ type: 'task.started', attempt: 1 }, { type: 'task.unknown', attempt: 1, tx: status.open[0]?.tx }])
    const session = await lab.session()
    await session.settle(status.open[0]?.tx as string, { kind: 'adopt', id: lab.cloud.byName('d')?.id as string })
    await session.end()
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied', revision: { from: 0, to: 1 } })
    expect(lab.cloud.content).toEqual(['a=1', 'd=1', 'other=1'])
  })

  test('of an update is settled by sending it again', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    lab.cloud.fault('update x', 'lost')
    expect(await lab.apply(() => void lab.Box('a', { name: 'x', size: 4 }))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=4'])
  })

  test('is asked about again by the next apply, when its provider was away for too long', async () => {
    const hasty = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 2), signal) }
    const lab = makeLab({ clock: hasty })
    lab.cloud.fault('create x', 'lost-applied')
    lab.cloud.fault('read x', ...Array.from({ length: 30 }, () => 'reject' as const))
    const build = () => void lab.Box('a', { name: 'x' })
    expect(exitCodeOf(await lab.apply(build))).toBe(12)
    expect((await readStatus(lab.cx)).open).toMatchObject([{ address: 'a', status: 'unknown' }])
    lab.cloud.faults.clear()
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
    expect((await readStatus(lab.cx)).open).toEqual([])
  })

  test('of a call that hangs is looked up after its deadline', async () => {
    const lab = makeLab()
    lab.cloud.fault('create x', 'hang')
    const doc = await lab.apply(() => void lab.Box('a', { name: 'x' }, { timeout: '50ms' }))
    expect(doc.outcome).toBe('applied')
    expect(lab.cloud.content).toEqual(['x=1'])
  })
})

test('a call that hangs, and whose object is found gone, has taken too long (HF3105)', async () => {
  const lab = makeLab({ more: { capability: { create: { name: true }, maxCallMs: 0 } } })
  await lab.apply(() => void lab.Box('a', { name: 'x' }))
  lab.cloud.objects.clear()
  lab.cloud.fault('update x', 'hang')
  const doc = await lab.apply(() => void lab.Box('a', { name: 'x', size: 2 }, { timeout: '50ms' }))
  expect(doc.error).toMatchObject({ code: 'HF3105', address: 'a' })
})

describe('a step that failed half-way', () => {
  test('is withdrawn with the outputs that it reported', async () => {
    const lab = makeLab()
    lab.cloud.fault('create x', 'partly')
    const doc = await lab.apply(() => void lab.Box('a', { name: 'x' }))
    expect(doc.outcome).toBe('reverted')
    expect(lab.cloud.content).toEqual([])
    expect(await readStatus(lab.cx)).toMatchObject({ open: [], resources: 0 })
  })

  test('of an update is restored', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    lab.cloud.fault('update x', 'partly')
    const doc = await lab.apply(() => void lab.Box('a', { name: 'x', size: 3 }))
    expect(doc.outcome).toBe('reverted')
    expect(lab.cloud.content).toEqual(['x=1'])
    expect(await readStatus(lab.cx)).toMatchObject({ open: [] })
  })
})

test('a rejected step is tried again as often as retries says', async () => {
  const lab = makeLab()
  lab.cloud.fault('create x', 'reject')
  const doc = await lab.apply(() => void lab.Box('a', { name: 'x' }, { retries: 1 }))
  expect(doc.outcome).toBe('applied')
  expect(doc.tasks[0]).toMatchObject({ attempts: 2 })
})

test('a secret never becomes part of what names an object (HF1204), known at plan or not', async () => {
  const lab = makeLab()
  const build = () => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('b', { name: str`b-${a.token}` })
  }
  const doc = await lab.apply(build)
  expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF1204', address: 'b' } })
  await lab.apply(() => void lab.Box('a', { name: 'a' }))
  await expect(lab.plan(build)).rejects.toMatchObject({ code: 'HF1204', address: 'b' })
  expect(JSON.stringify(await lab.store.claimsOf(((await lab.store.env('lab', 'default')) as { id: string }).id))).not.toContain('token-of-')
})

test('a secret in an error of a provider is not shown', async () => {
  const lab = makeLab()
  const doc = await lab.apply(() => {
    const a = lab.Box('a', { name: 'x' })
    lab.Box('b', { name: 'y', secret: a.token, fail: true })
  })
  expect(JSON.stringify(doc)).not.toContain('token-of-')
  expect(JSON.stringify(lab.events)).not.toContain('token-of-')
  expect(doc.error?.message).toContain('[secret]')
})

test('what an object gives in clear is not hidden because a secret of it says the same', async () => {
  const lab = makeLab({ more: { outputs: outputs.extend({ file: sensitive(z.object({ path: z.string(), digest: z.string() })).optional() }) as never } })
  const build = (size: number) => () => ({ name: lab.Box('a', { name: 'path/of/a', size }).name })
  const given = (o: { name: string }) => ({ ...o, file: { path: o.name, digest: 'digest-of-a-secret' } })
  const { create, update } = lab.Box.spec as { create: (a: never) => Promise<{ name: string }>; update: (a: never) => Promise<{ name: string }> }
  Object.assign(lab.cx.types.get(lab.Box.type) as object, { create: async (a: never) => given(await create(a)), update: async (a: never) => given(await update(a)) })
  await lab.apply(build(1))
  expect(await lab.apply(build(2))).toMatchObject({ outcome: 'applied', outputs: { name: 'path/of/a' } })
  expect(lab.cx.redactor.text('path/of/a digest-of-a-secret')).toBe('path/of/a [secret]')
})

test('the path in a secret file by path and content is no secret: what names it is not hidden, and its digest is', async () => {
  const file = z.object({ path: z.string(), digest: z.string() })
  const lab = makeLab({ more: { inputs: inputs.extend({ source: sensitive(file).optional() }) as never } })
  const build = () => ({ name: lab.Box('a', { name: 'path/of/the/file', source: { path: 'path/of/the/file', digest: 'sha256:of-a-secret' } } as never).name })
  expect(await lab.apply(build)).toMatchObject({ outcome: 'applied', outputs: { name: 'path/of/the/file' } })
  expect(lab.cx.redactor.text('path/of/the/file sha256:of-a-secret')).toBe('path/of/the/file [secret]')
})
