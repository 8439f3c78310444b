import { beginRun, type EngineContext, type EngineEvent, type PlanRequest, type RunOptions, type RunSession } from '../engine/index.ts'
import { openProject, type Opened, type OpenRequest } from '../project/index.ts'
import { printDocument, type Where } from './document.ts'
import { canAsk, keepOrRevert } from './ask.ts'
import { openEventLines } from './events.ts'
import { takeForeign } from './foreign.ts'
import { watchInterrupts, type Interrupt } from './interrupt.ts'
import type { Io } from './io.ts'
import { asFailure, errorBlock, type ErrorDocument } from './report.ts'
import { makeProgress, type Progress } from './screen/progress.ts'
import type { Call } from './verb.ts'

/** One command on one environment of an open project. */
export interface Session {
  readonly opened: Opened
  readonly cx: EngineContext
  readonly where: Where & { readonly app: string; readonly env: string }
  readonly progress: Progress
  print(doc: object): void
}

export interface SessionOptions {
  readonly access: OpenRequest['access']
  /** The verb can do without a program that is broken. */
  readonly programOptional?: boolean
}

/** Opens the project, acts, and closes it whatever happens. */
export async function withProject(io: Io, call: Call, options: SessionOptions, act: (s: Session) => Promise<number>): Promise<number> {
  const { flags } = call
  let redact = (text: string): string => text
  const progress = makeProgress(io, flags.quiet)
  const lines = flags.events === undefined ? undefined : openEventLines(io, flags.events, flags.cwd, () => redact)
  const emit = (event: EngineEvent): void => {
    progress.event(event)
    lines?.write(event)
  }
  const foreign = takeForeign((message) => {
    if (flags.quiet) io.err(`${message}\n`)
    emit({ type: 'log', message })
  })
  try {
    const opened = await openProject({
      cwd: flags.cwd, config: flags.config, env: flags.env, set: flags.set, variables: io.variables, concurrency: flags.concurrency,
      access: options.access, programOptional: options.programOptional === true, emit,
    })
    return await thenPutAway(io, async () => {
      redact = opened.cx.redactor.text
      io.redactWith(redact)
      foreign.redactWith(opened.cx.redactor.stream)
      if (opened.broken) io.err(`${errorBlock(opened.broken.toDocument() as unknown as ErrorDocument, io.paintErr, io.cwd, 'warning')}  ${'what follows'.padEnd(16)} comes from the state; types that the program declares are not available\n`)
      const where = { app: opened.app, env: opened.env }
      return await act({ opened, cx: opened.cx, where, progress, print: (doc) => printDocument(io, where, doc) })
    }, () => opened.close())
  } finally {
    foreign.end()
    progress.end()
    lines?.end()
  }
}

/** A command says once how it went. What fails while it puts things away is told beside that: the lease of a process that has ended is free, and the log is read by the next one. */
async function thenPutAway(io: Io, act: () => Promise<number>, putAway: () => Promise<void>): Promise<number> {
  let code: number
  try {
    code = await act()
  } catch (e) {
    await putAway().catch(() => undefined)
    throw e // the first failure is the one to tell
  }
  await putAway().catch((e: unknown) => io.err(errorBlock(asFailure(e).toDocument() as unknown as ErrorDocument, io.paintErr, io.cwd, 'warning')))
  return code
}

/** How a run is to be stopped, and whom to ask what becomes of it then. */
export function stopping(io: Io, call: Call, s: Session, interrupt: Interrupt): RunOptions {
  const { onFailure } = call.flags
  return {
    onFailure, stop: interrupt.stop, abort: interrupt.abort,
    onStopped: async () => {
      const unasked = onFailure === 'revert' ? 'revert' : 'keep'
      if (!interrupt.atKeyboard() || interrupt.abort.aborted || !canAsk(io, call.flags)) return unasked
      s.progress.pause()
      const answer = await keepOrRevert(io, unasked)
      s.progress.resume()
      return answer
    },
  }
}

const LEAVE_MS_MAX = 2000

/** Holds the lease of the environment, or of the part that `only` is restricted to, while something is changed; Ctrl-C is honoured. */
export async function withRun(io: Io, call: Call, s: Session, act: (run: RunSession, interrupt: Interrupt) => Promise<number>, only?: PlanRequest): Promise<number> {
  // Between the live lines: they are drawn anew below it.
  const say = (text: string): void => {
    s.progress.pause()
    io.err(text)
    s.progress.resume()
  }
  const never = new Promise<never>(() => {})
  let left = false
  const interrupt = watchInterrupts(say, (code) => {
    left = true
    s.progress.end()
    const leave = (): never => process.exit(code)
    // The store ends its thread by itself; ended by force, it could take the exit code along.
    setTimeout(leave, LEAVE_MS_MAX)
    void s.cx.store.close().then(leave, leave)
  })
  try {
    const run = await beginRun(s.cx, { lockTimeoutMs: call.flags.lockTimeoutMs, lease: call.flags.own.lease as string | undefined, stop: interrupt.stop, abort: interrupt.abort, only })
    return await thenPutAway(io, async () => {
      if (run.tookOver !== undefined) io.err(`Run ${run.tookOver} was not finished; it is taken over.\n`)
      return act(run, interrupt)
    }, () => (left ? never : run.end()))
  } finally {
    interrupt.end()
  }
}
