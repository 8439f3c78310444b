import { describe, expect, test } from 'vitest'
import { Failure, type FlowReport } from '../../src/flow/workflow/index.ts'
import { ALWAYS, engine, fails, flow, journal, linear, play, read, states, unordered, World } from './world.ts'

describe('forward and back', () => {
  test('TF-01 S002-10 S002-90 a linear flow runs in order, and the flow goes PENDING, RUNNING, SUCCESS', async () => {
    const w = new World()
    const seen: string[] = []
    const f = linear(w.task('t1', { gives: 1, provides: 'a' }), w.task('t2', { requires: ['a'], gives: ({ a }: { a: number }) => a + 1, provides: 'b' }), w.task('t3', { requires: ['b'], gives: ({ b }: { b: number }) => b + 1, provides: 'c' }))
    const { report, engine: running } = await play(f, { listeners: { onFlow: (state, { old }) => seen.push(old, state) } })
    expect(w.log).toEqual(['t1', 't2', 't3'])
    expect(seen).toEqual(['PENDING', 'RUNNING', 'RUNNING', 'SUCCESS'])
    expect(running.state).toBe('SUCCESS')
    expect(report.outputs).toEqual({ a: 1, b: 2, c: 3 })
    expect(read(report)).toEqual(['t1 executing', 't1 succeeded', 't2 executing', 't2 succeeded', 't3 executing', 't3 succeeded'])
  })

  test('TF-02 S002-17 S002-20 a failure is taken back newest first, the failed task itself first of all, and the original error is thrown', async () => {
    const w = new World()
    const { report, error } = await play(linear(w.task('t1'), w.task('t2'), w.task('t3', { fails: ALWAYS })))
    expect(w.log).toEqual(['t1', 't2', 't3', '-t3', '-t2', '-t1'])
    expect(report.state).toBe('REVERTED')
    expect(error).toBeInstanceOf(Error)
    expect(error.message).toBe('t3 failed')
    expect(w.seen['-t3']?.result).toBeInstanceOf(Failure)
    expect(read(report).slice(4)).toEqual(['t3 executing', 't3 failed', 't3 reverting', 't3 reverted', 't2 reverting', 't2 reverted', 't1 reverting', 't1 reverted'])
  })

  test('TF-03 what never began is never taken back', async () => {
    const w = new World()
    const events: string[] = []
    await play(linear(w.task('t1'), w.task('t2', { fails: ALWAYS }), w.task('t3')), { listeners: { onTask: (state, { task }) => events.push(`${task} ${state}`) } })
    expect(events.some((e) => e.startsWith('t3'))).toBe(false)
  })

  test('TF-04 of unordered tasks, those that ran are taken back and the others stay pending', async () => {
    const w = new World()
    const { report } = await play(unordered(w.task('a'), w.task('b', { fails: ALWAYS }), w.task('c')), { parallelism: 1 })
    expect(w.log).toEqual(['a', 'b', '-b', '-a'])
    expect(states(report)).toEqual({ a: 'REVERTED', b: 'REVERTED', c: 'PENDING' })
  })

  test('TF-06 S002-19 two failures at a time: the error names both, and each undo is told both', async () => {
    const w = new World()
    const slow = () => new Promise((next) => setTimeout(next, 20))
    const { error, report } = await play(unordered(w.task('a', { fails: ALWAYS }), w.task('b', { fails: ALWAYS, during: slow }), w.task('c', { during: slow })))
    expect(error.code).toBe('HF3213')
    expect(error.message).toContain('a failed')
    expect(error.message).toContain('b failed')
    for (const t of ['-a', '-b', '-c']) expect(Object.keys(w.seen[t]?.flowFailures as object).sort()).toEqual(['a', 'b'])
    expect(states(report)).toEqual({ a: 'REVERTED', b: 'REVERTED', c: 'REVERTED' })
  })

  test('TF-07 an undo that fails stops the way back: what is before it stays, and the flow is FAILURE', async () => {
    const w = new World()
    const { report, engine: running } = await play(linear(w.task('t1', { gives: 1, provides: 'x' }), w.task('t2', { undoFails: true }), w.task('t3', { fails: ALWAYS })))
    expect(states(report)).toEqual({ t1: 'SUCCESS', t2: 'REVERT_FAILURE', t3: 'REVERTED' })
    expect(report.state).toBe('FAILURE')
    expect(engine.output(running, 'x')).toBe(1)
  })

  test('TF-08 run again, such a flow is stuck, and never called reverted (HF3217)', async () => {
    const w = new World()
    const first = await play(linear(w.task('t1'), w.task('t2', { undoFails: true }), w.task('t3', { fails: ALWAYS })))
    const { report, error } = await play(first.engine)
    expect(report.state).toBe('STUCK')
    expect(error.code).toBe('HF3217')
    expect(w.log).toEqual(['t1', 't2', 't3', '-t3', '-t2'])
  })

  test('TF-09 S002-12 S002-18 S002-21 an undo is told what its task returned, or the failure it ended with', async () => {
    const w = new World()
    await play(linear(w.task('t1', { gives: 7 }), w.task('t2', { fails: ALWAYS })))
    expect(w.seen['-t1']?.result).toBe(7)
    const failure = w.seen['-t2']?.result as Failure
    expect(failure.message).toBe('t2 failed')
    expect(failure.is(Error)).toBe(true)
  })

  test('TF-10 what an undo returns is kept; what the task returned is gone', async () => {
    const t1 = engine.createTask(() => 1, { name: 't1', provides: 'x', undo: () => 2 })
    const t2 = engine.createTask(() => { throw new Error('no') }, { name: 't2' })
    const { report, engine: running } = await play(linear(t1, t2))
    expect(report.tasks.find((t) => t.name === 't1')?.undoResult).toBe(2)
    await fails('HF3210', () => engine.output(running, 'x'))
  })
})

describe('hooks', () => {
  const hooked = (log: string[], more: object = {}) => engine.createTask(() => { log.push('run') }, {
    name: 't', undo: (_c, { result }) => { log.push(`undo ${result instanceof Failure ? result.message : result}`) },
    preExecute: () => { log.push('pre') }, postExecute: () => { log.push('post') }, preUndo: () => { log.push('preUndo') }, postUndo: () => { log.push('postUndo') }, ...more,
  })
  test('come before and after, forward and back', async () => {
    const log: string[] = []
    await play(linear(hooked(log), engine.createTask(() => { throw new Error('later') }, { name: 'last' })))
    expect(log).toEqual(['pre', 'run', 'post', 'preUndo', 'undo undefined', 'postUndo'])
  })
  test('TF-63 one that throws afterwards fails the task, and it is taken back', async () => {
    const log: string[] = []
    const { report } = await play(linear(hooked(log, { postExecute: () => { throw new Error('post') } })))
    expect(log).toEqual(['pre', 'run', 'preUndo', 'undo post', 'postUndo'])
    expect(states(report)).toEqual({ t: 'REVERTED' })
  })
  test('TF-64 one that throws before fails the task, and its undo is told so', async () => {
    const log: string[] = []
    const { report } = await play(linear(hooked(log, { preExecute: () => { throw new Error('pre') } })))
    expect(log).toEqual(['preUndo', 'undo pre', 'postUndo'])
    expect(report.state).toBe('REVERTED')
  })
  test('one that throws around an undo is an undo that failed', async () => {
    const { report } = await play(linear(hooked([], { postUndo: () => { throw new Error('x') } }), engine.createTask(() => { throw new Error('later') }, { name: 'last' })))
    expect(states(report).t).toBe('REVERT_FAILURE')
  })
})

describe('the order of what may run', () => {
  test('TF-28 the highest priority starts first', async () => {
    const w = new World()
    const { report } = await play(unordered(...Array.from({ length: 10 }, (_, i) => w.task(`p${i}`, { priority: i }))), { parallelism: 1 })
    expect(w.log).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((i) => `p${i}`))
    expect(report.state).toBe('SUCCESS')
  })

  test('S002-89 values given from outside are seen, and no more tasks run at a time than allowed', async () => {
    const w = new World()
    let now = 0
    let most = 0
    const during = async () => {
      most = Math.max(most, ++now)
      await new Promise((next) => setTimeout(next, 5))
      now--
    }
    await play(unordered(...Array.from({ length: 9 }, (_, i) => w.task(`t${i}`, { requires: ['x'], during }))), { parallelism: 3, store: { x: 5 } })
    expect(most).toBe(3)
    expect(w.seen.t8).toEqual({ x: 5 })
    await fails('HF3203', () => engine.getEngine(linear(), { parallelism: 0 }))
  })

  test('TF-70 flows nest deeply: ten unordered flows of ten tasks, and a chain of a thousand levels', async () => {
    const w = new World()
    const { report } = await play(linear(...Array.from({ length: 10 }, (_, i) => unordered(...Array.from({ length: 10 }, (_x, j) => w.task(`t${i}-${j}`))))))
    expect(report.state).toBe('SUCCESS')
    expect(w.log).toHaveLength(100)
    let chain = linear(w.task('innermost'))
    for (let i = 0; i < 1000; i++) chain = linear(w.task(`level${i}`), chain)
    expect((await play(chain)).report.state).toBe('SUCCESS')
    expect(w.log[w.log.length - 1]).toBe('innermost')
  })
})

describe('running again', () => {
  test('TF-57 a flow that succeeded runs nothing again', async () => {
    const w = new World()
    const { engine: running } = await play(linear(w.task('a'), w.task('b')))
    expect((await play(running)).report).toMatchObject({ state: 'SUCCESS', trace: [] })
    expect(w.log).toEqual(['a', 'b'])
  })

  test('TF-58 one that was taken back runs from the start', async () => {
    const w = new World()
    const { engine: running } = await play(linear(w.task('a', { gives: 1, provides: 'x' }), w.task('b', { fails: 1 })))
    expect(running.state).toBe('REVERTED')
    expect((await play(running)).report.state).toBe('SUCCESS')
    expect(w.log).toEqual(['a', 'b', '-b', '-a', 'a', 'b'])
    expect(new Set(w.keys.a).size).toBe(2)
  })

  test('TF-60 a second caller is refused at once (HF3212)', async () => {
    const w = new World()
    const running = engine.getEngine(linear(w.task('a')))
    const first = engine.runEngine(running)
    await fails('HF3212', () => engine.runEngine(running))
    await fails('HF3211', () => running.setTarget('a'))
    expect((await first).state).toBe('SUCCESS')
  })

  test('TF-69 never resolved: everything that succeeded stays, and it is a failure again the next time', async () => {
    const w = new World()
    const { report, engine: running } = await play(linear(w.task('a'), w.task('b', { fails: ALWAYS }), w.task('c')), { neverResolve: true })
    expect([report.state, states(report)]).toEqual(['FAILURE', { a: 'SUCCESS', b: 'FAILURE', c: 'PENDING' }])
    expect((await play(running)).report.state).toBe('FAILURE')
    expect(w.log).toEqual(['a', 'b'])
  })

  test('only the target and what it needs run; later the rest does', async () => {
    const w = new World()
    const a = w.task('a')
    const b = w.task('b')
    const f = flow('graph', [a, b, w.task('c'), w.task('d')])
    engine.linkTask(f, a, b)
    const running = engine.getEngine(f)
    running.setTarget(b)
    expect((await play(running)).report.state).toBe('SUCCESS')
    expect(w.log).toEqual(['a', 'b'])
    running.setTarget(undefined)
    await play(running)
    expect(w.log.slice(2).sort()).toEqual(['c', 'd'])
    await fails('HF3210', () => running.setTarget('nobody'))
  })

  test('a reset forgets every result, and every key is another one', async () => {
    const w = new World()
    const { engine: running } = await play(linear(w.task('a', { gives: 1, provides: 'x' })))
    await running.reset()
    expect(running.state).toBe('PENDING')
    await fails('HF3210', () => engine.output(running, 'x'))
    await play(running)
    expect(new Set(w.keys.a).size).toBe(2)
  })
})

describe('progress, time and the outside', () => {
  test('TF-68 progress is between 0 and 1, kept, and told; a listener that throws harms nothing', async () => {
    const j = journal()
    const told: unknown[] = []
    const t = engine.createTask((ctx) => { for (const x of [0.25, 2, -1]) ctx.progress(x, { at: x }) }, { name: 't' })
    const { report } = await play(linear(t), { journal: j, id: 'p', listeners: { onProgress: (task, done) => { told.push([task, done]); throw new Error('listener') } } })
    expect(told).toEqual([['t', 0.25], ['t', 1], ['t', 0]])
    expect(JSON.parse((await j.load('p'))?.tasks[0]?.progress as string)).toEqual({ done: 0, details: { at: -1 } })
    expect(report.state).toBe('SUCCESS')
    expect(report.warnings).toHaveLength(3)
  })

  test('TF-85 a task that takes too long is told to end, fails (HF3105), and is taken back', async () => {
    const seen: string[] = []
    const t = engine.createTask((ctx) => new Promise((_, reject) => { ctx.signal.addEventListener('abort', () => reject(new Error('aborted'))) }), {
      name: 't', timeout: '20ms', undo: (_c, { result }) => { seen.push(result.code) },
    })
    const { error } = await play(linear(t))
    expect(error.code).toBe('HF3105')
    expect(seen).toEqual(['HF3105'])
  })

  test('a task that ignores the end of its time is given up', async () => {
    const { error } = await play(linear(engine.createTask(() => new Promise(() => undefined), { name: 't', timeout: 5 })))
    expect(error.code).toBe('HF3105')
  })

  test('TF-61 an interrupted run is a failure that can be gone on with (HF3106)', async () => {
    const w = new World()
    const stop = new AbortController()
    const j = journal()
    let runs = 0
    const b = engine.createTask((ctx) => new Promise<void>((resolve, reject) => {
      if (++runs > 1) return resolve()
      ctx.signal.addEventListener('abort', () => reject(new Error('stopped')))
      stop.abort()
    }), { name: 'b' })
    const f = linear(w.task('a'), b, w.task('c'))
    const running = engine.getEngine(f, { journal: j, id: 'i' })
    await fails('HF3106', () => engine.runEngine(running, stop.signal))
    expect((await j.load('i'))?.flow.state).toBe('FAILURE')
    const again = await play(f, { journal: j, id: 'i' })
    expect(again.report.state).toBe('SUCCESS')
    expect(w.log).toEqual(['a', 'c'])
  })
})

test('a run whose signal is aborted already begins nothing, and the next one runs it', async () => {
  for (const options of [{}, { journal: journal(), id: 'early' }]) {
    const w = new World()
    const running = engine.getEngine(linear(w.task('a'), w.task('b')), options)
    await fails('HF3106', () => engine.runEngine(running, AbortSignal.abort()))
    expect([running.state, w.log]).toEqual(['FAILURE', []])
    expect((await engine.runEngine(running)).state).toBe('SUCCESS')
    expect(w.log).toEqual(['a', 'b'])
  }
})

describe('listeners', () => {
  test('TF-66 S002-96 see what is stored already; one that throws harms nothing', async () => {
    const w = new World()
    const j = journal()
    const rows: Promise<string | undefined>[] = []
    const f = linear(w.task('a'), w.task('b'))
    const { report } = await play(f, {
      journal: j, id: 'l',
      listeners: {
        onTask: (state, { task }) => {
          rows.push(j.load('l').then((s) => (s?.tasks.find((t) => t.name === task)?.state === state ? undefined : `${task} ${state}`)))
          throw new Error('listener')
        },
      },
    })
    expect((await Promise.all(rows)).filter((r) => r !== undefined)).toEqual([])
    expect(report.state).toBe('SUCCESS')
  })

  test('S002-94 S002-95 get every state of the flow and of every task, with details', async () => {
    const w = new World()
    const flowStates: unknown[] = []
    const taskStates: unknown[] = []
    await play(flow('linear', [w.task('a', { gives: 3 }), w.task('b', { fails: ALWAYS })], { name: 'watched' }), {
      id: 'w',
      listeners: [{ onFlow: (state, d) => flowStates.push([state, d]) }, { onTask: (state, { task, old, result, failure }) => taskStates.push([task, old, state, result, failure?.message]) }],
    })
    expect(flowStates).toEqual([['RUNNING', { flow: 'watched', id: 'w', old: 'PENDING' }], ['REVERTED', { flow: 'watched', id: 'w', old: 'RUNNING' }]])
    expect(taskStates).toEqual([
      ['a', 'PENDING', 'RUNNING', undefined, undefined], ['a', 'RUNNING', 'SUCCESS', 3, undefined], ['b', 'PENDING', 'RUNNING', undefined, undefined], ['b', 'RUNNING', 'FAILURE', undefined, 'b failed'],
      ['b', 'FAILURE', 'REVERTING', undefined, undefined], ['b', 'REVERTING', 'REVERTED', undefined, undefined], ['a', 'SUCCESS', 'REVERTING', undefined, undefined], ['a', 'REVERTING', 'REVERTED', undefined, undefined],
    ])
  })

  test('the report stays readable after a run that rejected', async () => {
    const { report } = await play(linear(new World().task('a', { fails: ALWAYS })))
    expect((report satisfies FlowReport).failures.a?.message).toBe('a failed')
  })
})
