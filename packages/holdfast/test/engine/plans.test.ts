import { describe, expect, test } from 'vitest'
import { beginRun, loadPlan, makePlan, readDrift, setSecret } from '../../src/engine/index.ts'
import { buildGraph, lookup, resource, str } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { type Lab, makeLab, never } from '../support/world.ts'
import { z } from 'zod'

const options = { onFailure: 'revert' as const, stop: never, abort: never }

async function stored(lab: Lab, build: () => unknown) {
  return makePlan(lab.cx, { graph: buildGraph(lab.app(build), {}) }, { save: true })
}
async function applyStored(lab: Lab, ref: { id: string } | { text: string }) {
  const session = await lab.session()
  try {
    return await session.apply(await session.load(ref), options)
  } finally {
    await session.end()
  }
}

describe('a stored plan', () => {
  test('B8.6#118 is applied exactly once', async () => {
    const lab = makeLab()
    const { id } = await stored(lab, () => void lab.Box('a', { name: 'a' }))
    expect(lab.cloud.calls).toEqual([])
    expect(await applyStored(lab, { id })).toMatchObject({ outcome: 'applied', plan: id })
    await expect(applyStored(lab, { id })).rejects.toMatchObject({ code: 'HF2403' })
    expect(lab.cloud.content).toEqual(['a=1'])
  })

  test('is made while a create that claims something is at work, or was when its process died', async () => {
    const lab = makeLab()
    const build = () => void lab.Box('a', { name: 'a' })
    lab.cloud.fault('create a', 'hang')
    const abort = new AbortController()
    const session = await lab.session()
    const running = session.apply(await session.plan({ graph: buildGraph(lab.app(build), {}) }), { ...options, stop: abort.signal, abort: abort.signal })
    while (lab.cloud.calls.length === 0) await new Promise((r) => setImmediate(r))
    const other = lab.again()
    expect((await other.plan(() => void other.Box('a', { name: 'a' }))).document.changes).toMatchObject([{ address: 'a', action: 'create' }])
    await expect(other.plan(() => void other.Box('b', { name: 'a' }))).rejects.toMatchObject({ code: 'HF2104', message: 'a and b both claim box:a.', hint: expect.stringContaining('run settle') })
    abort.abort()
    await running
    await session.end()
  })

  test('B8.6#117 is refused when the state has moved since', async () => {
    const lab = makeLab()
    const { id } = await stored(lab, () => void lab.Box('a', { name: 'a' }))
    await lab.apply(() => void lab.Box('b', { name: 'b' }))
    await expect(applyStored(lab, { id })).rejects.toMatchObject({ code: 'HF2401' })
    const next = await stored(lab, () => void lab.Box('b', { name: 'b', size: 2 }))
    await setSecret(lab.cx, 'key', 'some-secret')
    await expect(applyStored(lab, { id: next.id })).rejects.toMatchObject({ code: 'HF2401' })
  })

  test('is not made stale by another plan', async () => {
    const lab = makeLab()
    const one = await stored(lab, () => void lab.Box('a', { name: 'a' }))
    await stored(lab, () => void lab.Box('b', { name: 'b' }))
    expect(await applyStored(lab, { id: one.id })).toMatchObject({ outcome: 'applied' })
  })

  test('travels as a file, and is refused when it was edited or made elsewhere', async () => {
    const lab = makeLab()
    const planned = await stored(lab, () => void lab.Box('a', { name: 'a' }))
    const text = planned.text()
    await expect(loadPlan(lab.cx, { text: text.replace('"address":"a"', '"address":"b"') })).rejects.toMatchObject({ code: 'HF2402' })
    await expect(loadPlan(lab.cx, { text: 'no plan at all' })).rejects.toMatchObject({ code: 'HF2402' })
    await expect(loadPlan(makeLab().cx, { text })).rejects.toMatchObject({ code: 'HF2402' })
    await expect(loadPlan(lab.cx, { id: 'p-none' })).rejects.toMatchObject({ code: 'HF2404' })
    expect(await applyStored(lab, { text })).toMatchObject({ outcome: 'applied' })
  })

  test('holds no secret in clear', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    const planned = await stored(lab, () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', secret: str`x-${a.token}` })
    })
    expect(planned.text()).not.toContain('token-of')
    expect(JSON.stringify(planned.document)).not.toContain('token-of')
  })
})

describe('an environment', () => {
  test('is worked on by one run at a time, and the other is told who holds it', async () => {
    const lab = makeLab()
    const { store } = lab
    const alive = makeLab({ store, cloud: lab.cloud, Box: lab.Box })
    ;(store as unknown as { options: { isDead: () => boolean } }).options.isDead = () => false
    const first = await lab.session()
    await expect(beginRun(alive.cx, { lockTimeoutMs: 0, stop: never })).rejects.toMatchObject({ code: 'HF4201', details: { pid: process.pid } })
    await first.end()
    await (await alive.session()).end()
  })
})

describe('drift', () => {
  test('is found by reading, and repaired: what is gone is made again, what changed is set back', async () => {
    const lab = makeLab()
    const build = () => {
      lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b' })
    }
    await lab.apply(build)
    expect(await readDrift(lab.cx)).toEqual({ drifted: [] })
    lab.cloud.objects.delete(lab.cloud.byName('a')?.id as string)
    ;(lab.cloud.byName('b') as { size: number }).size = 7
    const drift = await readDrift(lab.cx)
    expect(drift.drifted).toEqual([{ address: 'a', kind: 'gone', paths: [] }, { address: 'b', kind: 'changed', paths: ['size'] }])
    const doc = await lab.apply(build, { request: { repair: drift } })
    expect(doc.error).toBeUndefined()
    expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
    expect(await readDrift(lab.cx)).toEqual({ drifted: [] })
  })
})

describe('a lookup', () => {
  test('is a node that reads, and owns nothing', async () => {
    const lab = makeLab()
    const Net = resource({
      type: `test:Net${Math.random()}`, inputs: z.object({ name: z.string() }), outputs: z.object({ cidr: z.string() }),
      create: async () => ({ cidr: '' }), delete: async () => { throw new Error('a lookup is never deleted') },
      find: async ({ inputs }) => (inputs?.name === 'main' ? { cidr: `10.0.0.${cidr}/24` } : undefined),
    })
    let cidr = 0
    lab.cx.types.add(completeType(Net.spec as never, 'program#Net'))
    const build = () => {
      const net = lookup(Net, { name: 'main' }, { name: 'net' })
      lab.Box('a', { name: str`a-${net.cidr}` })
    }
    const doc = await lab.apply(build)
    expect(doc.error).toBeUndefined()
    expect(lab.cloud.content).toEqual(['a-10.0.0.0/24=1'])
    expect((await lab.plan(build)).empty).toBe(true)
    cidr = 1
    expect((await lab.plan(build)).document.changes.map((c) => `${c.action} ${c.address}`)).toEqual(['read net', 'update a'])
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    await expect(lab.apply(() => void lookup(Net, { name: 'none' }, { name: 'net' }))).rejects.toMatchObject({ code: 'HF3101', address: 'net' })
  })
})

test('a deletion that fails stays as a pending delete, and the next apply carries it out', async () => {
  const lab = makeLab()
  await lab.apply(() => void lab.Box('a', { name: 'a' }))
  lab.cloud.fault('delete a', 'reject')
  const doc = await lab.apply(() => undefined)
  expect(doc).toMatchObject({ outcome: 'applied', pending: ['a'], revision: { from: 1, to: 2 } })
  expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [], revision: { from: 2, to: 2 } })
  expect(lab.cloud.content).toEqual([])
})

test('a pending delete whose name comes back is carried out first', async () => {
  const lab = makeLab()
  await lab.apply(() => void lab.Box('a', { name: 'x' }))
  lab.cloud.fault('delete x', 'reject')
  await lab.apply(() => undefined)
  lab.cloud.calls.length = 0
  const doc = await lab.apply(() => void lab.Box('b', { name: 'x' }))
  expect(doc.error).toBeUndefined()
  expect(lab.cloud.calls).toEqual(['delete x', 'create x'])
})
