import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { backendCases } from '../../src/testing/backend-suite.ts'

const example = fileURLToPath(new URL('../../../../examples/third-party-store/', import.meta.url))

test('S000-02 S000-06 S000-130 S000-137 a backend of an outsider, loaded by its module and name, passes the exported suite', () => {
  const { stdout, status } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'suite.mjs'], { cwd: example, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, env: { ...process.env, NODE_OPTIONS: '' } })
  const ended = [...stdout.matchAll(/^ {4}(not ok|ok) \d+ - (.*)$/gm)].map((m) => [m[1], (m[2] as string).replaceAll('\\', '')] as const)
  expect(ended.filter(([how]) => how !== 'ok')).toEqual([])
  expect(status).toBe(0)
  const names = ended.map(([, name]) => name)
  const shown = backendCases().filter((name) => !names.includes(name))
  // It is for one process at a time, and says so.
  for (const name of shown) expect(names).toContain(`${name} (not here: the factory gives no second)`)
  expect(shown.length).toBeLessThan(backendCases().length / 20)
  expect(names.length).toBeGreaterThan(backendCases().length)
}, 120_000)

test('it imports what anybody can import', () => {
  const imports = ['json-file.mjs', 'suite.mjs'].flatMap((name) => [...readFileSync(join(example, name), 'utf8').matchAll(/from '([^']+)'/g)].map((m) => m[1] as string))
  expect([...new Set(imports)].filter((name) => !name.startsWith('node:')).sort()).toEqual(['./json-file.mjs', 'holdfast/backend', 'holdfast/testing', 'zod'])
})

test('S000-130 it is found by the name of its package', () => {
  const program = "import { loadBackend } from 'holdfast/backend'\nconst be = await loadBackend({ module: 'third-party-store', export: 'JsonFileBackend', config: { path: '/nowhere/state.json' } })\nconsole.log(be.capabilities.name, (await be.getTopLevelResourceStates()).length)"
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: example, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })).toMatchObject({ stdout: 'json-file 0\n', status: 0 })
})
