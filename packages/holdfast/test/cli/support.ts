import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const built = join(repository, 'packages/holdfast')
const ESC = '\u001b'

/** The built package in a place of its own: a build that runs meanwhile must not change it under the tests. */
export const installed = installPrivately()

function installPrivately(): string {
  const stamp = statSync(join(built, 'dist/bin.js')).mtimeMs.toString(36).replace('.', '-')
  const place = join(repository, 'node_modules/.cache/holdfast-cli', stamp)
  const modules = join(place, 'node_modules')
  if (!existsSync(modules)) {
    const fresh = mkdtempSync(join(tmpdir(), 'holdfast-copy-'))
    mkdirSync(join(fresh, 'holdfast'))
    cpSync(join(built, 'dist'), join(fresh, 'holdfast/dist'), { recursive: true, filter: (path) => !path.endsWith('/dist/types') })
    cpSync(join(built, 'package.json'), join(fresh, 'holdfast/package.json'))
    symlinkSync(join(repository, 'node_modules/zod'), join(fresh, 'zod'))
    chmodSync(fresh, 0o755)
    mkdirSync(place, { recursive: true })
    const nearby = `${modules}.${process.pid}`
    cpSync(fresh, nearby, { recursive: true, verbatimSymlinks: true })
    rmSync(fresh, { recursive: true, force: true })
    try {
      renameSync(nearby, modules)
    } catch {
      rmSync(nearby, { recursive: true, force: true }) // another worker was first
    }
  }
  return modules
}

export interface Ran {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** The document, when --json was given and there is one. */
  readonly json: any
  /** Milliseconds from start to end. */
  readonly ms: number
}

export interface RunOptions {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
  readonly cwd?: string
  /** Another command works in the folder, so files beside the state are in order. */
  readonly shared?: boolean
}

/** A command that is still running. */
export interface Running {
  readonly pid: number
  readonly ended: Promise<Ran>
  stdout(): string
  stderr(): string
  /** Waits for a text on stderr (or for what `probe` says), 20 s at most. */
  until(probe: RegExp | (() => boolean)): Promise<void>
  kill(signal: NodeJS.Signals): void
}

export interface Project {
  readonly root: string
  readonly state: string
  /** Texts that must stand nowhere below `.holdfast` and in no stream. */
  readonly secrets: Set<string>
  run(...args: (string | RunOptions)[]): Promise<Ran>
  start(...args: (string | RunOptions)[]): Running
  write(files: Readonly<Record<string, string>>): void
  read(path: string): string
  has(path: string): boolean
  /** What the type `Box` of {@link boxTypes} does next: `{ 'web.create': 'hang' }`. */
  behave(how: Readonly<Record<string, string>>): void
  calls(): string[]
  end(): void
}

const projects: Project[] = []
/** For `afterAll`. */
export function endProjects(): void {
  for (const p of projects.splice(0)) p.end()
}

export function makeProject(files: Readonly<Record<string, string>> = {}, folder?: string): Project {
  const root = folder ?? realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-cli-')))
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  for (const name of ['holdfast', 'zod']) symlinkSync(realpathSync(join(installed, name)), join(root, 'node_modules', name))
  const secrets = new Set<string>()
  const running = new Set<ChildProcess>()
  const project: Project = {
    root, secrets, state: join(root, '.holdfast/state.db'),
    async run(...args) {
      const ran = await project.start(...args).ended
      return ran
    },
    start(...args) {
      const words = args.filter((a): a is string => typeof a === 'string')
      const options = args.find((a): a is RunOptions => typeof a === 'object') ?? {}
      const started = performance.now()
      const child = spawn(process.execPath, [join(installed, 'holdfast/dist/bin.js'), ...words], {
        cwd: options.cwd ?? root, env: { ...cleanEnv(), ...options.env }, stdio: ['pipe', 'pipe', 'pipe'], ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
      })
      running.add(child)
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (t: string) => { stdout += t })
      child.stderr.setEncoding('utf8').on('data', (t: string) => { stderr += t })
      child.stdin.on('error', () => {})
      child.stdin.end(options.stdin ?? '')
      const ended = new Promise<Ran>((resolve, reject) => {
        child.on('error', reject)
        child.on('close', (code, signal) => {
          running.delete(child)
          try {
            resolve({ code, signal, stdout, stderr, ms: performance.now() - started, json: check(project, words, { code, stdout, stderr }, options.shared === true || running.size > 0) })
          } catch (e) {
            reject(e)
          }
        })
      })
      ended.catch(() => {}) // whoever awaits it sees it
      return {
        pid: child.pid as number, ended, stdout: () => stdout, stderr: () => stderr,
        async until(probe) {
          const begun = performance.now()
          while (!(probe instanceof RegExp ? probe.test(stderr) : probe())) {
            if (performance.now() - begun > 20_000) throw new Error(`waited in vain for ${probe}; stderr: ${stderr}`)
            if (child.exitCode !== null && !(probe instanceof RegExp && probe.test(stderr))) throw new Error(`ended with ${child.exitCode} before ${probe}; stderr: ${stderr} stdout: ${stdout}`)
            await new Promise((r) => setTimeout(r, 10))
          }
        },
        kill: (signal) => void child.kill(signal),
      }
    },
    write(more) {
      for (const [path, text] of Object.entries(more)) {
        mkdirSync(dirname(join(root, path)), { recursive: true })
        writeFileSync(join(root, path), text)
      }
    },
    read: (path) => readFileSync(join(root, path), 'utf8'),
    has: (path) => existsSync(join(root, path)),
    behave: (how) => writeFileSync(join(root, 'behave.json'), JSON.stringify(how)),
    calls: () => (existsSync(join(root, 'calls.log')) ? readFileSync(join(root, 'calls.log'), 'utf8').trim().split('\n') : []),
    end() {
      for (const child of running) child.kill('SIGKILL')
      rmSync(root, { recursive: true, force: true })
    },
  }
  project.write(files)
  projects.push(project)
  return project
}

/** The command on a terminal of its own: what is typed reaches it as from a keyboard, Ctrl-C included. */
export function onTerminal(p: Project, ...words: string[]): { screen(): string; type(keys: string): void; until(probe: () => boolean): Promise<void>; readonly ended: Promise<number | null> } {
  // `exec`: a shell that waits for the command would be ended by the same Ctrl-C, and its exit code would stand for ours.
  const command = `exec ${[process.execPath, join(installed, 'holdfast/dist/bin.js'), ...words].map((w) => `'${w}'`).join(' ')}`
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], { cwd: p.root, env: { ...cleanEnv(), SHELL: '/bin/sh', TERM: 'xterm' }, stdio: ['pipe', 'pipe', 'inherit'] })
  let screen = ''
  child.stdout.setEncoding('utf8').on('data', (t: string) => { screen += t })
  return {
    screen: () => screen,
    type: (keys) => void child.stdin.write(keys),
    async until(probe) {
      for (const begun = performance.now(); !probe(); await new Promise((r) => setTimeout(r, 10))) {
        if (child.exitCode !== null || performance.now() - begun > 20_000) throw new Error(`waited in vain (exit ${child.exitCode}): ${screen}`)
      }
    },
    ended: new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => { resolve(code) })
    }),
  }
}

/** Nothing of the caller's own settings reaches the commands. */
function cleanEnv(): Record<string, string> {
  const out: Record<string, string> = {}
  for (const [k, v] of Object.entries(process.env)) if (v !== undefined && !/^(HOLDFAST_|VITEST|NODE_|npm_|NO_COLOR|FORCE_COLOR|GITHUB_ACTIONS|CI$|TERM$)/.test(k)) out[k] = v
  return out
}

/** What holds for every command: one document at most, no ESC byte, no secret, and a state file that stands alone. */
function check(project: Project, words: readonly string[], ran: Pick<Ran, 'code' | 'stdout' | 'stderr'>, shared: boolean): unknown {
  const where = `holdfast ${words.join(' ')} (exit ${ran.code})\n${ran.stdout}\n${ran.stderr}`
  expect(`${ran.stdout}${ran.stderr}`.includes(ESC), `no ESC byte: ${where}`).toBe(false)
  if (!words.includes('--reveal')) for (const s of project.secrets) expect(ran.stdout.includes(s) || ran.stderr.includes(s), `no secret: ${where}`).toBe(false)
  let doc: unknown
  // What is watched comes as lines, one document each, with no end of its own.
  if (words.includes('--json') && !words.includes('watch') && ran.code !== null) {
    expect(ran.stdout.endsWith('\n') && ran.stdout.trim().split('\n').length === 1, `exactly one document on stdout: ${where}`).toBe(true)
    doc = JSON.parse(ran.stdout)
    expect(doc, where).toMatchObject({ v: 1 })
    if ('error' in (doc as object) && !('run' in (doc as object))) expect(Object.keys(doc as object), where).toEqual(['v', 'error'])
    else expect(Object.keys(doc as object).slice(0, 3), where).toEqual(['v', 'app', 'env'])
  }
  if (!shared && ran.code !== null) for (const beside of ['-wal', '-shm', '-journal']) expect(existsSync(`${project.state}${beside}`), `nothing beside state.db (${beside}): ${where}`).toBe(false)
  return doc
}

/** Files below `.holdfast` with their modes, as `path mode`, that others than the owner may touch. */
export function openModes(folder: string): string[] {
  const out: string[] = []
  const visit = (path: string): void => {
    const s = lstatSync(path)
    if (!s.isSymbolicLink() && (s.mode & 0o777) !== (s.isDirectory() ? 0o700 : 0o600)) out.push(`${path} ${(s.mode & 0o777).toString(8)}`)
    if (s.isDirectory()) for (const e of readdirSync(path)) visit(join(path, e))
  }
  visit(folder)
  return out
}

/** Files below a folder that hold one of the texts, in clear or in one of its usual disguises. */
export function filesWith(folder: string, texts: Iterable<string>): string[] {
  const needles = [...texts].flatMap((t) => {
    const b = Buffer.from(t)
    return [t, b.toString('base64'), b.toString('base64url'), b.toString('hex'), encodeURIComponent(t), JSON.stringify(t).slice(1, -1)]
  })
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name))
    .filter((path) => !path.includes('/.holdfast/trash/'))
    .filter((path) => {
      const bytes = readFileSync(path)
      return needles.some((n) => bytes.includes(n))
    })
}

/**
 * Types of a user's own, whose objects are files below `world/` and whose calls do what `behave.json` says.
 * `Box`: nothing is declared, so a lost answer needs a person. `Named`: the name finds it again.
 */
export const boxTypes = `
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { outcomeUnknown, resource, sensitive } from 'holdfast'
import { z } from 'zod'

const place = (a: any, id: string) => join(a.host.root, 'world', id + '.json')
const how = (a: any, op: string): string | undefined => {
  const file = join(a.host.root, 'behave.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8'))[a.inputs.name + '.' + op] : undefined
}
/** 'once throw' misbehaves one time. */
function once(a: any, op: string): string | undefined {
  const what = how(a, op)
  if (!what?.startsWith('once ')) return what
  const file = join(a.host.root, 'behave.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), [a.inputs.name + '.' + op]: undefined }))
  return what.slice(5)
}
async function act(a: any, op: string, make: () => any): Promise<any> {
  appendFileSync(join(a.host.root, 'calls.log'), op + ' ' + a.inputs.name + ' ' + a.key + '\\n')
  switch (once(a, op)) {
    case undefined: return make()
    case 'throw': throw new Error('the cloud said no')
    case 'throw-secret': throw new Error('token ' + a.inputs.password + ' was refused, ' + Buffer.from(a.inputs.password).toString('base64'))
    case 'log-secret': a.log('using ' + a.inputs.password); a.progress('with ' + encodeURIComponent(a.inputs.password)); return make()
    case 'throw-text': throw 'just a text'
    case 'throw-undefined': throw undefined
    case 'hang': return new Promise(() => {})
    case 'hang-done': make(); return new Promise(() => {})
    case 'honour': return new Promise((_, no) => a.signal.addEventListener('abort', () => no(new Error('stopped as asked')), { once: true }))
    case 'lost': make(); throw outcomeUnknown('the connection broke')
    case 'lost-nothing': throw outcomeUnknown('the connection broke')
    case 'wrong': make(); return { id: 7, size: 'large' }
    case 'nothing': make(); return undefined
    case 'slow': await new Promise((ok) => setTimeout(ok, 1500)); return make()
    case 'wait': while (!existsSync(join(a.host.root, 'go'))) await new Promise((ok) => setTimeout(ok, 10)); return make()
    case 'die': make(); process.kill(process.pid, 'SIGKILL'); return new Promise(() => {})
    case 'die-before': process.kill(process.pid, 'SIGKILL'); return new Promise(() => {})
    default: throw new Error('no such behaviour')
  }
}
const spec = (type: string, more: any) => ({
  type, ...more,
  inputs: z.object({ name: z.string(), size: z.number().default(1), password: sensitive(z.string()).optional(), after: z.string().optional() }),
  outputs: z.object({ id: z.string(), size: z.number() }),
  replaceOn: ['name'] as const,
  create: (a: any) => act(a, 'create', () => {
    const id = 'box-' + a.inputs.name
    mkdirSync(dirname(place(a, id)), { recursive: true })
    writeFileSync(place(a, id), JSON.stringify({ id, size: a.inputs.size }), { flag: 'wx' })
    return { id, size: a.inputs.size }
  }),
  read: (a: any) => act(a, 'read', () => {
    const id = a.outputs?.id ?? 'box-' + a.inputs.name
    return existsSync(place(a, id)) ? JSON.parse(readFileSync(place(a, id), 'utf8')) : undefined
  }),
  update: (a: any) => act(a, 'update', () => {
    writeFileSync(place(a, a.outputs.id), JSON.stringify({ id: a.outputs.id, size: a.inputs.size }))
    return { id: a.outputs.id, size: a.inputs.size }
  }),
  delete: (a: any) => act(a, 'delete', () => rmSync(place(a, typeof a.outputs.id === 'string' ? a.outputs.id : 'box-' + a.inputs.name), { force: true })),
})
export const Box = resource(spec('test:cloud/Box', {}) as any) as any
export const Named = resource(spec('test:cloud/Named', { capability: { create: { name: true }, update: 'full', maxCallMs: 0 } }) as any) as any
`

/** A program around `build`, with everything imported that the tests use. */
export const program = (build: string, o: { readonly name?: string; readonly more?: string; readonly types?: boolean } = {}): string => `import { app, asset, component, json, str, Value } from 'holdfast'
import { Directory, File } from 'holdfast/local'
import { Id, Password } from 'holdfast/random'
import { z } from 'zod'
${o.types === true ? "import { Box, Named } from './types.ts'\n" : ''}
export default app('${o.name ?? 'shop'}', {
  ${o.more ?? ''}
  build(${o.more === undefined ? '' : 'c'}) {
${build}
  },
})
`

/** A project whose program uses {@link boxTypes}. */
export const boxProject = (build: string): Project => makeProject({ 'types.ts': boxTypes, 'app.ts': program(build, { types: true }) })
