import { spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { failure } from '../../base/index.ts'
import type { Host } from '../../provider/index.ts'
import { makeRedactor } from '../../secret/index.ts'
import { dieWithUs } from './guard.ts'
import { endProcess, identify, signalGroup, type ProcessId } from './supervisor/identity.ts'
import { accountOf } from './users.ts'

export interface ProgramCall {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Absolute. */
  readonly cwd: string
  readonly user: string | undefined
  readonly host: Host
  readonly signal: AbortSignal
  log(line: string): void
  /** Called when the process exists and before it does anything; the program starts when it resolves. */
  started(p: ProcessId): Promise<void>
}

export interface ProgramEnd {
  /** 128 and the number of the signal when one ended it, as shells say it. */
  readonly exitCode: number
  /** The last 64 KiB, as they came. */
  readonly stdout: string
  /** The last lines of the error output, redacted. */
  readonly complaint: string
}

const STDOUT_BYTES_MAX = 65_536
const COMPLAINT_CHARS_MAX = 2_000
/** What a child of the program still writes after the program has ended. */
const LATE_OUTPUT_MS = 200
const TERM_GRACE_MS = 2_000

/** Waits for one line on file 3, then becomes the program: nothing of it runs before its process is on record, and nothing at all if we die before. */
const GATE = 'read -r go <&3 && [ "$go" = go ] && exec "$@" 3<&-'

/**
 * Runs a program to its end, in a process group of its own that dies with us.
 *
 * Gives    how it ended, whatever its exit code.
 * Fails    HF3108: it cannot be started. HF3106: the signal was aborted; the program and its children are gone then.
 */
export async function runProgram(call: ProgramCall): Promise<ProgramEnd> {
  const { env, uid, gid } = environmentOf(call)
  const name = call.argv[0] as string
  if (!statSync(call.cwd, { throwIfNoEntry: false })?.isDirectory()) throw failure('HF3108', { message: `${call.host.redact(name)} cannot be started: there is no folder ${call.cwd}.`, hint: 'Correct cwd.' })
  if (!findProgram(name, env.PATH, call.cwd)) throw failure('HF3108', { message: `There is no program ${call.host.redact(name)}${name.includes('/') ? '' : ' on the PATH'}.`, hint: 'Install it, or correct the first item of command.' })

  const child = spawn('/bin/sh', ['-c', GATE, 'sh', ...call.argv], { cwd: call.cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'pipe'], ...(uid === undefined ? {} : { uid, gid: gid as number }) })
  const pid = child.pid
  if (pid === undefined) {
    const cause = await new Promise<Error>((done) => child.once('error', done))
    throw failure('HF3108', { message: `${call.host.redact(name)} cannot be started: ${cause.message}.`, cause })
  }
  const unwatch = dieWithUs(pid)
  const gate = child.stdio[3] as NodeJS.WritableStream & { destroy(): void }
  gate.on('error', () => {}) // it is gone already: its exit says so

  const ended = new Promise<number>((done) => child.once('exit', (code, signal) => done(code ?? 128 + signalNumber(signal))))
  const closed = new Promise<void>((done) => child.once('close', () => done()))
  const out = collect(child.stdout, STDOUT_BYTES_MAX)
  const err = collect(child.stderr, STDOUT_BYTES_MAX)
  streamLines(call, child.stdout)
  streamLines(call, child.stderr)

  let stopTimer: NodeJS.Timeout | undefined
  const stop = () => {
    signalGroup(pid, 'SIGTERM')
    stopTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), TERM_GRACE_MS)
  }
  try {
    const id = identify(pid)
    if (id) await call.started(id)
    if (call.signal.aborted) stop()
    else call.signal.addEventListener('abort', stop, { once: true })
    gate.write('go\n')
    const exitCode = await ended
    await Promise.race([closed, new Promise((done) => setTimeout(done, LATE_OUTPUT_MS).unref())])
    if (exitCode !== 0 || call.signal.aborted) signalGroup(pid, 'SIGKILL')
    if (call.signal.aborted) throw failure('HF3106', { message: `${call.host.redact(name)} was stopped.` })
    return { exitCode, stdout: out(), complaint: lastLines(call.host.redact(err() || out())) }
  } catch (e) {
    signalGroup(pid, 'SIGKILL')
    throw e
  } finally {
    clearTimeout(stopTimer)
    call.signal.removeEventListener('abort', stop)
    unwatch()
    gate.destroy()
    child.stdout?.destroy()
    child.stderr?.destroy()
  }
}

/** Ends what is left of a program, with its children, and waits until it is gone. */
export const endSurvivor = async (p: ProcessId | undefined): Promise<void> => {
  if (p) await endProcess(p, 'SIGKILL', 0)
}

function environmentOf(call: ProgramCall): { env: Record<string, string>; uid?: number; gid?: number } {
  const env: Record<string, string> = {}
  // Ours are for us: the key of the state among them.
  for (const [k, v] of Object.entries(process.env)) if (v !== undefined && !k.startsWith('HOLDFAST_')) env[k] = v
  if (call.user === undefined) return { env: Object.assign(env, call.env) }
  const account = accountOf(call.user)
  Object.assign(env, { USER: account.name, LOGNAME: account.name, ...(account.home === undefined ? {} : { HOME: account.home }) }, call.env)
  if (account.uid === process.getuid?.()) return { env }
  if (process.getuid?.() !== 0) throw failure('HF3108', { message: `Only root can run a command as ${call.user}.`, hint: 'Run holdfast as root, or leave out user.' })
  return { env, uid: account.uid, gid: account.gid }
}

function findProgram(name: string, path: string | undefined, cwd: string): string | undefined {
  const places = name.includes('/') || isAbsolute(name) ? [resolve(cwd, name)] : (path ?? '').split(delimiter).map((folder) => join(resolve(cwd, folder || '.'), name))
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK)
      return statSync(place).isFile()
    } catch {
      return false
    }
  })
}

/** Keeps the end of a stream. */
function collect(stream: NodeJS.ReadableStream | null, bytesMax: number): () => string {
  let chunks: Buffer[] = []
  let bytes = 0
  stream?.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > 2 * bytesMax) {
      chunks = [Buffer.concat(chunks).subarray(-bytesMax)]
      bytes = bytesMax
    }
  })
  return () => {
    let all = Buffer.concat(chunks)
    if (all.length > bytesMax) {
      all = all.subarray(-bytesMax)
      // Not in the middle of a character.
      while (all.length > 0 && ((all[0] as number) & 0xc0) === 0x80) all = all.subarray(1)
    }
    return all.toString('utf8')
  }
}

/** Whole lines to the log, with secrets masked wherever the pieces were cut. */
function streamLines(call: ProgramCall, stream: NodeJS.ReadableStream | null): void {
  const redactor = makeRedactor()
  for (const secret of call.host.secrets()) redactor.add(secret)
  let line = ''
  const masked = redactor.stream((chunk) => {
    const lines = (line + chunk).split('\n')
    line = lines.pop() as string
    for (const l of lines) call.log(l.replace(/\r$/, ''))
  })
  const decoder = new StringDecoder('utf8')
  stream?.on('data', (chunk: Buffer) => masked.write(decoder.write(chunk)))
  stream?.on('end', () => {
    masked.write(decoder.end())
    masked.end()
    if (line !== '') call.log(line)
    line = ''
  })
}

function lastLines(text: string): string {
  const kept = text.trimEnd().split('\n').slice(-20).join('\n')
  return kept.length > COMPLAINT_CHARS_MAX ? `…${kept.slice(-COMPLAINT_CHARS_MAX)}` : kept
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15 }
const signalNumber = (signal: NodeJS.Signals | null): number => SIGNALS[signal ?? ''] ?? 0
