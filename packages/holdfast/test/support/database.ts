import { chmodSync, existsSync, lstatSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Installed, Project, Ran, RunOptions } from './cli.ts'
import { freePort, query, type Postgres } from './postgres.ts'

/** A password, a folder for data, initdb, a server: the program of a database as an author would write it. `broken`: which step fails. */
const program = `
import { app, str } from 'holdfast'
import { Command, Directory, File, Process } from 'holdfast/local'
import { Password } from 'holdfast/random'
import { z } from 'zod'

export default app('database', {
  config: z.object({
    bin: z.string(),
    port: z.number().int(),
    user: z.string().optional(),
    creates: z.string().default(''),
    connections: z.number().int().default(20),
    broken: z.enum(['no', 'command', 'server']).default('no'),
  }),
  build({ config }) {
    const as = config.user === undefined ? {} : { user: config.user }
    const owner = config.user === undefined ? {} : { owner: config.user }
    const data = Directory('data', { path: 'data', mode: 0o700, ...owner }, { data: true })
    const password = Password('admin', { length: 24 }, { boundTo: data })
    const pwfile = File('pwfile', { path: 'secrets/admin', content: str\`\${password.value}\\n\`, mode: 0o600, ...owner })
    const initdb = Command('initdb', {
      command: [\`\${config.bin}/initdb\`, '-D', data.path, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', pwfile.path, '--no-sync'],
      creates: config.creates === '' ? data.path : str\`\${data.path}/\${config.creates}\`,
      ...as,
    })
    if (config.broken === 'command') Command('check', { command: ['/bin/sh', '-c', 'echo it does not fit >&2; exit 1'] }, { dependsOn: [initdb] })
    const server = Process('server', {
      command: [\`\${config.bin}/postgres\`, '-D', data.path, '-p', String(config.port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=',
        '-c', \`max_connections=\${config.connections}\`, ...(config.broken === 'server' ? ['-c', 'no_such_setting=1'] : [])],
      port: config.port,
      ready: { command: [\`\${config.bin}/pg_isready\`, '-q', '-h', '127.0.0.1', '-p', String(config.port)], within: '30s' },
      stop: { signal: 'SIGINT', within: '30s' },
      ...as,
    }, { dependsOn: [initdb] })
    return { port: server.port, password: password.value }
  },
})
`

export interface DatabaseOptions {
  readonly broken?: 'command' | 'server'
  readonly connections?: number
}

export interface Database {
  readonly project: Project
  readonly port: number
  apply(o?: DatabaseOptions & RunOptions): Promise<Ran>
  destroy(o?: RunOptions): Promise<Ran>
  /** What `outputs --reveal` prints. */
  password(): Promise<string>
  /** One statement as the superuser; with the given password only. */
  sql(password: string, statement: string): string
  trash(): Promise<{ id: string; path: string; files: number; bytes: number }[]>
  /** Number of the data folder's inode: which folder it is. */
  inode(): number | undefined
  /** What lies in the project but for the program and `.holdfast`. */
  left(): string[]
  listening(): Promise<boolean>
}

/** `creates`: what initdb is said to make, below the data folder; the folder itself when left out. */
export async function database(place: Installed, pg: Postgres, name: string, o: { readonly creates?: string } = {}): Promise<Database> {
  chmodSync(place.home, 0o755) // the server runs as another user
  const project = place.project(name)
  project.write('app.ts', program)
  const port = await freePort()
  const set = (d: DatabaseOptions): string[] =>
    Object.entries({ bin: pg.bin, port, user: pg.user, creates: o.creates, ...d }).flatMap(([k, v]) => (v === undefined ? [] : ['--set', `${k}=${v}`]))
  const db: Database = {
    project, port,
    apply: ({ broken, connections, ...run } = {}) => project.call(['apply', '--yes', ...set({ ...(broken ? { broken } : {}), ...(connections ? { connections } : {}) })], run),
    destroy: (run) => project.call(['destroy', '--yes', ...set({})], run),
    password: async () => (await project.call(['outputs', '--reveal', ...set({})], { reveals: true })).json.outputs.password,
    sql: (password, statement) => query(pg, { port, password }, statement),
    trash: async () => (await project.call(['trash', 'ls'])).json.trash,
    inode: () => (existsSync(join(project.root, 'data')) ? lstatSync(join(project.root, 'data')).ino : undefined),
    left: () => readdirSync(project.root).filter((entry) => entry !== '.holdfast' && entry !== 'app.ts'),
    listening: () =>
      new Promise((done) => {
        const socket = connect(port, '127.0.0.1')
        socket.once('connect', () => done(true)).once('error', () => done(false)).once('close', () => socket.destroy())
        socket.once('connect', () => socket.destroy())
      }),
  }
  return db
}
