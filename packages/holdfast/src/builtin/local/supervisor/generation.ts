import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { systemClock } from '../../../base/index.ts'
import { groupLives, identify, signalGroup, type ProcessId } from './identity.ts'
import type { OutputSink } from './log-file.ts'
import type { Definition, Stop } from './protocol.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  /** The system could not start it. */
  readonly error?: string
}

/** One run of the program. */
export interface Generation {
  readonly id: ProcessId
  readonly key: string
  /** As it was started; `adjust` replaces what needs no new process. */
  readonly definition: Definition
  adjust(definition: Definition): void
  /** Port of its own; 0: none. */
  readonly port: number
  readonly startedAt: string
  readonly exited: Promise<Exit>
  /** Set when it has ended. */
  exit(): Exit | undefined
  /** Lets the program begin; before this only a waiting shell exists. */
  go(): void
  signal(name: NodeJS.Signals): void
  /** Stop signal, then SIGKILL after its time; resolves when nobody of its group is left. */
  end(): Promise<Exit>
  /** True when one line of its output has matched `ready.log`. */
  matched(): boolean
  tail(): readonly string[]
}

const SHELL = '/bin/sh'
/** After the program has ended, its output may still be in the pipe; a grandchild may hold the pipe for ever. */
const DRAIN_MS = 200
const POLL_MS = 10

/**
 * A shell that waits for a word and then becomes the program. So the supervisor knows and has written down the pid before the first instruction of
 * the program runs: when the supervisor dies in between, the shell reads an end of file and goes. It also knows its own pid, which LISTEN_PID needs.
 */
const gate = (fd: number, listens: boolean): string =>
  `read -r go <&${fd} || exit 125; exec ${fd}<&-; unset go; ${listens ? 'LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; ' : ''}exec "$@"`

/**
 * Starts the gate of one run.
 *
 * Takes  `fd`: the bound socket that the program gets as fd 3, if it listens on one.
 * Fails  with the message of the system when not even the shell could be started (no such folder, no such user).
 */
export function launch(o: { readonly key: string; readonly definition: Definition; readonly port: number; readonly fd: number | undefined; sink(seen: (line: string) => void): OutputSink }): Promise<Generation> {
  let { definition } = o
  const listens = o.fd !== undefined
  const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'pipe', 'pipe', ...(o.fd === undefined ? [] : [o.fd]), 'pipe']
  const gateFd = stdio.length - 1
  const child = spawn(SHELL, ['-c', gate(gateFd, listens), 'holdfast', ...definition.argv], {
    detached: true, // a session and a process group of its own: it can be ended with all that it started
    cwd: definition.cwd,
    env: { ...definition.env, ...(o.port > 0 ? { PORT: String(o.port) } : {}) },
    stdio,
    ...(definition.uid === undefined ? {} : { uid: definition.uid }),
    ...(definition.gid === undefined ? {} : { gid: definition.gid }),
  })
  const gateEnd = child.stdio[gateFd] as Writable | undefined
  gateEnd?.on('error', () => {}) // the shell may be gone

  let matched = definition.ready.log === undefined
  const pattern = definition.ready.log === undefined ? undefined : new RegExp(definition.ready.log, 'u')
  const sink = o.sink((line) => {
    if (!matched && pattern?.test(line)) matched = true
  })
  const outputs = [child.stdout, child.stderr].flatMap((stream) => (stream ? [{ stream: stream as Readable, into: sink.open() }] : []))
  for (const { stream, into } of outputs) {
    stream.on('data', (chunk: Uint8Array) => into.write(chunk))
    stream.on('end', () => into.end())
    stream.on('error', () => into.end())
  }

  return new Promise((resolve, reject) => {
    let exit: Exit | undefined
    let ended: (e: Exit) => void = () => {}
    const exited = new Promise<Exit>((r) => (ended = r))
    child.once('error', (e) => reject(e))
    child.once('exit', (code, signal) => {
      exit = { code, signal }
      const drained = Promise.all(outputs.map(({ stream }) => new Promise<void>((r) => (stream.readableEnded || stream.destroyed ? r() : stream.once('close', () => r())))))
      void Promise.race([drained, systemClock.sleep(DRAIN_MS)]).then(() => {
        for (const { into } of outputs) into.end()
        ended(exit as Exit)
      })
    })
    child.once('spawn', () => {
      const pid = child.pid as number
      const id = identify(pid) ?? { pid, start: 'ended', boot: '' }
      const stop = (): Promise<Exit> => endGroup(pid, definition.stop, () => exit !== undefined, exited)
      let ending: Promise<Exit> | undefined
      resolve({
        id,
        key: o.key,
        get definition() {
          return definition
        },
        adjust: (d) => void (definition = d),
        port: o.port,
        startedAt: new Date(systemClock.now()).toISOString(),
        exited,
        exit: () => exit,
        go: () => void gateEnd?.end('go\n'),
        signal: (name) => void (exit === undefined && child.kill(name)),
        end: () => (ending ??= stop()),
        matched: () => matched,
        tail: () => sink.tail(),
      })
    })
  })
}

/**
 * The main process gets the signal first and alone: it tells its workers itself. What it leaves behind gets the same signal, and at the end of the time
 * the whole group is killed. Until the group is empty its number is not given to anybody else.
 */
async function endGroup(pid: number, stop: Stop, hasEnded: () => boolean, exited: Promise<Exit>): Promise<Exit> {
  const until = systemClock.mono() + stop.withinMs
  if (!hasEnded()) {
    try {
      process.kill(pid, stop.signal)
    } catch {
      // it ends this moment
    }
    while (!hasEnded() && systemClock.mono() < until) await systemClock.sleep(POLL_MS)
  }
  if (hasEnded() && signalGroup(pid, stop.signal)) {
    while (groupLives(pid) && systemClock.mono() < until) await systemClock.sleep(POLL_MS)
  }
  signalGroup(pid, 'SIGKILL')
  return exited
}
