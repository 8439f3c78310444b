import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { folder, hello, type Folder } from './holdfast.ts'

let f: Folder
afterEach(() => f?.dispose())

test('from an empty folder to outputs and back: every document is one line of JSON with v, app and env', async () => {
  f = folder({ 'app.ts': hello })
  const where = { v: 1, app: 'hello', env: 'default' }
  const plan = (await f.run('plan --json')).json()
  expect(plan).toMatchObject({ ...where, revision: 0, summary: { create: 2 }, changes: [{ address: 'password', action: 'create' }, { address: 'greeting', action: 'create' }] })
  const apply = await f.run('apply -y --json')
  expect(apply.stdout.trim().split('\n')).toHaveLength(1)
  expect(apply.json()).toMatchObject({ ...where, outcome: 'applied', revision: { from: 0, to: 1 }, outputs: { file: 'out/greeting.txt' } })
  expect((await f.run('status --json')).json()).toMatchObject({ ...where, revision: 1, resources: 2, open: [] })
  expect((await f.run('outputs --json')).json()).toEqual({ ...where, outputs: { file: 'out/greeting.txt' } })
  expect((await f.run('state ls --json')).json()).toMatchObject({ ...where, resources: [{ address: 'greeting' }, { address: 'password' }] })
  expect((await f.run('graph --format json')).json()).toMatchObject({ ...where, edges: [{ from: 'greeting', to: 'password', kind: 'reads' }] })
  expect((await f.run('state doctor --json')).json()).toMatchObject({ ...where, ok: true })
  expect((await f.run('drift --json --exit-code'))).toMatchObject({ code: 0 })
  expect((await f.run('run ls --json')).json()).toMatchObject({ ...where, runs: [{ kind: 'apply' }] })
  expect((await f.run('destroy -y --json')).json()).toMatchObject({ ...where, outcome: 'applied' })
  expect(existsSync(join(f.path, 'out/greeting.txt'))).toBe(false)
  // Nothing but the state file, and all of it for nobody but the user.
  expect(readdirSync(join(f.path, '.holdfast')).filter((n) => n.startsWith('state.db'))).toEqual(['state.db'])
  for (const e of readdirSync(join(f.path, '.holdfast'), { recursive: true, withFileTypes: true })) {
    expect(statSync(join(e.parentPath, e.name)).mode & 0o777, e.name).toBe(e.isDirectory() ? 0o700 : 0o600)
  }
})

describe('without a terminal', () => {
  test('an apply without --yes is refused, exit 2, and nothing was changed', async () => {
    f = folder({ 'app.ts': hello })
    const r = await f.run('apply --json')
    expect(r.code).toBe(2)
    expect(r.json().error).toMatchObject({ code: 'HF1006', message: expect.stringContaining('Nothing was changed') })
    expect(existsSync(join(f.path, 'out'))).toBe(false)
    await f.run('apply -y')
    expect((await f.run('destroy')).code).toBe(2)
    expect(existsSync(join(f.path, 'out/greeting.txt'))).toBe(true)
  })

  test('no ESC byte goes into a pipe, and colour only when it is forced', async () => {
    f = folder({ 'app.ts': hello })
    const plain = await f.run('apply -y')
    expect(plain.stdout + plain.stderr).not.toContain('\u001b')
    expect((await f.run('plan --replace greeting --color always')).stdout).toContain('\u001b')
    expect((await f.run('plan --replace greeting', { env: { FORCE_COLOR: '1' } })).stdout).toContain('\u001b')
    expect((await f.run('plan --replace greeting', { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stdout).not.toContain('\u001b')
  })
})

test('secret rotate makes a generated secret anew, and what uses it follows; what gives no secret is refused before anything is done', async () => {
  f = folder({ 'app.ts': hello })
  await f.run('apply -y')
  const greeting = () => readFileSync(join(f.path, 'out/greeting.txt'), 'utf8')
  const before = greeting()
  expect((await f.run('secret rotate greeting -y --json'))).toMatchObject({ code: 2 })
  expect((await f.run('secret rotate nobody -y --json')).json().error).toMatchObject({ code: 'HF6001' })
  expect((await f.run('secret rotate password --json')).json().error).toMatchObject({ code: 'HF1006' })
  expect(greeting()).toBe(before)
  const r = await f.run('secret rotate password -y --json')
  expect(r.json()).toMatchObject({ outcome: 'applied', revision: { from: 1, to: 2 } })
  expect(greeting()).toMatch(/^hello .{24}\n$/)
  expect(greeting()).not.toBe(before)
  expect((await f.run('plan --exit-code')).code).toBe(0)
})

test('plan exits 7 with --exit-code when there are changes, and 0 when there are none', async () => {
  f = folder({ 'app.ts': hello })
  expect((await f.run('plan --exit-code')).code).toBe(7)
  expect((await f.run('plan')).code).toBe(0)
  await f.run('apply -y')
  expect((await f.run('plan --exit-code')).code).toBe(0)
})

test('a plan in a file is applied once, and not after it was edited', async () => {
  f = folder({ 'app.ts': hello })
  expect((await f.run('plan --out p.json')).code).toBe(0)
  expect(statSync(join(f.path, 'p.json')).mode & 0o777).toBe(0o600)
  const text = readFileSync(join(f.path, 'p.json'), 'utf8')
  writeFileSync(join(f.path, 'edited.json'), text.replace('greeting.txt', 'greeting.tx2'))
  const edited = await f.run('apply edited.json -y --json')
  expect([edited.code, edited.json().error.code]).toEqual([2, 'HF2402'])
  expect((await f.run('apply p.json -y')).code).toBe(0)
  expect((await f.run('apply p.json -y --json')).json().error.code).toBe('HF2403')
  expect((await f.run('apply nope.json -y --json')).json().error.code).toBe('HF2404')
})

test('a failure prints the run document with its error, takes everything back and exits 4', async () => {
  f = folder({ 'app.ts': `import { app } from 'holdfast'
import { Command, File } from 'holdfast/local'
export default app('p', { build() {
  const a = File('a', { path: 'a.txt', content: 'a' })
  Command('bad', { command: ['node', '-e', 'console.error("boom"); process.exit(3)'], triggers: [a.path] })
} })
` })
  const r = await f.run('apply -y --json')
  expect(r.code).toBe(4)
  expect(r.json()).toMatchObject({ outcome: 'reverted', error: { code: 'HF3108', address: 'bad', line: 5 }, reverted: expect.arrayContaining([{ address: 'a', identity: 'same' }]) })
  expect(r.stderr).toContain('p · default is unchanged at revision 0. 1 of 1 completed task was reverted.')
  expect(existsSync(join(f.path, 'a.txt'))).toBe(false)
})

describe('secrets', () => {
  const program = `import { app } from 'holdfast'
import { File } from 'holdfast/local'
export default app('p', { environments: { dev: {}, prod: {} }, secrets: ['token'], build({ secrets }) {
  File('f', { path: 'f.txt', content: secrets.token })
  return { token: secrets.token }
} })
`
  test('are given on stdin, never shown, and only --reveal prints them', async () => {
    f = folder({ 'app.ts': program })
    const env = { HOLDFAST_ENV: 'dev' }
    const missing = await f.run('plan --json', { env })
    expect([missing.code, missing.json().error.code]).toEqual([2, 'HF2301'])
    expect((await f.run('secret set nope', { env, stdin: 'x' })).code).toBe(2)
    expect((await f.run('secret set token', { env, stdin: '' })).code).toBe(2)
    const set = await f.run('secret set token', { env, stdin: 'correct-horse-battery\n' })
    expect(set.code, set.stderr).toBe(0)
    expect((await f.run('secret ls --json', { env })).json().secrets).toEqual([{ name: 'token', declared: true, setAt: expect.any(String) }])
    const applied = await f.run('apply -y --json --events ev.ndjson', { env })
    expect(applied.code, applied.stderr).toBe(0)
    expect(readFileSync(join(f.path, 'f.txt'), 'utf8')).toBe('correct-horse-battery')
    const shown = [applied.stdout, applied.stderr, readFileSync(join(f.path, 'ev.ndjson'), 'utf8'), ...(await Promise.all(['outputs', 'outputs token', 'state ls --with-outputs --json', 'state show f', 'plan show p-x'].map(async (v) => (await f.run(v, { env })).stdout)))].join('\n')
    expect(shown).not.toContain('correct-horse')
    expect(applied.json().outputs).toEqual({ token: { secret: true } })
    expect((await f.run('outputs token --reveal', { env })).stdout).toBe('correct-horse-battery\n')
    expect((await f.run('outputs nope --json', { env })).json().error.code).toBe('HF6004')
    // Another environment has its own.
    expect((await f.run('plan -e prod --json')).json().error.code).toBe('HF2301')
  })

  test('the environment must be named when there are several', async () => {
    f = folder({ 'app.ts': program })
    expect((await f.run('plan --json')).json().error.code).toBe('HF1303')
    expect(await f.run('plan -e pord --json')).toMatchObject({ code: 6 })
  })
})

describe('the key', () => {
  test('a wrong key is told from a missing one, and a missing one is not replaced', async () => {
    f = folder({ 'app.ts': hello })
    await f.run('apply -y')
    const wrong = await f.run('plan --json', { env: { HOLDFAST_KEY: 'ab'.repeat(32) } })
    expect([wrong.code, wrong.json().error.code]).toEqual([3, 'HF4302'])
    const key = readFileSync(join(f.path, '.holdfast/key'), 'utf8').trim()
    rmSync(join(f.path, '.holdfast/key'))
    expect((await f.run('plan', { env: { HOLDFAST_KEY: key } })).code).toBe(0)
    expect(existsSync(join(f.path, '.holdfast/key'))).toBe(false)
    f.write({ 'app.ts': hello.replace('24', '25') })
    const missing = await f.run('apply -y --json')
    expect(missing.json().error.code, missing.stderr).toBe('HF4301')
    expect(existsSync(join(f.path, '.holdfast/key'))).toBe(false)
    expect((await f.run('status --json')).json().revision).toBe(1)
  })

  test('a state that is gone is not taken for a new beginning', async () => {
    f = folder({ 'app.ts': hello })
    await f.run('apply -y')
    rmSync(join(f.path, '.holdfast/state.db'))
    const r = await f.run('plan --json')
    expect([r.code, r.json().error.code]).toEqual([13, 'HF4005'])
    expect(existsSync(join(f.path, '.holdfast/state.db'))).toBe(false)
  })
})

test('the project file names program, state and key, and is found from below', async () => {
  f = folder({
    'holdfast.config.ts': "import { defineProject, keyFile, sqlite } from 'holdfast'\nexport default defineProject({ app: './src/app.ts', defaults: { state: sqlite('data/s.db'), key: keyFile('data2/k') } })\n",
    'src/app.ts': hello, 'src/deep/x': '', '.git/HEAD': '',
  })
  const r = await f.run('apply -y', { cwd: join(f.path, 'src/deep') })
  expect(r.code, r.stderr).toBe(0)
  for (const file of ['src/out/greeting.txt', 'data/s.db', 'data2/k', '.holdfast/.gitignore']) expect(existsSync(join(f.path, file)), file).toBe(true)
  f.write({ 'holdfast.config.ts': "import { defineProject } from 'holdfast'\nexport default defineProject({ ap: './x.ts' } as never)\n" })
  expect((await f.run('plan --json')).json().error.code).toBe('HF1005')
  f.write({ 'holdfast.config.ts': 'export default {}\n' })
  expect((await f.run('plan --json')).json().error.code).toBe('HF1005')
})

test('a program that is broken does not hide what the state knows', async () => {
  f = folder({ 'app.ts': hello })
  await f.run('apply -y')
  f.write({ 'app.ts': 'const x: = 1\n' })
  for (const verb of ['status', 'state ls', 'outputs', 'run ls', 'plan ls']) {
    const r = await f.run(`${verb} --json`)
    expect(r.code, `${verb}: ${r.stderr}`).toBe(0)
    expect(r.json().app).toBe('hello')
    expect(r.stderr).toContain('warning HF1003')
  }
  expect((await f.run('plan')).code).toBe(2)
})

test('reading makes nothing where there is no state', async () => {
  f = folder({ 'app.ts': hello })
  for (const verb of ['status', 'state ls', 'outputs', 'graph', 'run ls', 'plan ls', 'check', 'drift', 'state doctor', 'trash ls', 'secret ls']) {
    const r = await f.run(verb)
    expect(r.code, `${verb}: ${r.stderr}`).toBe(0)
  }
  expect(readdirSync(f.path)).toEqual(['app.ts'])
})

describe('Ctrl-C', () => {
  const slow = `import { app } from 'holdfast'
import { Command, File } from 'holdfast/local'
export default app('slow', { build() {
  const a = File('a', { path: 'a.txt', content: 'a' })
  const b = Command('b', { command: ['sh', '-c', 'touch started; sleep 1.5'], triggers: [a.path] })
  File('c', { path: 'c.txt', content: 'c' }, { dependsOn: [b] })
} })
`
  test('once: what runs ends, nothing more starts, and everything is taken back; exit 8', async () => {
    f = folder({ 'app.ts': slow })
    const r = await f.run('apply -y --json', { started: (child) => {
      const look = setInterval(() => {
        if (!existsSync(join(f.path, 'started'))) return
        clearInterval(look)
        child.kill('SIGINT')
      }, 20)
      child.on('exit', () => clearInterval(look))
    } })
    expect(r.code, r.stderr).toBe(8)
    expect(r.json()).toMatchObject({ revision: { from: 0, to: 0 } })
    expect(existsSync(join(f.path, 'c.txt'))).toBe(false)
    expect(existsSync(join(f.path, 'a.txt'))).toBe(false)
  })
})

test('events are lines of JSON with a growing number', async () => {
  f = folder({ 'app.ts': hello })
  const r = await f.run('apply -y --events -')
  const events = r.stdout.trim().split('\n').map((l) => JSON.parse(l) as Record<string, unknown>)
  expect(events.map((e) => e.seq)).toEqual(events.map((_, i) => i + 1))
  expect(events.every((e) => e.v === 1 && typeof e.type === 'string' && !Number.isNaN(Date.parse(String(e.t))))).toBe(true)
  expect(events.map((e) => e.type)).toEqual(expect.arrayContaining(['run.started', 'run.phase', 'task.started', 'task.succeeded', 'run.committed', 'run.finished']))
  expect((await f.run('apply -y --json --events -')).code).toBe(2)
})

test('the number of commits is the last line on stderr when it is asked for', async () => {
  f = folder({ 'app.ts': hello })
  const r = await f.run('apply -y', { env: { HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: 'count' } })
  expect(JSON.parse(r.stderr.trim().split('\n').at(-1) as string)).toEqual({ commits: expect.any(Number) })
  expect((await f.run('apply -y', { env: { HOLDFAST_FAILPOINT: 'count' } })).stderr).not.toContain('commits')
})

test('init writes a program that plans, and never over what is there', async () => {
  f = folder({ 'package.json': '{}' })
  const r = await f.run('init --json')
  expect(r.json()).toMatchObject({ written: ['app.ts', 'tsconfig.json'], kept: ['package.json'] })
  expect(readFileSync(join(f.path, 'package.json'), 'utf8')).toBe('{}')
  expect((await f.run('plan --json')).json()).toMatchObject({ summary: { create: 2 } })
  const text = readFileSync(join(f.path, 'app.ts'), 'utf8')
  await f.run('init')
  expect(readFileSync(join(f.path, 'app.ts'), 'utf8')).toBe(text)
})

test('a changed tree is shown by the names of its files', async () => {
  f = folder({
    'app.ts': `import { app, asset } from 'holdfast'
import { Command } from 'holdfast/local'
export default app('p', { build() { Command('run', { command: ['node', 'main.mjs'], triggers: [asset('./code')] }) } })
`,
    'main.mjs': '', 'code/orders.mjs': '1', 'code/same.mjs': '1',
  })
  expect((await f.run('apply -y')).code).toBe(0)
  f.write({ 'code/orders.mjs': '2' })
  const r = await f.run('plan')
  expect(r.stdout).toContain('1 of 2 files: orders.mjs')
})

test('version and explain answer without a program', async () => {
  f = folder()
  expect((await f.run('version --json')).json()).toEqual({ v: 1, app: null, env: null, holdfast: expect.any(String), node: process.versions.node, sqlite: expect.stringMatching(/^3\./), schema: expect.any(Number) })
  expect((await f.run('explain hf3107 --json')).json()).toMatchObject({ code: 'HF3107', causes: expect.any(Array), fixes: expect.any(Array) })
  expect((await f.run('explain HF0000')).code).toBe(6)
  expect((await f.run('plan --json')).json().error.code).toBe('HF1002')
  expect((await f.run('help')).stdout.match(/^ {2}\S/gm)).toHaveLength(10)
})
