import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'

/** A PostgreSQL of this machine. */
export interface Postgres {
  /** Folder of its programs. */
  readonly bin: string
  readonly initdb: string
  readonly postgres: string
  readonly psql: string
  readonly version: string
  /** The server refuses to run as root: the user it runs as then; undefined when we are not root. */
  readonly user: string | undefined
}

const INSTALL = 'PostgreSQL is needed for this test: apt-get install -y postgresql (initdb and postgres on the PATH, or under /usr/lib/postgresql/*/bin).'

/** The newest server found; undefined when there is none. */
export function findPostgres(): Postgres | undefined {
  const bin = folders().find((f) => ['initdb', 'postgres', 'psql'].every((p) => isProgram(join(f, p))))
  if (bin === undefined) return undefined
  const version = /(\d+(?:\.\d+)?)/.exec(spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? '?'
  return { bin, initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), psql: join(bin, 'psql'), version, user: process.getuid?.() === 0 ? unprivileged() : undefined }
}

/** As {@link findPostgres}; a missing server fails the test, with what to do. */
export function needPostgres(): Postgres {
  const found = findPostgres()
  if (!found) throw new Error(INSTALL)
  return found
}

function folders(): string[] {
  const system = '/usr/lib/postgresql'
  const packaged = existsSync(system) ? readdirSync(system).sort((a, b) => Number(b) - Number(a)).map((v) => join(system, v, 'bin')) : []
  return [...packaged, ...(process.env.PATH ?? '').split(delimiter).filter((f) => f !== ''), '/opt/homebrew/bin', '/usr/local/pgsql/bin']
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Users that exist nearly everywhere; the one of the package first. */
function unprivileged(): string {
  const known = readFileSync('/etc/passwd', 'utf8').split('\n').map((l) => l.split(':')[0])
  const user = ['postgres', 'nobody', 'daemon'].find((u) => known.includes(u))
  if (user === undefined) throw new Error('There is no unprivileged user (postgres, nobody or daemon) that the server could run as.')
  return user
}

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => done(port))
    })
  })
}

/** One statement; gives the rows as psql prints them, without headings. */
export function query(pg: Postgres, to: { readonly port: number; readonly password?: string; readonly database?: string; readonly user?: string }, sql: string): string {
  const r = spawnSync(pg.psql, ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', String(to.port), '-U', to.user ?? 'postgres', '-d', to.database ?? 'postgres', '-c', sql], {
    encoding: 'utf8',
    env: { ...process.env, PGPASSWORD: to.password ?? '', PGCONNECT_TIMEOUT: '5' },
  })
  if (r.status !== 0) throw new Error(r.stderr)
  return r.stdout.trimEnd()
}
