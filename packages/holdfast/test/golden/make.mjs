// Writes a golden state file: the state of a small app after two applies, one lost answer and one death, made by the built package.
//
//   node packages/holdfast/test/golden/make.mjs     after npm run build; writes schema-N.db and schema-N.key beside this file, N the schema of the build
//
// A golden file is made once for each schema that was released, and never again: every later version must open it, bring it up to date and read the same.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const package_ = join(here, '../..')
const bin = join(package_, 'dist/bin.js')

const types = `
import { mkdirSync, writeFileSync } from 'node:fs'
import { outcomeUnknown, resource } from 'holdfast'
import { z } from 'zod'
export const Box = resource({
  type: 'golden:Box', inputs: z.object({ name: z.string(), size: z.number() }), outputs: z.object({ id: z.string(), size: z.number() }), replaceOn: ['name'],
  async create({ inputs }) {
    if (inputs.name === 'lost') throw outcomeUnknown('the connection broke')
    if (inputs.name === 'dies') process.kill(process.pid, 'SIGKILL')
    mkdirSync('world', { recursive: true })
    writeFileSync('world/' + inputs.name, String(inputs.size))
    return { id: 'box-' + inputs.name, size: inputs.size }
  },
  async update({ inputs, outputs }) { return { id: outputs.id, size: inputs.size } },
  async delete() {},
})
`
const app = (config) => `
import { app, component, str, Value } from 'holdfast'
import { Command, Directory, File } from 'holdfast/local'
import { Id, Password } from 'holdfast/random'
import { z } from 'zod'
import { Box } from './types.ts'
const v: number = ${config}
const web = component('web', {
  inputs: z.object({ password: z.string() }),
  build({ inputs }) {
    const page = File('page', { path: v < 3 ? 'out/page.txt' : 'out/page-3.txt', content: str\`page \${v} \${inputs.password}\\n\` }, { tags: { tier: 'front' } })
    return { path: page.path }
  },
})
export default app('golden', {
  secrets: ['TOKEN'],
  environments: { test: {}, other: {} },
  build({ secrets, env }) {
    if (env === 'other') return { only: Value('only', { input: 1 }).output }
    const password = Password('password', { length: 24 })
    const id = Id('id', { bytes: 8 })
    if (v === 1) Directory('data', { path: 'out/data' }, { data: true })
    File('token', { path: 'out/token', content: str\`\${secrets.TOKEN}\\n\`, mode: 0o600 })
    const made = web('web', { password: password.value })
    Command('touch', { command: ['true'], triggers: { v } })
    Box('box', { name: v === 1 ? 'one' : 'two', size: v })
    if (v >= 3) Box('lost', { name: 'lost', size: 1 })
    if (v >= 4) Box('dies', { name: 'dies', size: 1 })
    return { path: made.path, id: id.hex, password: password.value, v }
  },
})
`

/** Changes that no run planned: one completed, one that failed, one that is open. */
async function changesOfItsOwn(path) {
  const { SqliteBackend } = await import('../../dist/backend.js')
  const backend = new SqliteBackend({ path })
  const state = await backend.createResourceState('seed')
  await backend.updateComponent(state, { actionType: 'CREATE', newName: 'db' })
  const diff = (name) => ({ actionType: 'CREATE', componentName: 'db', newResource: { name, ruuid: 'golden::thing', hash: `hash-${name}`, size: 1 } })
  const begin = async (name) => (await backend.createResourceChangeTransaction(state, 'db', diff(name)))[0]
  await backend.completeResourceChange(state, 'db', diff('done'), await begin('done'), { arn: 'arn:done' })
  await backend.failResourceChange(state, 'db', diff('failed'), await begin('failed'), { why: 'quota' })
  await begin('open')
  await backend.close()
}

const root = mkdtempSync(join(tmpdir(), 'holdfast-golden-'))
try {
  mkdirSync(join(root, 'node_modules'))
  symlinkSync(package_, join(root, 'node_modules/holdfast'))
  symlinkSync(join(package_, '../../node_modules/zod'), join(root, 'node_modules/zod'))
  writeFileSync(join(root, 'types.ts'), types)
  const run = (words, expected, input) => {
    const ran = spawnSync(process.execPath, [bin, ...words], { cwd: root, encoding: 'utf8', input: input ?? '' })
    if ((ran.status ?? ran.signal) !== expected) throw new Error(`${words.join(' ')} ended with ${ran.status ?? ran.signal}, not ${expected}:\n${ran.stdout}${ran.stderr}`)
    return ran
  }
  const at = (v) => writeFileSync(join(root, 'app.ts'), app(v))
  at(1)
  run(['secret', 'set', 'TOKEN', '--env', 'test'], 0, 'golden-token-value')
  run(['apply', '--yes', '--env', 'test'], 0)
  run(['apply', '--yes', '--env', 'other'], 0)
  at(2)
  run(['apply', '--yes', '--env', 'test'], 0)
  run(['plan', '--env', 'test'], 0)
  at(3)
  run(['apply', '--yes', '--env', 'test', '--on-failure', 'keep'], 12)
  at(4)
  run(['apply', '--yes', '--env', 'test', '--on-failure', 'keep'], 'SIGKILL')
  await changesOfItsOwn(join(root, '.holdfast/state.db'))

  const state = join(root, '.holdfast/state.db')
  const { DatabaseSync } = createRequire(import.meta.url)('@photostructure/sqlite')
  const db = new DatabaseSync(state)
  // The machine that made it is nobody's business.
  for (const table of ['runs', 'leases']) db.exec(`update ${table} set holder = json_set(holder, '$.host', 'golden', '$.bootId', 'boot-1', '$.pid', 4711) where holder <> '{}'`)
  db.exec(`pragma wal_checkpoint(truncate); pragma journal_mode = delete; vacuum`)
  const schema = db.prepare('select max(version) as v from schema_versions').get().v
  const kinds = Object.fromEntries(['envs', 'runs', 'plans', 'resources', 'claims', 'txs', 'tasks', 'outputs', 'secrets', 'trash', 'events', 'leases'].map((t) => [t, Number(db.prepare(`select count(*) as n from ${t}`).get().n)]))
  db.close()
  const empty = Object.entries(kinds).filter(([, n]) => n === 0).map(([t]) => t)
  if (empty.length > 0) throw new Error(`no rows in ${empty.join(', ')}`)
  const out = join(here, `schema-${schema}`)
  if (existsSync(`${out}.db`)) throw new Error(`${out}.db is there already; a golden file is made once`)
  copyFileSync(state, `${out}.db`)
  copyFileSync(join(root, '.holdfast/key'), `${out}.key`)
  console.log(`schema ${schema}: ${JSON.stringify(kinds)}`)
} finally {
  rmSync(root, { recursive: true, force: true })
}
