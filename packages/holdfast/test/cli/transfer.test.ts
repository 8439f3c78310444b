import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { driver } from '../../src/store/sqlite/driver.ts'
import { endProjects, makeProject, program } from './support.ts'

afterAll(endProjects)

const source = program(`
    File('a', { path: 'out/a', content: str\`\${c.secrets.TOKEN}\` })
    const p = Password('p', { length: 24 })
    return { p: p.value }`, { more: "secrets: ['TOKEN']," })
const SECRET = 'a-secret-that-moves-house'

test('state export and state import move a state: nothing is lost, secrets open with their key, and a plan has nothing to do', async () => {
  const p = makeProject({ 'app.ts': source })
  p.secrets.add(SECRET)
  await p.run('secret', 'set', 'TOKEN', { stdin: SECRET })
  expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
  const exported = (await p.run('state', 'export')).stdout
  const revealed = (await p.run('outputs', 'p', '--reveal')).stdout
  const after = (await p.run('state', 'export')).stdout
  expect(after).not.toBe(exported)

  const q = makeProject({ 'app.ts': source, 'state.ndjson': after })
  q.secrets.add(SECRET)
  const imported = await q.run('state', 'import', 'state.ndjson', '--json')
  expect([imported.code, imported.json.rows.resources, imported.json.storeId], JSON.stringify(imported.json)).toEqual([0, 2, JSON.parse(exported.split('\n')[0] as string).row.storeId])
  expect(imported.stderr).toContain('HOLDFAST_KEY')
  expect(existsSync(join(q.root, '.holdfast/key'))).toBe(false)
  expect((await q.run('state', 'export')).stdout).toBe(after)
  expect((await q.run('plan', '--json')).json.error?.code).toBe('HF4301')
  copyFileSync(join(p.root, '.holdfast/key'), join(q.root, '.holdfast/key'))
  expect((await q.run('outputs', 'p', '--reveal')).stdout).toBe(revealed)
  expect((await q.run('state', 'doctor', '--json')).json.ok).toBe(true)

  const again = await q.run('state', 'import', 'state.ndjson', '--json')
  expect([again.code, again.json.error.code]).toEqual([13, 'HF4008'])
  const piped = makeProject({ 'app.ts': source })
  expect((await piped.run('state', 'import', '-', { stdin: after })).stdout).toMatch(/^Imported 1 envs, 1 runs, .* into .*state\.db\.\n$/)
  expect((await piped.run('state', 'export')).stdout).toBe(after)
}, 60_000)

test('an export of a damaged state holds what can be read, and ends 13 with what the doctor finds', async () => {
  const p = makeProject({ 'app.ts': program(`Value('a', { input: 'as it was' })`) })
  await p.run('apply', '--yes')
  const db = driver().open(join(p.root, '.holdfast/state.db'))
  db.exec("update docs set inputs = replace(inputs, 'as it was', 'as it is'); pragma wal_checkpoint(truncate)")
  db.close()
  const ran = await p.run('state', 'export')
  expect([ran.code, ran.stdout.trimEnd().split('\n').at(-1)?.includes('"table":"end"')]).toEqual([13, true])
  expect(ran.stderr).toMatch(/HF4001[\s\S]*values are as they were written: inputs or outputs of/)
}, 60_000)

test('what is no export is refused (HF4009, HF4002, HF1001), and no state is begun with it', async () => {
  const p = makeProject({ 'app.ts': program(`Value('a', { input: 1 })`) })
  await p.run('apply', '--yes')
  const lines = (await p.run('state', 'export')).stdout.trimEnd().split('\n')
  const q = makeProject({
    'app.ts': program(`Value('a', { input: 1 })`), 'cut': lines.slice(0, -1).join('\n'), 'text': 'hello\n', 'newer': lines.map((l, i) => (i === 0 ? l.replace(/"schema":\d+/, '"schema":999') : l)).join('\n'),
  })
  for (const [file, exit, code] of [['cut', 2, 'HF4009'], ['text', 2, 'HF4009'], ['newer', 13, 'HF4002'], ['missing', 2, 'HF1001']] as const) {
    const ran = await q.run('state', 'import', file, '--json')
    expect([file, ran.code, ran.json.error.code]).toEqual([file, exit, code])
  }
  expect((await q.run('state', 'export')).stdout.trimEnd().split('\n').length).toBe(3)
  expect((await q.run('apply', '--yes', '--json')).json.outcome).toBe('applied')
}, 60_000)

test('a state file of an older schema is copied before it is brought up to date, and the copy is named', async () => {
  const p = makeProject({ 'app.ts': program(`Value('only', { input: 1 })`, { name: 'golden', more: 'environments: { other: {} },' }) })
  const golden = join(dirname(fileURLToPath(import.meta.url)), '../golden')
  mkdirSync(join(p.root, '.holdfast'), { mode: 0o700 })
  copyFileSync(join(golden, 'schema-1.db'), p.state)
  copyFileSync(join(golden, 'schema-1.key'), join(p.root, '.holdfast/key'))
  const early = await p.run('status', '--json')
  expect([early.code, early.json.error.code]).toEqual([13, 'HF4003'])
  const ran = await p.run('plan', '--json')
  expect([ran.code, ran.json?.summary?.unchanged], ran.stderr).toEqual([0, 1])
  const copy = readdirSync(join(p.root, '.holdfast')).filter((f) => f.endsWith('.bak'))
  expect(copy).toEqual(['state.db.schema-1.bak'])
  expect(ran.stderr).toContain(join(p.root, '.holdfast/state.db.schema-1.bak'))
  expect(statSync(join(p.root, '.holdfast', copy[0] as string)).mode & 0o777).toBe(0o600)
  expect((await p.run('plan')).stderr).not.toContain('.bak')
}, 60_000)
