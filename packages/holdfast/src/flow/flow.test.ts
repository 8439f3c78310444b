import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../base/index.ts'
import { graph, linear, makeFlow, runFlow, step, unordered, type Act, type FlowEvent, type FlowSpec, type TaskSpec } from './index.ts'

const spec = (tasks: readonly TaskSpec[], more: Partial<FlowSpec> = {}): FlowSpec => ({ tasks, parallelism: 64, limits: {}, onFailure: 'revert', ...more })

/** Feeds one event after the other and writes down the acts, as a person would read them. */
function play(s: FlowSpec, events: readonly FlowEvent[]): string[] {
  const flow = makeFlow(s)
  const show = (a: Act) => (a.kind === 'ask' ? 'ask' : a.kind === 'end' ? `end ${a.outcome}` : a.kind === 'undo' ? `${a.half} ${a.id}` : a.kind === 'wake' ? `wake ${a.id} after ${a.afterMs} ms` : `start ${a.id}`)
  return events.flatMap((e) => step(flow, e).map(show))
}
const ok = (id: string): FlowEvent => ({ kind: 'succeeded', id })
const bad = (id: string, retry = false): FlowEvent => ({ kind: 'failed', id, retry })
const gone = (id: string): FlowEvent => ({ kind: 'undone', id, half: 'withdraw' })
const back = (id: string): FlowEvent => ({ kind: 'undone', id, half: 'restore' })
const start: FlowEvent = { kind: 'start' }

describe('a flow of tasks', () => {
  test('linear tasks run one after the other, unordered ones at once, a graph as its edges say', () => {
    expect(play(spec(linear([{ id: 'a' }, { id: 'b' }])), [start, ok('a'), ok('b')])).toEqual(['start a', 'start b', 'end success'])
    expect(play(spec(unordered([{ id: 'a' }, { id: 'b' }])), [start, ok('b'), ok('a')])).toEqual(['start a', 'start b', 'end success'])
    expect(play(spec(graph([{ id: 'c', after: ['a', 'b'] }, { id: 'a' }, { id: 'b' }])), [start, ok('a'), ok('b'), ok('c')])).toEqual(['start a', 'start b', 'start c', 'end success'])
  })

  test('an empty flow succeeds at once', () => {
    expect(play(spec([]), [start])).toEqual(['end success'])
  })

  test('parallelism is bounded overall and per class', () => {
    const tasks = unordered([{ id: 'a', limit: 'x' }, { id: 'b', limit: 'x' }, { id: 'c' }, { id: 'd' }])
    expect(play(spec(tasks, { parallelism: 2, limits: { x: 1 } }), [start, ok('a')])).toEqual(['start a', 'start c', 'start b'])
  })

  test('a failure waits for what runs, then takes back the newest first', () => {
    const trace = play(spec(graph([{ id: 'a' }, { id: 'b' }, { id: 'c' }])), [start, ok('a'), bad('b'), ok('c'), gone('c'), back('c'), gone('b'), back('b'), gone('a'), back('a')])
    expect(trace).toEqual(['start a', 'start b', 'start c', 'withdraw c', 'withdraw b', 'withdraw a', 'restore c', 'restore b', 'restore a', 'end reverted'])
  })

  test('a withdrawal waits for those of all that came after it', () => {
    const trace = play(spec(linear([{ id: 'file' }, { id: 'process' }, { id: 'check' }])), [start, ok('file'), ok('process'), bad('check'), gone('check'), gone('process')])
    expect(trace).toEqual(['start file', 'start process', 'start check', 'withdraw check', 'restore check', 'withdraw process', 'restore process', 'withdraw file'])
  })

  test('an old service never starts on a new configuration: its restore waits for what it read in the base', () => {
    const tasks = graph([{ id: 'file' }, { id: 'process', after: ['file'], undo: { restoreAfter: ['file'] } }, { id: 'check', after: ['process'] }])
    const trace = play(spec(tasks), [start, ok('file'), ok('process'), bad('check'), gone('check'), back('check'), gone('process'), gone('file'), back('file'), back('process')])
    expect(trace.slice(3)).toEqual(['withdraw check', 'restore check', 'withdraw process', 'withdraw file', 'restore file', 'restore process', 'end reverted'])
  })

  test('a restore waits also for what lies behind something that was left alone, unless what was made would be withdrawn from under a user', () => {
    const left: FlowEvent = { kind: 'skipped', id: 'reader' }
    const tasks = [{ id: 'config' }, { id: 'reader', after: ['config'], undo: { restoreAfter: ['config'] } }]
    const user = (after: string) => ({ id: 'user', after: [after], undo: { restoreAfter: ['reader'] } })
    const waits = play(spec(graph([...tasks, user('reader'), { id: 'bad', after: ['user'] }])), [start, ok('config'), left, ok('user'), bad('bad'), gone('bad'), back('bad'), gone('user'), gone('reader'), gone('config'), back('config'), back('reader'), back('user')])
    expect(waits.slice(6)).toEqual(['withdraw user', 'withdraw reader', 'withdraw config', 'restore config', 'restore reader', 'restore user', 'end reverted'])
    // What was made from the configuration goes before that is restored, and not while its user refers to it.
    const made = { id: 'made', after: ['config'], undo: { restoreAfter: [], makes: true } }
    const stays = play(spec(graph([...tasks, made, user('made'), { id: 'bad', after: ['user'] }])), [start, ok('config'), left, ok('made'), ok('user'), bad('bad'), gone('bad'), back('bad'), gone('user'), back('user'), gone('reader'), gone('made'), back('made'), gone('config'), back('config'), back('reader')])
    expect(stays.filter((act) => /user|made/.test(act)).slice(2)).toEqual(['withdraw user', 'restore user', 'withdraw made', 'restore made'])
    expect(stays.at(-1)).toBe('end reverted')
  })

  test('what was moved into something new is out of that before it goes, and does not wait for what both of them read', () => {
    const tasks = (undo: { readonly within?: readonly string[] }) => graph([
      { id: 'config', undo: { restoreAfter: [] } }, { id: 'host', after: ['config'], undo: { restoreAfter: [], makes: true } },
      { id: 'guest', after: ['config', 'host'], undo: { restoreAfter: ['config'], ...undo } }, { id: 'bad', after: ['guest'] },
    ])
    const events = [start, ok('config'), ok('host'), ok('guest'), bad('bad'), gone('bad'), back('bad'), gone('guest')]
    const moved = play(spec(tasks({ within: ['host'] })), [...events, back('guest'), gone('host'), back('host'), gone('config'), back('config')])
    expect(moved.slice(6)).toEqual(['withdraw guest', 'restore guest', 'withdraw host', 'restore host', 'withdraw config', 'restore config', 'end reverted'])
    const refers = play(spec(tasks({})), [...events, gone('host'), back('host'), gone('config'), back('config'), back('guest')])
    expect(refers.slice(6)).toEqual(['withdraw guest', 'withdraw host', 'restore host', 'withdraw config', 'restore config', 'restore guest', 'end reverted'])
  })

  test('a rejected task is tried again with backoff, as often as it may', () => {
    const tasks = unordered([{ id: 'a', retries: 2 }])
    const trace = play(spec(tasks), [start, bad('a', true), { kind: 'woke', id: 'a' }, bad('a', true), { kind: 'woke', id: 'a' }, bad('a', true)])
    expect(trace).toEqual(['start a', 'wake a after 500 ms', 'start a', 'wake a after 1000 ms', 'start a', 'withdraw a'])
  })

  test('a task that waits for a place for its next attempt when the flow fails is taken back, too', () => {
    const tasks = unordered([{ id: 'a', retries: 1 }, { id: 'b' }, { id: 'c' }])
    const trace = play(spec(tasks, { parallelism: 1 }), [start, bad('a', true), { kind: 'woke', id: 'a' }, ok('b'), bad('c')])
    expect(trace).toEqual(['start a', 'wake a after 500 ms', 'start b', 'start c', 'withdraw a'])
  })

  test('keep stops starting, continue goes on with all that does not wait for the failure', () => {
    const tasks = graph([{ id: 'a' }, { id: 'b', after: ['a'] }, { id: 'c' }, { id: 'd', after: ['c'] }])
    expect(play(spec(tasks, { onFailure: 'keep' }), [start, bad('a'), ok('c')])).toEqual(['start a', 'start c', 'end kept'])
    expect(play(spec(tasks, { onFailure: 'continue' }), [start, bad('a'), ok('c'), ok('d')])).toEqual(['start a', 'start c', 'start d', 'end kept'])
  })

  test('while an outcome is unknown, what it may refer to is kept, and the run is incomplete', () => {
    const tasks = graph([{ id: 'a' }, { id: 'other' }, { id: 'x', after: ['a'] }])
    const trace = play(spec(tasks), [start, ok('a'), ok('other'), { kind: 'unknown', id: 'x' }, gone('other'), back('other')])
    expect(trace.slice(3)).toEqual(['withdraw other', 'restore other', 'end incomplete'])
  })

  test('an undo that fails leaves what it depends on, and the run is incomplete', () => {
    const trace = play(spec(linear([{ id: 'a' }, { id: 'b' }, { id: 'c' }])), [start, ok('a'), ok('b'), bad('c'), gone('c'), back('c'), { kind: 'undoFailed', id: 'b', half: 'withdraw', unknown: false }])
    expect(trace.slice(3)).toEqual(['withdraw c', 'restore c', 'withdraw b', 'end incomplete'])
  })

  test('what an earlier run did is taken back, too', () => {
    const tasks = graph([{ id: 'done:a', done: true }, { id: 'b', after: ['done:a'] }])
    expect(play(spec(tasks), [start, bad('b'), gone('b'), back('b'), gone('done:a'), back('done:a')])).toEqual(['start b', 'withdraw b', 'restore b', 'withdraw done:a', 'restore done:a', 'end reverted'])
  })

  test('a cancelled flow starts nothing more', () => {
    expect(play(spec(linear([{ id: 'a' }, { id: 'b' }]), { onFailure: 'keep' }), [start, { kind: 'cancel' }, ok('a')])).toEqual(['start a', 'end kept'])
  })

  test('a cancelled flow that asks rests until it is answered, once all that ran has ended', () => {
    const asking = spec(unordered([{ id: 'a' }, { id: 'b' }, { id: 'c' }]), { asks: true, parallelism: 2 })
    const until: FlowEvent[] = [start, { kind: 'cancel' }, ok('a'), ok('b')]
    expect(play(asking, [...until, { kind: 'answered', onFailure: 'keep' }])).toEqual(['start a', 'start b', 'ask', 'end kept'])
    expect(play(asking, [...until, { kind: 'answered', onFailure: 'revert' }, gone('b')])).toEqual(['start a', 'start b', 'ask', 'withdraw b', 'withdraw a', 'restore b'])
    expect(play(asking, [start, ok('a'), bad('b')])).not.toContain('ask')
  })

  test('a run that was stopped before it began starts nothing', async () => {
    const never = { execute: () => Promise.reject(new Error('not to be called')), undo: () => Promise.reject(new Error('not to be called')) }
    for (const onFailure of ['revert', 'keep', 'continue'] as const) {
      const { outcome, flow } = await runFlow(spec(unordered([{ id: 'a' }, { id: 'b' }]), { onFailure }), never, { clock: systemClock, stop: AbortSignal.abort() })
      expect([outcome, [...flow.nodes.values()].map((n) => n.state)]).toEqual([onFailure === 'revert' ? 'reverted' : 'kept', ['pending', 'pending']])
    }
  })

  test('an asker that fails ends the run with its error', async () => {
    const stop = AbortSignal.abort()
    const never = { execute: () => Promise.reject(new Error('not to be called')), undo: () => Promise.reject(new Error('not to be called')) }
    const waiting = { execute: (_id: string, _attempt: number) => new Promise<{ kind: 'succeeded' }>((r) => setTimeout(r, 5, { kind: 'succeeded' })), undo: never.undo }
    await expect(runFlow(spec(unordered([{ id: 'a' }])), waiting, { clock: systemClock, stop, onStopped: () => Promise.reject(new Error('no terminal')) })).rejects.toThrow('no terminal')
  })
})

interface Drawn { readonly edges: readonly (readonly number[])[]; readonly fates: readonly ('ok' | 'fail' | 'unknown' | 'undoFails')[]; readonly order: readonly number[]; readonly parallelism: number }
const drawn: fc.Arbitrary<Drawn> = fc.integer({ min: 1, max: 14 }).chain((n) => fc.record({
  edges: fc.tuple(...Array.from({ length: n }, (_, i) => (i === 0 ? fc.constant([]) : fc.uniqueArray(fc.integer({ min: 0, max: i - 1 }), { maxLength: 3 })))),
  fates: fc.array(fc.oneof({ weight: 8, arbitrary: fc.constant('ok' as const) }, { weight: 1, arbitrary: fc.constantFrom('fail' as const, 'unknown' as const, 'undoFails' as const) }), { minLength: n, maxLength: n }),
  order: fc.array(fc.nat(1000), { minLength: 80, maxLength: 80 }),
  parallelism: fc.integer({ min: 1, max: 5 }),
}))

test('whatever happens in whatever order, no task starts before what it waits for, no undo before the undos behind it, and the flow ends', () => {
  fc.assert(fc.property(drawn, ({ edges, fates, order, parallelism }) => {
    const id = (i: number) => `t${i}`
    const flow = makeFlow(spec(graph(edges.map((e, i) => ({ id: id(i), after: e.map(id), undo: { restoreAfter: e.map(id) } }))), { parallelism }))
    const done = new Set<string>()
    const withdrawn = new Set<string>()
    const restored = new Set<string>()
    const running: Act[] = []
    let ended: string | undefined
    const perform = (acts: readonly Act[]) => {
      for (const a of acts) {
        expect(ended).toBeUndefined()
        if (a.kind === 'ask') throw new Error('nobody was to be asked')
        if (a.kind === 'end') {
          ended = a.outcome
          continue
        }
        const i = Number(a.id.slice(1))
        if (a.kind === 'start') for (const e of edges[i] as number[]) expect(done.has(id(e))).toBe(true)
        if (a.kind === 'undo' && a.half === 'withdraw') edges.forEach((e, j) => e.includes(i) && done.has(id(j)) && expect(withdrawn.has(id(j))).toBe(true))
        if (a.kind === 'undo' && a.half === 'restore') for (const e of edges[i] as number[]) if (done.has(id(e))) expect(restored.has(id(e))).toBe(true)
        running.push(a)
        expect(running.length).toBeLessThanOrEqual(parallelism)
      }
    }
    perform(step(flow, start))
    for (let n = 0; running.length && n < 500; n++) {
      const [a] = running.splice((order[n % order.length] as number) % running.length, 1) as [Exclude<Act, { kind: 'end' | 'ask' }>]
      const fate = fates[Number(a.id.slice(1))]
      if (a.kind === 'start') {
        if (fate === 'ok' || fate === 'undoFails') done.add(a.id)
        perform(step(flow, fate === 'fail' ? bad(a.id) : fate === 'unknown' ? { kind: 'unknown', id: a.id } : ok(a.id)))
      } else if (a.kind === 'undo') {
        if (fate === 'undoFails') perform(step(flow, { kind: 'undoFailed', id: a.id, half: a.half, unknown: false }))
        else {
          ;(a.half === 'withdraw' ? withdrawn : restored).add(a.id)
          perform(step(flow, a.half === 'withdraw' ? gone(a.id) : back(a.id)))
        }
      }
    }
    expect(ended).toBeDefined()
    if (ended === 'success') expect(done.size).toBe(edges.length)
    if (ended === 'reverted') for (const t of done) expect(restored.has(t)).toBe(true)
  }), { numRuns: 2000 })
})

describe('the runner', () => {
  test('aborts a task at its deadline', async () => {
    const seen: unknown[] = []
    const { outcome } = await runFlow(spec(unordered([{ id: 'a', deadlineMs: 20, undo: 'none' }])), {
      execute: (_id, _n, signal) => new Promise((resolve) => signal.addEventListener('abort', () => {
        seen.push((signal.reason as Error).name)
        resolve({ kind: 'failed', retry: false })
      })),
      undo: async () => ({ kind: 'undone' }),
    }, { clock: systemClock })
    expect(seen).toEqual(['DeadlinePassed'])
    expect(outcome).toBe('reverted')
  })

  test('rejects with what an executor threw, after what was running has ended', async () => {
    let ended = false
    await expect(runFlow(spec(unordered([{ id: 'a' }, { id: 'b' }])), {
      execute: async (id) => {
        if (id === 'a') throw new Error('store is gone')
        await systemClock.sleep(20)
        ended = true
        return { kind: 'succeeded' }
      },
      undo: async () => ({ kind: 'undone' }),
    }, { clock: systemClock })).rejects.toThrow('store is gone')
    expect(ended).toBe(true)
  })
})
