import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { FlowWorker, MemoryFlowJournal, openFlowJournal, postFlow, TaskWorker, type FlowJournal } from '../../src/flow/workflow/index.ts'
import { currentHolder } from '../../src/store/index.ts'
import { ALWAYS, engine, fails, flow, linear, play, settle, SteppedClock, World } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-forget-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
type Clocked = { readonly clock?: SteppedClock }
const kinds = [['in memory', async (o: Clocked = {}) => new MemoryFlowJournal(o)], ['in a file', async (o: Clocked = {}) => openFlowJournal({ path: join(folder, `${++files}.db`), ...o })]] as const

const far = Number.MAX_SAFE_INTEGER
const idsIn = async (journal: FlowJournal) => (await journal.list()).map((f) => f.id)
const fenceOf = (claim: unknown) => (claim as { readonly fence: number }).fence

for (const [kind, open] of kinds) {
  describe(`what has ended is forgotten, ${kind}`, () => {
    test('what succeeded or was taken back, before a moment; nothing that is unfinished, held, or left for a person', async () => {
      const clock = new SteppedClock()
      const journal = await open({ clock })
      const w = new World()
      const run = (id: string, ...nodes: Parameters<typeof linear>) => play(flow('linear', nodes, { name: 'f' }), { journal, id, clock })
      await run('done', w.task('a'), w.task('b'))
      await run('back', w.task('a'), w.task('b', { fails: ALWAYS }))
      await run('failed', w.task('a', { undoFails: true }), w.task('b', { fails: ALWAYS }))
      const paused = engine.getEngine(linear(w.task('a', { during: () => paused.suspend() }), w.task('b')), { journal, id: 'paused', clock })
      await engine.runEngine(paused)
      await postFlow(journal, { id: 'posted', factory: { name: 'x' } })
      const moment = clock.now()
      expect(await journal.forget({ endedBefore: moment })).toBe(0)
      await clock.pass(10)
      await run('later', w.task('a'))
      await run('held', w.task('a'))
      const { fence } = await journal.claim('done', currentHolder(), 1_000) as { readonly fence: number }
      expect(await journal.forget({ endedBefore: moment + 1 })).toBe(1)
      expect(await idsIn(journal)).toEqual(['done', 'failed', 'paused', 'posted', 'later', 'held'])
      await journal.commit('done', fence, { release: true })
      expect(await journal.forget({ endedBefore: new Date(moment + 1) })).toBe(1)
      expect(await journal.forget({ endedBefore: far, states: ['FAILURE'] })).toBe(1)
      expect(await journal.forget({ endedBefore: far, states: [] })).toBe(0)
      expect(await idsIn(journal)).toEqual(['paused', 'posted', 'later', 'held'])
      expect(await journal.load('done')).toBeUndefined()
      await engine.runEngine(paused) // what stays goes on
      expect(paused.state).toBe('SUCCESS')
      await journal.close()
    })

    test('under the same id another flow begins: everything runs, under other keys; one that was never forgotten keeps its own', async () => {
      const journal = await open()
      const w = new World()
      const once = () => play(flow('linear', [w.task('a', { provides: 'x', gives: 1 }), w.task('b')], { name: 'nightly' }), { journal, id: 'nightly' })
      await play(linear(w.task('old')), { journal, id: 'kept' })
      const kept = (w.keys.old as string[])[0]
      await once()
      await once()
      expect(await journal.forget({ endedBefore: far })).toBe(2)
      const { report } = await once()
      expect([report.state, report.outputs, w.log]).toEqual(['SUCCESS', { x: 1 }, ['old', 'a', 'b', 'a', 'b']])
      expect(new Set(w.keys.a).size).toBe(2)
      expect((await play(linear(w.task('old')), { journal: new MemoryFlowJournal(), id: 'kept' })).report.state).toBe('SUCCESS')
      expect((w.keys.old as string[])[1]).toBe(kept)
      await journal.close()
    })

    test('who held what was forgotten writes nothing into what came after it (HF4203)', async () => {
      const journal = await open()
      const make = (id: string) => journal.create({ id, name: id, structure: '', store: undefined, factory: undefined, createdAt: 1 })
      await make('f')
      let stale = 0
      for (let i = 0; i < 3; i++) {
        stale = fenceOf(await journal.claim('f', currentHolder(), 1_000))
        await journal.commit('f', stale, { set: { state: 'SUCCESS', endedAt: 1 }, release: true })
      }
      expect(await journal.forget({ endedBefore: far })).toBe(1)
      await fails('HF4203', () => journal.commit('f', stale, { set: { state: 'FAILURE' } }))
      for (const id of ['g', 'f']) {
        await make(id) // the first takes the place of what is gone
        for (const who of ['f', 'g']) await fails('HF4203', () => journal.commit(who, stale, { set: { state: 'FAILURE' } }))
      }
      expect(await journal.renew('f', stale, 1_000)).toBe(false)
      const fence = fenceOf(await journal.claim('f', currentHolder(), 1_000))
      expect(fence).toBeGreaterThan(stale)
      await journal.commit('f', fence, { set: { state: 'RUNNING' } })
      expect((await journal.list()).map((f) => [f.id, f.state])).toEqual([['g', 'PENDING'], ['f', 'RUNNING']])
      await journal.close()
    })

    test('a worker that answers a call of what was forgotten is refused, also where a call of the same name waits', async () => {
      const journal = await open()
      const call = { id: 'c', flow: 'f', task: 't', type: 'work', action: 'execute', doc: '{"inputs":{},"key":"k"}', state: 'WAITING', worker: undefined, fence: 0, attempt: 1, expiresAt: undefined, answer: undefined, createdAt: 1 } as const
      await journal.create({ id: 'f', name: 'f', structure: '', store: undefined, factory: undefined, createdAt: 1 })
      const { fence } = await journal.claim('f', currentHolder(), 1_000) as { readonly fence: number }
      await journal.offer(call)
      for (let i = 0; i < 4; i++) {
        await journal.take(['work'], 'slow', 0)
        await journal.reclaim('f', far)
      }
      const taken = await journal.take(['work'], 'slow', 1_000)
      await journal.commit('f', fence, { set: { state: 'REVERTED', endedAt: 1 }, release: true })
      await journal.forget({ endedBefore: far })
      expect(await journal.calls('f')).toEqual([])
      await journal.offer(call)
      expect((await journal.take(['work'], 'new', 1_000))?.fence).toBeGreaterThan(taken?.fence as number)
      expect(await journal.answer('c', taken?.fence as number, 'SUCCESS', '{}')).toBe(false)
      expect(await journal.beat('c', taken?.fence as number, 1_000)).toBe(false)
      await journal.close()
    })

    test('what was set aside goes when that is asked for, by the moment it was made', async () => {
      const clock = new SteppedClock()
      const journal = await open({ clock })
      const w = new World()
      await postFlow(journal, { id: 'never', factory: { name: 'nobody' } }, clock)
      await postFlow(journal, { id: 'wrong', factory: { name: 'wrong' } }, clock)
      expect((await new FlowWorker({ journal, clock, factories: { wrong: () => 5 as never } }).runOnce()).map((r) => [r.outcome, (r.error as { code?: string }).code])).toEqual([['rejected', 'HF3219'], ['rejected', 'HF3219']])
      await play(linear(w.task('a')), { journal, id: 'done', clock })
      await postFlow(journal, { id: 'waits', factory: { name: 'nobody' } }, clock)
      await clock.pass(10)
      expect(await journal.forget({ endedBefore: clock.now(), states: [] })).toBe(0)
      expect(await journal.forget({ endedBefore: 1, setAside: true })).toBe(0)
      expect(await journal.forget({ endedBefore: clock.now(), states: [], setAside: true })).toBe(2)
      expect(await idsIn(journal)).toEqual(['done', 'waits'])
      expect(await postFlow(journal, { id: 'never', factory: { name: 'nobody' } }, clock)).toBe(true)
      await journal.close()
    })

    test('more than one commit holds, in pieces', async () => {
      const journal = await open()
      const row = { structure: '', store: undefined, factory: undefined, createdAt: 1 }
      await Promise.all(Array.from({ length: 450 }, async (_, i) => {
        await journal.create({ id: `f${i}`, name: 'f', ...row })
        await journal.commit(`f${i}`, fenceOf(await journal.claim(`f${i}`, currentHolder(), 1_000)), { set: { state: 'SUCCESS', endedAt: i }, release: true })
      }))
      expect(await journal.forget({ endedBefore: 440 })).toBe(440)
      expect(await idsIn(journal)).toEqual(Array.from({ length: 10 }, (_, i) => `f${440 + i}`))
      await journal.close()
    })

    test('a query that says nothing clear is refused (HF3203)', async () => {
      const journal = await open()
      for (const query of [undefined, null, {}, { endedBefore: 'yesterday' }, { endedBefore: new Date('never') }, { endedBefore: 1, states: ['RUNNING'] }, { endedBefore: 1, states: 'SUCCESS' }, { endedBefore: 1, ids: ['x'] }, { endedBefore: 1, setAside: 'yes' }]) await fails('HF3203', () => journal.forget(query as never))
      await journal.close()
    })
  })

  test(`what a worker says with progress reaches the listeners and the journal, ${kind}`, async () => {
    const clock = new SteppedClock()
    const journal = await open({ clock })
    const told: unknown[] = []
    let go: () => void = () => undefined
    const gate = new Promise<void>((r) => { go = r })
    const worker = new TaskWorker({ journal, clock, types: { work: { execute: async (ctx) => { ctx.progress(0.1); ctx.progress(0.2, { file: 'a' }); await gate; for (let i = 3; i < 9; i++) ctx.progress(i / 10); return 1 } } } })
    const ran = play(linear(engine.createRemoteTask('far', { type: 'work', provides: 'x' })), { journal, id: 'f', clock, listeners: { onProgress: (task, done, details) => told.push([task, done, details]) } })
    await settle()
    const answer = worker.runOnce()
    await settle()
    for (let i = 0; i < 5; i++) await clock.pass(50)
    expect(told).toEqual([['far', 0.1, undefined], ['far', 0.2, { file: 'a' }]])
    expect(JSON.parse((await journal.load('f'))?.tasks[0]?.progress as string)).toEqual({ done: 0.2, details: { file: 'a' } })
    go()
    expect(await answer).toBe('answered')
    for (let i = 0; i < 3; i++) await clock.pass(50)
    expect((await ran).report.outputs).toEqual({ x: 1 })
    expect(told.at(-1)).toEqual(['far', 0.8, undefined])
    await journal.close()
  })
}

test('a journal of the first schema is brought up to date: what had ended stays ended, what was paused goes on, under the keys it had', async () => {
  const path = join(folder, 'golden.db')
  copyFileSync(join(dirname(fileURLToPath(import.meta.url)), '../golden/flows-1.db'), path)
  const journal = await openFlowJournal({ path })
  expect((await journal.list()).map((f) => [f.id, f.state, f.born])).toEqual([['done', 'SUCCESS', 0], ['half', 'SUSPENDED', 0], ['posted', 'PENDING', 0]])
  expect((await journal.calls('half')).map((c) => [c.id, c.state, c.progress])).toEqual([['call', 'WAITING', undefined]])
  const ran: string[] = []
  const build = (at: number) => flow('linear', [
    engine.createTask(() => { ran.push('a') }, { name: 'a', provides: 'x' }), engine.createTask((c) => { ran.push('b'); return c.key }, { name: 'b', requires: ['x'], provides: 'y', undo: () => 0 }),
    engine.createTask((c, { y }) => { ran.push(`c${at}`); return y }, { name: 'c', requires: ['y'], provides: 'z' }),
  ], { name: 'golden' })
  const half = await play(build(1), { journal, id: 'half' })
  expect([half.report.state, ran]).toEqual(['SUCCESS', ['c1']])
  const again = (await play(build(0), { journal: new MemoryFlowJournal(), id: 'half' })).report.outputs.y
  expect([half.report.outputs.z, `${again}7`]).toEqual(Array(2).fill('fk1-a7b5081c1b5c51872201131e31e140fa7'))
  ran.length = 0
  expect((await new FlowWorker({ journal, factories: { golden: () => build(2) } }).runOnce()).map((r) => [r.id, r.outcome])).toEqual([['posted', 'completed']])
  expect(await journal.forget({ endedBefore: far })).toBe(3)
  await journal.close()
})
