import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { z } from 'zod'
import { makeRedactor, type Redactor } from '../../src/secret/index.ts'
import type { CallContext, Host } from '../../src/provider/index.ts'
import { processInputs, type ProcessOutputs } from '../../src/builtin/local/process-inputs.ts'
import { processSpec } from '../../src/builtin/local/process.ts'

export type Inputs = z.input<typeof processInputs>

/** One project folder, with the calls that the engine would make in it. */
export interface World {
  readonly root: string
  readonly home: string
  readonly redactor: Redactor
  /** Writes a program and gives its path. */
  script(name: string, text: string): string
  create(uid: string, key: string, inputs: Inputs): Promise<ProcessOutputs>
  read(uid: string, inputs: Inputs, outputs?: ProcessOutputs): ReturnType<NonNullable<typeof processSpec.read>>
  update(uid: string, key: string, prior: { inputs: Inputs; outputs: ProcessOutputs }, inputs: Inputs, partials?: unknown[]): Promise<ProcessOutputs>
  delete(uid: string, inputs: Inputs, outputs?: Partial<ProcessOutputs>): Promise<void>
  log(uid: string): string
  /** Deletes everything that was created. */
  end(): Promise<void>
}

export function hostOf(root: string, redactor = makeRedactor()): Host {
  return { root, home: join(root, '.holdfast'), env: { id: 'e', app: 'a', name: 'default' }, assetPath: (a) => join(root, a.path), redact: (t) => redactor.text(t), secrets: () => redactor.secrets() }
}

export function contextOf(host: Host, uid: string, key: string, signal = new AbortController().signal): CallContext {
  return { key: { toString: () => key, step: (s) => `${key}/${s}` }, mark: { store: 's', uid, ordinal: 1 }, namespace: 'web', signal, host, log: () => {}, progress: () => {} }
}

export function makeWorld(): World {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-process-')))
  const redactor = makeRedactor()
  const host = hostOf(root, redactor)
  const uids = new Map<string, Inputs>()
  const of = (uid: string, key: string, inputs: Inputs) => {
    uids.set(uid, inputs)
    return { ...contextOf(host, uid, key), inputs: processInputs.parse(inputs) }
  }
  const none = async () => {}
  const world: World = {
    root, home: host.home, redactor,
    script(name, text) {
      writeFileSync(join(root, name), text)
      return join(root, name)
    },
    create: (uid, key, inputs) => processSpec.create({ ...of(uid, key, inputs), partial: none }) as Promise<ProcessOutputs>,
    read: (uid, inputs, outputs) => processSpec.read!({ ...of(uid, 'read', inputs), ...(outputs ? { outputs } : {}) }),
    update: (uid, key, prior, inputs, partials = []) =>
      processSpec.update!({ ...of(uid, key, inputs), outputs: prior.outputs, prior: { inputs: processInputs.parse(prior.inputs), outputs: prior.outputs }, partial: async (p) => void partials.push(p) }) as Promise<ProcessOutputs>,
    delete: (uid, inputs, outputs = {}) => processSpec.delete({ ...of(uid, 'delete', inputs), outputs }),
    log: (uid) => readFileSync(join(host.home, 'logs', `${uid}.log`), 'utf8'),
    async end() {
      const run = join(host.home, 'run')
      for (const uid of existsSync(run) ? readdirSync(run) : []) await world.delete(uid, uids.get(uid) ?? { command: ['made by another process'] })
      rmSync(root, { recursive: true, force: true })
    },
  }
  return world
}

/** Programs that carry this text in their command line or environment: every test marks its own by its folder. */
export function processesOf(root: string, except: RegExp = /^$/): number[] {
  return readdirSync('/proc').filter((n) => /^\d+$/.test(n)).map(Number).filter((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return pid !== process.pid && line.includes(root) && !except.test(line) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    } catch {
      return false
    }
  })
}
/** Without supervisors. */
export const programsOf = (root: string): number[] => processesOf(root, /(supervisor|creator)[-\w]*\.(mjs|js)/)
export const supervisorsOf = (root: string): number[] => processesOf(root, /creator\.js/).filter((p) => !programsOf(root).includes(p))

export const isRunning = (pid: number): boolean => processesOf('').includes(pid)

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const s = createServer().listen(0, () => {
      const { port } = s.address() as AddressInfo
      s.close(() => resolve(port))
    })
  })
}

/** Body of one answer. */
export function fetchText(port: number, path = '/'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path, agent: false, timeout: 5_000 }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (c: string) => (body += c)).on('end', () => resolve({ status: answer.statusCode ?? 0, body })).on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('timeout'))).on('error', reject)
  })
}

/** Asks every `everyMs` until it is stopped; counts what was not answered with 200. */
export function client(port: number, everyMs = 10): { stop(): Promise<{ asked: number; failed: string[]; bodies: Set<string> }> } {
  const failed: string[] = []
  const bodies = new Set<string>()
  const open = new Set<Promise<void>>()
  let asked = 0
  const timer = setInterval(() => {
    asked++
    const one = fetchText(port).then(
      ({ status, body }) => void (status === 200 ? bodies.add(body) : failed.push(`status ${status}`)),
      (e: Error) => void failed.push(e.message),
    )
    open.add(one)
    void one.then(() => open.delete(one))
  }, everyMs)
  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(open)
      return { asked, failed, bodies }
    },
  }
}

/** A web server that answers its version, and finishes its requests when it is asked to stop. `mode`: what is wrong with it. */
export const webServer = (version: string, mode: 'good' | 'exits' | 'answers 500' | 'never listens' = 'good'): string => `
import { createServer } from 'node:http'
${mode === 'exits' ? "console.error('broken: cannot start'); process.exit(7)" : ''}
const server = createServer((q, a) => setTimeout(() => { a.statusCode = ${mode === 'answers 500' ? 500 : 200}; a.setHeader('connection', 'close'); a.end('${version}') }, 5))
process.on('SIGTERM', () => server.close(() => process.exit(0)))
${mode === 'never listens' ? 'setInterval(() => {}, 1000)' : `server.listen(process.env.LISTEN_FDS ? { fd: 3 } : Number(process.env.PORT), () => console.log('listening', '${version}', process.pid))`}
`
