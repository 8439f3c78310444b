import { expect, test } from 'vitest'
import { runCase } from '../run.ts'

// Not mended yet, so its name keeps it out of npm test. An object is changed in place so that it lies in a new one (deletedWith), and both refer to something
// whose old object went first. Taken back, the new one goes before that is made again, and the object can only be restored after that: whatever the order, it
// goes with the new one. Its row says that it stands, and its restore is refused. The withdrawal should write down that it went, and what lay in it, so that
// all of that is made again.
test('what was moved into something new and refers to what is to be made again first comes back', async () => {
  const { violation } = await runCase({
    seed: 1, parallelism: 1, store: 'memory', turnsMax: 0, last: 1, destroyed: false,
    programs: [
      [{ address: 'c', kind: 'L', name: 'c', size: 1, zone: 'a' }, { address: 'n', kind: 'A', name: 'x', size: 1, zone: 'a', refs: ['c'] }],
      [
        { address: 'c', kind: 'L', name: 'c', size: 1, zone: 'b' }, { address: 'h', kind: 'A', name: 'h', size: 1, zone: 'a', refs: ['c'] },
        { address: 'n', kind: 'A', name: 'x', size: 1, zone: 'a', refs: ['c'], deletedWith: 'h' }, { address: 'f', kind: 'A', name: 'f', size: 1, zone: 'a', dependsOn: ['n'] },
      ],
    ],
    ops: [
      { kind: 'apply', program: 0, onFailure: 'revert' },
      { kind: 'apply', program: 1, onFailure: 'revert', faults: [{ call: 'create', name: 'f', what: 'reject' }] },
    ],
  })
  expect(violation).toBeUndefined()
})
