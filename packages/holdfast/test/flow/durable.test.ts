import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { MemoryFlowJournal, openFlowJournal, times, type Flow, type FlowJournal } from '../../src/flow/workflow/index.ts'
import { flowMigrations } from '../../src/store/sqlite/flow-migrations.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import type { FlowTaskRow } from '../../src/state/index.ts'
import { currentHolder } from '../../src/store/index.ts'
import { ALWAYS, engine, fails, flow, linear, play, read, settle, states, SteppedClock, World } from './world.ts'

const folders: string[] = []
const fresh = () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-flow-'))
  folders.push(folder)
  return join(folder, 'flows.db')
}
afterAll(() => { for (const f of folders) rmSync(f, { recursive: true, force: true }) })

const row = (at: number, name: string, more: Partial<FlowTaskRow>): FlowTaskRow => ({
  at, name, kind: 'task', state: 'PENDING', intention: 'EXECUTE', attempt: 1, epoch: 0, result: undefined, failure: undefined, undoResult: undefined, undoFailure: undefined, history: undefined,
  wakeAt: undefined, progress: undefined, ...more,
})
const why = JSON.stringify({ names: ['Error'], message: 't2 failed', causes: [] })
const tried = (failures: object = {}) => JSON.stringify([{ failures, value: 1 }])

/** What a process that died left in the journal. */
async function dump(journal: FlowJournal, id: string, rows: readonly FlowTaskRow[], state: 'RUNNING' | 'REVERTED' = 'RUNNING'): Promise<void> {
  await journal.create({ id, name: id, structure: '', store: undefined, factory: undefined, createdAt: 1 })
  const claim = await journal.claim(id, currentHolder(), 1000)
  if ('heldBy' in claim) throw new Error('claimed')
  await journal.commit(id, claim.fence, { tasks: rows, set: { state }, release: true })
}

for (const [kind, open] of [['in memory', async () => new MemoryFlowJournal()], ['in a file', async () => openFlowJournal({ path: fresh() })]] as const) {
  describe(`a journal ${kind}`, () => {
    /** A retried flow `r: t1 > t2`, as it was left; what goes on from there. */
    const goesOn = async (rows: readonly FlowTaskRow[]) => {
      const journal = await open()
      const w = new World()
      const f = flow('linear', [w.task('t1'), w.task('t2')], { name: 'f', retry: times(3, { name: 'r' }) })
      await dump(journal, 'f', rows)
      const { report } = await play(f, { journal, id: 'f' })
      await journal.close()
      return { w, report }
    }
    const tail = { log: ['-t2', '-t1', 't1', 't2'], trace: ['t2 reverting', 't2 reverted', 't1 reverting', 't1 reverted', 'r retrying', 't1 executing', 't1 succeeded', 't2 executing', 't2 succeeded'] }
    const r = (more: Partial<FlowTaskRow>) => row(1, 'r', { kind: 'retry', state: 'SUCCESS', result: '1', history: tried(), ...more })
    const t1 = (more: Partial<FlowTaskRow> = {}) => row(2, 't1', { state: 'SUCCESS', ...more })
    const t2 = (more: Partial<FlowTaskRow> = {}) => row(3, 't2', { state: 'FAILURE', failure: why, ...more })

    for (const [name, rows] of Object.entries({
      'TF-40 died after a failure was stored, before anything was decided': [r({}), t1(), t2()],
      'TF-42 died after the controller decided': [r({ intention: 'RETRY', history: tried({ t2: JSON.parse(why) }) }), t1(), t2()],
      'TF-43 died after some tasks were told': [r({ intention: 'RETRY', history: tried({ t2: JSON.parse(why) }) }), t1(), t2({ intention: 'REVERT' })],
      'TF-44 died after all were told': [r({ intention: 'RETRY', history: tried({ t2: JSON.parse(why) }) }), t1({ intention: 'REVERT' }), t2({ intention: 'REVERT' })],
    })) {
      test(`${name}: the same tail`, async () => {
        const { w, report } = await goesOn(rows)
        expect(report.state).toBe('SUCCESS')
        expect(w.log).toEqual(tail.log)
        expect(read(report)).toEqual(tail.trace)
      })
    }

    test('TF-45 died in the middle of a reset: it is completed, and everything runs once', async () => {
      const { w, report } = await goesOn([r({ state: 'RETRYING', intention: 'RETRY', history: tried({ t2: JSON.parse(why) }) }), t1({ state: 'PENDING' }), t2({ state: 'REVERTED', intention: 'REVERT' })])
      expect(report.state).toBe('SUCCESS')
      expect(w.log).toEqual(['t1', 't2'])
    })

    test('TF-48 died after the controller was taken back: the next run begins with an empty history', async () => {
      const journal = await open()
      const w = new World()
      await dump(journal, 'f', [r({ state: 'REVERTED', intention: 'REVERT', history: tried({ t2: JSON.parse(why) }) }), t1({ state: 'REVERTED', intention: 'REVERT' }), t2({ state: 'REVERTED', intention: 'REVERT' })])
      const f = flow('linear', [w.task('t1'), w.task('t2', { requires: ['n'] })], { name: 'f', retry: times(3, { name: 'r', provides: 'n' }) })
      const first = await play(f, { journal, id: 'f' })
      expect(first.report.state).toBe('REVERTED')
      await play(f, { journal, id: 'f' })
      expect(w.seen.t2).toEqual({ n: 1 })
      await journal.close()
    })

    test('TF-49 died when all was done: nothing runs, and the flow succeeds', async () => {
      const { w, report } = await goesOn([r({}), t1(), row(3, 't2', { state: 'SUCCESS' })])
      expect([report.state, w.log]).toEqual(['SUCCESS', []])
    })

    test('TF-46 died while a task ran: it runs again under the same key, as the next attempt, and listeners are told that it was restarted', async () => {
      const journal = await open()
      const w = new World()
      let attempts: number[] = []
      const keys: string[] = []
      const f = flow('linear', [engine.createTask((ctx) => { attempts = [...attempts, ctx.attempt]; keys.push(ctx.key) }, { name: 'a' })], { name: 'f' })
      await play(f, { journal, id: 'other' })
      await dump(journal, 'f', [row(1, 'a', { state: 'RUNNING', attempt: 1 })])
      const seen: unknown[] = []
      const flowStates: string[] = []
      const running = engine.getEngine(f, { journal, id: 'f', listeners: { onTask: (state, { task, restarted, attempt }) => seen.push([task, state, restarted, attempt]), onFlow: (s) => flowStates.push(s) } })
      await play(running)
      expect(seen).toEqual([['a', 'RUNNING', true, 2], ['a', 'SUCCESS', undefined, 2]])
      expect(flowStates).toEqual(['RESUMING', 'SUSPENDED', 'RUNNING', 'SUCCESS'])
      expect(attempts).toEqual([1, 2])
      await play(running)
      expect(new Set(keys).size).toBe(2) // one of each flow
      expect(w.log).toEqual([])
      await journal.close()
    })

    test('one that ran while the flow was to be taken back is taken back as a failure, not begun again', async () => {
      const journal = await open()
      const w = new World()
      await dump(journal, 'f', [row(1, 'a', { state: 'FAILURE', failure: why }), row(2, 'b', { state: 'RUNNING' })])
      const { report } = await play(flow('unordered', [w.task('a'), w.task('b')], { name: 'f' }), { journal, id: 'f' })
      expect(w.log.sort()).toEqual(['-a', '-b'])
      expect(report.state).toBe('REVERTED')
      await journal.close()
    })

    test('one that was being taken back is taken back again', async () => {
      const journal = await open()
      const w = new World()
      await dump(journal, 'f', [row(1, 't1', { state: 'REVERTING', intention: 'REVERT', result: '17' }), row(2, 't2', { state: 'REVERTED', intention: 'REVERT', failure: why })])
      const { error } = await play(linear(w.task('t1'), w.task('t2')), { journal, id: 'f' })
      expect(w.log).toEqual(['-t1'])
      expect(w.seen['-t1']).toMatchObject({ result: 17 })
      expect(error).toMatchObject({ code: 'HF3213' })
      await journal.close()
    })

    test('TF-50 a stored result is used, and its task does not run', async () => {
      const journal = await open()
      const w = new World()
      await dump(journal, 'f', [row(1, 'a', { state: 'SUCCESS', result: '17' })])
      await play(linear(w.task('a', { provides: 'x' }), w.task('b', { requires: ['x'] })), { journal, id: 'f' })
      expect([w.log, w.seen.b]).toEqual([['b'], { x: 17 }])
      await journal.close()
    })

    test('TF-51 suspended, the second run does the rest', async () => {
      const journal = await open()
      const w = new World()
      const f = linear(w.task('t1', { provides: 'x', gives: 1 }), w.task('t2', { requires: ['x'] }), w.task('t3'))
      const running = engine.getEngine(f, { journal, id: 's', listeners: { onTask: (state, { task }) => { if (task === 't1' && state === 'SUCCESS') running.suspend() } } })
      expect((await engine.runEngine(running)).state).toBe('SUSPENDED')
      expect(w.log).toEqual(['t1'])
      const { report } = await play(f, { journal, id: 's' })
      expect([report.state, w.log, w.seen.t2]).toEqual(['SUCCESS', ['t1', 't2', 't3'], { x: 1 }])
      running.suspend()
      expect((await running.resume()).state).toBe('SUCCESS')
      await journal.close()
    })

    test('TF-52 suspended on the way back, the second run takes the rest back and throws what failed', async () => {
      const journal = await open()
      const w = new World()
      const f = linear(w.task('t1'), w.task('t2'), w.task('t3', { fails: ALWAYS }))
      const running = engine.getEngine(f, { journal, id: 's', listeners: { onTask: (state) => { if (state === 'REVERTED') running.suspend() } } })
      expect((await engine.runEngine(running)).state).toBe('SUSPENDED')
      expect(w.log.slice(3)).toEqual(['-t3', '-t2'].slice(0, w.log.length - 3))
      const { report, error } = await play(f, { journal, id: 's' })
      expect([report.state, w.log.slice(3)]).toEqual(['REVERTED', ['-t3', '-t2', '-t1']])
      expect(error.message).toContain('t3 failed')
      await journal.close()
    })

    test('TF-54 the failed task was removed meanwhile: the rest is taken back, the old failure is thrown, and the change is told', async () => {
      const journal = await open()
      const w = new World()
      const running = engine.getEngine(flow('linear', [w.task('t1'), w.task('t2', { fails: ALWAYS })], { name: 'f' }), { journal, id: 's', listeners: { onTask: (state) => { if (state === 'REVERTED') running.suspend() } } })
      await engine.runEngine(running)
      expect(w.log).toEqual(['t1', 't2', '-t2'])
      const { report, error } = await play(flow('linear', [w.task('t1')], { name: 'f' }), { journal, id: 's', acceptChanges: true })
      expect(w.log).toEqual(['t1', 't2', '-t2', '-t1'])
      expect([report.state, error.message]).toEqual(['REVERTED', expect.stringContaining('t2 failed')])
      expect(report.warnings.join()).toContain('- task /f/1:t2')
      await journal.close()
    })

    test('TF-55 a value that was given before is missing now: it is said, and nothing runs', async () => {
      const journal = await open()
      const w = new World()
      const f = linear(w.task('a'), w.task('b', { requires: ['x'] }))
      const running = engine.getEngine(f, { journal, id: 's', store: { x: 1 }, listeners: { onTask: (state) => { if (state === 'SUCCESS') running.suspend() } } })
      await engine.runEngine(running)
      await fails('HF3205', () => play(f, { journal, id: 's', store: {} }))
      expect(w.log).toEqual(['a'])
      expect((await play(f, { journal, id: 's' })).report.state).toBe('SUCCESS')
      expect(w.seen.b).toEqual({ x: 1 })
      await journal.close()
    })

    test('TF-56 a changed structure is refused with what changed, unless it is accepted (HF3216)', async () => {
      const journal = await open()
      const w = new World()
      const build = (version: string, linked: boolean): Flow => {
        const [a, b] = [w.task('a'), w.task('b', { version })]
        const f = flow('graph', [a, b], { name: 'f' })
        if (linked) engine.linkTask(f, a, b)
        return f
      }
      const running = engine.getEngine(build('1.0', false), { journal, id: 's', parallelism: 1, listeners: { onTask: (state) => { if (state === 'SUCCESS') running.suspend() } } })
      await engine.runEngine(running)
      const link = await fails('HF3216', () => play(build('1.0', true), { journal, id: 's' }))
      expect(link.details).toEqual({ kind: 'StructureChanged', removed: [], added: ['link /f a -> b'] })
      const version = await fails('HF3216', () => play(build('2.0', false), { journal, id: 's' }))
      expect(version.details.added).toEqual(['task /f/b 2.0 undo'])
      expect(w.log).toEqual(['a'])
      const { report } = await play(build('2.0', true), { journal, id: 's', acceptChanges: true })
      expect([report.state, w.log]).toEqual(['SUCCESS', ['a', 'b']])
      await journal.close()
    })

    test('TF-62 a result that cannot be stored fails its task, and it is taken back (HF3214)', async () => {
      const journal = await open()
      const w = new World()
      const { error, report } = await play(linear(w.task('a', { gives: () => () => 1 })), { journal, id: 's' })
      expect(error.code).toBe('HF3214')
      expect([w.log, states(report)]).toEqual([['a', '-a'], { a: 'REVERTED' }])
      const circle: Record<string, unknown> = {}
      circle.self = circle
      expect((await play(linear(w.task('b', { gives: () => circle })), { journal, id: 't' })).error.code).toBe('HF3214')
      await journal.close()
    })

    test('S002-13 what a task returned and what failed are there for the next process: dates, bytes and large numbers, too', async () => {
      const journal = await open()
      const w = new World()
      const value = { at: new Date(0), bytes: new Uint8Array([1, 2]), n: 2n, none: null }
      const running = engine.getEngine(linear(w.task('a', { provides: 'x', gives: value }), w.task('b', { requires: ['x'], fails: ALWAYS })), { journal, id: 's', listeners: { onTask: (state) => { if (state === 'FAILURE') running.suspend() } } })
      await engine.runEngine(running)
      const later = new World()
      const { report } = await play(linear(later.task('a', { provides: 'x' }), later.task('b', { requires: ['x'] })), { journal, id: 's', acceptChanges: true })
      expect(report.state).toBe('REVERTED')
      expect(later.seen['-a']?.result).toEqual(value)
      expect(later.seen['-a']?.flowFailures.b.message).toBe('b failed')
      await journal.close()
    })

    test('TF-84 a pause before the next attempt survives the process: it ends at the stored time', async () => {
      const clock = new SteppedClock()
      const journal = kind === 'in memory' ? new MemoryFlowJournal({ clock }) : await openFlowJournal({ path: fresh(), clock })
      const w = new World()
      const f = flow('linear', [w.task('a', { fails: 1 })], { name: 'f', retry: times(2, { name: 'r', delay: '10m' }) })
      const running = engine.getEngine(f, { journal, id: 's', clock })
      const first = engine.runEngine(running)
      await settle()
      expect(w.log).toEqual(['a', '-a'])
      running.suspend() // the process dies
      expect((await first).state).toBe('SUSPENDED')
      await clock.pass(6 * 60_000)
      const again = engine.getEngine(f, { journal, id: 's', clock })
      const second = engine.runEngine(again)
      await settle()
      await clock.pass(3 * 60_000)
      expect(w.log).toEqual(['a', '-a'])
      await clock.pass(61_000)
      expect((await second).state).toBe('SUCCESS')
      expect(w.log).toEqual(['a', '-a', 'a'])
      await journal.close()
    })

    test('TF-81 a claim that was lost: the next step of the loser is refused (HF4203), and nothing is stored twice', async () => {
      const clock = new SteppedClock()
      const journal = kind === 'in memory' ? new MemoryFlowJournal({ clock }) : await openFlowJournal({ path: fresh(), clock })
      const w = new World()
      let go: () => void = () => undefined
      const gate = new Promise<void>((r) => { go = r })
      const f = flow('linear', [w.task('a', { during: () => gate }), w.task('b')], { name: 'f' })
      const loser = engine.getEngine(f, { journal, id: 's' })
      const lost = engine.runEngine(loser).catch((e: unknown) => e)
      await settle()
      clock.pass(60_000)
      const v = new World()
      const { report } = await play(flow('linear', [v.task('a'), v.task('b')], { name: 'f' }), { journal, id: 's', clock })
      expect(report.state).toBe('SUCCESS')
      go()
      expect(await lost).toMatchObject({ code: 'HF4203' })
      expect([loser.state, w.log, v.log]).toEqual(['SUSPENDED', ['a'], ['a', 'b']])
      expect((await journal.load('s'))?.tasks.map((t) => [t.name, t.state, t.attempt])).toEqual([['a', 'SUCCESS', 2], ['b', 'SUCCESS', 1]])
      await journal.close()
    })

    test('a flow that another live process runs is refused (HF3212)', async () => {
      const journal = await open()
      await journal.create({ id: 's', name: 's', structure: '', store: undefined, factory: undefined, createdAt: 1 })
      await journal.claim('s', currentHolder(), 60_000)
      await fails('HF3212', () => play(linear(new World().task('a')), { journal, id: 's' }))
      await journal.close()
    })

    test('TF-67 a journal that fails stops the run at once; what was stored is gone on with', async () => {
      const inner = await open()
      const w = new World()
      let left = 3
      const broken = new Proxy(inner, {
        get: (target, name) => name === 'commit'
          ? (...args: Parameters<FlowJournal['commit']>) => (--left < 0 ? Promise.reject(new Error('disk gone')) : target.commit(...args))
          : (target as never as Record<string | symbol, (...a: unknown[]) => unknown>)[name]?.bind?.(target),
      })
      const f = linear(w.task('a'), w.task('b'), w.task('c'), w.task('d'))
      const running = engine.getEngine(f, { journal: broken, id: 's' })
      await expect(engine.runEngine(running)).rejects.toThrow('disk gone')
      expect(w.log).toEqual(['a', 'b', 'c'])
      expect(left).toBe(-2) // and one more, to give the claim up
      left = 99
      expect((await engine.runEngine(running).catch((e: unknown) => e) as { state?: string }).state).toBe('SUCCESS')
      expect(w.log).toEqual(['a', 'b', 'c', 'c', 'd'])
      await inner.close()
    })

    test('a reset starts over, and may follow a changed program', async () => {
      const journal = await open()
      const w = new World()
      await play(flow('linear', [w.task('a'), w.task('gone')], { name: 'f' }), { journal, id: 's' })
      const changed = flow('linear', [w.task('a'), w.task('b')], { name: 'f' })
      await fails('HF3216', () => play(changed, { journal, id: 's' }))
      const running = engine.getEngine(changed, { journal, id: 's' })
      await running.reset()
      expect((await play(running)).report.state).toBe('SUCCESS')
      expect(w.log).toEqual(['a', 'gone', 'a', 'b'])
      expect(new Set(w.keys.a).size).toBe(2)
      expect((await journal.load('s'))?.tasks.map((t) => t.name)).toEqual(['a', 'b'])
      await journal.close()
    })
  })
}

describe('the file of a journal', () => {
  test('the embedded text is that of the numbered files', () => {
    const sql = new URL('../../src/store/sqlite/flow-sql/', import.meta.url)
    expect(flowMigrations.map((m) => [m.name, m.sql])).toEqual(readdirSync(sql).sort().map((f) => [f, readFileSync(new URL(f, sql), 'utf8')]))
  })

  test('is not mistaken for a state, nor a state for it (HF4001)', async () => {
    const path = fresh()
    await (await openFlowJournal({ path })).close()
    await fails('HF4001', () => openSqliteStore({ path }))
    const state = fresh()
    await (await openSqliteStore({ path: state })).close()
    await fails('HF4001', () => openFlowJournal({ path: state }))
    const text = fresh()
    writeFileSync(text, 'no database, only a text that is long enough to be read as one '.repeat(20))
    await fails('HF4001', () => openFlowJournal({ path: text }))
  })

  test('is one file with mode 0600 when it is closed, and a closed one refuses', async () => {
    const path = fresh()
    const journal = await openFlowJournal({ path })
    await play(linear(new World().task('a')), { journal, id: 'x' })
    await journal.close()
    await journal.close()
    expect(readdirSync(join(path, '..'))).toEqual(['flows.db'])
    await expect(journal.create({ id: 'y', name: 'y', structure: '', store: undefined, factory: undefined, createdAt: 1 })).rejects.toThrow('closed')
  })
})
