import { expect, test } from 'vitest'
import { app } from '../../src/program/index.ts'
import { Value } from '../../src/builtin/value/index.ts'
import { Engine } from '../../src/embed/index.ts'
import { ListedTargets, MemorySnapshots } from './world.ts'

test('S003-01 an engine is made of who knows targets and who keeps snapshots, and applies with these two', async () => {
  const targets = new ListedTargets('prod')
  const snapshots = new MemorySnapshots()
  const engine = new Engine({ targets, snapshots })
  const program = app('shop', { build: () => ({ greeting: Value('greeting', { input: 'hello' }).output }) })
  const plan = await engine.preview('prod', program)
  expect(plan.document.changes).toMatchObject([{ address: 'greeting', action: 'create' }])
  expect(await engine.apply('prod', program)).toMatchObject({ outcome: 'applied', outputs: { greeting: 'hello' }, revision: { from: 0, to: 1 } })
  expect(await engine.apply('prod', program)).toMatchObject({ outcome: 'unchanged' })
  console.log(snapshots.calls, JSON.stringify(snapshots.ended.at(-1), null, 1))
})
