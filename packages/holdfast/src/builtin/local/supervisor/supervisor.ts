import { systemClock } from '../../../base/index.ts'
import type { Redactor } from '../../../secret/index.ts'
import { backoffMs, canRunBeside, needsNewProcess, needsRehearsal, rehearsalOf, STEADY_MS, wantsRestart } from './decide.ts'
import { launch, type Generation } from './generation.ts'
import { endProcess, isAlive, type ProcessId } from './identity.ts'
import { bindSocket, freePort, isTaken, type BoundSocket } from './listen.ts'
import { outputSink, type LogFile } from './log-file.ts'
import { writeStatus, type ChildRecord, type Status } from './place.ts'
import type { Answer, Definition, Request, Running } from './protocol.ts'
import { exitText, waitReady } from './ready.ts'

export interface Supervisor {
  start(request: Extract<Request, { cmd: 'start' }>): Promise<Answer>
  adjust(request: Extract<Request, { cmd: 'adjust' }>): Promise<Answer>
  settle(): Promise<Answer>
  shutdown(): Promise<Answer>
  /** Nothing runs, nothing is being tried, nothing is waited for. */
  idle(): boolean
  /** True when programs of a dead predecessor still run: then the folder must stay. */
  hasOrphans(): boolean
}

const SETTLE_GRACE_MS = 50
const SETTLE_WAIT_MS_MAX = 10_000
const SETTLE_POLL_MS = 50

type NotReady = Extract<Answer, { is: 'not-ready' }>

/**
 * The decisions' thin hand: one program at a time is the running one, and at most one attempt is under way.
 *
 * Always true: every program that has begun stands in status.json; what `running` names was ready and answers for its key.
 */
export function makeSupervisor(o: { readonly run: string; readonly self: ProcessId; readonly log: LogFile; readonly redactor: Redactor; readonly orphans: readonly ChildRecord[] }): Supervisor {
  let current: Generation | undefined
  let running: Running | undefined
  let socket: BoundSocket | undefined
  /** Monotonic time since which no ready process has answered, while there was one before. */
  let downSince: number | undefined
  let readySince = 0
  let restarts = 0
  let lastExit: Status['lastExit'] = null
  let state: Status['state'] = 'idle'
  let orphans = o.orphans
  let waiting: AbortController | undefined
  let attempt: { readonly key: string; readonly answer: Promise<Answer> } | undefined
  let queue: Promise<unknown> = Promise.resolve()
  let queued = 0
  const alive = new Map<number, ChildRecord>()

  const say = (text: string): void => o.log.line(`[holdfast] ${o.redactor.text(text)}`)
  const write = (): void =>
    writeStatus(o.run, { v: 1, state, supervisor: o.self, running: running ?? null, children: [...orphans, ...alive.values()], restarts, listen: socket?.port ?? null, lastExit })
  /** What became of a program is told by the process table too; a full disk must not stop the service. */
  const note = (next: Status['state']): void => {
    state = next
    try {
      write()
    } catch (e) {
      say(`status.json could not be written: ${(e as Error).message}`)
    }
  }
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    queued++
    const mine = queue.then(act).finally(() => queued--)
    queue = mine.catch(() => {})
    return mine
  }

  /** Written down first, begun then. */
  const begin = async (key: string, definition: Definition, port: number, bound: BoundSocket | undefined): Promise<Generation> => {
    const gen = await launch({ key, definition, port, fd: bound?.fd, sink: (seen) => outputSink(o.log, o.redactor, seen) })
    alive.set(gen.id.pid, { id: gen.id, key, stop: definition.stop })
    try {
      write()
    } catch (e) {
      await finish(gen)
      throw e
    }
    say(`started, pid ${gen.id.pid}`)
    gen.go()
    return gen
  }
  const finish = async (gen: Generation): Promise<void> => {
    const had = gen.exit() === undefined
    const exit = await gen.end()
    alive.delete(gen.id.pid)
    if (had) say(`stopped, pid ${gen.id.pid}: ${exitText(exit)}`)
    note(state)
  }
  const tryStart = async (key: string, definition: Definition, port: number, bound: BoundSocket | undefined): Promise<Generation | { readonly why: string; readonly lines: readonly string[] }> => {
    let gen: Generation
    try {
      gen = await begin(key, definition, port, bound)
    } catch (e) {
      return { why: `it could not be started: ${(e as Error).message}`, lines: [] }
    }
    const result = await waitReady(gen, bound && { ...bound, sole: current === undefined || current.exit() !== undefined || bound !== socket })
    if (result.ready) return gen
    await finish(gen)
    return { why: result.why, lines: gen.tail() }
  }

  const endOrphans = async (): Promise<void> => {
    for (const c of orphans) {
      if (isAlive(c.id)) say(`stopping pid ${c.id.pid}, which had lost its supervisor`)
      await endProcess(c.id, c.stop.signal, c.stop.withinMs)
    }
    orphans = []
    note(state)
  }

  const startNow = async ({ key, definition, secrets, stopFirst }: Extract<Request, { cmd: 'start' }>): Promise<Answer> => {
    for (const s of secrets) o.redactor.add(s)
    waiting?.abort()
    const old = current?.exit() === undefined ? current : undefined
    if (old && running?.key === key) return { is: 'running', running }
    const beside = old !== undefined && canRunBeside(old, definition)
    const orphaned = orphans.some((c) => isAlive(c.id))
    if (!stopFirst && (orphaned || (old && !beside))) return { is: 'stop-first' }

    note('starting')
    if (orphaned || (old && !beside)) downSince ??= systemClock.mono()
    await endOrphans()
    if (old && !beside) {
      running = undefined
      current = undefined
      await finish(old)
    }
    const reject = (r: { readonly why: string; readonly lines: readonly string[] }): NotReady => {
      say(`not ready: ${r.why}`)
      const stands = current !== undefined && current.exit() === undefined
      note(stands ? 'ready' : 'idle')
      if (current && !stands) afterEnd(current) // it ended while its successor was tried
      return { is: 'not-ready', why: o.redactor.text(r.why), lines: r.lines, old: old === undefined ? 'none' : stands ? 'running' : 'stopped' }
    }

    let bound: BoundSocket | undefined
    let port: number
    try {
      const same = socket !== undefined && current !== undefined && socket.port === definition.listen && current.definition.host === definition.host
      if (socket && !same && !beside) {
        socket.close()
        socket = undefined
      }
      if (definition.listen !== undefined) {
        if (!same && (await isTaken(definition.listen))) throw new Error(`port ${definition.listen} is in use by another program`)
        bound = same ? socket : bindSocket(definition.listen, definition.host)
      }
      if (typeof definition.port === 'number' && (await isTaken(definition.port))) throw new Error(`port ${definition.port} is in use by another program`)
      port = definition.port === 'auto' ? await freePort() : (definition.port ?? 0)
    } catch (e) {
      if (bound !== socket) bound?.close()
      return reject({ why: (e as Error).message, lines: [] })
    }

    if (beside && bound && bound === socket && needsRehearsal(definition)) {
      const apart = bindSocket(0, '127.0.0.1')
      say('rehearsal on a private socket')
      const tried = await tryStart(key, rehearsalOf(definition, apart.port), port, apart)
      if ('id' in tried) await finish(tried)
      apart.close()
      if (!('id' in tried)) return reject(tried)
    }
    const gen = await tryStart(key, definition, port, bound)
    if (!('id' in gen)) {
      if (bound !== socket) bound?.close()
      return reject(gen)
    }

    const gap = downSince === undefined ? undefined : Math.round(systemClock.mono() - downSince)
    const replaces = old !== undefined || gap !== undefined
    downSince = undefined
    const oldSocket = socket === bound ? undefined : socket
    current = gen
    socket = bound
    restarts = 0
    readySince = systemClock.mono()
    running = { key, pid: gen.id.pid, port: definition.listen ?? gen.port, startedAt: gen.startedAt, ...(replaces ? { downMs: gap ?? 0 } : {}) }
    note('ready')
    say(`ready, pid ${gen.id.pid}`)
    const answer: Answer = { is: 'running', running }
    watch(gen)
    if (old && beside) await finish(old)
    oldSocket?.close()
    return answer
  }

  const watch = (gen: Generation): void => void gen.exited.then(() => ended(gen))

  /** The running program has ended by itself. */
  const ended = async (gen: Generation): Promise<void> => {
    const exit = gen.exit()
    if (current !== gen || exit === undefined || !alive.has(gen.id.pid)) return
    downSince ??= systemClock.mono()
    lastExit = { pid: gen.id.pid, code: exit.code, signal: exit.signal, at: new Date(systemClock.now()).toISOString() }
    say(`ended, pid ${gen.id.pid}: ${exitText(exit)}`)
    await finish(gen) // what it left behind
    afterEnd(gen)
  }
  const afterEnd = (gen: Generation): void => {
    const exit = gen.exit()
    if (current !== gen || exit === undefined) return
    if (!wantsRestart(gen.definition.restart, exit)) return forget(gen)
    if (waiting === undefined || waiting.signal.aborted) void restart(gen)
  }
  const forget = (gen: Generation): void => {
    if (current !== gen || queued > 0) return
    current = undefined
    running = undefined
    socket?.close()
    socket = undefined
    note('idle')
  }
  const restart = async (gen: Generation): Promise<void> => {
    const stop = new AbortController()
    waiting = stop
    let failures = systemClock.mono() - readySince >= STEADY_MS ? 0 : restarts
    note('waiting')
    for (;;) {
      const pauseMs = backoffMs(failures++)
      say(`starting again in ${pauseMs} ms`)
      try {
        await systemClock.sleep(pauseMs, stop.signal)
      } catch {
        break
      }
      const done = await inTurn(async () => {
        if (stop.signal.aborted || current !== gen || running === undefined) return true
        restarts++
        const next = await tryStart(gen.key, gen.definition, gen.port, socket)
        if (!('id' in next)) {
          say(`not ready: ${next.why}`)
          note('waiting')
          return false
        }
        current = next
        readySince = systemClock.mono()
        downSince = undefined
        running = { ...running, pid: next.id.pid, startedAt: next.startedAt }
        note('ready')
        say(`ready, pid ${next.id.pid}`)
        watch(next)
        return true
      })
      if (done) break
    }
    if (waiting === stop) waiting = undefined
  }

  const adjustNow = async ({ key, definition, secrets, signal }: Extract<Request, { cmd: 'adjust' }>): Promise<Answer> => {
    for (const s of secrets) o.redactor.add(s)
    const gen = current
    if (gen && running?.key === key && gen.exit() === undefined) return { is: 'running', running }
    if (!gen || gen.exit() || !running || needsNewProcess(gen.definition, definition, signal !== undefined)) return { is: 'restart' }
    const before = gen.definition
    gen.adjust(definition)
    if (signal) {
      say(`reload by ${signal}, pid ${gen.id.pid}`)
      gen.signal(signal)
      const unchecked: Definition = { ...definition, ready: { withinMs: definition.ready.withinMs } }
      gen.adjust(unchecked)
      const lives = await waitReady(gen, undefined) // a moment, in which a program that cannot bear the signal ends
      gen.adjust(definition)
      const result = lives.ready ? await waitReady(gen, socket && { ...socket, sole: true }) : lives
      if (!result.ready) {
        gen.adjust(before)
        return { is: 'not-ready', why: o.redactor.text(result.why), lines: gen.tail(), old: gen.exit() ? 'stopped' : 'running' }
      }
    }
    running = { ...running, key, downMs: 0 }
    note('ready')
    return { is: 'running', running }
  }

  return {
    start(request) {
      if (attempt?.key === request.key) return attempt.answer
      const answer = inTurn(() => startNow(request))
      attempt = { key: request.key, answer }
      void answer.catch(() => {}).then(() => {
        if (attempt?.answer === answer) attempt = undefined
      })
      return answer
    },
    adjust: (request) => inTurn(() => adjustNow(request)),
    async settle() {
      // The last word of a dead caller may still be on its way through the other connection.
      await systemClock.sleep(SETTLE_GRACE_MS)
      const until = systemClock.mono() + SETTLE_WAIT_MS_MAX
      await queue
      while (waiting && systemClock.mono() < until) {
        await systemClock.sleep(SETTLE_POLL_MS)
        if (running && current?.exit() === undefined) break
      }
      return running && current && current.exit() === undefined ? { is: 'running', running } : { is: 'nothing' }
    },
    shutdown: () => {
      waiting?.abort()
      return inTurn(async () => {
        note('stopping')
        running = undefined
        const gen = current
        current = undefined
        if (gen) await finish(gen)
        await endOrphans()
        socket?.close()
        socket = undefined
        note('idle')
        return { is: 'ended' }
      })
    },
    idle: () => queued === 0 && waiting === undefined && (current === undefined || (current.exit() !== undefined && !alive.has(current.id.pid))),
    hasOrphans: () => orphans.some((c) => isAlive(c.id)),
  }
}
