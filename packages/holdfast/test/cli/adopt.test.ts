import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { folder, type Folder } from './holdfast.ts'

let f: Folder
afterEach(() => f?.dispose())

const program = `import { app } from 'holdfast'
import { File } from 'holdfast/local'
export default app('taker', { build() {
  File('one', { path: 'out/one.txt', content: 'one\\n' })
  File('two', { path: 'out/two.txt', content: 'two\\n' })
} })
`

test('objects that exist are taken over by a plan, the world is recorded as it is, and an apply can do that first', async () => {
  f = folder({ 'app.ts': program })
  const file = (name: string) => join(f.path, 'out', name)
  mkdirSync(join(f.path, 'out'))
  writeFileSync(file('one.txt'), 'one\n', { mode: 0o644 })
  writeFileSync(file('two.txt'), 'by hand\n', { mode: 0o644 })
  f.write({ 'mapping.json': JSON.stringify({ one: 'out/one.txt', two: 'out/two.txt' }) })

  expect((await f.run('adopt --from mapping.json --json')).json().error).toMatchObject({ code: 'HF2121', details: { rows: [{ address: 'one' }, { address: 'two' }] } })
  const plan = (await f.run('adopt --from mapping.json --adopt-other --json')).json()
  expect(plan).toMatchObject({ app: 'taker', summary: { adopt: 2 }, changes: [{ address: 'one', action: 'adopt', adopts: 'out/one.txt', owner: 'other' }, { address: 'two' }] })
  expect((await f.run(`apply ${plan.id} -y --json`)).json()).toMatchObject({ outcome: 'applied', summary: { adopt: 2 } })
  expect(readFileSync(file('two.txt'), 'utf8')).toBe('by hand\n')
  expect((await f.run('state show one --json')).json()).toMatchObject({ adopted: true, physicalId: 'out/one.txt', created: expect.stringMatching(/Z$/) })
  expect((await f.run('apply -y --json')).json()).toMatchObject({ outcome: 'applied', tasks: [{ address: 'two', op: 'update' }] })
  expect(readFileSync(file('two.txt'), 'utf8')).toBe('two\n')

  rmSync(file('one.txt'))
  expect((await f.run('drift --accept -y --json')).json()).toMatchObject({ outcome: 'applied', summary: { forget: 1 }, drifted: [{ address: 'one', kind: 'gone' }] })
  writeFileSync(file('two.txt'), 'again\n')
  expect((await f.run('apply --refresh -y --json')).json()).toMatchObject({ outcome: 'applied', summary: { create: 1 } })
  expect(existsSync(file('one.txt'))).toBe(true)
  expect((await f.run('run ls --json')).json().runs.map((r: { kind: string }) => r.kind)).toEqual(['apply', 'refresh', 'refresh', 'apply', 'apply'])
}, 60_000)
