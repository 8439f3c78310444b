import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readStatus } from '../../src/engine/index.ts'
import { boxSpec, Cloud, makeLab } from '../support/world.ts'

test('an object that a dead run and this one have changed is taken back once, not by both at the same time', async () => {
  const cloud = new Cloud()
  const { update } = boxSpec(cloud)
  // A call takes a moment, so that a second one would meet it.
  const lab = makeLab({ cloud, more: { update: async (a) => { await sleep(20); return (update as NonNullable<typeof update>)(a) } } })
  const sized = (size: number) => () => void lab.Box('a', { name: 'a', size })
  await lab.apply(sized(1))

  cloud.fault('update a', 'partly', 'reject')
  expect(await lab.apply(sized(2))).toMatchObject({ outcome: 'incomplete' })
  expect(cloud.content).toEqual(['a=2'])

  cloud.calls.length = 0
  cloud.fault('update a', 'partly')
  expect(await lab.apply(sized(3))).toMatchObject({ outcome: 'reverted', revision: { from: 1, to: 1 } })
  expect(cloud.content).toEqual(['a=1'])
  expect(cloud.calls.filter((c) => c === 'update a')).toHaveLength(2) // the failing one, and one back
  expect(await readStatus(lab.cx)).toMatchObject({ open: [], openRun: null })
})
