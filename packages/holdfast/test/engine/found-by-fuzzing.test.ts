import { describe, expect, test } from 'vitest'
import type { FuzzCase, NodeSpec, Op } from '../fuzz/case.ts'
import { runCase } from '../fuzz/run.ts'

/** What the fuzzer of the life cycle found in the engine, one small case each. Every rule of the fuzzer is checked after each operation. */
const node = (address: string, name: string, more: Partial<NodeSpec> = {}): NodeSpec => ({ address, kind: 'A', name, size: 1, zone: 'a', ...more })
const apply = (program: number, more: Partial<Op> = {}): Op => ({ kind: 'apply', program, onFailure: 'revert', ...more } as Op)
const repair = (program: number, name: string, more: Partial<Op> = {}): Op => ({ kind: 'repair', program, onFailure: 'revert', drift: [{ name, what: 'gone' }], ...more } as Op)

async function brokenRule(programs: readonly (readonly NodeSpec[])[], ops: readonly Op[], more: Partial<FuzzCase> = {}): Promise<unknown> {
  return (await runCase({ seed: 1, parallelism: 1, store: 'memory', turnsMax: 0, last: programs.length - 1, destroyed: false, programs, ops, ...more })).violation
}

describe('a run whose last words the disk does not take', () => {
  const one = [node('a', 'x')]
  test('is not called taken back while the state says that it is open', async () => {
    const broken = [node('a', 'x', { fail: true })]
    expect(await brokenRule([broken, one], [apply(0, { end: { how: 'full', commit: 4, phase: 'after' } })])).toBeUndefined()
  })
  test('is not called applied when its commit was refused', async () => {
    expect(await brokenRule([one], [apply(0, { end: { how: 'full', commit: 5, phase: 'before' } })])).toBeUndefined()
  })
  test('does not end with 0 when only the record of its end was refused', async () => {
    expect(await brokenRule([one], [apply(0, { end: { how: 'full', commit: 6, phase: 'before' } })])).toBeUndefined()
  })
})

describe('drift --repair', () => {
  const first = [node('a', 'x')]
  test('of what is gone and is to be elsewhere frees the place that it had', async () => {
    const before = [node('a', 'x', { slot: 1 })]
    const after = [node('a', 'x', { slot: 2 }), node('b', 'y', { slot: 1 })]
    expect(await brokenRule([before, after], [apply(0), repair(1, 'x')])).toBeUndefined()
    expect(await brokenRule([before, after], [apply(0), repair(1, 'x', { faults: [{ call: 'create', name: 'y', what: 'reject' }] } as Partial<Op>)])).toBeUndefined()
    expect(await brokenRule([before, [node('a', 'x')], after], [apply(0), repair(1, 'x')])).toBeUndefined()
  })
  test('makes again what went after a run that died had changed it', async () => {
    const [larger, largest] = [[node('a', 'x', { size: 2 })], [node('a', 'x', { size: 3 })]]
    expect(await brokenRule([first, larger, largest], [apply(0), apply(1, { end: { how: 'dies', commit: 4, phase: 'after' } }), repair(2, 'x')])).toBeUndefined()
  })
  test('does not make again what a repair that died has made already', async () => {
    const second = [node('a', 'x', { size: 2 })]
    const again: Op = { kind: 'repair', program: 1, onFailure: 'revert' }
    expect(await brokenRule([first, second], [apply(0), repair(0, 'x', { end: { how: 'dies', commit: 4, phase: 'after' } }), again])).toBeUndefined()
  })
  test('makes again what is gone under the address that the program gives it now', async () => {
    const moved = [node('b', 'x', { size: 2, movedFrom: ['a'] })]
    expect(await brokenRule([first, moved], [apply(0), repair(1, 'x')])).toBeUndefined()
  })
  test('replaces what is gone and is of another type now, and takes over its place', async () => {
    expect(await brokenRule([[node('a', 'x', { slot: 1 })], [node('a', 'x', { slot: 1, kind: 'P' })]], [apply(0), repair(1, 'x')])).toBeUndefined()
  })
})

test('after a run that was kept half-way, the doctor does not call it damage that a node stands whose dependency has another address', async () => {
  const before = [node('a', 'x'), node('b', 'y', { refs: ['a'] })]
  const after = [node('c', 'x', { movedFrom: ['a'] }), node('b', 'y', { refs: ['c'], size: 2 })]
  expect(await brokenRule([before, after], [apply(0), apply(1, { onFailure: 'keep', faults: [{ call: 'update', name: 'y', what: 'reject' }] } as Partial<Op>)])).toBeUndefined()
})

test('a node that is left alone keeps what it refers to, also where the program does not let it refer to it any more', async () => {
  const before = [node('a', 'x'), node('b', 'y', { refs: ['a'] })]
  const after = [node('a', 'x', { zone: 'b' }), node('b', 'y')]
  expect(await brokenRule([before, after], [apply(0), apply(1, { excludes: ['b'] } as Partial<Op>)])).toBeUndefined()
})

test('an object that a run changed half-way and a later one replaced is brought back to what it was when both are taken back', async () => {
  const before = [node('a', 'x', { kind: 'F' })]
  const after = [node('a', 'x', { kind: 'F', size: 2 }), node('b', 'y', { refs: ['a'] })]
  const failing = [after[0] as NodeSpec, node('b', 'y', { refs: ['a'], fail: true })]
  expect(await brokenRule([before, failing, after], [apply(0), apply(1, { end: { how: 'dies', commit: 4, phase: 'before' } }), apply(1)])).toBeUndefined()
})

test('what cannot be updated is not made a second time when only what is recorded of it is taken back', async () => {
  const before = [node('a', 'x', { kind: 'R' })]
  const after = [node('a', 'x', { kind: 'R', tag: 'y' })]
  expect(await brokenRule([before, [...after, node('b', 'y', { fail: true })], after], [apply(0), apply(1)])).toBeUndefined()
})

test('nodes that wait for each other through one that does not change are refused, and the run does not wait for ever', async () => {
  const before = [node('a', 'x', { slot: 1 }), node('m', 'y', { dependsOn: ['a'] }), node('b', 'z', { slot: 2, dependsOn: ['m'] })]
  const after = [node('a', 'x', { slot: 2 }), node('m', 'y', { dependsOn: ['a'] }), node('b', 'z', { dependsOn: ['m'] })]
  expect(await brokenRule([before, after], [apply(0), apply(1)])).toBeUndefined()
})

test('a repair that was rejected after a lost attempt is not called done because the object is not as it is recorded', async () => {
  const faults = [{ call: 'update', name: 'x', what: 'lost' }, { call: 'update', name: 'x', what: 'reject' }] as const
  expect(await brokenRule([[node('a', 'x')]], [apply(0), repair(0, 'x', { faults, drift: [{ name: 'x', what: 'changed' }] })])).toBeUndefined()
})

test('what refers to an object that is made anew on the way back follows it', async () => {
  const program = [node('a', 'x'), node('b', 'y', { refs: ['a'] })]
  expect(await brokenRule([program], [apply(0), repair(0, 'x', { faults: [{ call: 'update', name: 'y', what: 'partly' }] })])).toBeUndefined()
})

test('a destroy is not complete while the outcome of a create is unknown: only a person can settle what is left', async () => {
  const program = [node('n1', 'o2', { size: 2 }), node('n3', 'o4', { kind: 'D', size: 7, refs: ['n1'] }), node('n9', 'o10', { size: 6 }), node('n11', 'o12', { size: 2 }), node('n13', 'o14', { size: 4, refs: ['n11', 'n1'] })]
  const ops: readonly Op[] = [{ kind: 'apply', program: 0, onFailure: 'continue', end: { how: 'dies', commit: 11, phase: 'before' } }, { kind: 'destroy', onFailure: 'continue' }]
  const { violation, codes } = await runCase({ seed: 6784, parallelism: 4, store: 'memory', turnsMax: 0, last: 0, destroyed: false, programs: [program], ops })
  expect(violation).toBeUndefined()
  expect(codes).toMatchObject({ 12: 1 })
  expect(codes[14]).toBeUndefined()
})

test('what is retained and was made half-way is no open question any more when it is given up', async () => {
  const program = (size: number) => [node('a', 'x', { kind: 'C', retain: true, size })]
  expect(await brokenRule([program(1), program(2)], [apply(0, { onFailure: 'keep', faults: [{ call: 'create', name: 'x', what: 'partly' }] } as Partial<Op>), apply(0)])).toBeUndefined()
})

test('a tainted node whose object was changed from outside gets a new object from a repair, as its plan says', async () => {
  const program = [node('a', 'x')]
  const drift = [{ name: 'x', what: 'changed' }] as const
  expect(await brokenRule([program], [apply(0), { kind: 'taint', addresses: ['a'] }, repair(0, 'x', { drift })])).toBeUndefined()
})

test('a node is not made anew because the one that it is replaced with has another address', async () => {
  const before = [node('a', 'x'), node('b', 'y', { replaceWith: ['a'], protect: true })]
  const after = [node('c', 'x', { movedFrom: ['a'] }), node('b', 'y', { replaceWith: ['c'], protect: true, size: 2 })]
  expect(await brokenRule([before, after], [apply(0), apply(1)])).toBeUndefined()
})

describe('a restricted command', () => {
  test('is refused where what stays depends on something that an unfinished run has given another address', async () => {
    const before = [node('a', 'x'), node('b', 'y', { refs: ['a'] })]
    const after = [node('z', 'w'), node('c', 'x', { movedFrom: ['a'] }), node('b', 'y', { refs: ['c'], size: 2 })]
    expect(await brokenRule([before, after], [apply(0), apply(1, { end: { how: 'dies', commit: 5, phase: 'after' } }), apply(1, { excludes: ['b'] } as Partial<Op>)])).toBeUndefined()
  })
  test('leaves half-way what it does not touch, and the old objects to which that refers', async () => {
    const before = [node('a', 'x', { kind: 'P' }), node('b', 'y', { sizeOf: 'a' })]
    const after = [node('c', 'x', { kind: 'P', zone: 'b', movedFrom: ['a'] }), node('b', 'y', { sizeOf: 'c' })]
    const failing = [after[0] as NodeSpec, node('b', 'y', { sizeOf: 'c', size: 2, fail: true })]
    expect(await brokenRule([before, failing, after], [apply(0), apply(1, { onFailure: 'keep' } as Partial<Op>), apply(2, { targets: ['a'] } as Partial<Op>)])).toBeUndefined()
  })
  test('is not what a resume goes on with, where the run before it was kept half-way', async () => {
    const [one, two] = [[node('a', 'x'), node('b', 'y', { fail: true })], [node('a', 'x', { size: 2 }), node('b', 'y')]]
    const { violation, codes } = await runCase({
      seed: 1, parallelism: 1, store: 'memory', turnsMax: 0, last: 1, destroyed: false, programs: [one, two],
      ops: [apply(0, { onFailure: 'keep' } as Partial<Op>), apply(1, { targets: ['a'] } as Partial<Op>), { kind: 'resume' }],
    })
    expect([violation, codes['6']]).toEqual([undefined, 1])
  })
})

test('what is left of a replacement that broke off does not pull what refers to the object before it', async () => {
  const before = [node('a', 'x', { kind: 'R' }), node('b', 'y', { refs: ['a'] }), node('c', 'z', { dependsOn: ['b'] }), node('d', 'w', { refs: ['c', 'a'] })]
  const after = [node('a', 'x', { kind: 'R', size: 2 }), node('c', 'z', { zone: 'b' }), node('d', 'w', { refs: ['c', 'a'] })]
  const faults = [{ call: 'create', name: 'x', what: 'partly' }] as const
  expect(await brokenRule([before, after], [apply(0), apply(1, { onFailure: 'continue', faults } as Partial<Op>)])).toBeUndefined()
})

test('a step that broke off owes nobody the hook after it', async () => {
  const [small, large] = [1, 2].map((size) => [node('a', 'x', { kind: 'P', size, hooks: ['afterUpdate'] })]) as [NodeSpec[], NodeSpec[]]
  const faults = [{ call: 'update', name: 'x', what: 'partly' }, { call: 'update', name: 'x', what: 'partly' }] as const
  expect(await brokenRule([small, large], [apply(0), apply(1, { faults }), apply(1)])).toBeUndefined()
})

test('what was replaced stays set aside when it cannot be brought back, so that its node does not stand for two', async () => {
  const before = [node('a', 'x', { kind: 'F' }), node('c', 'z', { dependsOn: ['a'] }), node('b', 'y', { refs: ['c'] })]
  const after = [node('a', 'w', { kind: 'F' }), node('c', 'z', { dependsOn: ['a'], size: 3 }), node('b', 'y', { refs: ['c'], size: 2 }), node('d', 'v')]
  const faults = [{ call: 'update', name: 'y', what: 'reject' }, { call: 'update', name: 'x', what: 'hang' }] as const
  const ops = [apply(0), apply(1, { end: { how: 'dies', commit: 5, phase: 'after' } }), apply(1, { end: { how: 'full', commit: 6, phase: 'after' } }), apply(1, { faults })]
  expect(await brokenRule([before, after], ops, { parallelism: 3 })).toBeUndefined()
})

test('what a dead run has begun is asked about, and sent again, within the deadline of its node', async () => {
  const program = [node('a', 'x', { timeouts: { create: 1000 } }), node('b', 'y')]
  const faults = [{ call: 'create', name: 'x', what: 'hang' }] as const
  expect(await brokenRule([program], [apply(0, { end: { how: 'dies', commit: 3, phase: 'after' } }), apply(0, { faults })], { parallelism: 2 })).toBeUndefined()
})

test('what refers to something between itself and what it goes with is deleted by a call of its own, and nothing waits for ever', async () => {
  const program = [node('a', 'x'), node('b', 'y', { refs: ['a'] }), node('c', 'z', { refs: ['b'], deletedWith: 'a' })]
  expect(await brokenRule([program], [apply(0)], { destroyed: true })).toBeUndefined()
})

test('what differs in an input on which the node wants a new object is not taken over', async () => {
  const program = [node('a', 'x', { adopt: 'o-9', replaceOn: ['size'] })]
  const { violation, codes } = await runCase({
    seed: 1, parallelism: 1, store: 'memory', turnsMax: 0, last: 0, destroyed: false, programs: [program], ops: [apply(0)],
    exists: [{ id: 'o-9', kind: 'A', name: 'x', size: 7, zone: 'a' }],
  })
  expect([violation, codes['2']]).toEqual([undefined, 2])
})

test('a rejection does not undo what an attempt before it has done half-way', async () => {
  const before = [node('a', 'x'), node('b', 'y', { kind: 'P', retries: 1 })]
  const after = [node('a', 'x'), node('b', 'y', { kind: 'P', retries: 1, refs: ['a'] })]
  const faults = [{ call: 'update', name: 'y', what: 'lost-applied' }, { call: 'update', name: 'y', what: 'reject' }] as const
  expect(await brokenRule([before, after], [apply(0), apply(1, { faults })])).toBeUndefined()
})

test('what goes with an object that has to make room goes first, too', async () => {
  const program = (kind: 'A' | 'R') => [node('a', 'x', { kind, slot: 1 }), node('b', 'y', { kind: 'D', deletedWith: 'a' })]
  expect(await brokenRule([program('A'), program('R')], [apply(0), apply(1, { faults: [{ call: 'create', name: 'y', what: 'reject' }] })])).toBeUndefined()
})

test('an object that was left half-way and was to be replaced is left so again, and is not made beside itself', async () => {
  const program = [node('a', 'x', { kind: 'R' })]
  const faults = [{ call: 'create', name: 'x', what: 'partly' }] as const
  const failing = [...program, node('b', 'y', { fail: true, dependsOn: ['a'] })]
  expect(await brokenRule([program, failing, program], [apply(0, { onFailure: 'continue', faults } as Partial<Op>), apply(1, { replace: ['a'] } as Partial<Op>)])).toBeUndefined()
})

describe('what went in the call of another (deletedWith)', () => {
  test('comes back with it where the run stopped before its own turn', async () => {
    const before = [node('a', 'x', { kind: 'D', slot: 2 }), node('b', 'y', { deletedWith: 'a' })]
    const after = [node('a', 'x', { slot: 2 }), node('c', 'z', { fail: true })]
    expect(await brokenRule([before, after, before], [apply(0), apply(1)])).toBeUndefined()
  })
  test('is no open question any more where it was left half-way', async () => {
    const faults = [{ call: 'create', name: 'y', what: 'partly' }] as const
    expect(await brokenRule([[node('a', 'x'), node('b', 'y', { deletedWith: 'a' })]], [apply(0, { onFailure: 'keep', faults } as Partial<Op>), { kind: 'destroy', onFailure: 'revert' }])).toBeUndefined()
  })
})

test('what was to be made again when a run is taken back has a deadline, also where a dead run had deleted it', async () => {
  const program = [node('a', 'x', { kind: 'L' }), node('b', 'y')]
  const faults = [{ call: 'create', name: 'x', what: 'reject' }, { call: 'create', name: 'x', what: 'hang' }] as const
  expect(await brokenRule([program], [apply(0), { kind: 'taint', addresses: ['a', 'b'] }, apply(0, { end: { how: 'dies', commit: 4, phase: 'after' } }), { kind: 'resume', faults }])).toBeUndefined()
})

test('the file keeps of a change what memory keeps: an object that is given up, and one that is brought back', async () => {
  const exists = [{ id: 'o9', kind: 'A' as const, name: 'found', size: 7, zone: 'a' }]
  const faults = [{ call: 'create', name: 'y', what: 'reject' }] as const
  expect(await brokenRule([[node('a', 'x', { adopt: 'o9' }), node('b', 'y')]], [apply(0, { faults })], { store: 'sqlite', exists })).toBeUndefined()
  expect(await brokenRule([[node('a', 'x')], [node('a', 'x', { size: 2 }), node('b', 'y', { fail: true, dependsOn: ['a'] })], [node('a', 'x')]], [apply(0), apply(1)], { store: 'sqlite' })).toBeUndefined()
})

test('a restricted run tells of what is left over at a node that it only reads', async () => {
  const b = node('b', 'y', { dependsOn: ['a'] })
  const before = [node('a', 'x', { kind: 'C' }), b]
  const failing = [node('a', 'x', { kind: 'X' }), b, node('c', 'z', { fail: true })]
  const after = [node('a', 'x', { kind: 'X' }), { ...b, size: 2 }]
  expect(await brokenRule([before, failing, after], [apply(0), apply(1, { onFailure: 'keep' } as Partial<Op>), apply(2, { excludes: ['a'] } as Partial<Op>)])).toBeUndefined()
})
