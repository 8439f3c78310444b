import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, cpSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { snapshotCases, targetCases } from '../../src/testing/index.ts'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const example = join(repository, 'examples/embed')
const env = { ...process.env, NODE_OPTIONS: '' }

/** A copy of the example, so that two tests do not share its folder. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-embed-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of readdirSync(example)) if (name !== 'run') cpSync(join(example, name), join(folder, name))
  mkdirSync(join(folder, 'node_modules'))
  for (const [name, target] of Object.entries({ holdfast: 'packages/holdfast', zod: 'node_modules/zod' })) symlinkSync(join(repository, target), join(folder, 'node_modules', name))
  return folder
}

test('S003-05 S003-10 S003-33 two providers of an outsider over one JSON file run plan, apply, a crash, recovery and destroy', () => {
  const cwd = copy()
  const { stdout, status } = spawnSync(process.execPath, ['demo.mjs'], { cwd, encoding: 'utf8', env })
  expect(stdout.split('\n')).toEqual([
    '$ plan', '  create home', '  create about',
    '$ apply (SIGKILL)', '  task.started home', '  task.succeeded home', '  task.started about',
    '$ status', '  revision 0, being changed: not reliable', '  open: create of about',
    '$ apply', '  applied, revision 1',
    '$ status', '  revision 1, reliable',
    '$ plan', '  nothing to do',
    '$ destroy', '  task.started about', '  task.succeeded about', '  task.started home', '  task.succeeded home', '  applied, revision 2',
    '$ status', '  revision 2, reliable', '',
  ])
  expect(status).toBe(0)
  expect(readdirSync(join(cwd, 'run/pages'))).toEqual([])
  expect(readFileSync(join(cwd, 'run/infra.json'), 'utf8')).not.toContain('not-in-the-file')
})

test('S003-10 both pass the suites of their ports, every case', () => {
  const { stdout, status } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'suite.mjs'], { cwd: copy(), encoding: 'utf8', env })
  const ended = [...stdout.matchAll(/^ {4}(not ok|ok) \d+ - (.*)$/gm)].map((m) => [m[1], (m[2] as string).replaceAll('\\', '')] as const)
  expect(ended.filter(([how]) => how !== 'ok')).toEqual([])
  expect(status).toBe(0)
  expect(ended.map(([, name]) => name)).toEqual([...snapshotCases(), ...targetCases()])
})

test('it imports what anybody can import', () => {
  const imports = readdirSync(example).filter((n) => n.endsWith('.mjs')).flatMap((name) => [...readFileSync(join(example, name), 'utf8').matchAll(/from '([^']+)'/g)].map((m) => m[1] as string))
  expect([...new Set(imports)].filter((name) => !/^node:|^\.\//.test(name)).sort()).toEqual(['holdfast', 'holdfast/engine', 'holdfast/testing', 'zod'])
})
