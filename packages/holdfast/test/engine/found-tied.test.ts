import { describe, expect, test } from 'vitest'
import { topologicalOrder } from '../../src/graph/index.ts'
import { orderDeletions } from '../../src/resource/index.ts'
import type { Deletion } from '../../src/resource/together.ts'
import type { FuzzCase, NodeSpec, Op } from '../fuzz/case.ts'
import { runCase } from '../fuzz/run.ts'

/** What the fuzzer of the life cycle found about what lies in another (`deletedWith`), one small case each. Every rule of the fuzzer is checked after each operation. */
const node = (address: string, name: string, more: Partial<NodeSpec> = {}): NodeSpec => ({ address, kind: 'A', name, size: 1, zone: 'a', ...more })
const apply = (program: number, more: Partial<Op> = {}): Op => ({ kind: 'apply', program, onFailure: 'revert', ...more } as Op)

async function brokenRule(programs: readonly (readonly NodeSpec[])[], ops: readonly Op[], more: Partial<FuzzCase> = {}): Promise<unknown> {
  return (await runCase({ seed: 1, parallelism: 1, store: 'memory', turnsMax: 0, last: programs.length - 1, destroyed: false, programs, ops, ...more })).violation
}

describe('what lies in an object that has to make room', () => {
  test('is made again where that is found by what it claims, under another name', async () => {
    const around = (address: string, zone: string) => node(address, 'h', { kind: 'B', zone })
    expect(await brokenRule([[around('a', 'a'), node('n', 'x', { deletedWith: 'a' })], [around('b', 'b'), node('n', 'x', { deletedWith: 'b' })]], [apply(0)])).toBeUndefined()
  })

  test('is made again where it takes the room itself, and lies in nothing any more', async () => {
    expect(await brokenRule([[node('h', 'h', { slot: 1 }), node('n', 'x', { deletedWith: 'h' })], [node('n', 'y', { slot: 1 })]], [apply(0)])).toBeUndefined()
  })

  test('is made again where it moves into what takes the room, and where something lies in it', async () => {
    const before = [node('h', 'h', { slot: 1 }), node('n', 'x', { deletedWith: 'h' }), node('m', 'y', { deletedWith: 'n' })]
    const after = [node('k', 'k', { kind: 'P', slot: 1 }), node('n', 'x', { deletedWith: 'k' }), node('m', 'y', { deletedWith: 'n' })]
    expect(await brokenRule([before, after], [apply(0)])).toBeUndefined()
    expect(await brokenRule([before, after], [apply(0), apply(1, { faults: [{ call: 'create', name: 'y', what: 'reject' }] })])).toBeUndefined()
  })

  test('is what its row says, and not what takes its own place and is to lie there', async () => {
    const other = (kind: 'B' | 'L') => node('h', 'h', { kind })
    expect(await brokenRule([[other('L'), node('n', 'x', { kind: 'B' })], [other('B'), node('m', 'x', { kind: 'B', deletedWith: 'h' })]], [apply(0)])).toBeUndefined()
    expect(await brokenRule([
      [node('n', 'x', { kind: 'C', slot: 1 })],
      [node('h', 'h', { kind: 'P' }), node('n', 'x', { kind: 'C', slot: 1, deleteFirst: true, deletedWith: 'h' })],
    ], [apply(0), apply(1, { end: { how: 'dies', commit: 3, phase: 'after' } }), { kind: 'repair', program: 1, onFailure: 'revert', faults: [{ call: 'create', name: 'h', what: 'partly' }] }])).toBeUndefined()
  })
})

describe('what is deleted with another', () => {
  test('waits for no object of that node but its own', async () => {
    const old = [node('h', 'h'), node('n', 'x', { deletedWith: 'h' })]
    const next = [node('h', 'h', { zone: 'b' }), node('m', 'x', { zone: 'b', deletedWith: 'h' })]
    expect(await brokenRule([old, next], [apply(0, { onFailure: 'continue' }), apply(1, { onFailure: 'continue', end: { how: 'dies', commit: 8, phase: 'after' } })], { last: 0 })).toBeUndefined()
  })

  test('goes with that also where that has to go by itself', async () => {
    const program = [node('h', 'h'), node('u', 'u', { refs: ['h'] }), node('n', 'x', { refs: ['u'], deletedWith: 'h' }), node('m', 'y', { dependsOn: ['u'], deletedWith: 'n' })]
    expect(await brokenRule([program], [], { destroyed: true })).toBeUndefined()
  })

  test('goes with that also where what refers to it goes with another', async () => {
    const program = [node('h', 'h'), node('k', 'k'), node('n', 'x', { dependsOn: ['h'], deletedWith: 'k' }), node('m', 'y', { dependsOn: ['n'], deletedWith: 'h' })]
    expect(await brokenRule([program], [], { destroyed: true })).toBeUndefined()
  })

  test('goes by itself where two calls would wait for each other', () => {
    const deletion = (uid: string, deps: readonly string[], host?: string): Deletion =>
      ({ row: { uid, address: uid, meta: { deps: [...deps, ...(host === undefined ? [] : [host])], ...(host === undefined ? {} : { rules: { deletedWith: host }, tied: { [host]: host } }) } as never }, task: uid, early: true })
    // What lies in `h` needs something in `k`, and the other way round.
    const order = orderDeletions([deletion('h', []), deletion('k', []), deletion('z', [], 'h'), deletion('n', [], 'k'), deletion('m', ['n'], 'h'), deletion('y', ['z'], 'k')])
    expect([...order.with.keys()].sort()).toEqual(['n', 'y', 'z'])
    expect(() => topologicalOrder(['h', 'k', 'z', 'n', 'm', 'y'], (uid) => order.after.get(uid) ?? [])).not.toThrow()
  })

  test('runs the hook that it owes since its own deletion', async () => {
    const [h, n] = [node('h', 'h'), node('n', 'x', { deletedWith: 'h', hooks: ['afterDelete'] })]
    const ops = [apply(0), apply(1, { faults: [{ call: 'hook', name: 'x', what: 'reject' }] }), apply(0, { onFailure: 'continue', replace: ['h'] } as Partial<Op>)]
    expect(await brokenRule([[h, n], [h]], ops)).toBeUndefined()
  })

  test('and a destroy of such objects ends', async () => {
    const program = [
      node('h', 'h'), node('z', 'z', { deletedWith: 'h' }), node('k', 'k'), node('n', 'n', { refs: ['h'], deletedWith: 'k' }), node('x', 'x', { dependsOn: ['k'] }), node('m', 'm', { refs: ['x'], deletedWith: 'z' }),
    ]
    expect(await brokenRule([program], [], { destroyed: true })).toBeUndefined()
  })

  test('was made in one, and is to be made in another that it referred to: it goes with the first', async () => {
    expect(await brokenRule([
      [node('h', 'h'), node('k', 'k', { kind: 'C', refs: ['h'] }), node('n', 'x', { refs: ['k'], deletedWith: 'h' })],
      [node('k', 'k', { kind: 'C', zone: 'b' }), node('n', 'x', { refs: ['k'], deletedWith: 'k' })],
    ], [apply(0)])).toBeUndefined()
  })
})

describe('what is changed in place so that it lies in something new', () => {
  const before = [node('c', 'c'), node('n', 'x', { refs: ['c'] })]
  // What it lies in stands on the same as it does: its way back would wait for the way back of that, and that for the deletion of what it lies in.
  const after = [node('c', 'c', { size: 2 }), node('h', 'h', { refs: ['c'] }), node('n', 'x', { refs: ['c'], deletedWith: 'h' }), node('f', 'f', { dependsOn: ['n'] })]
  const fails = { faults: [{ call: 'create', name: 'f', what: 'reject' }] } as Partial<Op>

  test('is out of it before that is taken back', async () => {
    expect(await brokenRule([before, after], [apply(0), apply(1, fails)])).toBeUndefined()
  })

  test('also where a dead run has done that, or a part of it', async () => {
    for (let commit = 4; commit <= 10; commit++) {
      const dies = apply(1, { end: { how: 'dies', commit, phase: 'after' } })
      expect(await brokenRule([before, after], [apply(0), dies, { kind: 'revert' }]), `revert after commit ${commit}`).toBeUndefined()
      expect(await brokenRule([before, after], [apply(0), dies, apply(1, fails)]), `apply after commit ${commit}`).toBeUndefined()
    }
  })
})
