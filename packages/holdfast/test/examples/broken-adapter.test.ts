import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { providerCases } from '../../src/testing/provider-suite.ts'
import { storeCases } from '../../src/testing/store-suite.ts'

const example = fileURLToPath(new URL('../../../../examples/broken-adapter/', import.meta.url))
const load = (name: string) => import(pathToFileURL(join(example, name)).href)
type Faults = Readonly<Record<string, { readonly fails: readonly string[] }>>
const { storeFaults } = await load('store.mjs') as { storeFaults: Faults }
const { providerFaults } = await load('provider.mjs') as { providerFaults: Faults }

/** Every case that the suites ran, as node:test tells of it in another process: `suite > case`, and whether it held. */
function outcomes(): Map<string, boolean> {
  const { stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'suite.mjs'], { cwd: example, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, env: { ...process.env, NODE_OPTIONS: '' } })
  const found = new Map<string, boolean>()
  let suite = ''
  for (const line of stdout.split('\n')) {
    const begun = /^# Subtest: (.*)$/.exec(line)
    if (begun) suite = begun[1] as string
    const ended = /^ {4}(not ok|ok) \d+ - (.*)$/.exec(line)
    if (ended) found.set(`${suite} > ${(ended[2] as string).replaceAll('\\', '')}`, ended[1] === 'ok')
  }
  return found
}

test('adapters with planted faults fail the cases that are named for them, and no other', () => {
  const expected = [
    ...Object.entries(storeFaults).flatMap(([fault, { fails }]) => fails.map((name) => `store: ${fault} > ${name}`)),
    ...Object.entries(providerFaults).flatMap(([fault, { fails }]) => fails.map((name) => `provider: ${fault} > ${name}`)),
  ]
  expect(expected).toHaveLength(24)
  const ran = outcomes()
  expect([...ran].flatMap(([name, held]) => (held ? [] : [name])).sort()).toEqual(expected.sort())
  for (const name of storeCases()) expect(ran.get(`store: without a fault > ${name}`), name).toBe(true)
  for (const name of providerCases.filter((n) => !n.includes('killed'))) expect(ran.get(`provider: without a fault > ${name}`), name).toBe(true)
})

test('what is planted are the faults that cost people their data', () => {
  expect(Object.keys(storeFaults)).toEqual([
    'writes on without its lease', 'writes over a state that moved on', 'keeps half of a refused commit', 'leaves out documents that are not there', 'shows an open run to readers', 'forgets resources when it is closed',
  ])
  expect(Object.keys(providerFaults)).toEqual([
    'makes a second object when it is asked again', 'takes what somebody else made for its own', 'overwrites what stands in its place', 'deletes without looking', 'fails when it is gone already', 'tells a secret',
  ])
})
