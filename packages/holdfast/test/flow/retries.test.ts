import { describe, expect, test } from 'vitest'
import { alwaysRevert, alwaysRevertAll, forEach, parameterizedForEach, retry, times } from '../../src/flow/workflow/index.ts'
import { ALWAYS, engine, fails, linear, play, retried, states, unordered, World } from './world.ts'

describe('retry controllers', () => {
  test('TF-33 the whole trace of a flow that is tried twice', async () => {
    const w = new World()
    const trace: string[] = []
    const { report } = await play(retried(times(4, { name: 'r' }), w.task('t1'), w.task('t2', { fails: 1 })), {
      listeners: { onTask: (state, { task, result }) => trace.push(`${task} ${state}${task === 'r' && state === 'SUCCESS' ? `(${String(result)})` : ''}`) },
    })
    expect(trace).toEqual([
      'r RUNNING', 'r SUCCESS(1)', 't1 RUNNING', 't1 SUCCESS', 't2 RUNNING', 't2 FAILURE', 't2 REVERTING', 't2 REVERTED', 't1 REVERTING', 't1 REVERTED', 'r RETRYING', 't1 PENDING', 't2 PENDING',
      'r RUNNING', 'r SUCCESS(2)', 't1 RUNNING', 't1 SUCCESS', 't2 RUNNING', 't2 SUCCESS',
    ])
    expect(report.state).toBe('SUCCESS')
    expect(report.trace).toContainEqual({ task: 'r', event: 'retrying' })
    expect(new Set(w.keys.t1).size).toBe(2)
  })

  test('TF-34 attempts that are used up: the controller and the flow are taken back', async () => {
    const w = new World()
    const { report, error } = await play(retried(times(2, { name: 'r', provides: 'n' }), w.task('t1'), w.task('t2', { fails: ALWAYS, requires: ['n'] })))
    expect(w.log).toEqual(['t1', 't2', '-t2', '-t1', 't1', 't2', '-t2', '-t1'])
    expect(states(report)).toEqual({ r: 'REVERTED', t1: 'REVERTED', t2: 'REVERTED' })
    expect([report.state, report.outputs, error.message]).toEqual(['REVERTED', {}, 't2 failed'])
    expect(w.seen.t2).toEqual({ n: 2 })
  })

  test('TF-36 an inner flow gives up and nobody above retries: everything is taken back', async () => {
    const w = new World()
    const { report } = await play(linear(w.task('t1'), retried(times(1), w.task('t2'), w.task('t3', { fails: ALWAYS }))))
    expect(report.state).toBe('REVERTED')
    expect(w.log).toEqual(['t1', 't2', 't3', '-t3', '-t2', '-t1'])
  })

  test('TF-69 told not to take the outer flow back, its tasks stay, and the flow says so', async () => {
    const w = new World()
    const { report, engine: running } = await play(linear(w.task('t1'), retried(times(1), w.task('t2'), w.task('t3', { fails: 1 }))), { deferReverts: false })
    expect(report.state).toBe('PARTIALLY_REVERTED')
    expect(states(report)).toMatchObject({ t1: 'SUCCESS', t2: 'REVERTED', t3: 'REVERTED' })
    expect((await play(running)).report.state).toBe('SUCCESS')
    expect(w.log.slice(5)).toEqual(['t2', 't3'])
    const deferred = new World()
    await play(linear(deferred.task('t1'), retried(times(1), deferred.task('t2', { fails: ALWAYS }))), { deferReverts: true })
    expect(deferred.log).toEqual(['t1', 't2', '-t2', '-t1'])
  })

  test('an outer controller tries everything again when the inner one gives up', async () => {
    const w = new World()
    const { report } = await play(retried(times(3, { name: 'r1' }), w.task('t1'), retried(times(0, { name: 'r2' }), w.task('t2', { fails: 1 }))))
    expect(report.state).toBe('SUCCESS')
    expect(w.log).toEqual(['t1', 't2', '-t2', '-t1', 't1', 't2'])
  })

  test('what is behind the flow of a controller is taken back and run again with it', async () => {
    const w = new World()
    const inner = retried(times(2), w.task('a'), w.task('b', { fails: 1, during: () => new Promise((next) => setTimeout(next, 10)) }))
    await play(unordered(linear(inner, w.task('after')), w.task('beside')))
    expect(w.log.filter((l) => l === 'beside')).toHaveLength(1)
    expect(w.log.filter((l) => l === 'after')).toHaveLength(1)
    expect(w.log.filter((l) => l === 'a')).toHaveLength(2)
  })

  test('TF-37 a controller that takes all back is not overruled by the one above', async () => {
    const w = new World()
    const { report } = await play(retried(times(5), w.task('t1'), retried(alwaysRevertAll(), w.task('t2', { fails: ALWAYS }))))
    expect(report.state).toBe('REVERTED')
    expect(w.log).toEqual(['t1', 't2', '-t2', '-t1'])
    const v = new World()
    await play(retried(times(2), v.task('t1'), retried(alwaysRevert(), v.task('t2', { fails: 1 }))))
    expect(v.log).toEqual(['t1', 't2', '-t2', '-t1', 't1', 't2'])
  })

  for (const [first, delays] of [['the one that retries', [0, 20]], ['the one that takes all back', [20, 0]]] as const) {
    test(`TF-38 of two branches, taking all back wins over trying again: ${first} decides first`, async () => {
      const w = new World()
      const wait = (ms: number) => () => new Promise((next) => setTimeout(next, ms))
      const { report } = await play(unordered(retried(times(9), w.task('a', { fails: ALWAYS, during: wait(delays[0]) })), retried(alwaysRevertAll(), w.task('b', { fails: ALWAYS, during: wait(delays[1]) }))))
      expect(report.state).toBe('REVERTED')
      expect(w.log.filter((l) => l === 'b')).toHaveLength(1)
    })
  }

  test('TF-39 for each value: those that stand twice are tried twice; an empty list has nothing to try (HF3218)', async () => {
    const w = new World()
    const tried: unknown[] = []
    const t = engine.createTask((_c, { v }) => {
      tried.push(v)
      if (tried.length < 3) throw new Error('no')
    }, { name: 't', requires: ['v'] })
    expect((await play(retried(forEach([3, 2, 3, 5], { provides: 'v' }), t))).report.state).toBe('SUCCESS')
    expect(tried).toEqual([3, 2, 3])
    const { error, report } = await play(retried(forEach([]), w.task('u')))
    expect(error.code).toBe('HF3218')
    expect([report.state, w.log]).toEqual(['REVERTED', []])
  })

  test('for each of a list that is given from outside', async () => {
    const w = new World()
    const f = retried(parameterizedForEach({ values: 'mirrors', provides: 'mirror' }), w.task('get', { requires: ['mirror'], fails: 1 }))
    await play(f, { store: { mirrors: ['a', 'b'] } })
    expect(w.seen.get).toEqual({ mirror: 'b' })
    await fails('HF3205', () => play(retried(parameterizedForEach(), w.task('t'))))
    expect((await play(retried(parameterizedForEach(), w.task('t')), { store: { values: 3 } })).error.code).toBe('HF3203')
  })

  test('only some failures are worth another attempt', async () => {
    const w = new World()
    await play(retried(times(5, { retryOn: (f) => f.is('TypeError') }), w.task('a', { fails: ALWAYS })))
    expect(w.log).toEqual(['a', '-a'])
  })

  test('a controller of the user: it is told the history, and says goodbye when it gives up', async () => {
    const w = new World()
    const seen: unknown[] = []
    const own = retry({
      provides: 'n', execute: (history) => history.length * 10, revert: (history) => { seen.push(['bye', history.length]) },
      onFailure: (history) => {
        seen.push(history.map((h) => [h.value, Object.entries(h.failures).map(([k, f]) => [k, f.message])]))
        return history.length < 2 ? 'RETRY' : 'REVERT'
      },
    })
    await play(retried(own, w.task('a', { fails: ALWAYS, requires: ['n'] })))
    expect(seen).toEqual([[[0, [['a', 'a failed']]]], [[0, [['a', 'a failed']]], [10, [['a', 'a failed']]]], ['bye', 2]])
    await fails('HF3203', () => retry({} as never))
    await fails('HF3203', () => times(1.5))
    await fails('HF3203', () => forEach('x' as never))
  })

  test('one that decides nonsense, or gives a promise, cannot decide: its flow is taken back, and both failures are told (HF3203)', async () => {
    const bad = { 'MAYBE, which is none of RETRY, REVERT, REVERT_ALL': () => 'MAYBE', 'gave a promise': async () => 'RETRY', 'gave a promise.': async () => { throw new Error('late') } }
    for (const [text, onFailure] of Object.entries(bad)) {
      const w = new World()
      const { report, error } = await play(retried(retry({ execute: () => 1, onFailure: onFailure as never, name: 'own' }), w.task('a', { fails: ALWAYS })))
      expect([report.state, w.log, error.code]).toEqual(['REVERTED', ['a', '-a'], 'HF3213'])
      expect(report.failures.own).toMatchObject({ code: 'HF3203', message: expect.stringContaining(text) })
    }
    const w = new World()
    const { report, error } = await play(retried(retry({ execute: async () => 1, onFailure: () => 'RETRY', provides: 'n' }), w.task('a', { requires: ['n'] })))
    expect([report.state, w.log, error.code]).toEqual(['REVERTED', [], 'HF3203'])
    const unsure = await play(retried(times(3, { name: 'unsure', retryOn: (async () => false) as never }), w.task('b', { fails: ALWAYS })))
    expect([unsure.report.state, unsure.report.failures.unsure?.code, w.log]).toEqual(['REVERTED', 'HF3203', ['b', '-b']])
    const bye = await play(retried(retry({ execute: () => 1, onFailure: () => 'REVERT', revert: async () => 1, name: 'bye' }), w.task('c', { fails: ALWAYS })))
    expect([bye.report.state, bye.report.tasks.find((t) => t.name === 'bye')?.undoFailure?.code]).toEqual(['FAILURE', 'HF3203'])
  })

  test('an option that there is not is refused (HF3203)', async () => {
    for (const act of [
      () => times(2, { delai: 5 } as never), () => forEach([1], { values: ['x'], retryon: 1 } as never), () => engine.createTask(() => 1, { require: ['x'] } as never), () => engine.createTask(() => 1, { claimWithin: 5 } as never),
      () => engine.createRemoteTask('r', { type: 't', preExecute: () => 1 } as never), () => engine.buildFlow('f', 'linear', { retries: 2 } as never), () => engine.getEngine(linear(), { jurnal: 1 } as never),
    ]) expect((await fails('HF3203', act)).message).toMatch(/there is no option \w+; there are /)
  })
})
