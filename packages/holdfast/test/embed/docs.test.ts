import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('the program of docs/engine.md runs and says what stands beside it', () => {
  const text = readFileSync(fileURLToPath(new URL('../../../../docs/engine.md', import.meta.url)), 'utf8')
  const program = /```ts\n([\s\S]*?)```/.exec(text)?.[1] as string
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: fileURLToPath(new URL('../../../../examples/embed', import.meta.url)), encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  expect(stdout.trim().split('\n'), stderr).toEqual([...program.matchAll(/console\.log\(.*\)\s+\/\/ (.*)$/gm)].map((m) => m[1]))
})
