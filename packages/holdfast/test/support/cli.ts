import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))

/** One command as it ended. */
export interface Ran {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
  readonly stdout: string
  readonly stderr: string
  /** The document on stdout; undefined when there is none. */
  // `any`: a test names what it expects of a document
  readonly json: any
  readonly ms: number
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** SIGKILL when this resolves, unless it has ended: then the signal is aborted. */
  readonly kill?: (ended: AbortSignal) => Promise<void>
  /** What it prints may hold secrets in clear (`outputs --reveal`): it is not kept in `seen`. */
  readonly reveals?: boolean
}

/** A program in a folder of its own, with the built package installed beside it. */
export interface Project {
  readonly root: string
  /** All that commands printed, for a search for secrets. */
  readonly seen: string[]
  /** Runs `holdfast WORDS --json --no-input`. */
  call(words: readonly string[], options?: RunOptions): Promise<Ran>
  /** Runs `holdfast WORDS`. */
  run(words: readonly string[], options?: RunOptions): Promise<Ran>
  write(name: string, text: string): void
  read(name: string): string
  /** Replaces a text that must be there. */
  edit(name: string, from: string, to: string): void
}

/** A place for projects of one suite. */
export interface Installed {
  readonly home: string
  readonly bin: string
  /** An empty project, or one with the files of a folder. */
  project(name: string, source?: string): Project
  dispose(): void
}

export const example = (name: string): string => join(repository, 'examples', name)

/**
 * Installs the built package for one suite: a private copy, so that a build that runs meanwhile changes nothing, with `zod` beside it.
 * The copy lies within the repository, where the package's dependencies are found.
 */
export function installed(): Installed {
  const source = join(repository, 'packages/holdfast')
  if (!existsSync(join(source, 'dist/bin.js'))) throw new Error('packages/holdfast/dist is missing: run npm run build')
  const cache = join(repository, 'node_modules/.cache/holdfast-test')
  mkdirSync(cache, { recursive: true })
  const copy = join(mkdtempSync(join(cache, 'run-')), 'holdfast')
  for (const name of ['dist', 'package.json']) cpSync(join(source, name), join(copy, name), { recursive: true })
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-verify-')))
  mkdirSync(join(home, 'node_modules'))
  symlinkSync(copy, join(home, 'node_modules/holdfast'))
  symlinkSync(join(repository, 'node_modules/zod'), join(home, 'node_modules/zod'))
  const bin = join(copy, 'dist/bin.js')
  return {
    home, bin,
    project(name, from) {
      const root = join(home, name)
      mkdirSync(root)
      if (from !== undefined) cpSync(from, root, { recursive: true, filter: (path) => !/^\/(\.holdfast|run|notes|node_modules)(\/|$)/.test(path.slice(from.length)) })
      return projectAt(root, bin)
    },
    dispose() {
      for (const folder of [home, dirname(copy)]) rmSync(folder, { recursive: true, force: true })
    },
  }
}

function projectAt(root: string, bin: string): Project {
  const seen: string[] = []
  const run = async (words: readonly string[], options: RunOptions = {}): Promise<Ran> => {
    const ran = await runChild(root, [bin, ...words], options)
    if (!options.reveals) seen.push(ran.stdout, ran.stderr)
    return ran
  }
  const project: Project = {
    root, seen, run,
    call: (words, options) => run([...words, '--json', '--no-input'], options),
    write(name, text) {
      mkdirSync(dirname(join(root, name)), { recursive: true })
      writeFileSync(join(root, name), text)
    },
    read: (name) => readFileSync(join(root, name), 'utf8'),
    edit(name, from, to) {
      const text = project.read(name)
      if (!text.includes(from)) throw new Error(`${name} does not contain ${from}`)
      project.write(name, text.replace(from, () => to))
    },
  }
  return project
}

function runChild(cwd: string, words: readonly string[], o: RunOptions): Promise<Ran> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HOLDFAST_|VITEST|NO_COLOR$|FORCE_COLOR$|GITHUB_ACTIONS$|NODE_OPTIONS$|NODE_ENV$)/.test(name)))
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, { cwd, env: { ...inherited, ...o.env }, stdio: 'pipe' })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    child.stdin.on('error', () => {}) // it may not read
    child.stdin.end(o.stdin ?? '')
    const ended = new AbortController()
    void o.kill?.(ended.signal).then(() => child.kill('SIGKILL'), reject)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      ended.abort()
      resolve({ code: code ?? undefined, signal: signal ?? undefined, stdout, stderr, json: parsed(stdout), ms: Math.round(performance.now() - began) })
    })
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface Seen {
  readonly pid: number
  readonly kind: 'supervisor' | 'program'
}

/** Processes that work in a project: by their command line or their folder. */
export function processesOf(root: string): Seen[] {
  const found: Seen[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    try {
      if (/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) continue
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const cwd = readlinkSync(`/proc/${pid}/cwd`)
      if (!line.some((word) => word.includes(`${root}/`)) && cwd !== root && !cwd.startsWith(`${root}/`)) continue
      found.push({ pid, kind: line.some((word) => /\/supervisor[-\w]*\.js$/.test(word)) ? 'supervisor' : 'program' })
    } catch {
      // It has ended.
    }
  }
  return found
}

/** Ends what is left in a project and gives it: a suite asserts that there was nothing. */
export function endStrays(root: string): Seen[] {
  const strays = processesOf(root)
  // Supervisors first: they may start a program again.
  for (const { pid } of strays.sort((a) => (a.kind === 'supervisor' ? -1 : 1))) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  return strays
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
