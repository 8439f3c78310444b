import { expect, test } from 'vitest'
import { runCase } from '../run.ts'

// Not mended yet, so its name keeps it out of npm test. An object that is replaced goes first where the old and the new one claim one thing. What goes with
// it (deletedWith) is gone then, but its node is replaced create-first: its row says that the object stands until a delete call of its own, and a run that is
// taken back in between does not make it again. It should go first together with the other one, as it does where the type or an option asks for that order.
test('what goes with an object that has to make room goes first, too', async () => {
  const { violation } = await runCase({
    seed: 5597, parallelism: 1, store: 'memory', turnsMax: 0, last: 1, destroyed: false,
    programs: [
      [{ address: 'a', kind: 'A', name: 'x', size: 2, zone: 'a', slot: 1 }, { address: 'b', kind: 'D', name: 'y', size: 9, zone: 'a', deletedWith: 'a' }],
      [{ address: 'a', kind: 'R', name: 'x', size: 2, zone: 'a', slot: 1 }, { address: 'b', kind: 'D', name: 'y', size: 9, zone: 'a', deletedWith: 'a' }],
    ],
    ops: [
      { kind: 'apply', program: 0, onFailure: 'revert' },
      { kind: 'apply', program: 1, onFailure: 'revert', faults: [{ call: 'create', name: 'y', what: 'reject' }] },
    ],
  })
  expect(violation).toBeUndefined()
})
