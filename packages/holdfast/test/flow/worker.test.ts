import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { callMoves, FlowWorker, loadEngine, MemoryFlowJournal, openFlowJournal, postFlow, TaskWorker, Worker, type BuildFlow, type Flow, type FlowJournal, type TaskHandler } from '../../src/flow/workflow/index.ts'
import { currentHolder } from '../../src/store/index.ts'
import { ALWAYS, engine, fails, flow, linear, play, retried, settle, states, SteppedClock, World } from './world.ts'
import { times } from '../../src/flow/workflow/index.ts'

const module = join(dirname(fileURLToPath(import.meta.url)), 'programs/engine.mjs')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-flow-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const file = () => openFlowJournal({ path: join(folder, `flows-${++files}.db`) })

describe('the worker of the founding contract', () => {
  test('S002-65 S002-72 the engine is given, or loaded by name; a wrong name is a coded error (HF3219)', async () => {
    expect(await loadEngine({ module, export: 'Mine' })).toMatchObject({ mine: true })
    const worker = new Worker({ engine: { module, export: 'Mine' }, operations: { protect: ({ workflowEngine }) => workflowEngine.buildFlow('p', 'linear') } })
    expect((await worker.runFlow(await worker.getFlow({}, 'protect', {}, {}))).state).toBe('SUCCESS')
    for (const [reason, name] of [
      ['MODULE_NOT_FOUND', { module: './nowhere.mjs', export: 'X' }], ['MODULE_NOT_FOUND', { module: 'no-such-package', export: 'X' }], ['EXPORT_NOT_FOUND', { module, export: 'Nobody' }],
      ['NOT_AN_ENGINE', { module, export: 'none' }], ['MODULE_THREW', { module, export: 'Throws' }],
    ] as const) {
      const e = await fails('HF3219', () => new Worker({ engine: name }).engine())
      expect(e.details).toMatchObject({ kind: 'EngineLoadFailure', reason, ...name })
    }
    expect(await new Worker({ engine }).engine()).toBe(engine)
  })

  test('S002-69 S002-70 it runs a flow, and gives all that came out of it, or one symbol', async () => {
    const w = new World()
    const seen: unknown[] = []
    const worker = new Worker({
      operations: {
        copy: (request) => {
          seen.push(request.operationType, request.checkpoint, request.provider, request.kwargs)
          return { flow: linear(w.task('a', { requires: ['x'], provides: 'y', gives: ({ x }: { x: number }) => x + 1 })), options: { store: { x: 1 } } }
        },
        verify: () => linear(w.task('bad', { fails: ALWAYS })),
      },
    })
    const running = await worker.getFlow('ctx', 'copy', 'cp', 'pr', { to: 'there' })
    expect((await worker.runFlow(running)).state).toBe('SUCCESS')
    expect([await worker.flowOutputs(running), await worker.flowOutputs(running, 'y'), seen]).toEqual([{ y: 2 }, 2, ['copy', 'cp', 'pr', { to: 'there' }]])
    await expect(worker.runFlow(await worker.getFlow('ctx', 'verify', 'cp', 'pr'))).rejects.toThrow('bad failed')
    for (const type of ['protects', 'restore']) {
      const e = await fails('HF3220', () => worker.getFlow('ctx', type as 'restore', 'cp', 'pr'))
      expect(e.details.kind).toBe('InvalidParameterValue')
    }
  })
})

describe('a worker that runs the flows of a journal', () => {
  const two = (w: World, more: object = {}): BuildFlow => () => flow('linear', [w.task('a', { provides: 'x', gives: 1 }), w.task('b', { requires: ['x'], ...more })], { name: 'two' })

  test('finds what was posted and runs it, and what a process that died left behind', async () => {
    const journal = await file()
    const w = new World()
    expect(await postFlow(journal, { id: 'posted', factory: { name: 'two' } })).toBe(true)
    expect(await postFlow(journal, { id: 'posted', factory: { name: 'two' } })).toBe(false)
    const dead = engine.getEngine(await two(w)(engine, undefined) as never, { journal, id: 'left', factory: { name: 'two' }, listeners: { onTask: (s) => { if (s === 'SUCCESS') dead.suspend() } } })
    await engine.runEngine(dead)
    expect(w.log).toEqual(['a'])
    const worker = new FlowWorker({ journal, factories: { two: two(w) }, simultaneous: 1 })
    expect((await worker.runOnce()).map((r) => [r.id, r.outcome])).toEqual([['posted', 'completed'], ['left', 'completed']])
    expect(w.log).toEqual(['a', 'a', 'b', 'b'])
    expect(await worker.runOnce()).toEqual([])
    await journal.close()
  })

  test('goes on until it is stopped; what runs then is suspended, and the next one goes on with it', async () => {
    const journal = new MemoryFlowJournal()
    const w = new World()
    const stop = new AbortController()
    const done: unknown[] = []
    const first = new FlowWorker({ journal, factories: { two: two(w, { during: () => stop.abort() }) }, pollMs: 5, onWorked: (r) => done.push(r.outcome) })
    const long: BuildFlow = () => flow('linear', [w.task('a'), w.task('b', { during: () => stop.abort() }), w.task('c')], { name: 'long' })
    await postFlow(journal, { id: 'f', factory: { name: 'long' } })
    const running = new FlowWorker({ journal, factories: { long }, pollMs: 5, onWorked: (r) => done.push(r.outcome) }).run(stop.signal)
    await running
    expect([done, w.log]).toEqual([['abandoned'], ['a', 'b']])
    expect((await new FlowWorker({ journal, factories: { long: () => flow('linear', [w.task('a'), w.task('b'), w.task('c')], { name: 'long' }) } }).runOnce()).map((r) => r.outcome)).toEqual(['completed'])
    expect(w.log).toEqual(['a', 'b', 'c'])
    expect(await first.runOnce()).toEqual([])
  })

  test('TF-76 of two workers that see one flow, one runs it and the other is told that it came too late', async () => {
    const path = join(folder, 'shared.db')
    const journals = [await openFlowJournal({ path }), await openFlowJournal({ path })]
    const w = new World()
    await postFlow(journals[0] as FlowJournal, { id: 'f', factory: { name: 'two' } })
    const slow = two(w, { during: () => new Promise((next) => setTimeout(next, 100)) })
    const results = await Promise.all(journals.map((journal) => new FlowWorker({ journal, factories: { two: slow } }).runOnce()))
    expect(results.flat().map((r) => r.outcome).sort()).toEqual(['completed', 'unclaimable'])
    expect(w.log).toEqual(['a', 'b'])
    for (const j of journals) await j.close()
  })

  for (const [kind, open] of [['in memory', async () => new MemoryFlowJournal()], ['in a file', file]] as const) {
    test(`looks only at what it may take: not at what has ended, was set aside, has no factory, or is run by somebody who lives; ${kind}`, async () => {
      const journal = await open()
      const w = new World()
      const built: string[] = []
      const build = (name: string, during?: () => unknown): BuildFlow => () => {
        built.push(name)
        return flow('linear', [w.task('a', during ? { during } : {})], { name })
      }
      for (const id of ['ended', 'aside', 'held', 'free']) await postFlow(journal, { id, factory: { name: id } })
      await journal.create({ id: 'by hand', name: 'by hand', structure: '', store: undefined, factory: undefined, createdAt: 1 })
      expect((await journal.unfinished()).map((f) => f.id)).toEqual(['ended', 'aside', 'held', 'free'])
      expect((await new FlowWorker({ journal, factories: { ended: build('ended') } }).runOnce()).map((r) => `${r.id} ${r.outcome}`).sort()).toEqual(['aside rejected', 'ended completed', 'free rejected', 'held rejected'])
      for (const id of ['held', 'free']) {
        const claim = await journal.claim(id, currentHolder(), 1_000) as { readonly fence: number }
        await journal.commit(id, claim.fence, { set: { rejected: '' }, release: true })
      }
      let seen: readonly string[] = []
      const other = new FlowWorker({ journal, factories: { free: build('free') } })
      const holder = engine.getEngine(await build('held', async () => { seen = [...(await journal.unfinished()).map((f) => f.id), ...(await other.runOnce()).map((r) => `${r.id} ${r.outcome}`)] })(engine, undefined) as Flow, { journal, id: 'held' })
      await engine.runEngine(holder)
      expect(seen).toEqual(['free', 'free completed'])
      expect(built).toEqual(['ended', 'held', 'free'])
      // A holder that is not heard of for too long holds nothing any more.
      await postFlow(journal, { id: 'silent', factory: { name: 'silent' } })
      await journal.claim('silent', currentHolder(), 0)
      // Nor does one whose process is gone.
      await postFlow(journal, { id: 'orphan', factory: { name: 'orphan' } })
      await journal.claim('orphan', { ...currentHolder(), id: 'gone', pid: 4_194_300, startedAt: '1' }, 60_000)
      expect((await journal.unfinished()).map((f) => f.id)).toEqual(['silent', 'orphan'])
      await journal.close()
    })
  }

  test('TF-78 a flow that fails by itself is over, and kept with its failures', async () => {
    const journal = await file()
    const w = new World()
    await postFlow(journal, { id: 'f', factory: { name: 'two' } })
    const worker = new FlowWorker({ journal, factories: { two: two(w, { fails: ALWAYS }) } })
    expect((await worker.runOnce()).map((r) => [r.outcome, r.state])).toEqual([['failed', 'REVERTED']])
    expect(await worker.runOnce()).toEqual([])
    expect((await journal.load('f'))?.tasks.find((t) => t.name === 'b')?.failure).toContain('b failed')
    await journal.close()
  })

  test('TF-79 a journal that fails during a run: the flow is abandoned, and can be claimed again', async () => {
    const inner = new MemoryFlowJournal()
    const w = new World()
    await postFlow(inner, { id: 'f', factory: { name: 'two' } })
    const { failure } = await import('../../src/base/index.ts')
    let left = 1
    const journal: FlowJournal = Object.assign(Object.create(inner) as FlowJournal, {})
    for (const name of ['load', 'unfinished', 'create', 'claim', 'renew'] as const) Object.assign(journal, { [name]: (inner[name] as (...a: never[]) => unknown).bind(inner) })
    Object.assign(journal, { commit: (...a: Parameters<FlowJournal['commit']>) => (a[2].release || left-- > 0 ? inner.commit(...a) : Promise.reject(failure('HF4006'))) })
    expect((await new FlowWorker({ journal, factories: { two: two(w) } }).runOnce()).map((r) => r.outcome)).toEqual(['abandoned'])
    expect((await new FlowWorker({ journal: inner, factories: { two: two(w) } }).runOnce()).map((r) => r.outcome)).toEqual(['completed'])
  })

  test('TF-80 a flow that can never be built or run is set aside with the reason, and not tried again', async () => {
    const journal = await file()
    await postFlow(journal, { id: 'a', factory: { name: 'unknown' } })
    await postFlow(journal, { id: 'b', factory: { module: './nowhere.mjs', export: 'x' } })
    await postFlow(journal, { id: 'c', factory: { name: 'lacking' } })
    const worker = new FlowWorker({ journal, factories: { lacking: () => linear(new World().task('t', { requires: ['nothing'] })) } })
    expect((await worker.runOnce()).map((r) => r.outcome)).toEqual(['rejected', 'rejected', 'rejected'])
    expect((await journal.list()).map((f) => f.rejected)).toEqual([expect.stringContaining('unknown'), expect.stringContaining('nowhere'), expect.stringContaining('t needs nothing')])
    expect(await worker.runOnce()).toEqual([])
    const w = new World()
    expect((await play(linear(w.task('t', { requires: ['nothing'] })), { journal, id: 'c', store: { nothing: 1 } })).report.state).toBe('SUCCESS')
    expect((await journal.load('c'))?.flow.rejected).toBeUndefined() // whoever runs it by hand takes the rejection back
    await journal.close()
  })

  test('TF-82 values posted with a flow stand over those of its factory, name by name', async () => {
    const journal = await file()
    const w = new World()
    await postFlow(journal, { id: 'f', factory: { name: 'merge' }, store: { a: 2, c: 3 } })
    await new FlowWorker({ journal, factories: { merge: () => ({ flow: linear(w.task('t', { requires: ['a', 'b', 'c'] })), store: { a: 1, b: 1 } }) } }).runOnce()
    expect(w.seen.t).toEqual({ a: 2, b: 1, c: 3 })
    await postFlow(journal, { id: 'm', factory: { module, export: 'build', args: { n: 21 } } })
    expect((await new FlowWorker({ journal }).runOnce()).map((r) => [r.id, r.outcome])).toEqual([['m', 'completed']])
    expect((await journal.load('m'))?.tasks[0]?.result).toBe('42')
    await journal.close()
  })
})

describe('tasks that run in another process', () => {
  /** One flow `remote`, and as many workers as asked for. */
  const doing = (handler: Partial<TaskHandler>): Record<string, TaskHandler> => ({ work: { execute: () => undefined, ...handler } })
  const serve = async (worker: TaskWorker, until: Promise<unknown>): Promise<unknown> => {
    const stop = new AbortController()
    const running = worker.run(stop.signal)
    const result = await until
    stop.abort()
    await running
    return result
  }

  test('S002-15 two workers, two tasks that depend on each other: the value arrives', async () => {
    const journal = await file()
    const by: string[] = []
    const handler = (name: string): Record<string, TaskHandler> => ({ [name]: { execute: (ctx, { x = 0 }) => { by.push(`${name} ${ctx.task}`); return (x as number) + 1 } } })
    const f = linear(engine.createRemoteTask('a', { type: 'left', provides: 'x' }), engine.createRemoteTask('b', { type: 'right', requires: ['x'], provides: 'y' }))
    const running = engine.getEngine(f, { journal, id: 'f' })
    await serve(new TaskWorker({ journal, types: handler('left'), pollMs: 5 }), serve(new TaskWorker({ journal, types: handler('right'), pollMs: 5 }), engine.runEngine(running)))
    expect([by, engine.output(running)]).toEqual([['left a', 'right b'], { x: 1, y: 2 }])
    expect(await journal.calls('f')).toEqual([])
    await journal.close()
  })

  test('S002-14 a revert that another worker takes gets the stored result', async () => {
    const journal = await file()
    const seen: unknown[] = []
    const first = new TaskWorker({ journal, types: doing({ execute: (ctx) => { seen.push(ctx.key); return { id: 17 } } }) })
    const second = new TaskWorker({ journal, types: doing({ undo: (ctx, inputs, { result, flowFailures }) => { seen.push(ctx.executeKey, ctx.key === `${ctx.executeKey}/undo`, inputs.result, result, Object.keys(flowFailures)) } }), pollMs: 5 })
    const w = new World()
    const stop = new AbortController()
    const f = linear(engine.createRemoteTask('a', { type: 'work', undo: true }), w.task('b', { fails: ALWAYS, during: () => { stop.abort() } }))
    const running = play(f, { journal, id: 'f' })
    await first.run(stop.signal)
    const { report } = await serve(second, running) as Awaited<typeof running>
    expect(report.state).toBe('REVERTED')
    expect(seen.slice(2)).toEqual([true, { id: 17 }, { id: 17 }, ['b']])
    expect(seen[0]).toBe(seen[1])
    await journal.close()
  })

  test('TF-72 nobody knows the type: the task waits, and then it alone fails (HF3221)', async () => {
    const clock = new SteppedClock()
    const journal = new MemoryFlowJournal({ clock })
    const w = new World()
    const f = flow('unordered', [engine.createRemoteTask('a', { type: 'work', claimWithin: '30s' }), w.task('b')])
    const running = play(f, { journal, id: 'f', clock, neverResolve: true })
    await settle()
    for (let i = 0; i < 4; i++) await clock.pass(10_000)
    const { report, error } = await running
    expect(error.code).toBe('HF3221')
    expect(states(report)).toEqual({ a: 'FAILURE', b: 'SUCCESS' })
  })

  test('TF-73 TF-74 a worker that falls silent loses its task to another, under the next attempt and the same key; its late answer is refused', async () => {
    const clock = new SteppedClock()
    const journal = new MemoryFlowJournal({ clock })
    const keys: string[] = []
    let go: () => void = () => undefined
    const gate = new Promise<void>((r) => { go = r })
    // Its heartbeat does not come through, as if the process were gone.
    const mute: FlowJournal = Object.assign(Object.create(journal) as FlowJournal, { take: journal.take.bind(journal), answer: journal.answer.bind(journal), beat: async () => true })
    const silent = new TaskWorker({ journal: mute, types: doing({ execute: async (ctx) => { keys.push(ctx.key); await gate; return 'late' } }), clock, leaseMs: 30_000 })
    const other = new TaskWorker({ journal, types: doing({ execute: (ctx) => { keys.push(ctx.key); return `attempt ${ctx.attempt}` } }), clock })
    const running = engine.getEngine(linear(engine.createRemoteTask('a', { type: 'work', provides: 'x' })), { journal, id: 'f', clock })
    const ran = engine.runEngine(running)
    await settle()
    const late = silent.runOnce()
    await settle()
    await clock.pass(10_000)
    expect(await other.runOnce()).toBe('idle')
    await clock.pass(25_000)
    expect(await other.runOnce()).toBe('answered')
    go()
    expect(await late).toBe('late')
    await clock.pass(1_000)
    expect((await ran).state).toBe('SUCCESS')
    expect(engine.output(running)).toEqual({ x: 'attempt 2' })
    expect(new Set(keys).size).toBe(1)
  })

  test('a worker that says it is alive keeps its task', async () => {
    const clock = new SteppedClock()
    const journal = new MemoryFlowJournal({ clock })
    let go: () => void = () => undefined
    const gate = new Promise<void>((r) => { go = r })
    const worker = new TaskWorker({ journal, types: doing({ execute: () => gate }), clock, leaseMs: 30_000 })
    const ran = play(linear(engine.createRemoteTask('a', { type: 'work' })), { journal, id: 'f', clock })
    await settle()
    const answer = worker.runOnce()
    await settle()
    for (let i = 0; i < 10; i++) await clock.pass(10_000)
    go()
    expect(await answer).toBe('answered')
    await clock.pass(1_000)
    expect((await ran).report.state).toBe('SUCCESS')
  })

  test('TF-75 a call that cannot be read is refused, and the worker goes on', async () => {
    const journal = await file()
    const call = { flow: 'f', task: 't', type: 'work', action: 'execute', state: 'WAITING', worker: undefined, fence: 0, attempt: 1, expiresAt: undefined, answer: undefined } as const
    for (const [i, doc] of ['garbage', '{}', 'null', '{"key":1,"inputs":{}}'].entries()) await journal.offer({ ...call, id: `c${i}`, doc, createdAt: i })
    await journal.offer({ ...call, id: 'good', doc: '{"key":"k","inputs":{}}', createdAt: 9 })
    await journal.offer({ ...call, id: 'unknown', type: 'other', doc: '{}', createdAt: 0 })
    const worker = new TaskWorker({ journal, types: doing({ execute: () => 1 }) })
    const outcomes: string[] = []
    for (let i = 0; i < 6; i++) outcomes.push(await worker.runOnce())
    expect(outcomes).toEqual(['rejected', 'rejected', 'rejected', 'rejected', 'answered', 'idle'])
    expect((await journal.calls('f')).map((c) => [c.id, c.state])).toEqual([['c0', 'FAILURE'], ['unknown', 'WAITING'], ['c1', 'FAILURE'], ['c2', 'FAILURE'], ['c3', 'FAILURE'], ['good', 'SUCCESS']])
    expect(Object.keys(callMoves)).toEqual(['WAITING', 'RUNNING', 'SUCCESS', 'FAILURE'])
    await journal.close()
  })

  test('a failure on a worker is the failure of the task, and a retry calls it again under another key', async () => {
    const journal = await file()
    const keys: string[] = []
    const worker = new TaskWorker({ journal, types: doing({ execute: (ctx) => { keys.push(ctx.key); if (keys.length === 1) throw new TypeError('not today') } }), pollMs: 5 })
    const ran = play(retried(times(2), engine.createRemoteTask('a', { type: 'work' })), { journal, id: 'f' })
    const { report } = await serve(worker, ran) as Awaited<typeof ran>
    expect([report.state, new Set(keys).size]).toEqual(['SUCCESS', 2])
    await journal.close()
  })

  test('what cannot be done without a journal is said', async () => {
    expect((await play(linear(engine.createRemoteTask('a', { type: 'work' })))).error.code).toBe('HF3203')
    await fails('HF3203', () => engine.createRemoteTask('a', {} as never))
  })
})
