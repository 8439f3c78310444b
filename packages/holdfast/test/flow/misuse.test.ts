import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { FlowWorker, MemoryFlowJournal, openFlowJournal, postFlow, retry, TaskFlowEngine, TaskWorker, times, Worker } from '../../src/flow/workflow/index.ts'
import { fails, linear, World } from './world.ts'

/** What a caller without types gives: whatever it is, it is refused in words, before anything runs. */
const engine = new TaskFlowEngine()
const any = (x: unknown) => x as never
const refused = async (named: string | RegExp, act: () => unknown) => {
  const e = await fails('HF3203', act)
  expect(e.message).toMatch(named)
  expect(e.details.kind).toBe('InvalidFormat')
}

describe('options of the wrong kind', () => {
  test('of a flow', async () => {
    for (const given of [3, 'always', {}, () => 1]) await refused(/Flow x: retry must be/, () => engine.buildFlow('x', 'linear', any({ retry: given })))
    for (const given of [null, 3, 'linear']) await refused(/Flow x: .*options/, () => engine.buildFlow('x', 'linear', any(given)))
    expect(engine.buildFlow('x', 'linear', any({ retry: undefined })).retry).toBeUndefined()
  })

  test('of a task', async () => {
    const wrong: Record<string, readonly unknown[]> = {
      name: [5, '', {}], undo: ['x', true, {}], inject: [5, 'x', ['a'], null], retry: ['x', 3, {}], key: [5, ''], version: [1], priority: ['x', Number.NaN], timeout: ['soon', Number.NaN, -1, {}],
      preExecute: ['x'], postExecute: [1], preUndo: [{}], postUndo: [null], rebind: [5, 'x'], requires: ['x'], provides: [5],
    }
    for (const [option, values] of Object.entries(wrong)) for (const value of values) await refused(new RegExp(`Task .*: ${option} must|Task .*: ${option} `), () => engine.createTask(() => 1, any({ ...(option === 'name' ? {} : { name: 'a' }), [option]: value })))
    for (const given of [null, 3, 'a']) await refused(/options/, () => engine.createTask(() => 1, any(given)))
    await refused(/claimWithin must/, () => engine.createRemoteTask('r', any({ type: 't', claimWithin: 'soon' })))
    await refused(/undo must/, () => engine.createRemoteTask('r', any({ type: 't', undo: () => 1 })))
    await refused(/options/, () => engine.createRemoteTask('r', any(null)))
    await refused(/name must/, () => engine.createRemoteTask(any(5), any({ type: 't' })))
    expect(engine.createTask(() => 1, any({ name: 'a', undo: undefined, timeout: undefined, key: undefined })).name).toBe('a')
  })

  test('of a link, a controller and a run', async () => {
    const w = new World()
    const [a, b] = [w.task('a'), w.task('b')]
    const g = engine.buildFlow('g')
    engine.addTasks(g, a, b)
    for (const decider of ['yes', true, {}]) await refused(/decider must/, () => engine.linkTask(g, a, b, any({ decider })))
    await refused(/options/, () => engine.linkTask(g, a, b, any(null)))
    await refused(/retryOn must/, () => times(3, any({ retryOn: 'x' })))
    await refused(/delay must/, () => times(3, any({ delay: null })))
    await refused(/delay.first must/, () => times(3, any({ delay: {} })))
    await refused(/delay.factor must/, () => times(3, any({ delay: { first: 1, factor: 'x' } })))
    await refused(/no option again/, () => retry(any({ execute: () => 1, onFailure: () => 'REVERT', again: 1 })))
    await refused(/requires must/, () => retry(any({ execute: () => 1, onFailure: () => 'REVERT', requires: 'x' })))
    await refused(/signal must/, () => engine.runEngine(engine.getEngine(g), any({})))
    expect(w.log).toEqual([])
  })

  test('of an engine: nothing ran, and no journal was touched', async () => {
    const w = new World()
    const wrong: Record<string, readonly unknown[]> = {
      store: [5, 'x', [1], null], journal: [5, {}, null], id: ['', 5, {}], parallelism: [0, 'x', Number.NaN], listeners: [5, { onFlow: 3 }, [null], [{ onTask: 'x' }]],
      deferReverts: ['x'], neverResolve: [1], acceptChanges: ['yes'], factory: ['x', {}, { module: 'm' }, { name: 5 }], clock: [5, {}],
    }
    for (const [option, values] of Object.entries(wrong)) for (const value of values) await refused(option, async () => engine.runEngine(engine.getEngine(linear(w.task('a')), any({ [option]: value }))))
    expect(w.log).toEqual([])
  })

  test('of workers and of what is posted', async () => {
    const journal = new MemoryFlowJournal()
    for (const given of [undefined, null, {}, { journal: {} }, { journal, simultaneous: 0 }, { journal, pollMs: 'x' }, { journal, factories: { a: 5 } }, { journal, onWorked: 5 }, { journal, engine: 5 }, { journal, jornal: 1 }]) await refused(/worker/, () => new FlowWorker(any(given)))
    for (const given of [undefined, {}, { journal }, { journal, types: 5 }, { journal, types: { t: {} } }, { journal, types: { t: { execute: () => 1 } }, leaseMs: 0 }]) await refused(/worker/, () => new TaskWorker(any(given)))
    for (const given of [null, { engine: 5 }, { engine: {} }, { operations: 5 }, { operations: { protect: 5 } }, { operations: { dance: () => 1 } }]) await refused(/worker/, () => new Worker(any(given)))
    for (const given of [undefined, {}, { id: 'a' }, { id: '', factory: { name: 'x' } }, { id: 'a', factory: {} }, { id: 'a', factory: { name: 'x' }, store: 5 }]) await refused(/post/, () => postFlow(journal, any(given)))
    await refused(/post/, () => postFlow(any(undefined), { id: 'a', factory: { name: 'x' } }))
    expect(await journal.list()).toEqual([])
  })
})

test('an operation that builds no flow is told so', async () => {
  for (const nothing of [undefined, null, 5]) await fails('HF3220', () => new Worker({ operations: { copy: () => any(nothing) } }).getFlow({}, 'copy', {}, {}))
})

test('a flow cannot stand in itself, however deep', async () => {
  const [outer, middle, inner] = [linear(), linear(), linear()]
  engine.addTasks(middle, inner)
  engine.addTasks(outer, middle)
  for (const [into, what] of [[inner, inner], [inner, outer], [middle, outer]] as const) {
    const e = await fails('HF3201', () => engine.addTasks(into, what))
    expect(e.message).toContain('itself')
  }
  expect(engine.searchTask(outer, 'nobody')).toBeUndefined()
  expect(inner.nodes).toEqual([])
})

describe('a journal in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-misuse-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('needs a path', async () => {
    for (const given of [undefined, null, {}, { path: 5 }, { path: '' }, { path: join(folder, 'a.db'), clock: 5 }, { pth: 'x' }]) await refused(/journal/, () => openFlowJournal(any(given)))
  })

  test('says what is wrong with its file, and not with the state of a project', async () => {
    const e = await fails('HF4003', () => openFlowJournal({ path: folder }))
    expect(e.hint).not.toContain('.holdfast')
  })
})

test('an interrupted flow says how to go on with it', async () => {
  const stop = new AbortController()
  stop.abort()
  const e = await fails('HF3106', () => engine.runEngine(engine.getEngine(linear(new World().task('a'))), stop.signal))
  expect(e.hint).toContain('the flow')
})
