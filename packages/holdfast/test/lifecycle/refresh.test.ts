import { describe, expect, test } from 'vitest'
import { listResources, listRuns, readDrift, readStatus, repairOf, showRun, type RefreshDocument, type RefreshRequest } from '../../src/engine/index.ts'
import { buildGraph, str } from '../../src/program/index.ts'
import type { ResourceRow } from '../../src/state/index.ts'
import { how, inSession, type Lab, makeLab, never } from '../support/world.ts'

/** Refresh: spec/engine.md 3.7. The world wins; there are no provider resources and no parents here, and refreshing does not run the program. */

const refresh = (lab: Lab, request: RefreshRequest = {}, stop = never): Promise<RefreshDocument> => inSession(lab, (s) => s.refresh(request, { stop }))
/** `apply --refresh`. */
const refreshed = (lab: Lab, build: () => unknown) => inSession(lab, async (s) => {
  const graph = buildGraph(lab.app(build), {})
  const found = await s.refresh({}, { stop: never })
  return s.apply(await s.plan({ graph, repair: repairOf(found) }), how)
})
const rows = async (lab: Lab): Promise<Map<string, ResourceRow>> => new Map((await lab.store.resources((await lab.store.env('lab', 'default'))?.id as string, 'committed')).map((r) => [r.address, r]))
const docsOf = async (lab: Lab, address: string) => {
  const row = (await rows(lab)).get(address) as ResourceRow
  const [docs] = await lab.store.docs([row])
  return { inputs: JSON.parse(docs?.inputs as string), outputs: JSON.parse(docs?.outputs as string) }
}
const box = (lab: Lab, name: string) => lab.cloud.byName(name) as NonNullable<ReturnType<Lab['cloud']['byName']>>
const three = (lab: Lab) => () => {
  lab.Box('a', { name: 'a' })
  lab.Box('b', { name: 'b' })
  lab.Box('c', { name: 'c' })
}
const writes = (lab: Lab) => lab.cloud.calls.filter((c) => !c.startsWith('read'))

/** A lab whose objects have something that no input asks for. */
function withGeneration(): { lab: Lab; generation: Map<string, string> } {
  const generation = new Map<string, string>()
  const lab: Lab = makeLab({ more: { read: ({ inputs: i, outputs: prior, signal }) => lab.cloud.run(`read ${i.name}`, signal, () => {
    const o = lab.cloud.objects.get(String(prior?.id))
    return o && { id: o.id, name: o.name, size: o.size, token: generation.get(o.name) ?? `token-of-${o.id}` }
  }) } })
  return { lab, generation }
}

describe('what is recorded', () => {
  test('E3#60 over all subsets of targets: what drifted is recorded, what is gone loses its record, everything else stays byte for byte', async () => {
    for (let mask = 0; mask < 8; mask++) {
      const { lab, generation } = withGeneration()
      await lab.apply(three(lab))
      const before = await rows(lab)
      box(lab, 'a').size = 7
      generation.set('b', 'renewed')
      lab.cloud.objects.delete(box(lab, 'c').id)
      const targets = ['a', 'b', 'c'].filter((_, i) => mask & (1 << i))
      lab.cloud.calls.length = 0
      const doc = await refresh(lab, { targets })
      const hit = targets.length > 0 ? targets : ['a', 'b', 'c'] // no target means all
      expect(doc.drifted.map((d) => `${d.address} ${d.kind}`)).toEqual([...(hit.includes('a') ? ['a changed'] : []), ...(hit.includes('b') ? ['b changed'] : []), ...(hit.includes('c') ? ['c gone'] : [])])
      expect(doc.asked).toEqual(hit.includes('a') ? ['a'] : [])
      expect(writes(lab)).toEqual([])
      const after = await rows(lab)
      expect(after.has('c')).toBe(!hit.includes('c'))
      for (const address of ['a', 'b', 'c']) if (!hit.includes(address)) expect(after.get(address)).toEqual(before.get(address))
      if (hit.includes('a')) expect(await docsOf(lab, 'a')).toMatchObject({ inputs: { size: 1 }, outputs: { size: 7 } })
      const excluded = await refresh(lab, { excludes: ['a', 'b', 'c'].filter((x) => after.has(x)) })
      expect(excluded).toMatchObject({ outcome: 'unchanged', run: null })
    }
  })

  test('E3#64 an id that changed is recorded', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    lab.cloud.objects.delete(box(lab, 'a').id)
    const made = lab.cloud.make('a', 1, '')
    expect(await refresh(lab)).toMatchObject({ outcome: 'applied', drifted: [{ address: 'a', kind: 'changed', paths: ['id', 'token'] }] })
    expect((await listResources(lab.cx))[0]).toMatchObject({ physicalId: made.id })
    await lab.destroy()
    expect(lab.cloud.content).toEqual([])
  })

  // A read gives outputs only: what an object has is told by those that bear the name of an input.
  test('E3#66 inputs stay what the program said, outputs are what was read; a plan of the same program has nothing to do', async () => {
    const lab = makeLab()
    const build = () => void lab.Box('a', { name: 'a', size: 2, zone: 'z' })
    await lab.apply(build)
    box(lab, 'a').size = 9
    await refresh(lab)
    expect(await docsOf(lab, 'a')).toMatchObject({ inputs: { size: 2, zone: 'z' }, outputs: { size: 9 } })
    expect((await lab.plan(build)).empty).toBe(true)
    expect(await readDrift(lab.cx)).toEqual({ drifted: [] })
  })

  test('E3#67 an answer without an id is no object, whatever else it says', async () => {
    let blank = false
    const lab: Lab = makeLab({ more: { read: async ({ inputs: i }) => ({ id: blank ? '' : box(lab, i.name).id, name: i.name, size: 3, token: 't' }) } })
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    blank = true
    expect(await refresh(lab)).toMatchObject({ drifted: [{ address: 'a', kind: 'gone' }] })
    expect(await listResources(lab.cx)).toEqual([])
  })

  test('E3#62 what depended on something that is gone stays, without that dependency', async () => {
    const lab = makeLab()
    const build = () => {
      const a = lab.Box('a', { name: 'a' })
      const b = lab.Box('b', { name: str`${a.name}-b` }, { dependsOn: [a] })
      lab.Box('c', { name: 'c' }, { dependsOn: [a, b] })
    }
    await lab.apply(build)
    lab.cloud.objects.delete(box(lab, 'a').id)
    const doc = await refresh(lab)
    expect(doc).toMatchObject({ summary: { forget: 1, update: 2 }, revision: { from: 1, to: 2 } })
    expect((await listResources(lab.cx)).map((r) => [r.address, r.dependsOn])).toEqual([['b', []], ['c', ['b']]])
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied' })
    expect((await listResources(lab.cx)).map((r) => [r.address, r.dependsOn])).toEqual([['a', []], ['b', ['a']], ['c', ['a', 'b']]])
    expect(lab.cloud.content).toEqual(['a-b=1', 'a=1', 'c=1'])
  })
})

describe('all or nothing', () => {
  test('E3#61 cancelled half-way, nothing of it is recorded', async () => {
    const lab = makeLab()
    await lab.apply(three(lab))
    const before = await rows(lab)
    for (const name of ['a', 'b', 'c']) box(lab, name).size = 5
    const stop = new AbortController()
    const run = lab.cloud.run.bind(lab.cloud)
    lab.cloud.run = (call, signal, act, partial) => {
      if (call === 'read b') {
        lab.cloud.fault('read b', 'hang')
        setImmediate(() => stop.abort())
      }
      return run(call, signal, act, partial)
    }
    await expect(refresh(lab, {}, stop.signal)).rejects.toMatchObject({ code: 'HF1008' })
    expect(await rows(lab)).toEqual(before)
    expect((await listRuns(lab.cx, 9)).map((r) => r.kind)).toEqual(['apply'])
  })

  // There are no errors of initialisation: a read that fails says nothing about the object, so nothing is recorded at all.
  test('E3#63 a read that fails refuses the refresh, and the next one records', async () => {
    const lab = makeLab()
    await lab.apply(three(lab))
    const before = await rows(lab)
    box(lab, 'a').size = 5
    for (const fault of ['reject', 'lost'] as const) {
      lab.cloud.fault('read b', fault)
      await expect(refresh(lab)).rejects.toMatchObject({ code: 'HF3101', address: 'b' })
      lab.cloud.fault('read b', fault)
      await expect(readDrift(lab.cx)).rejects.toMatchObject({ address: 'b' })
    }
    expect(await rows(lab)).toEqual(before)
    expect(await refresh(lab)).toMatchObject({ outcome: 'applied', summary: { update: 1 } })
  })

  test('more that is gone than allowed is refused, and so is a question answered with no', async () => {
    const lab = makeLab()
    await lab.apply(three(lab))
    lab.cloud.objects.clear()
    await expect(refresh(lab, { allowDeletes: 2 })).rejects.toMatchObject({ code: 'HF2501' })
    await expect(refresh(lab, { confirm: async () => { throw new Error('no') } })).rejects.toThrow('no')
    expect((await rows(lab)).size).toBe(3)
    expect(await refresh(lab, { allowDeletes: 3 })).toMatchObject({ outcome: 'applied' })
    expect((await rows(lab)).size).toBe(0)
  })

  test('it is a run of its own with a revision of its own; nothing drifted, nothing is written', async () => {
    const lab = makeLab()
    await lab.apply(three(lab))
    expect(await refresh(lab)).toMatchObject({ outcome: 'unchanged', run: null, revision: { from: 1, to: 1 } })
    box(lab, 'a').size = 5
    lab.cloud.objects.delete(box(lab, 'b').id)
    const doc = await refresh(lab)
    expect(doc).toMatchObject({ outcome: 'applied', revision: { from: 1, to: 2 } })
    expect(await showRun(lab.cx, doc.run as string)).toMatchObject({ kind: 'refresh', status: 'committed', outcome: 'applied', tasks: expect.arrayContaining([expect.objectContaining({ address: 'a', op: 'update', state: 'success' }), expect.objectContaining({ address: 'b', op: 'forget' })]) })
    expect(await readStatus(lab.cx)).toMatchObject({ revision: 2, openRun: null, open: [] })
    const history = await lab.store.resources((await lab.store.env('lab', 'default'))?.id as string, 'committed')
    expect(history.every((r) => r.until === undefined)).toBe(true)
    expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
  })

  test('it waits for a run that is not finished', async () => {
    const lab = makeLab({ class: 'D' })
    lab.cloud.fault('create a', 'lost')
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    await expect(refresh(lab)).rejects.toMatchObject({ code: 'HF4101' })
  })
})

describe('with an apply', () => {
  test('E3#68 what is gone is made again in the same command, and what was changed by hand is brought back; replacements of both orders included', async () => {
    for (const deleteFirst of [false, true]) {
      const lab = makeLab({ more: { deleteFirst } })
      const build = (zone: string) => () => {
        lab.Box('a', { name: 'a' })
        lab.Box('b', { name: 'b', zone })
        lab.Box('c', { name: 'c', size: 2 })
      }
      await lab.apply(build('a'))
      lab.cloud.objects.delete(box(lab, 'a').id)
      box(lab, 'c').size = 8
      const doc = await refreshed(lab, build('z'))
      expect(doc).toMatchObject({ outcome: 'applied', summary: { create: 2, update: 1, delete: 1 }, pending: [] }) // one name: the old b goes first
      expect(lab.cloud.content).toEqual(['a=1', 'b=1', 'c=2'])
      lab.cloud.objects.delete(box(lab, 'b').id)
      expect(await refreshed(lab, build('a'))).toMatchObject({ outcome: 'applied', summary: { create: 1 } })
      expect(lab.cloud.content).toEqual(['a=1', 'b=1', 'c=2'])
    }
  })

  test('what only the world knows is recorded and not brought back', async () => {
    const { lab, generation } = withGeneration()
    await lab.apply(three(lab))
    generation.set('b', 'renewed')
    lab.cloud.calls.length = 0
    expect(await refreshed(lab, three(lab))).toMatchObject({ outcome: 'unchanged' })
    expect(writes(lab)).toEqual([])
  })

  test('E3#69 objects are read with the inputs of the state, not with those of the program', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    lab.cloud.calls.length = 0
    await refreshed(lab, () => void lab.Box('a', { name: 'b' }))
    expect(lab.cloud.calls).toEqual(['read a', 'update b'])
  })

  test('E3#70 a node that has left the program is refreshed like any other; a target that is nowhere is refused', async () => {
    const lab = makeLab()
    await lab.apply(three(lab))
    box(lab, 'c').size = 4
    expect(await refresh(lab, { targets: ['c'] })).toMatchObject({ drifted: [{ address: 'c' }] })
    await expect(refresh(lab, { targets: ['nobody'] })).rejects.toMatchObject({ code: 'HF6001' })
    await expect(refresh(lab, { excludes: ['nobody'] })).rejects.toMatchObject({ code: 'HF6001' })
  })

  // There is no flag of a single node for it: the refresh of the command reads each object once.
  test('E3#72 each object is read once before it is updated, and the update knows what was read; gone, it is made', async () => {
    const prior: number[] = []
    const lab: Lab = makeLab({ more: { update: async ({ inputs: i, outputs: before }) => {
      prior.push(before.size)
      const o = lab.cloud.objects.get(before.id) as NonNullable<ReturnType<Lab['cloud']['byName']>>
      Object.assign(o, { size: i.size })
      return { id: o.id, name: o.name, size: o.size, token: 't' }
    } } })
    await lab.apply(() => void lab.Box('a', { name: 'a', size: 2 }))
    box(lab, 'a').size = 30
    lab.cloud.calls.length = 0
    await refreshed(lab, () => void lab.Box('a', { name: 'a', size: 3 }))
    expect([prior, lab.cloud.calls]).toEqual([[30], ['read a']])
    lab.cloud.objects.clear()
    expect(await refreshed(lab, () => void lab.Box('a', { name: 'a', size: 3 }))).toMatchObject({ summary: { create: 1 } })
  })
})
