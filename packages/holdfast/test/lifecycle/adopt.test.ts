import { describe, expect, test } from 'vitest'
import { adoptAll, listResources, readAdoptRows, readStatus, showResource, simulate, type AdoptRow, type RunDocument } from '../../src/engine/index.ts'
import { buildGraph, hook, lookup, resource, str } from '../../src/program/index.ts'
import { boxSpec, type CloudObject, how, inSession, type Lab, makeLab } from '../support/world.ts'

/** Import, read and adopt: spec/engine.md 3.9. The option is `adopt`, reads of what is not ours are `lookup`. */

const bulk = (lab: Lab, build: () => unknown, rows: readonly AdoptRow[], adoptOther = false): Promise<RunDocument> =>
  inSession(lab, (s) => adoptAll(s, buildGraph(lab.app(build), {}), rows, { ...how, adoptOther }))
const changes = async (lab: Lab, build: () => unknown) => (await lab.plan(build)).document.changes.map((c) => `${c.action} ${c.address}`)
const there = (lab: Lab, name: string, size = 1): CloudObject => lab.cloud.make(name, size, '')
const rowOf = async (lab: Lab, address: string) => (await listResources(lab.cx)).find((r) => r.address === address)

describe('one object, by the option of its node', () => {
  test('E3#85 what differs is updated in the same run; matching, it is only taken over; again, nothing; a change updates; a new object is refused; destroy deletes', async () => {
    const lab = makeLab()
    const o = there(lab, 'a', 3)
    const wants = (size: number, zone = 'a') => () => void lab.Box('a', { name: 'a', size, zone }, { adopt: o.id })
    const plan = await lab.plan(wants(5))
    expect(plan.document.changes).toMatchObject([{ address: 'a', action: 'adopt', adopts: 'o1', owner: 'unknown', paths: [{ path: 'size', before: 3, after: 5 }], reasons: ['then updated', 'taken to be as the program says: secret, zone, fail'] }])
    expect(plan.document.summary).toEqual({ adopt: 1, unchanged: 0 })
    expect(lab.cloud.calls).toEqual(['read a'])
    expect(await lab.apply(wants(5))).toMatchObject({ outcome: 'applied', summary: { adopt: 1 }, tasks: [{ address: 'a', op: 'adopt', outcome: 'succeeded' }] })
    expect(lab.cloud.calls.filter((c) => !c.startsWith('read'))).toEqual(['update a'])
    expect(lab.cloud.content).toEqual(['a=5'])
    expect(await rowOf(lab, 'a')).toMatchObject({ physicalId: 'o1', adopted: true, status: 'ready' })

    expect((await lab.plan(wants(5))).empty).toBe(true)
    expect(await changes(lab, wants(6))).toEqual(['update a'])
    expect(await lab.apply(wants(6))).toMatchObject({ outcome: 'applied' })
    expect(await rowOf(lab, 'a')).toMatchObject({ physicalId: 'o1', adopted: true })
    await expect(lab.plan(wants(6, 'z'))).rejects.toMatchObject({ code: 'HF2120', message: expect.stringContaining('zone') })
    await lab.destroy()
    expect(lab.cloud.content).toEqual([])

    const same = makeLab()
    there(same, 'b', 2)
    await same.apply(() => void same.Box('b', { name: 'b', size: 2 }, { adopt: 'o1' }))
    expect(same.cloud.calls.filter((c) => !c.startsWith('read'))).toEqual([])
  })

  test('E3#86 the id that the node has already changes nothing; another id replaces by taking over, and the old object is deleted', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    expect((await lab.plan(() => void lab.Box('a', { name: 'a' }, { adopt: 'o1' }))).empty).toBe(true)
    there(lab, 'other', 4)
    const other = () => void lab.Box('a', { name: 'other', size: 4 }, { adopt: 'o2' })
    expect((await lab.plan(other)).document.changes).toMatchObject([{ action: 'adopt', adopts: 'o2', replace: 'create-first' }])
    expect(await lab.apply(other)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(lab.cloud.content).toEqual(['other=4'])
    expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual(['delete a'])
    expect(await rowOf(lab, 'a')).toMatchObject({ physicalId: 'o2' })
  })

  // Peers read with an id in place of the resource; here a look-up is a node of its own, and taking over is another node.
  test('E3#87 what was looked up can be taken over: the look-up goes, and nothing is deleted', async () => {
    const { lab, Found } = withLookup()
    there(lab, 'a', 2)
    await lab.apply(() => ({ id: lookup(Found, { name: 'a' }, { name: 'it' }).id }))
    expect(await lab.apply(() => void Found('it', { name: 'a', size: 2 }, { adopt: 'o1' }))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual([])
    expect(lab.cloud.content).toEqual(['a=2'])
    expect(await rowOf(lab, 'it')).toMatchObject({ adopted: true, physicalId: 'o1' })
  })

  // A failed run is taken back: the object is given up as it was found. With `keep` it stays recorded.
  test('E3#88 when the update after it fails, the object is given up as it was found; kept, it stays on record', async () => {
    const lab = makeLab()
    there(lab, 'a', 3)
    const build = () => {
      const a = lab.Box('a', { name: 'a', size: 5 }, { adopt: 'o1' })
      lab.Box('b', { name: str`b-${a.size}`, fail: true })
    }
    expect(await lab.apply(build)).toMatchObject({ outcome: 'reverted', revision: { from: 0, to: 0 } })
    expect(lab.cloud.content).toEqual(['a=3'])
    expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual([])
    expect(await listResources(lab.cx)).toEqual([])

    lab.cloud.fault('update a', 'reject')
    const alone = () => void lab.Box('a', { name: 'a', size: 5 }, { adopt: 'o1' })
    expect(await lab.apply(alone, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', tasks: [{ outcome: 'failed' }] })
    expect(await rowOf(lab, 'a')).toMatchObject({ adopted: true, physicalId: 'o1', status: 'ready' })
    expect(await changes(lab, alone)).toEqual(['update a'])
    expect(await lab.apply(alone)).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['a=5'])
  })

  test('E3#91 what is ignored is taken as it is found', async () => {
    const lab = makeLab()
    there(lab, 'a', 9)
    const build = (size: number, name = 'a') => () => void lab.Box('a', { name, size }, { adopt: 'o1', ignore: ['size'] })
    const plan = await lab.plan(build(5))
    expect(plan.document.changes).toMatchObject([{ action: 'adopt', adopts: 'o1' }])
    expect(plan.document.changes[0]?.paths).toBeUndefined()
    expect(await lab.apply(build(5))).toMatchObject({ outcome: 'applied' })
    expect(await showResource(lab.cx, 'a')).toMatchObject({ inputs: { size: 9 }, outputs: { size: 9 } })
    expect((await lab.plan(build(6))).empty).toBe(true)
    expect(await lab.apply(build(6, 'b'))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['b=9'])
    // In place of another object: what that one had is not what this one has.
    there(lab, 'c', 4)
    const other = () => void lab.Box('a', { name: 'c', size: 5 }, { adopt: 'o2', ignore: ['size'] })
    expect(await lab.apply(other)).toMatchObject({ outcome: 'applied', pending: [] })
    expect([lab.cloud.content, lab.cloud.calls.filter((c) => c.startsWith('update c'))]).toEqual([['c=4'], []])
  })

  test('the owner that the type tells is shown; what is somebody else\'s is refused unless it is forced', async () => {
    const owner = { it: 'other' as 'mine' | 'other' }
    const lab: Lab = makeLab({ more: { read: async ({ outputs: prior }) => {
      const o = lab.cloud.objects.get(String(prior?.id))
      return o && { id: o.id, name: o.name, size: o.size, token: 't', owner: owner.it }
    } } })
    there(lab, 'a')
    const build = () => void lab.Box('a', { name: 'a' }, { adopt: 'o1' })
    await expect(lab.plan(build)).rejects.toMatchObject({ code: 'HF2121' })
    expect(await lab.apply(build, { request: { adoptOther: true } })).toMatchObject({ outcome: 'applied' })
    owner.it = 'mine'
    const second = lab.again()
    there(lab, 'b')
    expect((await second.plan(() => void lab.Box('b', { name: 'b' }, { adopt: 'o2' }))).document.changes[0]).toMatchObject({ owner: 'mine' })
  })

  test('an object that somebody took away between plan and apply is not taken for there', async () => {
    const lab = makeLab()
    const o = there(lab, 'a')
    await inSession(lab, async (s) => {
      const planned = await s.plan({ graph: buildGraph(lab.app(() => void lab.Box('a', { name: 'a' }, { adopt: o.id })), {}) })
      lab.cloud.objects.delete(o.id)
      expect(await s.apply(planned, how)).toMatchObject({ outcome: 'reverted', error: { code: 'HF2120' } })
    })
    expect(await listResources(lab.cx)).toEqual([])
  })
})

describe('many objects, by a mapping', () => {
  const nested = (lab: Lab) => () => {
    const a = lab.Box('a', { name: 'a', size: 2 })
    lab.Box('b', { name: str`${a.name}-b` })
    lab.Box('new', { name: 'new' })
  }

  test('E3#90 every row is taken over and nothing else is done; the same again is nothing; what is wrong is told for all rows, and nothing changes', async () => {
    const lab = makeLab()
    there(lab, 'a', 9)
    there(lab, 'a-b')
    const build = nested(lab)
    const rows = readAdoptRows({ a: 'o1', b: 'o2' })
    const doc = await bulk(lab, build, rows)
    expect(doc).toMatchObject({ outcome: 'applied', summary: { adopt: 2 }, revision: { from: 0, to: 1 } })
    expect(lab.cloud.content).toEqual(['a-b=1', 'a=9'])
    expect(lab.cloud.calls.every((c) => c.startsWith('read'))).toBe(true)
    const list = await listResources(lab.cx)
    expect(list.map((r) => [r.address, r.physicalId, r.created === null, r.created === r.modified])).toEqual([['a', 'o1', false, true], ['b', 'o2', false, true]])
    expect(await bulk(lab, build, rows)).toMatchObject({ outcome: 'unchanged' })
    expect(await changes(lab, build)).toEqual(['update a', 'maybe b', 'create new'])

    there(lab, 'x')
    const wrong = bulk(lab, build, readAdoptRows([{ address: 'a', id: 'o3' }, { address: 'new', id: 'nowhere' }, { address: 'nobody', id: 'o9' }, { address: 'b', id: 'o2' }, { address: 'b', id: 'o2' }]))
    await expect(wrong).rejects.toMatchObject({ code: 'HF2120', details: { rows: expect.arrayContaining([
      expect.objectContaining({ address: 'a', message: expect.stringContaining('has the object o1 already') }),
      expect.objectContaining({ address: 'new', message: expect.stringContaining('finds no object nowhere') }),
      expect.objectContaining({ address: 'nobody', message: expect.stringContaining('no such node') }),
      expect.objectContaining({ address: 'b', message: expect.stringContaining('twice') }),
    ]) } })
    expect((await listResources(lab.cx)).map((r) => r.physicalId)).toEqual(['o1', 'o2'])
    await expect(bulk(lab, build, readAdoptRows({ new: 'o1' }))).rejects.toMatchObject({ message: expect.stringContaining('a has it already') })
  })

  test('a row whose node needs what is not there is refused; into a component it goes like any other', async () => {
    const lab = makeLab()
    there(lab, 'a-b')
    await expect(bulk(lab, nested(lab), readAdoptRows({ b: 'o1' }))).rejects.toMatchObject({ code: 'HF2120', message: expect.stringContaining('a') })
    expect(() => readAdoptRows({})).toThrow(expect.objectContaining({ code: 'HF2120' }))
    expect(() => readAdoptRows([{ address: 'a' }])).toThrow(expect.objectContaining({ code: 'HF2120' }))
  })

  test('a plan of them is stored and applied as any other, and is refused when the state has moved', async () => {
    const lab = makeLab()
    there(lab, 'a', 2)
    const build = () => {
      lab.Box('a', { name: 'a', size: 2 })
      lab.Box('z', { name: 'z' })
    }
    const { makePlan } = await import('../../src/engine/index.ts')
    const stored = await makePlan(lab.cx, { graph: buildGraph(lab.app(build), {}), adopt: [{ address: 'a', id: 'o1' }] }, { save: true })
    expect(stored.document.changes).toMatchObject([{ action: 'adopt', address: 'a' }])
    await inSession(lab, async (s) => expect(await s.apply(await s.load({ id: stored.id }), how)).toMatchObject({ outcome: 'applied' }))
    await expect(inSession(lab, (s) => s.load({ id: stored.id }))).rejects.toMatchObject({ code: 'HF2403' })
    expect(lab.cloud.content).toEqual(['a=2'])
  })
})

function withLookup() {
  const lab = makeLab()
  const Found = resource(boxSpec(lab.cloud, { type: `test:Found${Math.random()}`, more: {
    find: async ({ inputs: i }) => [...lab.cloud.objects.values()].filter((o) => o.name === i?.name).map((o) => ({ id: o.id, name: o.name, size: o.size, token: 't' })),
  } }))
  lab.cx.types.add({ ...Found.spec, version: 1, provider: 'program#Found', timeoutMs: 60_000, limit: 10 } as never)
  return { lab, Found }
}

describe('reads of what is not ours', () => {
  // Peers turn an owned resource into a read one in place; here a look-up is another node, and the owned one is given up with `retain` or deleted.
  test('E3#92 an owned node that looks the same object up gives it up; another one, and its own is deleted; a look-up that becomes owned leaves alone what it found', async () => {
    const { lab, Found } = withLookup()
    const deletes = () => lab.cloud.calls.filter((c) => c.startsWith('delete'))
    there(lab, 'theirs')
    await lab.apply(() => void Found('it', { name: 'mine' }))
    const same = () => void lookup(Found, { name: 'mine' }, { name: 'it' })
    expect((await lab.plan(same)).document.changes).toMatchObject([{ action: 'read', reasons: ['what it finds was ours: it is given up'] }])
    expect(await lab.apply(same)).toMatchObject({ outcome: 'applied', pending: [] })
    expect([lab.cloud.content, deletes()]).toEqual([['mine=1', 'theirs=1'], []])

    expect(await changes(lab, () => void Found('it', { name: 'own' }))).toEqual(['create it'])
    expect(await lab.apply(() => void Found('it', { name: 'own' }))).toMatchObject({ outcome: 'applied', pending: [] })
    expect([lab.cloud.content, deletes()]).toEqual([['mine=1', 'own=1', 'theirs=1'], []])
    expect((await listResources(lab.cx)).map((r) => [r.address, r.physicalId])).toEqual([['it', 'o3']])

    const other = () => void lookup(Found, { name: 'theirs' }, { name: 'it' })
    expect((await lab.plan(other)).document.changes).toMatchObject([{ action: 'read', replace: 'create-first', reasons: ['the object it had is deleted'] }])
    await lab.apply(() => void Found('it', { name: 'own' }, { protect: true }))
    await expect(lab.plan(other)).rejects.toMatchObject({ code: 'HF5001' })
    await lab.apply(() => void Found('it', { name: 'own' }))
    const failing = () => {
      const it = lookup(Found, { name: 'theirs' }, { name: 'it' })
      lab.Box('b', { name: str`b-${it.id}`, fail: true })
    }
    expect(await lab.apply(failing)).toMatchObject({ outcome: 'reverted' })
    expect((await listResources(lab.cx)).map((r) => [r.address, r.status, r.physicalId])).toEqual([['it', 'ready', 'o3']])
    expect(await lab.apply(other)).toMatchObject({ outcome: 'applied', pending: [] })
    expect([lab.cloud.content, deletes()]).toEqual([['mine=1', 'theirs=1'], ['delete own']])
    expect((await listResources(lab.cx)).length).toBe(1)
  })

  test('an owned node that looks the same object up is owned again, and its object is not made a second time, when the run is taken back', async () => {
    const { lab, Found } = withLookup()
    await lab.apply(() => void Found('it', { name: 'mine' }))
    expect(await lab.apply(() => {
      const it = lookup(Found, { name: 'mine' }, { name: 'it' })
      lab.Box('b', { name: str`b-${it.id}`, fail: true })
    })).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.calls.filter((c) => c.endsWith(' mine') && !/^(?:read|find)/.test(c))).toEqual(['create mine'])
    expect(lab.cloud.content).toEqual(['mine=1'])
    expect((await listResources(lab.cx)).map((r) => [r.address, r.status, r.physicalId])).toEqual([['it', 'ready', 'o1']])
  })

  test('E3#93 a look-up of something that does not exist fails the command, and nothing is changed', async () => {
    const { lab, Found } = withLookup()
    const build = () => {
      lab.Box('a', { name: 'a' })
      return { id: lookup(Found, { name: 'nothing' }).id }
    }
    await expect(lab.apply(build)).rejects.toMatchObject({ code: 'HF3101' })
    expect(lab.cloud.content).toEqual([])
    await expect(lab.plan(() => void lab.Box('a', { name: 'a' }, { adopt: 'nowhere' }))).rejects.toMatchObject({ code: 'HF2120', message: expect.stringContaining('nowhere') })
    there(lab, 'a') // a read that falls back to the name answers with another object
    await expect(lab.plan(() => void lab.Box('a', { name: 'a' }, { adopt: 'nowhere' }))).rejects.toMatchObject({ code: 'HF2120', message: expect.stringContaining('nowhere') })
  })

  test('E3#94 an empty id is a mistake of the program', async () => {
    const lab = makeLab()
    await expect((async () => lab.plan(() => void lab.Box('a', { name: 'a' }, { adopt: '' })))()).rejects.toMatchObject({ code: 'HF1208' })
    expect(() => readAdoptRows({ a: '' })).toThrow(expect.objectContaining({ code: 'HF2120' }))
    expect(await showResource(lab.cx, 'a').catch((e) => e.code)).toBe('HF6001')
  })
})

test('an imagined run takes over what is only looked at, and runs no hook', async () => {
  const lab = makeLab()
  there(lab, 'a')
  let ran = 0
  const told = hook('imagined-run', () => void ran++)
  const build = () => {
    const a = lab.Box('a', { name: 'a' }, { adopt: 'o1', hooks: { afterUpdate: told } })
    lab.Box('b', { name: str`${a.name}-b` }, { hooks: { beforeCreate: told, afterCreate: told } })
  }
  const doc = await simulate(lab.cx, { graph: buildGraph(lab.app(build), {}) }, { onFailure: 'revert', fail: [] })
  expect(doc).toMatchObject({ outcome: 'applied', steps: [{ tasks: [{ op: 'adopt', address: 'a' }] }, { tasks: [{ op: 'create', address: 'b' }] }, { phase: 'commit' }] })
  expect([ran, lab.cloud.content, await listResources(lab.cx)]).toEqual([0, ['a=1'], []])
})

test('cut off at any commit, the next apply ends with the one object, taken over and as the program says; nothing is made or deleted', async () => {
  let commits = 99
  for (let cut = 1; cut <= commits; cut++) for (const side of ['before', 'after'] as const) {
    const lab = makeLab()
    there(lab, 'a', 3)
    const build = () => {
      const a = lab.Box('a', { name: 'a', size: 5 }, { adopt: 'o1' })
      return { id: a.id }
    }
    const commit = lab.store.commit.bind(lab.store)
    let n = 0
    lab.store.commit = async (entries, options) => {
      if (n + 1 > cut || (n + 1 === cut && side === 'before')) throw new Error('the process died')
      const done = await commit(entries, options)
      if (++n === cut) throw new Error('the process died')
      return done
    }
    const ended = await lab.apply(build).then(() => true, () => false)
    lab.store.commit = commit
    if (ended) commits = Math.min(commits, n)
    const next = lab.again()
    expect(await next.apply(build), `cut ${side} ${cut}`).toMatchObject({ outputs: { id: 'o1' } })
    expect([lab.cloud.content, (await listResources(next.cx)).map((r) => `${r.address} ${r.physicalId} ${r.adopted}`)], `cut ${side} ${cut}`).toEqual([['a=5'], ['a o1 true']])
    expect(lab.cloud.calls.filter((c) => /^(create|delete)/.test(c))).toEqual([])
    expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
    expect(await readStatus(next.cx)).toMatchObject({ open: [], openRun: null })
  }
  expect(commits).toBeGreaterThan(4)
})

test('cut off at any commit and then taken back, the object is as it was found, and nobody looks after it', async () => {
  for (let cut = 1; cut <= 6; cut++) {
    const lab = makeLab()
    there(lab, 'a', 3)
    const build = () => void lab.Box('a', { name: 'a', size: 5 }, { adopt: 'o1' })
    const commit = lab.store.commit.bind(lab.store)
    let n = 0
    lab.store.commit = async (entries, options) => {
      if (++n > cut) throw new Error('the process died')
      return commit(entries, options)
    }
    await lab.apply(build).catch(() => undefined)
    lab.store.commit = commit
    const next = lab.again()
    if ((await readStatus(next.cx)).openRun !== null) {
      expect(await inSession(next, (s) => s.revert(how)), `cut ${cut}`).toMatchObject({ outcome: 'reverted' })
      expect([lab.cloud.content, await listResources(next.cx)], `cut ${cut}`).toEqual([['a=3'], []])
    }
    expect(lab.cloud.calls.filter((c) => /^(create|delete)/.test(c))).toEqual([])
  }
})
