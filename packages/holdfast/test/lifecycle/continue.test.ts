import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { exitCodeOf, readStatus } from '../../src/engine/index.ts'
import { buildGraph, lookup, resource, str } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { boxes, callsOf, stateOf } from '../support/boxes.ts'
import { makeLab, never } from '../support/world.ts'

const go = { onFailure: 'continue' as const }
const outcomes = (doc: { tasks: readonly { address: string; outcome: string }[] }) => Object.fromEntries(doc.tasks.map((t) => [t.address, t.outcome]))

describe('--on-failure continue', () => {
  test('E3#54 an update that fails keeps the old inputs, what does not wait for it is done, and what succeeded is a partial revision', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b'))
    const before = await stateOf(lab)
    lab.cloud.fault('update a', 'reject')
    const wanted = boxes(lab, 'a b c d:c', { sizes: { a: 2, b: 2 } })
    const doc = await lab.apply(wanted, go)
    expect(doc).toMatchObject({ outcome: 'kept', revision: { from: 1, to: 2 }, summary: { update: 1, create: 2 }, error: { code: 'HF3101', address: 'a' } })
    expect([exitCodeOf(doc), lab.cloud.content]).toEqual([12, ['a=1', 'b=2', 'c=1', 'd=1']])
    expect((await stateOf(lab)).a).toEqual(before.a)
    expect(await readStatus(lab.cx)).toMatchObject({ revision: 2, partial: true, open: [], openRun: null })
    // The stored plan again does only what is left.
    callsOf(lab)
    const session = await lab.session()
    expect(await session.resume({ ...go, stop: never, abort: never })).toMatchObject({ outcome: 'applied', summary: { update: 1 } })
    await session.end()
    expect([callsOf(lab), await readStatus(lab.cx)]).toMatchObject([['update a'], { revision: 3, partial: false }])
  })

  test('a restricted apply afterwards leaves the mark and says so, whatever is left; one of the whole takes it away', async () => {
    const lab = makeLab()
    lab.cloud.fault('create a', 'reject')
    expect(await lab.apply(boxes(lab, 'a b'), { ...go })).toMatchObject({ outcome: 'kept', partial: true })
    const only = { request: { targets: ['a'] } }
    const done = await lab.apply(boxes(lab, 'a b'), only)
    expect(done).toMatchObject({ outcome: 'applied', partial: true, summary: { create: 1 } })
    expect(exitCodeOf(done)).toBe(0)
    expect(await lab.apply(boxes(lab, 'a b'), only)).toMatchObject({ outcome: 'unchanged', partial: true })
    expect(await readStatus(lab.cx)).toMatchObject({ partial: true })
    const whole = await lab.apply(boxes(lab, 'a b'))
    expect(whole).toMatchObject({ outcome: 'applied', tasks: [] })
    expect(whole).not.toHaveProperty('partial')
    expect(await readStatus(lab.cx)).toMatchObject({ partial: false })
  })

  test('the plan again makes nothing anew that it has made anew, and keeps no place from its own successor', async () => {
    const lab = makeLab()
    const build = () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', on: a.id })
    }
    await lab.apply(build)
    callsOf(lab)
    lab.cloud.fault('update b', 'reject')
    expect(await lab.apply(build, { ...go, request: { replace: ['a'] } })).toMatchObject({ outcome: 'kept' })
    expect(callsOf(lab)).toEqual(['delete a', 'create a', 'update b'])
    const session = await lab.session()
    expect(await session.resume({ ...go, stop: never, abort: never })).toMatchObject({ outcome: 'applied', summary: { update: 1 } })
    await session.end()
    expect(callsOf(lab)).toEqual(['update b'])
  })

  // The removal of all three is committed: what could not be deleted is a pending delete, which the next run tries again.
  test('E3#55 destroy: what fails stays with all that it depends on, everything else goes', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'dependency failing:dependency other on:other'))
    callsOf(lab)
    lab.cloud.fault('delete failing', 'reject')
    const doc = await lab.destroy(go)
    expect([exitCodeOf(doc), doc.pending, lab.cloud.content]).toEqual([14, ['dependency', 'failing'], ['dependency=1', 'failing=1']])
    expect(callsOf(lab).sort()).toEqual(['delete failing', 'delete on', 'delete other'])
    expect(await lab.destroy(go)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(callsOf(lab)).toEqual(['delete failing', 'delete dependency'])
  })

  test('E3#56 what left the program is deleted although a create failed, except what the failed node still uses', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'gone gone2:gone used deep:used user:deep'))
    callsOf(lab)
    lab.cloud.fault('update user', 'reject')
    lab.cloud.fault('create new', 'reject')
    // The user would let go of what it used, and cannot.
    const doc = await lab.apply(boxes(lab, 'new user', { sizes: { user: 2 } }), go)
    expect(doc).toMatchObject({ outcome: 'kept', pending: [] })
    expect(callsOf(lab).filter((c) => c.startsWith('delete'))).toEqual(['delete gone2', 'delete gone'])
    expect(lab.cloud.content).toEqual(['deep=1', 'used=1', 'user=1'])
    expect(Object.keys(await stateOf(lab))).toEqual(['deep', 'used', 'user'])
    expect(await lab.apply(boxes(lab, 'new user', { sizes: { user: 2 } }), go)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(lab.cloud.content).toEqual(['new=1', 'user=2'])
  })

  // What exists already is taken over by a lookup here.
  test('E3#57 what exists and cannot be read ends the run with an error; only what does not need it is there', async () => {
    const lab = makeLab()
    const Net = resource({
      type: `test:Net${Math.random()}`, inputs: z.object({ name: z.string() }), outputs: z.object({ cidr: z.string() }),
      create: async () => ({ cidr: '' }), delete: async () => undefined, find: async () => undefined,
    })
    lab.cx.types.add(completeType(Net.spec as never, 'program#Net'))
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' })
      // Its name is known only when `a` is there: it is looked up in the run.
      const net = lookup(Net, { name: a.id }, { name: 'net' })
      lab.Box('b', { name: 'b', secret: str`${net.cidr}` })
    }, go)
    expect(doc).toMatchObject({ outcome: 'kept', error: { code: 'HF3101', address: 'net' } })
    expect([outcomes(doc), lab.cloud.content, Object.keys(await stateOf(lab))]).toEqual([{ a: 'succeeded', net: 'failed', b: 'skipped' }, ['a=1'], ['a']])
  })

  test('E3#58 what waits for something that failed is skipped and reported, by every kind of edge; the rest succeeds', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('holder', { name: 'place' }))
    callsOf(lab)
    lab.events.length = 0
    lab.cloud.fault('create bad', 'reject')
    lab.cloud.fault('update moved', 'reject')
    const doc = await lab.apply(() => {
      const bad = lab.Box('bad', { name: 'bad' })
      const reads = lab.Box('reads', { name: 'reads', secret: str`${bad.id}` })
      lab.Box('waits', { name: 'waits' }, { dependsOn: [bad] })
      lab.Box('goes', { name: 'goes' }, { deletedWith: bad })
      lab.Box('far', { name: 'far', secret: str`${reads.id}` })
      // It takes the name that another gives up in place.
      lab.Box('holder', { name: 'moved' })
      lab.Box('taker', { name: 'place' })
      lab.Box('free', { name: 'free' })
    }, go)
    expect(outcomes(doc)).toEqual({ bad: 'failed', reads: 'skipped', waits: 'skipped', goes: 'skipped', far: 'skipped', holder: 'failed', taker: 'skipped', free: 'succeeded' })
    expect(callsOf(lab).sort()).toEqual(['create bad', 'create free', 'update moved'])
    expect(lab.events.filter((e) => e.type === 'task.skipped').map((e) => e.node).sort()).toEqual(['far', 'goes', 'reads', 'taker', 'waits'])
    expect([doc.outcome, doc.summary, (await stateOf(lab)).holder?.row.meta.claims]).toEqual(['kept', { create: 1 }, ['box:place']])
  })

  test('an old object goes before its new one came: where that fails, the node is gone and the next apply makes it', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b'))
    callsOf(lab)
    lab.cloud.fault('create a', 'reject')
    const wanted = boxes(lab, 'a b', { zones: { a: 'b' }, sizes: { b: 2 } })
    expect(await lab.apply(wanted, go)).toMatchObject({ outcome: 'kept', summary: { delete: 1, update: 1 } })
    expect([callsOf(lab).sort(), lab.cloud.content]).toEqual([['create a', 'delete a', 'update b'], ['b=2']])
    expect(await lab.apply(wanted, go)).toMatchObject({ outcome: 'applied', summary: { create: 1 } })
  })

  test('nothing is committed while an outcome is unknown; the rest is done all the same', async () => {
    const lab = makeLab({ class: 'D' })
    lab.cloud.fault('create a', 'lost')
    const doc = await lab.apply(boxes(lab, 'a b:a c'), go)
    expect([doc.outcome, exitCodeOf(doc), outcomes(doc)]).toEqual(['incomplete', 12, { a: 'unknown', b: 'skipped', c: 'succeeded' }])
    expect(await readStatus(lab.cx)).toMatchObject({ revision: 0, open: [{ address: 'a' }] })
  })

  test('a cancelled run keeps what it did and deletes nothing', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'gone'))
    callsOf(lab)
    const stop = new AbortController()
    const session = await lab.session()
    lab.cloud.onCall = (call) => { if (call === 'create a') stop.abort() }
    const planned = await session.plan({ graph: buildGraph(lab.app(boxes(lab, 'a b:a')), {}) })
    const doc = await session.apply(planned, { ...go, stop: stop.signal, abort: never })
    await session.end()
    expect([exitCodeOf(doc), doc.revision, callsOf(lab), lab.cloud.content]).toEqual([8, { from: 1, to: 2 }, ['create a'], ['a=1', 'gone=1']])
  })

  test('an attempt that is repeated and succeeds is no failure', async () => {
    const lab = makeLab()
    lab.cloud.fault('create a', 'reject')
    expect(await lab.apply(() => void lab.Box('a', { name: 'a' }, { retries: 1 }), go)).toMatchObject({ outcome: 'applied', tasks: [{ address: 'a', attempts: 2 }] })
  })
})
