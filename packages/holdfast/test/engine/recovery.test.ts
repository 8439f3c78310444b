import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { limits, systemClock, systemRandom } from '../../src/base/index.ts'
import { exitCodeOf, readStatus } from '../../src/engine/index.ts'
import { str } from '../../src/program/index.ts'
import { refused } from '../../src/provider/index.ts'
import type { Holder } from '../../src/state/index.ts'
import { currentHolder, MemoryStore } from '../../src/store/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { boxSpec, Cloud, makeLab, type Class, type Lab } from '../support/world.ts'

interface Setting {
  readonly class: Class
  readonly lagMs?: number
  readonly capability?: object
  readonly more?: object
}
/** A lab under virtual time. */
function labOf(o: Setting): { readonly lab: Lab; readonly clock: VirtualClock } {
  const clock = new VirtualClock()
  const store = new MemoryStore({ clock, random: systemRandom, isDead: () => true })
  const lab = makeLab({ class: o.class, clock, store, ...(o.lagMs === undefined ? {} : { lagMs: o.lagMs }), more: { ...(o.capability ? { capability: o.capability } : {}), ...o.more } })
  return { lab, clock }
}
const box = (lab: Lab) => () => void lab.Box('a', { name: 'x' })
const waits = (lab: Lab) => lab.events.filter((e) => e.type === 'task.progress').map((e) => e.message)
const slow = { create: { find: true }, update: 'full', maxCallMs: 20_000, settleMs: 5_000 } as const

describe('a lost create of a type that can only search for its mark (class C)', () => {
  test('is adopted when the search finds it, after the quarantine, with the wait shown', async () => {
    const { lab, clock } = labOf({ class: 'C', capability: slow, lagMs: 4_000 })
    lab.cloud.fault('create x', 'lost-applied')
    const began = clock.now()
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
    expect(lab.cloud.calls).toEqual(['create x', 'find x'])
    expect(clock.now() - began).toBeGreaterThanOrEqual(25_000)
    expect(waits(lab)).toEqual(['the lost call may still land: waiting 25 s'])
  })

  test('is sent again, under a new key, when nothing was found twice', async () => {
    const { lab } = labOf({ class: 'C', capability: slow })
    lab.cloud.fault('create x', 'lost')
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['create x', 'find x', 'find x', 'create x'])
    expect(lab.cloud.content).toEqual(['x=1'])
    expect((await readStatus(lab.cx)).open).toEqual([])
  })

  test('that several objects answer for is a question, and the evidence names them', async () => {
    const { lab } = labOf({ class: 'C', capability: slow })
    lab.cloud.fault('create x', 'lost-applied')
    lab.cloud.fault('find x', 'reject')
    const run = lab.cloud.run.bind(lab.cloud)
    lab.cloud.run = (call, signal, act, partial) => {
      // Something copied the object together with its mark.
      if (call === 'find x' && lab.cloud.objects.size === 1) lab.cloud.objects.set('o9', { ...(lab.cloud.byName('x') as NonNullable<ReturnType<Cloud['byName']>>), id: 'o9' })
      return run(call, signal, act, partial)
    }
    const doc = await lab.apply(box(lab))
    expect(exitCodeOf(doc)).toBe(12)
    expect(doc.error).toMatchObject({ code: 'HF3103', address: 'a', message: expect.stringContaining('several objects carry its mark: o1, o9') })
    const [open] = (await readStatus(lab.cx)).open
    expect(open).toMatchObject({ status: 'unknown', evidence: expect.stringContaining('o1, o9'), actions: ['--retry', '--adopt ID', '--absent', '--abandon'] })
    // Once the copy is gone, the next apply finds out by itself.
    lab.cloud.objects.delete('o9')
    lab.cloud.run = run
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
    expect(lab.cloud.calls.filter((c) => c === 'create x')).toHaveLength(1)
  })

  test('that cannot be searched for stays unknown, with every attempt counted, and the next apply settles it', async () => {
    const { lab } = labOf({ class: 'C', capability: slow })
    lab.cloud.fault('create x', 'lost-applied')
    lab.cloud.fault('find x', ...Array.from({ length: 11 }, () => 'reject' as const))
    expect(exitCodeOf(await lab.apply(box(lab)))).toBe(12)
    expect((await readStatus(lab.cx)).open).toMatchObject([{ status: 'unknown', evidence: expect.stringContaining('after 11 attempts (looked up 11 times)') }])
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
  })

  test('that was rejected when it was sent again did not happen, once a search says so', async () => {
    const { lab } = labOf({ class: 'C', capability: slow })
    lab.cloud.fault('create x', 'lost', 'reject')
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'reverted', error: { code: 'HF3101' } })
    expect(lab.cloud.calls).toEqual(['create x', 'find x', 'find x', 'create x', 'find x', 'find x'])
    expect((await readStatus(lab.cx)).open).toEqual([])
  })

  test('is searched for with the mark, the inputs and the namespace', async () => {
    const asked: { mark: unknown; inputs: unknown; namespace: unknown; made?: unknown }[] = []
    const cloud = new Cloud()
    const spec = boxSpec(cloud, { class: 'C' })
    const { lab } = labOf({
      class: 'C', capability: slow,
      more: {
        create: (a: never) => {
          asked.push({ mark: (a as { mark: unknown }).mark, inputs: (a as { inputs: unknown }).inputs, namespace: (a as { namespace: unknown }).namespace })
          return spec.create(a)
        },
        find: (a: { mark: unknown; inputs: unknown; namespace: unknown }) => {
          asked.push({ mark: a.mark, inputs: a.inputs, namespace: a.namespace })
          return spec.find?.(a as never)
        },
      },
    })
    cloud.fault('create x', 'lost-applied')
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(asked).toHaveLength(2)
    expect(asked[1]).toEqual(asked[0])
    expect(asked[0]).toMatchObject({ mark: { ordinal: 1 }, inputs: { name: 'x' }, namespace: expect.stringMatching(/^[0-9a-f]{32}$/) })
  })

  test('a type that says find and has none is refused (HF1107)', async () => {
    const spec = boxSpec(new Cloud(), { type: 'test:NoFind', more: { capability: { create: { find: true } } } })
    expect(() => makeLab({ types: [{ type: 'test:NoFind', spec }] })).toThrow(/says find, and there is no find/)
  })
})

describe('a lost create with a token (class A)', () => {
  const token = { create: { token: { windowMs: 3_600_000 } }, update: 'full', maxCallMs: 10_000 } as const
  test('leaves no orphan when the service turns the same request away for a while', async () => {
    const { lab } = labOf({ class: 'A', capability: token })
    lab.cloud.fault('create x', 'lost-applied', 'reject', 'reject', 'reject')
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
    expect(new Set(lab.cloud.keys).size).toBe(1)
  })

  test('is a question when it is turned away every time, for the lost one may have been applied; the next apply asks again', async () => {
    const { lab } = labOf({ class: 'A', capability: token })
    lab.cloud.fault('create x', 'lost-applied', ...Array.from({ length: 5 }, () => 'reject' as const))
    const doc = await lab.apply(box(lab))
    expect(exitCodeOf(doc)).toBe(12)
    expect((await readStatus(lab.cx)).open).toMatchObject([{ evidence: expect.stringContaining('still not settled after 5 attempts (sent again 5 times); each was rejected, which does not tell whether the lost one was applied') }])
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
  })

  test('did not happen when a service that knows the key refuses it', async () => {
    const cloud = new Cloud()
    const spec = boxSpec(cloud, { class: 'A' })
    let sent = 0
    const { lab } = labOf({ class: 'A', capability: token, more: { create: (a: never) => (++sent === 1 ? spec.create(a) : Promise.reject(refused('no such zone'))) } })
    cloud.fault('create x', 'lost')
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'reverted', error: { code: 'HF3101', message: expect.stringContaining('no such zone') } })
    expect(cloud.content).toEqual([])
    expect((await readStatus(lab.cx)).open).toEqual([])
  })

  test('that the token cannot answer for any more is looked up by its name, where the type says that it can', async () => {
    const { lab, clock } = labOf({ class: 'A', capability: { ...token, create: { token: { windowMs: 60_000 }, name: true } } })
    lab.cloud.fault('create x', 'lost-applied', ...Array.from({ length: 5 }, () => 'lost' as const))
    expect(exitCodeOf(await lab.apply(box(lab)))).toBe(12)
    clock.pass(3_600_000)
    lab.cloud.calls.length = 0
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['read x'])
    expect(lab.cloud.content).toEqual(['x=1'])
  })
})

describe('S000-89 a deployment that is repeated after a lost answer makes no second object', () => {
  for (const cls of ['A', 'B', 'C'] as const) {
    test(`class ${cls}: the first process died in the middle, the next one finds or repeats it`, async () => {
      for (const fault of ['lost', 'lost-applied'] as const) {
        const { lab } = labOf({ class: cls })
        const first = lab.again()
        const run = lab.cloud.run.bind(lab.cloud)
        const called = new Promise<void>((resolve) => {
          lab.cloud.run = (call, signal, act, partial) => {
            lab.cloud.run = run
            lab.cloud.calls.push(call)
            if (fault === 'lost-applied') return run(call, signal, act, partial).then(() => new Promise(() => resolve()))
            resolve()
            return new Promise(() => undefined)
          }
        })
        void first.apply(box(first))
        await called
        expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
        expect(lab.cloud.content).toEqual(['x=1'])
        expect(lab.cloud.objects.size).toBe(1)
        expect((await readStatus(lab.cx)).open).toEqual([])
      }
    })
  }

  test('what is a question for a person is one at once: it is not asked again before the plan of the same command, and the evidence holds what was answered', async () => {
    const { lab } = labOf({ class: 'A' })
    const first = lab.again()
    const run = lab.cloud.run.bind(lab.cloud)
    const called = new Promise<void>((resolve) => {
      lab.cloud.run = (call) => {
        lab.cloud.run = run
        lab.cloud.calls.push(call)
        resolve()
        return new Promise(() => undefined)
      }
    })
    void first.apply(box(first))
    await called
    lab.cloud.fault('create x', ...Array.from({ length: 20 }, () => 'lost' as const))
    expect(exitCodeOf(await lab.apply(box(lab)))).toBe(12)
    expect(lab.cloud.calls).toHaveLength(1 + limits.settleAttemptsMax)
    expect((await readStatus(lab.cx)).open).toMatchObject([{ status: 'unknown', evidence: expect.stringMatching(/the process ended before the answer came; .*connection reset.*; still not settled after 5 attempts/) }])
  })
})

describe('a create of which nobody knows whether it happened', () => {
  test('owns what it claims: its own node waits for it, another node is refused with the way out', async () => {
    const lab = makeLab({ class: 'D' })
    lab.cloud.fault('create x', 'lost-applied')
    expect(exitCodeOf(await lab.apply(box(lab)))).toBe(12)
    const again = await lab.apply(() => {
      box(lab)()
      lab.Box('other', { name: 'other' })
    })
    expect([exitCodeOf(again), again.error?.code]).toEqual([12, 'HF3103'])
    expect(lab.cloud.content).toEqual(['other=1', 'x=1'])
    const [open] = (await readStatus(lab.cx)).open
    await expect(lab.plan(() => void lab.Box('b', { name: 'x' }))).rejects.toMatchObject({ code: 'HF2104', message: 'a and b both claim box:x.', hint: expect.stringContaining(`run settle ${open?.tx}`) })
  })
})

describe('what an object of which nobody knows may refer to', () => {
  test('is not deleted before that is settled, neither in the end nor to make room (F3)', async () => {
    const lab = makeLab({ class: 'D', more: { replaceOn: ['zone'], deleteFirst: true } })
    const program = (zone: string | undefined, user: boolean) => () => {
      const a = zone === undefined ? undefined : lab.Box('a', { name: 'a', zone })
      if (user && a) lab.Box('user', { name: str`user-of-${a.id}` })
    }
    await lab.apply(program('a', false))
    lab.cloud.fault('create user-of-o1', 'lost-applied')
    expect(exitCodeOf(await lab.apply(program('a', true)))).toBe(12)
    expect(exitCodeOf(await lab.apply(program('z', false)))).toBe(12)
    expect(lab.cloud.content).toEqual(['a=1', 'user-of-o1=1'])
    expect(exitCodeOf(await lab.apply(program(undefined, false)))).toBe(12)
    expect(lab.cloud.content).toEqual(['a=1', 'user-of-o1=1'])
    const [open] = (await readStatus(lab.cx)).open
    const session = await lab.session()
    await session.settle(open?.tx as string, { kind: 'adopt', id: 'o2' })
    await session.end()
    expect(await lab.apply(program(undefined, false))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(lab.cloud.content).toEqual([])
    expect(lab.cloud.calls.slice(-2)).toEqual(['delete user-of-o1', 'delete a'])
  })
})

describe('the process that sent a call', () => {
  /** A process that only lives, as a holder. */
  async function sleeper(): Promise<{ readonly holder: Holder; kill(): Promise<void> }> {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    await once(child, 'spawn')
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] as string
    return {
      holder: { ...currentHolder(), pid: child.pid as number, startedAt },
      async kill() {
        if (child.exitCode !== null || child.signalCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      },
    }
  }
  /** A lab whose first command broke off in the middle of a create, by the hand of `holder`; `lands`: the call takes effect. */
  async function brokenOff(holder: Holder, lands: boolean): Promise<{ readonly lab: Lab; readonly clock: VirtualClock }> {
    const { lab, clock } = labOf({ class: 'B' })
    const first = lab.again()
    Object.assign(first.cx, { holder })
    const run = lab.cloud.run.bind(lab.cloud)
    const called = new Promise<void>((resolve) => {
      lab.cloud.run = (call, signal, act, partial) => {
        if (call !== 'create x') return run(call, signal, act, partial)
        lab.cloud.run = run
        lab.cloud.calls.push(call)
        if (lands) act()
        resolve()
        return new Promise(() => undefined)
      }
    })
    void first.apply(box(first))
    await called
    return { lab, clock }
  }

  test.runIf(process.platform === 'linux')('may still carry it out while it lives: what dies with it is judged when it is gone, or when it can hold no lease any more', async () => {
    const other = await sleeper()
    try {
      const { lab, clock } = await brokenOff(other.holder, true)
      const began = clock.now()
      expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
      expect(clock.now() - began).toBeGreaterThanOrEqual(60_000)
      expect(waits(lab)).toEqual([`pid ${other.holder.pid} on ${other.holder.host}, which sent the call, may still carry it out: waiting for its end, at most 60 s`])
      expect(lab.cloud.calls).toEqual(['create x', 'read x'])
    } finally {
      await other.kill()
    }
  })

  test.runIf(process.platform === 'linux')('carries out nothing any more when it is gone: what dies with it is judged at once', async () => {
    const other = await sleeper()
    await other.kill()
    const { lab, clock } = await brokenOff(other.holder, false)
    const began = clock.now()
    expect(await lab.apply(box(lab))).toMatchObject({ outcome: 'applied' })
    expect(clock.now() - began).toBeLessThan(1000)
    expect(lab.cloud.calls).toEqual(['create x', 'read x', 'create x'])
  })

  test('B8.9#139 that was stopped between the last write and the call does not call, even when it was stopped after its first look at the clock', async () => {
    let stoppedMs = 0
    let looks = -1
    const clock = { ...systemClock, now: () => (looks >= 0 && looks-- === 0 ? (stoppedMs = 60_000) : 0, systemClock.now() + stoppedMs) }
    const store = new MemoryStore({ clock, random: systemRandom })
    const other = new MemoryStore({ clock: { ...clock, now: () => systemClock.now() + 60_000 }, random: systemRandom, tables: store.tables, isDead: () => true })
    store.lease.keep = () => undefined
    const lab = makeLab({ store, clock })
    const commit = store.commit.bind(store)
    store.commit = async (entries, options) => {
      const done = await commit(entries, options)
      if (!entries.some((e) => e.t === 'tx.open')) return done
      await other.lease.acquire('lab/default', { ...lab.cx.holder, id: 'h-other' }, 30_000)
      looks = 1
      return done
    }
    const doc = await lab.apply(box(lab)).catch((e: { code: string }) => ({ error: e }))
    expect(stoppedMs).toBe(60_000)
    expect(doc.error).toMatchObject({ code: 'HF4203' })
    expect(lab.cloud.calls).toEqual([])
  })
})
