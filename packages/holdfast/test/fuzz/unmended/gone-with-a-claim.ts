import { expect, test } from 'vitest'
import { runCase } from '../run.ts'

// Not mended yet, so its name keeps it out of npm test. An object goes first because its successor claims what it has. What lies in it (deletedWith) goes
// along; but where the node of that is only to be updated, and not replaced or deleted, nothing makes it again: its row says that the object stands.
test('what lies in an object that has to make room is made again when it is only to be updated', async () => {
  const { violation } = await runCase({
    seed: 46280, parallelism: 1, store: 'memory', turnsMax: 0, last: 0, destroyed: false,
    programs: [
      [{ address: 'n1', kind: 'B', name: 'o2', size: 1, zone: 'a' }, { address: 'n7', kind: 'A', name: 'o8', size: 8, zone: 'a', deletedWith: 'n1' }],
      [{ address: 'n11', kind: 'B', name: 'o2', size: 1, zone: 'b' }, { address: 'n7', kind: 'A', name: 'o8', size: 8, zone: 'a', deletedWith: 'n11' }],
    ],
    ops: [{ kind: 'apply', program: 1, onFailure: 'revert' }],
  })
  expect(violation).toBeUndefined()
})
