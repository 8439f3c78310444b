import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const here = dirname(fileURLToPath(import.meta.url))
const text = readFileSync(join(here, '../../../../docs/flow.md'), 'utf8')

test('the first program of docs/flow.md runs, and runs nothing again the second time', () => {
  const program = /```ts\n([\s\S]*?)```/.exec(text)?.[1] as string
  const folder = mkdtempSync(join(here, '.docs-'))
  try {
    writeFileSync(join(folder, 'a.mjs'), program)
    for (let i = 0; i < 2; i++) expect(spawnSync(process.execPath, ['a.mjs'], { cwd: folder, encoding: 'utf8' })).toMatchObject({ status: 0, stdout: 'SUCCESS backups/export-1\n' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)

test('the program of docs/flow.md that proves an engine proves the built-in one', () => {
  const program = /```js\n([\s\S]*?)```/.exec(text)?.[1] as string
  const folder = mkdtempSync(join(here, '.docs-'))
  try {
    writeFileSync(join(folder, 'suite.mjs'), program)
    const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'suite.mjs'], { cwd: folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
    expect(stdout).toMatch(/^# pass 2\d$/m)
    expect(status, stdout).toBe(0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
