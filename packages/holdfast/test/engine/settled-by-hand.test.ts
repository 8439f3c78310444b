import { describe, expect, test } from 'vitest'
import { systemRandom } from '../../src/base/index.ts'
import { readStatus, type SettleHow } from '../../src/engine/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { makeLab, type Fault, type Lab } from '../support/world.ts'

type Op = 'create' | 'update' | 'delete'
const box = (size: number) => (lab: Lab) => () => void lab.Box('a', { name: 'x', size })
const nothing = () => () => undefined
const before: Record<Op, ((lab: Lab) => () => void) | undefined> = { create: undefined, update: box(1), delete: box(1) }
const wanted: Record<Op, (lab: Lab) => () => void> = { create: box(1), update: box(2), delete: nothing }

function newLab(): Lab {
  const clock = new VirtualClock()
  return makeLab({ class: 'D', clock, store: new MemoryStore({ clock, random: systemRandom, isDead: () => true }), more: { capability: { create: 'none', update: 'patch', maxCallMs: 0 } } })
}

/** A change whose answer was lost, and that nobody but a person can settle. */
async function lost(op: Op, happened: boolean): Promise<{ readonly lab: Lab; readonly tx: string; readonly actions: readonly string[] }> {
  const lab = newLab()
  const base = before[op]
  if (base) await lab.apply(base(lab))
  lab.cloud.fault(`${op} x`, happened ? 'lost-applied' : 'lost', ...Array.from({ length: 5 }, () => 'lost' as Fault))
  lab.cloud.fault('read x', ...Array.from({ length: 20 }, () => 'reject' as Fault))
  await lab.apply(wanted[op](lab))
  lab.cloud.faults.clear()
  return { lab, ...(await one(lab, op)) }
}

async function one(lab: Lab, op: Op): Promise<{ readonly tx: string; readonly actions: readonly string[] }> {
  const { open } = await readStatus(lab.cx)
  expect(open).toMatchObject([{ address: 'a', op }])
  return open[0] as { tx: string; actions: readonly string[] }
}

async function settle(lab: Lab, tx: string, how: SettleHow): Promise<Record<string, unknown>> {
  const session = await lab.session()
  try {
    return await session.settle(tx, how)
  } finally {
    await session.end()
  }
}

async function audit(lab: Lab): Promise<unknown[]> {
  const env = await lab.store.env('lab', 'default')
  const events = await lab.store.events(env?.id as string, { seq: 0 }, 10_000)
  return events.filter((e) => e.kind === 'tx.byHand').map((e) => JSON.parse(e.data))
}

/** The entry has ended, a person's word is on record, and the next apply comes to what the program says without making anything twice. */
async function ended(lab: Lab, op: Op, how: string): Promise<void> {
  expect((await readStatus(lab.cx)).open).toEqual([])
  expect(await audit(lab)).toEqual([expect.objectContaining({ node: 'a', op, how: `settled by hand: ${how}`, pid: process.pid, holder: lab.cx.holder.id })])
  const program = wanted[op](lab)
  await lab.apply(program)
  expect(lab.cloud.content).toEqual(op === 'create' ? ['x=1'] : op === 'update' ? ['x=2'] : [])
  expect((await lab.plan(program)).empty).toBe(true)
  expect((await readStatus(lab.cx)).open).toEqual([])
}

const flagOf = (how: SettleHow): string => (how.kind === 'to' ? `--to ${how.state}` : how.kind === 'adopt' ? `--adopt ${how.id}` : `--${how.kind}`)

describe('S000-88 a change whose answer was lost: status lists the ways out, and each of them ends the entry', () => {
  const ways: readonly { readonly op: Op; readonly happened: boolean; readonly how: SettleHow; readonly status: string; readonly calls: number }[] = [
    { op: 'create', happened: false, how: { kind: 'retry' }, status: 'completed', calls: 2 },
    { op: 'create', happened: true, how: { kind: 'adopt', id: 'o1' }, status: 'completed', calls: 1 },
    { op: 'create', happened: false, how: { kind: 'absent' }, status: 'failed', calls: 2 },
    { op: 'create', happened: false, how: { kind: 'abandon' }, status: 'abandoned', calls: 2 },
    { op: 'update', happened: false, how: { kind: 'retry' }, status: 'completed', calls: 2 },
    { op: 'update', happened: true, how: { kind: 'retry' }, status: 'completed', calls: 2 },
    { op: 'update', happened: true, how: { kind: 'to', state: 'new' }, status: 'completed', calls: 1 },
    { op: 'update', happened: false, how: { kind: 'to', state: 'previous' }, status: 'failed', calls: 2 },
    { op: 'update', happened: false, how: { kind: 'abandon' }, status: 'abandoned', calls: 2 },
    { op: 'delete', happened: false, how: { kind: 'retry' }, status: 'completed', calls: 7 },
    { op: 'delete', happened: true, how: { kind: 'to', state: 'new' }, status: 'completed', calls: 6 },
    { op: 'delete', happened: false, how: { kind: 'to', state: 'previous' }, status: 'failed', calls: 7 },
    { op: 'delete', happened: false, how: { kind: 'abandon' }, status: 'abandoned', calls: 7 },
  ]
  for (const { op, happened, how, status, calls } of ways) {
    test(`${op} that ${happened ? 'happened' : 'did not happen'}: ${flagOf(how)}`, async () => {
      const { lab, tx, actions } = await lost(op, happened)
      expect(actions).toEqual(['--retry', ...(op === 'create' ? ['--adopt ID', '--absent'] : ['--to previous', '--to new']), '--abandon'])
      expect(await settle(lab, tx, how)).toMatchObject({ tx, status })
      await ended(lab, op, flagOf(how))
      expect(lab.cloud.calls.filter((c) => c === `${op} x`)).toHaveLength(calls)
      await expect(settle(lab, tx, how)).rejects.toMatchObject({ code: 'HF6003' })
    })
  }

  test('a way that does not fit is refused with those that do (HF6007), and so is an object that is not there', async () => {
    const { lab, tx } = await lost('create', true)
    await expect(settle(lab, tx, { kind: 'to', state: 'new' })).rejects.toMatchObject({ code: 'HF6007', hint: expect.stringContaining('--adopt ID') })
    lab.cloud.objects.clear()
    await expect(settle(lab, tx, { kind: 'adopt', id: 'o7' })).rejects.toMatchObject({ code: 'HF6007' })
    expect(await audit(lab)).toEqual([])
    expect((await readStatus(lab.cx)).open).toMatchObject([{ status: 'unknown' }])
  })

  test('what is sent again by hand, or read for it, has the time that its node says', async () => {
    const lab = newLab()
    const { clock } = lab.cx
    const took = async (act: () => Promise<unknown>) => {
      const began = clock.now()
      await act()
      return clock.now() - began
    }
    lab.cloud.fault('create x', 'lost', 'hang')
    lab.cloud.fault('read x', 'hang')
    await lab.apply(() => void lab.Box('a', { name: 'x' }, { timeout: { create: '3s', read: '2s' } }))
    const { tx } = await one(lab, 'create')
    expect(await took(() => settle(lab, tx, { kind: 'retry' }))).toBe(3_000)
    expect(await took(() => settle(lab, tx, { kind: 'adopt', id: 'o1' }).catch((e: { code: string }) => expect(e.code).toBe('HF6007')))).toBe(2_000)
    expect((await readStatus(lab.cx)).open).toMatchObject([{ status: 'unknown' }])
  })

  test('a create that was sent again by hand and turned away is still a question: the lost one may stand', async () => {
    const { lab, tx } = await lost('create', true)
    expect(await settle(lab, tx, { kind: 'retry' })).toMatchObject({ status: 'unknown', evidence: expect.stringContaining('sent again by hand: rejected (a: x exists), which does not tell whether the lost call was applied') })
    expect(await settle(lab, tx, { kind: 'adopt', id: 'o1' })).toMatchObject({ status: 'completed' })
    await lab.apply(box(1)(lab))
    expect(lab.cloud.content).toEqual(['x=1'])
  })
})

test('a session that holds a part takes no word about what lies beyond it, and sends nothing', async () => {
  const lab = newLab()
  const y = () => void lab.Box('b', { name: 'y' })
  await lab.apply(() => {
    lab.Box('a', { name: 'x' })
    y()
  })
  lab.cloud.fault('delete x', ...Array.from({ length: 6 }, () => 'lost' as Fault))
  await lab.apply(y)
  lab.cloud.faults.clear()
  const { tx } = await one(lab, 'delete')
  const retryIn = async (targets: readonly string[]) => {
    const session = await lab.session({ graph: undefined, targets })
    try {
      return await session.settle(tx, { kind: 'retry' })
    } finally {
      await session.end()
    }
  }
  lab.cloud.calls.length = 0
  await expect(retryIn(['b'])).rejects.toThrow('settle: the session holds a part, and the change lies beyond it')
  expect(lab.cloud.calls).toEqual([])
  await one(lab, 'delete')
  expect(await retryIn(['a'])).toMatchObject({ status: 'completed' })
  expect(lab.cloud.content).toEqual(['y=1'])
})

describe('S000-88 a change that failed half-way: amended, taken either way, or dropped', () => {
  async function partly(op: 'create' | 'update'): Promise<{ readonly lab: Lab; readonly tx: string; readonly actions: readonly string[] }> {
    const lab = newLab()
    const base = before[op]
    if (base) await lab.apply(base(lab))
    lab.cloud.fault(`${op} x`, 'partly')
    expect(await lab.apply(wanted[op](lab), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    return { lab, ...(await one(lab, op)) }
  }
  const ways: readonly { readonly op: 'create' | 'update'; readonly how: SettleHow; readonly status: string; readonly person?: (lab: Lab) => void; readonly then: readonly string[] }[] = [
    { op: 'create', how: { kind: 'adopt', id: 'o1' }, status: 'completed', then: [] },
    { op: 'create', how: { kind: 'absent' }, status: 'failed', person: (lab) => lab.cloud.objects.clear(), then: ['create x'] },
    { op: 'update', how: { kind: 'to', state: 'new' }, status: 'completed', then: [] },
    { op: 'update', how: { kind: 'to', state: 'previous' }, status: 'failed', person: (lab) => void Object.assign(lab.cloud.byName('x') ?? {}, { size: 1 }), then: ['update x'] },
    // Nobody says what it is now, and a patch of something unknown makes nothing whole: it is made anew.
    { op: 'update', how: { kind: 'abandon' }, status: 'abandoned', then: ['delete x', 'create x'] },
  ]
  for (const { op, how, status, person, then } of ways) {
    test(`${op}: ${flagOf(how)}`, async () => {
      const { lab, tx, actions } = await partly(op)
      expect(actions).toEqual([...(op === 'create' ? ['--adopt ID', '--absent'] : ['--to previous', '--to new']), '--abandon'])
      person?.(lab)
      expect(await settle(lab, tx, how)).toMatchObject({ tx, status })
      lab.cloud.calls.length = 0
      await ended(lab, op, flagOf(how))
      expect(lab.cloud.calls.filter((c) => !c.startsWith('read'))).toEqual(then)
    })
  }
  test('the next apply makes it whole by itself', async () => {
    const { lab } = await partly('update')
    expect(await lab.apply(box(2)(lab))).toMatchObject({ outcome: 'applied' })
    expect((await readStatus(lab.cx)).open).toEqual([])
    expect(lab.cloud.content).toEqual(['x=2'])
  })
})
