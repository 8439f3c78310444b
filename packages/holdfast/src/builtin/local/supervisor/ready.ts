import { spawn } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIPv6, type Socket } from 'node:net'
import { systemClock, type Millis } from '../../../base/index.ts'
import { connectTo, waitsFor } from './accepted-by.ts'
import type { Exit, Generation } from './generation.ts'
import { hangUp, isTaken } from './listen.ts'
import { signalGroup } from './identity.ts'
import type { Ready } from './protocol.ts'

const ROUND_MS = 20
const ROUND_MS_MAX = 250
const PROBE_MS = 2_000
/** Connections that a round tries at a shared socket: of several, some reach the new process. */
const SHARED_PROBES = 4
/** A program without any check counts as ready when it lives that long. */
const SETTLE_MS = 300

/** The socket that a program got as fd 3, when its checks go there. */
export interface Target {
  readonly fd: number
  readonly port: number
  readonly address: string
  /** Nobody else accepts on it. */
  readonly sole: boolean
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly why: string }

export function exitText(exit: Exit): string {
  if (exit.error !== undefined) return exit.error
  if (exit.signal !== null) return `it was ended by ${exit.signal}`
  if (exit.code === 127) return 'it ended with exit code 127: the command was not found'
  if (exit.code === 126) return 'it ended with exit code 126: the command may not be executed'
  return `it ended with exit code ${exit.code}`
}

/**
 * Waits until every check of the program passes.
 *
 * Takes  `target`: the bound socket behind fd 3, or undefined when the program opens its own port.
 * Gives  the reason when it ends first, or when `withinMs` passes: the last thing that was wrong.
 */
export async function waitReady(gen: Generation, target: Target | undefined): Promise<Readiness> {
  const { ready } = gen.definition
  const until = systemClock.mono() + ready.withinMs
  const ended = (): Readiness => ({ ready: false, why: exitText(gen.exit() as Exit) })
  if (ready.tcp === undefined && ready.http === undefined && ready.log === undefined && ready.command === undefined) {
    await Promise.race([gen.exited, systemClock.sleep(Math.min(SETTLE_MS, ready.withinMs))])
    return gen.exit() ? ended() : { ready: true }
  }
  let pauseMs = ROUND_MS
  for (;;) {
    let wrong: string | undefined
    try {
      wrong = await firstWrong(gen, ready, target, Math.max(1, Math.min(PROBE_MS, until - systemClock.mono())))
    } catch (e) {
      wrong = e instanceof Error ? e.message : String(e)
    }
    if (gen.exit()) {
      await gen.exited // its last words are in the log now
      return ended()
    }
    if (wrong === undefined) return { ready: true }
    if (systemClock.mono() + pauseMs > until) return { ready: false, why: `it was not ready within ${ready.withinMs} ms: ${wrong}` }
    await Promise.race([gen.exited, systemClock.sleep(pauseMs)])
    pauseMs = Math.min(ROUND_MS_MAX, pauseMs * 1.5)
  }
}

async function firstWrong(gen: Generation, ready: Ready, target: Target | undefined, probeMs: Millis): Promise<string | undefined> {
  if (!gen.matched()) return `no line of its output matches ${ready.log}`
  if (ready.tcp !== undefined) {
    const port = ready.tcp === true ? (target?.port ?? gen.port) : ready.tcp
    const wrong = await tcpWrong(gen, port, target)
    if (wrong !== undefined) return wrong
  }
  if (ready.http !== undefined) {
    const wrong = await httpWrong(gen, ready.http, target, probeMs)
    if (wrong !== undefined) return wrong
  }
  if (ready.command !== undefined) return commandWrong(gen, ready.command, probeMs)
  return undefined
}

/** At the socket behind fd 3 an open connection proves nothing: the kernel queues it for whoever comes. So the process that took it is asked for. Undefined: it took one and hung up at once. */
async function connectOwn(gen: Generation, target: Target): Promise<Socket | string | undefined> {
  const tries = await Promise.all(Array.from({ length: SHARED_PROBES }, () => connectTo(target.port, target.address, gen.id.pid).catch((e: Error) => ({ by: 'nobody' as const, error: e.message, socket: undefined }))))
  const open = tries.flatMap((t) => (t.socket ? [t.socket] : []))
  for (const extra of open.slice(1)) hangUp(extra)
  if (open[0] === undefined && tries.some((t) => t.by === 'closed') && (target.sole || waitsFor(gen.id.pid, target.fd))) return undefined
  return open[0] ?? `it does not accept connections on fd 3 (port ${target.port})`
}

async function tcpWrong(gen: Generation, port: number, target: Target | undefined): Promise<string | undefined> {
  if (target && port === target.port) {
    const socket = await connectOwn(gen, target)
    if (typeof socket === 'string') return socket
    if (socket) hangUp(socket)
    return undefined
  }
  return (await isTaken(port)) || (await isTaken(port, '::1')) ? undefined : `nothing listens on port ${port}`
}

async function httpWrong(gen: Generation, http: string, target: Target | undefined, probeMs: Millis): Promise<string | undefined> {
  const url = new URL(http, target ? `http://${isIPv6(target.address) ? `[${target.address}]` : target.address}:${target.port}` : `http://localhost:${gen.port}`)
  let socket: Socket | undefined
  if (target && url.protocol === 'http:' && Number(url.port) === target.port) {
    const own = await connectOwn(gen, target)
    if (typeof own === 'string') return own
    socket = own
  }
  return new Promise((resolve) => {
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest
    const done = (wrong: string | undefined) => {
      asked.destroy()
      resolve(wrong)
    }
    const asked = request(
      url,
      // Its own certificate is often self-signed; the question is whether it answers, not who it is.
      { ...(socket ? { createConnection: () => socket as Socket } : { agent: false as const }), ...(url.protocol === 'https:' ? { rejectUnauthorized: false } : {}), timeout: probeMs, headers: { 'user-agent': 'holdfast', connection: 'close' } },
      (answer) => {
        const status = answer.statusCode ?? 0
        answer.resume()
        const wrong = status >= 200 && status < 300 ? undefined : `GET ${shown(url)} answered ${status}`
        answer.once('end', () => done(wrong))
        answer.once('error', () => done(wrong))
        void systemClock.sleep(probeMs).then(() => done(wrong)) // a body without an end
      },
    )
    asked.once('timeout', () => done(`GET ${shown(url)} did not answer within ${Math.round(probeMs)} ms`))
    asked.once('error', (e) => done(`GET ${shown(url)}: ${e.message}`))
    asked.end()
  })
}

/** Without what may be a password: user information and query. */
const shown = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`

function commandWrong(gen: Generation, argv: readonly string[], probeMs: Millis): Promise<string | undefined> {
  const { definition } = gen
  return new Promise((resolve) => {
    const child = spawn(argv[0] as string, argv.slice(1), {
      cwd: definition.cwd, detached: true, stdio: 'ignore',
      env: { ...definition.env, ...(gen.port > 0 ? { PORT: String(gen.port) } : {}) },
      ...(definition.uid === undefined ? {} : { uid: definition.uid }), ...(definition.gid === undefined ? {} : { gid: definition.gid }),
    })
    const timer = setTimeout(() => child.pid !== undefined && signalGroup(child.pid, 'SIGKILL'), probeMs)
    child.once('error', (e) => {
      clearTimeout(timer)
      resolve(`the check command could not be started: ${(e as NodeJS.ErrnoException).code ?? 'error'}`)
    })
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      resolve(code === 0 ? undefined : `the check command ended with ${signal ?? `exit code ${code}`}`)
    })
  })
}
