import { expect, test } from 'vitest'
import { runCase } from '../run.ts'

// Not mended yet, so its name keeps it out of npm test. A destroy while the outcome of a create is unknown commits its revision and ends with 14
// (deletions left); it should end with 12, for only a person can settle what is left. When that person then says that the object exists, its row
// enters a revision that is committed already, and names a dependency that is being deleted. The next apply puts it right.
test('a destroy is not complete while the outcome of a create is unknown', async () => {
  const { codes } = await runCase({
    seed: 6784, parallelism: 4, store: 'memory', turnsMax: 0, last: 0, destroyed: false,
    programs: [
      [
        { address: 'n1', kind: 'A', name: 'o2', size: 2, zone: 'a' },
        { address: 'n3', kind: 'D', name: 'o4', size: 7, zone: 'a', refs: ['n1'] },
        { address: 'n9', kind: 'A', name: 'o10', size: 6, zone: 'a' },
        { address: 'n11', kind: 'A', name: 'o12', size: 2, zone: 'a' },
        { address: 'n13', kind: 'A', name: 'o14', size: 4, zone: 'a', refs: ['n11', 'n1'] },
      ],
    ],
    ops: [
      { kind: 'apply', program: 0, onFailure: 'continue', end: { how: 'dies', commit: 11, phase: 'before' } },
      { kind: 'destroy', onFailure: 'continue' },
    ],
  })
  expect(codes['14']).toBeUndefined()
})
