import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repository, script } from './tree.ts'

const folder = join(repository, 'packages/holdfast/test/verify')
const listed = script('scripts/verify.mjs', '--list').stdout.trim().split('\n').map((line) => line.split(/\s+/)[0] as string)

test('every long suite stands in the table of npm run verify, and every vitest suite of the table is there', () => {
  const files = readdirSync(folder).filter((f) => f.endsWith('.test.ts')).map((f) => f.slice(0, -'.test.ts'.length))
  expect(files.filter((name) => !listed.includes(name))).toEqual([])
  const scripts = ['simulation-1', 'simulation-2', 'simulation-3', 'simulation-4', 'simulation-same', 'mutants', 'fuzz-1', 'fuzz-2', 'fuzz-3', 'fuzz-4', 'fuzz-mutants', 'bench']
  expect(listed.filter((name) => !scripts.includes(name) && !existsSync(join(folder, `${name}.test.ts`)))).toEqual([])
})

test('a name that no suite has is refused', () => {
  expect(script('scripts/verify.mjs', 'nonsense')).toMatchObject({ code: 2 })
})
