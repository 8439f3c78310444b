import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { commandSpec } from '../src/builtin/local/command.ts'
import { directorySpec } from '../src/builtin/local/directory.ts'
import { fileSpec } from '../src/builtin/local/file.ts'
import { accountOf } from '../src/builtin/local/users.ts'
import { passwordSpec } from '../src/builtin/random/types.ts'
import { callOf, corner, type Corner } from './support/corner.ts'
import { freePort, needPostgres, query, type Postgres } from './support/postgres.ts'

const pg = needPostgres()
let c: Corner | undefined
let server: ChildProcess | undefined
afterEach(async () => {
  if (server) {
    const ended = new Promise((done) => server?.once('exit', done))
    server.kill('SIGINT')
    await ended
    server = undefined
  }
  await c?.dispose()
})

async function start(pg: Postgres, data: string, port: number, password: string): Promise<void> {
  const account = pg.user === undefined ? undefined : accountOf(pg.user)
  server = spawn(pg.postgres, ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${data}`], { stdio: 'ignore', ...(account ? { uid: account.uid, gid: account.gid } : {}) })
  for (let i = 0; i < 200; i++) {
    try {
      query(pg, { port, password }, 'select 1')
      return
    } catch {
      await new Promise((r) => setTimeout(r, 50))
    }
  }
  throw new Error('the server did not come up')
}

test('password, initdb, failing third step, taken back, applied again: the database and its password are the ones of the first time', async () => {
  c = corner()
  const { host, root, home } = c
  chmodSync(root, 0o755) // the server runs as another user
  const owner = pg.user === undefined ? {} : { owner: pg.user }
  const data = directorySpec.inputs.parse({ path: 'data', mode: 0o700, data: true, ...owner })
  const { value } = await passwordSpec.create({ ...callOf(host), inputs: passwordSpec.inputs.parse({ boundTo: 'data' }) })
  const file = fileSpec.inputs.parse({ path: 'pw', content: `${value}\n`, mode: 0o600, ...owner })
  const initdb = commandSpec.inputs.parse({ command: [pg.initdb, '-D', join(root, 'data'), '-A', 'scram-sha-256', '-U', 'postgres', '--pwfile', join(root, 'pw'), '--no-sync'], creates: 'data', ...(pg.user === undefined ? {} : { user: pg.user }) })
  const third = commandSpec.inputs.parse({ command: ['/bin/sh', '-c', 'exit 7'] })

  const up = async (n: number) => ({
    data: await directorySpec.create({ ...callOf(host, `u-data-${n}`), inputs: data }),
    file: await fileSpec.create({ ...callOf(host, `u-file-${n}`), inputs: file }),
    initdb: await commandSpec.create({ ...callOf(host, `u-initdb-${n}`), inputs: initdb }),
  })
  const first = await up(1)
  expect(first.initdb.exitCode).toBe(0)
  await expect(commandSpec.create({ ...callOf(host, 'u-third-1'), inputs: third })).rejects.toMatchObject({ code: 'HF3108' })

  // Taken back, newest first.
  await commandSpec.delete({ ...callOf(host, 'u-third-1'), inputs: third, outputs: {} })
  await commandSpec.delete({ ...callOf(host, 'u-initdb-1'), inputs: initdb, outputs: first.initdb })
  await fileSpec.delete({ ...callOf(host, 'u-file-1'), inputs: file, outputs: first.file })
  await directorySpec.delete({ ...callOf(host, 'u-data-1'), inputs: data, outputs: first.data })
  expect(readdirSync(root)).toEqual(['.holdfast'])
  expect(readdirSync(home)).toEqual(['trash'])

  const again = await up(2)
  expect(again.data.inode).toBe(first.data.inode)
  expect(again.initdb).toEqual({ exitCode: 0, stdout: '' })
  const port = await freePort()
  await start(pg, join(root, 'data'), port, value)
  expect(query(pg, { port, password: value }, 'select count(*) from pg_database')).toBe('3')
  expect(() => query(pg, { port, password: 'another' }, 'select 1')).toThrow(/password authentication failed/)
}, 60_000)

test('an initdb that fails half-way leaves the folder as it was, for the next attempt', async () => {
  c = corner()
  const { host, root } = c
  chmodSync(root, 0o755)
  const user = pg.user === undefined ? {} : { user: pg.user }
  const data = directorySpec.inputs.parse({ path: 'data', mode: 0o700, data: true, ...(pg.user === undefined ? {} : { owner: pg.user }) })
  await directorySpec.create({ ...callOf(host, 'u-d'), inputs: data })
  const initdb = (more: string[]) => commandSpec.inputs.parse({ command: [pg.initdb, '-D', join(root, 'data'), '--no-sync', ...more], creates: 'data', ...user })
  await expect(commandSpec.create({ ...callOf(host, 'u-i'), inputs: initdb(['--auth', 'scram-sha-256', '--pwfile', join(root, 'missing')]) })).rejects.toMatchObject({ code: 'HF3108' })
  await expect(commandSpec.create({ ...callOf(host, 'u-i'), inputs: initdb(['-c', 'shared_buffers=nonsense', '--wal-segsize=16', '--set', 'no_such_setting=1']) })).rejects.toMatchObject({ code: 'HF3108' })
  expect(readdirSync(join(root, 'data'))).toEqual([])
  expect((await commandSpec.create({ ...callOf(host, 'u-i'), inputs: initdb(['--auth', 'trust']) })).exitCode).toBe(0)
  expect(existsSync(join(root, 'data/PG_VERSION'))).toBe(true)
  expect(readFileSync(join(root, 'data/PG_VERSION'), 'utf8').trim()).toBe(pg.version.split('.')[0])
  expect(statSync(join(root, 'data')).mode & 0o777).toBe(0o700)
}, 60_000)
