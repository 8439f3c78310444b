import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Mark } from '../model/index.ts'
import type { ProviderSubject } from './provider-suite.ts'

/** Where a child process finds the type: a module that plain Node can import, and the name of the spec (or of the resource function) in it. */
export interface CrashTarget {
  readonly module: string
  readonly export: string
  /** At most so many kills of one case, spread over all steps. Default 40. */
  readonly killsMax?: number
}

export interface CrashCall {
  readonly op: 'create' | 'update' | 'delete'
  readonly key: string
  readonly mark: Mark
  readonly inputs: Record<string, unknown>
  readonly outputs?: Record<string, unknown>
  readonly prior?: unknown
}
export interface CrashRun {
  /** The step before which the child killed itself. */
  readonly step: number
  /** It came to its end before that step. */
  readonly finished: boolean
  /** What was recorded before. */
  readonly partial: Record<string, unknown> | undefined
}

type Kill = (call: CrashCall) => Promise<CrashRun>

const KILLS_MAX = 40

/**
 * Makes one call again and again, each time in a corner of its own and in a child that kills itself before another of its steps: a call of node:fs,
 * a record by `partial`. `attempt` settles what the child left, and tells whether the child had finished: then all steps were seen.
 */
export async function killAtEveryStep(target: CrashTarget, make: () => Promise<ProviderSubject>, attempt: (subject: ProviderSubject, kill: Kill) => Promise<boolean>): Promise<void> {
  const inCorner = async (step: number): Promise<number> => {
    const subject = await make()
    let total = 0
    try {
      const finished = await attempt(subject, async (call) => {
        const run = await runChild(target, subject, call, step)
        total = run.steps
        return run
      })
      return finished ? total : Number.POSITIVE_INFINITY
    } finally {
      await subject.dispose()
    }
  }
  // Never killed: how many steps there are.
  const steps = await inCorner(Number.MAX_SAFE_INTEGER)
  const stride = Math.max(1, Math.ceil(steps / (target.killsMax ?? KILLS_MAX)))
  for (let step = 1; step <= steps; step += stride) await inCorner(step)
}

/** The child. It counts every call of node:fs, also those of modules that import single functions. */
const CHILD = `
import fs, { writeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const say = (x) => writeSync(3, JSON.stringify(x) + '\\n')
const chunks = []
for await (const c of process.stdin) chunks.push(c)
const { call, host, step, module, name } = JSON.parse(Buffer.concat(chunks).toString(), (k, v) => (v && v.$bytes ? new Uint8Array(Buffer.from(v.$bytes, 'base64')) : v))
const found = (await import(module))[name]
const spec = found.spec ?? found
if (call.op !== 'delete') await import('node:child_process')
let at = 0
let counting = false
const before = () => { if (counting && ++at === step) process.kill(process.pid, 'SIGKILL') }
for (const holder of [fs, fs.promises]) for (const k of Object.keys(holder)) {
  const f = holder[k]
  if (typeof f !== 'function' || /^[A-Z]/.test(k)) continue
  holder[k] = Object.assign(function (...args) { before(); return f.apply(this, args) }, f)
}
syncBuiltinESMExports()
const context = {
  key: { toString: () => call.key, step: (s) => call.key + '.' + s }, mark: call.mark, namespace: 'suite', physicalName: 'suite-object', signal: new AbortController().signal,
  host: { ...host, assetPath: (a) => host.root + '/' + a.path, redact: (t) => t, secrets: () => [] }, log() {}, progress() {},
  partial: async (o) => { before(); say({ partial: o }); before() },
}
counting = true
await spec[call.op]({ ...context, inputs: call.inputs, outputs: call.outputs, prior: call.prior })
counting = false
say({ finished: true, steps: at })
process.exit(0)
`

async function runChild(target: CrashTarget, subject: ProviderSubject, call: CrashCall, step: number): Promise<CrashRun & { readonly steps: number }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], { stdio: ['pipe', 'ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } })
  let complaint = ''
  child.stderr?.on('data', (c: Buffer) => (complaint += c))
  let finished = false
  let steps = 0
  let partial: Record<string, unknown> | undefined
  const lines = createInterface({ input: child.stdio[3] as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    const said = JSON.parse(line) as { partial?: Record<string, unknown>; finished?: boolean; steps?: number }
    if (said.partial) partial = { ...partial, ...said.partial }
    if (said.finished) {
      finished = true
      steps = said.steps as number
    }
  })
  const { root, home, env } = subject.host
  const bytes = (_: string, v: unknown) => (v instanceof Uint8Array ? { $bytes: Buffer.from(v).toString('base64') } : v)
  child.stdin?.end(JSON.stringify({ call, host: { root, home, env }, step, module: target.module, name: target.export }, bytes))
  const [code, signal] = await new Promise<[number | null, string | null]>((done) => child.once('close', (c, s) => done([c, s])))
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the child ended with ${code ?? signal}: ${complaint}`)
  return { step, finished, partial, steps }
}
