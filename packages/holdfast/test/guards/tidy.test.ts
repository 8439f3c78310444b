import { describe, expect, test } from 'vitest'
import { script, tree } from './tree.ts'

const tidy = (files: Record<string, string>) => script('scripts/tidy.mjs', '--src', tree(files))

describe('house rules', () => {
  test('the source keeps to them', () => {
    expect(script('scripts/tidy.mjs')).toMatchObject({ code: 0, stderr: '' })
  })

  const red: Record<string, [Record<string, string>, RegExp]> = {
    'the time of day in the engine': [{ 'engine/a.ts': '\nconst now = Date.now()\n' }, /^engine\/a\.ts:2: Date\.now on the side of the engine$/m],
    'a date without a moment': [{ 'engine/a.ts': 'new Date()\n' }, /new Date\(\)/],
    'chance in the flow': [{ 'flow/a.ts': 'Math.random()\n' }, /Math\.random/],
    'a random id in the plan': [{ 'plan/a.ts': "import { randomUUID } from 'node:crypto'\nrandomUUID()\n" }, /system randomness/],
    'a timer in the engine': [{ 'engine/a.ts': 'setTimeout(f, 10)\n' }, /a timer/],
    'a stopwatch in the engine': [{ 'engine/a.ts': 'performance.now()\n' }, /performance/],
    'a file read by the journal': [{ 'journal/a.ts': "import { readFileSync } from 'node:fs'\n" }, /^journal\/a\.ts:1: node:fs/m],
    'files by promise, loaded late': [{ 'journal/a.ts': "await import('node:fs/promises')\n" }, /node:fs\/promises/],
    'a process started by the flow': [{ 'flow/a.ts': "import { spawn } from 'node:child_process'\n" }, /node:child_process/],
    'a thread in the state': [{ 'state/a.ts': "import { Worker } from 'node:worker_threads'\n" }, /node:worker_threads/],
    'a socket in the provider port': [{ 'provider/a.ts': "import net from 'node:net'\n" }, /node:net/],
    'console outside of cli': [{ 'builtin/a.ts': 'console.log(1)\n' }, /console outside of cli/],
    'a file of more than 420 lines': [{ 'base/a.ts': '\n'.repeat(420) }, /^base\/a\.ts: 421 lines/m],
    'folders made all at once': [{ 'builtin/a.ts': "import { mkdirSync } from 'node:fs'\nmkdirSync(join(dirname(to), 'x'), {\n  mode: 0o700, recursive: true })\n" }, /^builtin\/a\.ts:2: mkdir with recursive/m],
    'a door without its comment': [{ 'base/index.ts': "export * from './a.ts'\n" }, /^base\/index\.ts:1: a door begins/m],
    'work left over': [{ 'base/a.ts': '// TODO: later\n' }, /"TODO"/],
  }
  for (const [what, [files, message]] of Object.entries(red)) {
    test(`red: ${what}`, () => {
      const { code, stderr } = tidy(files)
      expect(stderr).toMatch(message)
      expect(code).toBe(1)
    })
  }

  test('what touches the world may touch it, and words in comments and texts are only words', () => {
    expect(tidy({
      'cli/a.ts': 'console.log(Date.now())\n', 'builtin/a.ts': "import 'node:fs'\nsetTimeout(f)\nmkdirSync(a(b))\nreaddirSync(c, { recursive: true })\n", 'store/sqlite/a.ts': "import 'node:worker_threads'\n",
      'engine/a.ts': "/* Date.now() */\nconst text = 'Math.random()'\nconst other = `console.log ${1 + 1} Date.now`\nclock.setTimeout(1)\nnew Date(at).toISOString()\n",
    })).toMatchObject({ code: 0 })
  })
})
