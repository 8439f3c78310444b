import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import { failure, systemClock, type Millis } from '../../base/index.ts'
import { outcomeUnknown, type CallContext } from '../../provider/index.ts'
import { smallEnvironment } from './process-definition.ts'
import { identify, isAlive, makeFolders, onMessage, placeOf, PROTOCOL, readPid, send, SOCKET_FILE, supervisorEntry, type Answer, type Place, type ProcessId, type Request } from './supervisor/index.ts'

type Call = Pick<CallContext, 'mark' | 'host' | 'signal'>

/** Whom a request reached. Its files go first and the process after them, so `waitForEnd` looks at the process. */
export interface Contact {
  made: boolean
  supervisor?: ProcessId | undefined
}

const POLL_MS = 20
/** How long a supervisor may take from its start to its socket, on a busy machine. */
const BOOT_MS_MAX = 30_000
/** A supervisor that finds another one in its place ends at once; that one may be ending too. */
const STARTS_MAX = 50

/**
 * Asks the supervisor of a Process, and starts it when there is none.
 *
 * Takes  a request that is harmless when it is sent twice: a supervisor that ends while it is asked is replaced, and the new one is asked.
 * Fails  with an unknown outcome when the call is cut short; the supervisor goes on with what it began, and `read` waits for that.
 */
export async function ask(a: Call, request: Request, contact: Contact = { made: false }): Promise<Answer> {
  const place = placeOf(a.host.home, a.mark.uid)
  const entry = await supervisorEntry()
  let started: Started | undefined
  for (let starts = 0; ; ) {
    if (a.signal.aborted) throw outcomeUnknown(a.signal.reason)
    const answer = await askRunning(a, place, request, contact)
    if (answer !== undefined) return answer
    if (started === undefined || started.ended() || started.ageMs() > BOOT_MS_MAX) {
      if (starts++ >= STARTS_MAX || (started && !started.ended())) break
      makeFolders(a.host.home, place)
      started = startSupervisor(entry, place, a)
    }
    await systemClock.sleep(POLL_MS)
  }
  if (contact.made) throw outcomeUnknown('the supervisor of the process ended again and again before it answered')
  throw failure('HF3107', { message: 'The supervisor of the process could not be started.', hint: `Look into ${place.log}, and whether ${process.execPath} can run.` })
}

/** Asks the supervisor that lives; undefined when there is none, or it ended without an answer. */
export async function askRunning(a: Call, place: Place, request: Request, contact: Contact = { made: false }): Promise<Answer | undefined> {
  const socket = await openSocket(place.run)
  if (!socket) return undefined
  try {
    const hello = await exchange(socket, { cmd: 'hello' }, a.signal)
    if (hello?.is !== 'hello') return undefined
    if (hello.store !== a.mark.store || hello.uid !== a.mark.uid) throw failure('HF3115', { message: `The process in ${place.run} belongs to another state.` })
    if (hello.protocol !== PROTOCOL && request.cmd !== 'shutdown') {
      // Of another version of the package. Its program stops with it: what it knows cannot be taken over.
      await exchange(socket, { cmd: 'shutdown' }, a.signal)
      return undefined
    }
    contact.made = true
    contact.supervisor = identify(hello.pid)
    const answer = await exchange(socket, request, a.signal)
    if (answer?.is === 'error') throw failure('HF3107', { message: `The supervisor of the process failed: ${a.host.redact(answer.why)}` })
    return answer
  } finally {
    socket.destroy()
  }
}

/** True while a supervisor lives, whether it answers already or not. */
export function hasSupervisor(place: Place): boolean {
  const holder = readPid(place.run)
  return holder !== undefined && isAlive(holder)
}

/** A supervisor that has nothing to look after ends as soon as nobody is connected. False: it did not within the time. */
export async function waitForEnd(place: Place, contact: Contact, waitMs: Millis): Promise<boolean> {
  const until = systemClock.mono() + waitMs
  while (hasSupervisor(place) || (contact.supervisor && isAlive(contact.supervisor))) {
    if (systemClock.mono() > until) return false
    await systemClock.sleep(POLL_MS)
  }
  return true
}

/** The address of a socket file may have 107 bytes at most, and a project may lie deep: on Linux the folder is named by a descriptor. */
function openSocket(run: string): Promise<Socket | undefined> {
  let folder: number | undefined
  let path = join(run, SOCKET_FILE)
  if (process.platform === 'linux') {
    try {
      folder = openSync(run, 'r')
    } catch {
      return Promise.resolve(undefined)
    }
    path = `/proc/self/fd/${folder}/${SOCKET_FILE}`
  }
  return new Promise((resolve) => {
    const socket = connectSocket(path)
    const done = (s: Socket | undefined) => {
      if (folder !== undefined) closeSync(folder)
      folder = undefined
      resolve(s)
    }
    socket.once('connect', () => done(socket))
    socket.once('error', () => done(undefined))
  })
}

/** One question, one answer; undefined when the other side ends without one. */
function exchange(socket: Socket, request: Request, signal: AbortSignal): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      signal.removeEventListener('abort', aborted)
      socket.removeAllListeners()
      socket.on('error', () => {})
      act()
    }
    const aborted = () => finish(() => reject(outcomeUnknown(signal.reason)))
    if (signal.aborted) return aborted()
    signal.addEventListener('abort', aborted, { once: true })
    socket.on('error', () => {})
    socket.once('close', () => finish(() => resolve(undefined)))
    onMessage(socket, (message) => finish(() => resolve(message as Answer)))
    send(socket, request)
  })
}

interface Started {
  ended(): boolean
  ageMs(): number
}

/** In a session of its own, with nothing of ours open: it lives on when this process, or its terminal, is gone. */
function startSupervisor(entry: string, place: Place, a: Call): Started {
  let ended = false
  const since = systemClock.mono()
  const child = spawn(process.execPath, [entry, JSON.stringify({ run: place.run, log: place.log, mark: a.mark })], { detached: true, stdio: 'ignore', cwd: a.host.root, env: smallEnvironment() })
  child.once('exit', () => (ended = true))
  child.once('error', () => (ended = true))
  child.unref()
  return { ended: () => ended, ageMs: () => systemClock.mono() - since }
}
