import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { listResources, readOutputs, readStatus } from '../../src/engine/index.ts'
import { buildGraph, component, str } from '../../src/program/index.ts'
import { type Lab, makeLab, never } from '../support/world.ts'

/** Partial failures, failed operations, outputs: spec/engine.md 3.5. A failed run is taken back; `keep` lets stand what succeeded. */
const outputsOf = (lab: Lab) => readOutputs(lab.cx, { reveal: false })
const writes = (lab: Lab) => lab.cloud.calls.splice(0).filter((c) => !c.startsWith('read'))

describe('what failed half-way', () => {
  // Peers keep errors of initialisation; here the row says `partial`, and the next run makes it whole.
  test('E3#42 with the same program the next run updates what failed half-way, and then nothing is left of it', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    lab.cloud.fault('update a', 'partly')
    const build = () => void lab.Box('a', { name: 'a', size: 2 })
    expect(await lab.apply(build, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect(await listResources(lab.cx)).toMatchObject([{ address: 'a', status: 'partial' }])
    writes(lab)
    expect((await lab.plan(build)).document.changes).toMatchObject([{ action: 'update', reasons: ['the last change of it failed half-way'] }])
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied' })
    expect(writes(lab)).toEqual(['update a'])
    expect(await listResources(lab.cx)).toMatchObject([{ status: 'ready' }])
    expect((await lab.plan(build)).empty).toBe(true)
  })

  // A provider is not told what is ignored: it is given what stands there.
  test('E3#43 what makes it whole again leaves what is ignored as it stands', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a', size: 3 }))
    lab.cloud.fault('update a', 'partly')
    const build = (size: number) => () => void lab.Box('a', { name: 'a', size, secret: 's' }, { ignore: ['size'] })
    expect(await lab.apply(build(7), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect(await lab.apply(build(8))).toMatchObject({ outcome: 'applied' })
    expect([lab.cloud.content, lab.cloud.byName('a')?.secret]).toEqual([['a=3'], 's'])
    expect((await lab.plan(build(9))).empty).toBe(true)
  })
})

describe('outputs of the app', () => {
  const build = (lab: Lab, size: number) => () => {
    const a = lab.Box('a', { name: 'a', size })
    return { id: a.id, size: a.size }
  }

  test('E3#44 a program that throws leaves them as they were', async () => {
    const lab = makeLab()
    await lab.apply(build(lab, 1))
    await expect((async () => lab.apply(() => {
      lab.Box('a', { name: 'a', size: 2 })
      throw new Error('no config')
    }))()).rejects.toMatchObject({ code: 'HF1106' })
    expect(await outputsOf(lab)).toEqual({ id: 'o1', size: 1 })
  })

  // There is no call that registers outputs: they are what build() returned, and they are written with the commit.
  test('E3#45 a resource that fails leaves them as they were; kept, those that can be computed are new', async () => {
    const lab = makeLab()
    await lab.apply(build(lab, 1))
    const failing = (extra: boolean) => () => {
      const bad = lab.Box('bad', { name: 'bad', fail: true })
      return { ...build(lab, 2)(), ...(extra ? { bad: bad.id } : {}) }
    }
    expect(await lab.apply(failing(false))).toMatchObject({ outcome: 'reverted', outputs: { size: 1 } })
    expect(await outputsOf(lab)).toEqual({ id: 'o1', size: 1 })
    expect(await lab.apply(failing(true), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect(await outputsOf(lab)).toEqual({ id: 'o1', size: 2 }) // that of the failed one is not there yet
    expect(await lab.apply(failing(false), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect(await outputsOf(lab)).toEqual({ id: 'o1', size: 2 })
  })
})

test('E3#46 a program that throws deletes nothing of what it no longer declares', async () => {
  const lab = makeLab()
  await lab.apply(() => void lab.Box('a', { name: 'a' }))
  writes(lab)
  await expect((async () => lab.apply(() => { throw new Error('broken') }))()).rejects.toMatchObject({ code: 'HF1106' })
  expect([writes(lab), lab.cloud.content, (await readStatus(lab.cx)).revision]).toEqual([[], ['a=1'], 1])
})

// Components run in the program and cannot hang a run: build() is synchronous. What can is a provider, and its deadline ends it.
test('E3#48 a component that never returns is refused; a node in one that fails ends the run, whatever else is at work', async () => {
  const lab = makeLab({ more: { timeout: '40ms' } })
  const Never = component('Never', { inputs: z.object({}), build: (() => new Promise(() => undefined)) as never })
  expect(() => buildGraph(lab.app(() => void (Never as unknown as (n: string, i: object) => void)('n', {})), {})).toThrow(expect.objectContaining({ code: 'HF1104' }))
  const Part = component('Part', { inputs: z.object({}), build: () => {
    const bad = lab.Box('bad', { name: 'bad', fail: true })
    lab.Box('slow', { name: 'slow' })
    lab.Box('after', { name: str`after-${bad.id}` })
    return {}
  } })
  lab.cloud.fault('create slow', 'hang')
  const doc = await lab.apply(() => void Part('p', {}))
  expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF3101', address: 'p/bad' } })
  expect(doc.tasks.find((t) => t.address === 'p/after')).toBeUndefined()
  expect(lab.cloud.content).toEqual([])
})

test('E3#49 inputs that are not valid are told with the node and the field before anything is made', async () => {
  const lab = makeLab()
  const build = () => {
    lab.Box('good', { name: 'good' })
    lab.Box('bad', { name: 'bad', size: 'large' as never })
  }
  await expect(lab.apply(build)).rejects.toMatchObject({ code: 'HF1206', address: 'bad', details: { field: 'size' } })
  expect([lab.cloud.calls, await listResources(lab.cx)]).toEqual([[], []])
})

// Providers have no diff: the engine compares what was asked for then with what is asked for now.
test('E3#50 a type that can neither read nor update is planned like any other: what differs needs a new object', async () => {
  const lab = makeLab({ more: { read: undefined as never, update: undefined as never, capability: { create: { token: { windowMs: 3_600_000 } }, maxCallMs: 0 } } })
  await lab.apply(() => void lab.Box('a', { name: 'a' }))
  const next = () => void lab.Box('a', { name: 'b', size: 2 })
  expect((await lab.plan(next)).document.changes).toMatchObject([{ action: 'replace', paths: [{ path: 'name' }, { path: 'size' }] }])
  expect(await lab.apply(next)).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.content).toEqual(['b=2'])
})

test('E3#51 an update is given what is on record, outputs and former inputs, though the program names none of them', async () => {
  const seen: unknown[] = []
  const lab: Lab = makeLab({ more: { update: async ({ outputs: before, prior, inputs: now }) => {
    seen.push({ id: before.id, token: before.token, was: prior.inputs.size, outputs: prior.outputs.size, is: now.size })
    return { id: before.id, name: now.name, size: now.size, token: before.token }
  } } })
  await lab.apply(() => void lab.Box('a', { name: 'a', size: 1 }))
  await lab.apply(() => void lab.Box('a', { name: 'a', size: 2 }))
  expect(seen).toEqual([{ id: 'o1', token: 'token-of-o1', was: 1, outputs: 1, is: 2 }])
})

describe('a cancelled run', () => {
  test('E3#52 what is at work ends or fails, and is on record when it is kept; nothing else begins; taken back, nothing is left', async () => {
    for (const onFailure of ['keep', 'revert'] as const) {
      const lab = makeLab()
      const stop = new AbortController()
      const release: (() => void)[] = []
      const run = lab.cloud.run.bind(lab.cloud)
      lab.cloud.run = async (call, signal, act, partial) => {
        if (call.startsWith('create')) {
          await new Promise<void>((resolve) => release.push(resolve))
          if (call === 'create n2') throw new Error('n2 was refused')
        }
        return run(call, signal, act, partial)
      }
      const names = ['n1', 'n2', 'n3']
      const session = await lab.session()
      const planned = await session.plan({ graph: buildGraph(lab.app(() => {
        const made = names.map((n) => lab.Box(n, { name: n }))
        lab.Box('later', { name: 'later' }, { dependsOn: made })
      }), {}) })
      const applied = session.apply(planned, { onFailure, stop: stop.signal, abort: never })
      while (release.length < 3) await new Promise((r) => setImmediate(r))
      stop.abort()
      for (const r of release) r()
      const doc = await applied
      await session.end()
      expect(doc.tasks.filter((t) => t.address === 'later')).toEqual([])
      expect(['HF3106', 'HF3101']).toContain(doc.error?.code)
      expect((await listResources(lab.cx)).map((r) => r.address)).toEqual(onFailure === 'keep' ? ['n1', 'n3'] : [])
      expect(lab.cloud.content).toEqual(onFailure === 'keep' ? ['n1=1', 'n3=1'] : [])
      expect(await readStatus(lab.cx)).toMatchObject({ open: [], openRun: null })
    }
  })
})

