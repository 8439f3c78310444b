import type { Socket } from 'node:net'
import type { Millis } from '../../../base/index.ts'

/** A supervisor of another number is asked to end, and a new one takes its place. */
export const PROTOCOL = 1

/** When a program counts as ready. Every check that is named must pass. */
export interface Ready {
  readonly tcp?: number | true
  /** A path on the program's port, or a whole URL. */
  readonly http?: string
  /** Regular expression that one line of its output matches. */
  readonly log?: string
  readonly command?: readonly string[]
  readonly withinMs: Millis
}

export interface Stop {
  readonly signal: NodeJS.Signals
  readonly withinMs: Millis
}

/** All that a supervisor knows of a program: paths resolved, secrets opened. It crosses the socket and stays in memory; no file holds it. */
export interface Definition {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly uid?: number
  readonly gid?: number
  readonly port?: number | 'auto'
  readonly listen?: number
  /** Address that `listen` binds; every interface when absent. */
  readonly host?: string
  /** Absent: ready when it lives a moment after its start. */
  readonly ready: Ready
  readonly stop: Stop
  readonly restart: 'never' | 'on-failure' | 'always'
  /** Digests of the files it was made of, by path, and of the value that starts it anew when it changes: paths alone do not tell one version from the next. */
  readonly contents?: Readonly<Record<string, string>>
  readonly restartOn?: string
  /** Files whose change a signal announces. */
  readonly announced?: readonly string[]
}

/** What a ready program answers with. */
export interface Running {
  readonly key: string
  readonly pid: number
  /** 0: it has none. */
  readonly port: number
  readonly startedAt: string
  /** Time without a ready process while this one replaced another; absent for the first. */
  readonly downMs?: Millis
}

export type Request =
  | { readonly cmd: 'hello' }
  /** Makes `definition` the running one. Equal key: the same answer, nothing is started again. */
  | { readonly cmd: 'start'; readonly key: string; readonly definition: Definition; readonly secrets: readonly string[]; readonly stopFirst: boolean }
  /** Takes new settings without a new process, and sends `signal` when there is one. */
  | { readonly cmd: 'adjust'; readonly key: string; readonly definition: Definition; readonly secrets: readonly string[]; readonly signal?: NodeJS.Signals }
  /** Answers when no attempt is under way. */
  | { readonly cmd: 'settle' }
  /** Stops the program and ends. */
  | { readonly cmd: 'shutdown' }

export type Answer =
  | { readonly is: 'hello'; readonly protocol: number; readonly pid: number; readonly store: string; readonly uid: string; readonly ordinal: number }
  | { readonly is: 'running'; readonly running: Running }
  | { readonly is: 'nothing' }
  /** The old program must stop before the new one can start; nothing was done. */
  | { readonly is: 'stop-first' }
  /** The change needs a new process; nothing was done. */
  | { readonly is: 'restart' }
  /** The new program was stopped again. `old` tells what became of the one before. */
  | { readonly is: 'not-ready'; readonly why: string; readonly lines: readonly string[]; readonly old: 'none' | 'running' | 'stopped' }
  | { readonly is: 'ended' }
  | { readonly is: 'error'; readonly why: string }

/** Longest message: a definition with its environment and the list of secrets. */
const MESSAGE_BYTES_MAX = 16_777_216

/** One JSON value a line. A peer that sends something else, or too much, is cut off. */
export function onMessage(socket: Socket, take: (message: unknown) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    rest += chunk
    if (rest.length > MESSAGE_BYTES_MAX) return void socket.destroy()
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end)
      rest = rest.slice(end + 1)
      let message: unknown
      try {
        message = JSON.parse(line)
      } catch {
        return void socket.destroy()
      }
      take(message)
    }
  })
}

export const send = (socket: Socket, message: Request | Answer): void => void socket.write(`${JSON.stringify(message)}\n`)
