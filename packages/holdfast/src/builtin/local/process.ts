import { readdirSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { failure, systemClock } from '../../base/index.ts'
import { notOurs, outcomeUnknown, type CallContext, type ResourceSpec } from '../../provider/index.ts'
import { ask, askRunning, hasSupervisor, waitForEnd, type Contact } from './process-client.ts'
import { changeOf, definitionOf } from './process-definition.ts'
import { processInputs, processOutputs, type ProcessInputs, type ProcessOutputs } from './process-inputs.ts'
import { endProcess, liveChildren, placeOf, readPid, readStatus, removePlace, type Answer, type Definition, type Place, type Running } from './supervisor/index.ts'

type Call = CallContext & { readonly inputs: ProcessInputs }

const POLL_MS = 20
const ASK_AGAIN_MS = 500
/** How long `read` waits for a supervisor that lives and does not answer yet. */
const ANSWER_MS_MAX = 30_000
/** Logs of processes that are gone are kept that long. */
const LOG_KEEP_MS = 14 * 86_400_000

/**
 * A long-running program under a supervisor of its own.
 *
 * Always true: at most one supervisor and one running program for one uid; equal key, equal program; the old program is stopped only when the new one
 * is ready, or after `partial` has said that from here on the change is under way.
 */
export const processSpec: ResourceSpec<typeof processInputs, typeof processOutputs> = {
  type: 'holdfast:local/Process',
  inputs: processInputs,
  outputs: processOutputs,
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 },
  identity: 'new',
  stable: ['logPath'],
  claims: (i) => [...new Set([i.listen, i.port].filter((p) => typeof p === 'number'))].map((p) => `tcp:${p}`),
  predict: (i) => {
    const port = i.listen ?? i.port
    return typeof port === 'number' ? { port } : {}
  },
  describe: ({ inputs, prior }) => {
    const change = changeOf(prior.inputs, inputs)
    return change === 'settings' ? undefined : change
  },

  async create(a) {
    const place = placeOf(a.host.home, a.mark.uid)
    const definition = definitionOf(a.inputs, a.host)
    pruneLogs(a.host.home)
    a.progress('waiting until it is ready')
    const contact: Contact = { made: false }
    const answer = await start(a, definition, true, contact)
    if (answer.is === 'running') return outputsOf(a, place, answer.running)
    if ((await waitForEnd(place, contact, ANSWER_MS_MAX)) && liveChildren(place.run).length === 0) removePlace(place.run)
    throw notReady(a, place, answer)
  },

  async read(a) {
    const place = placeOf(a.host.home, a.mark.uid)
    const until = systemClock.mono() + ANSWER_MS_MAX
    do {
      const answer = await askRunning(a, place, { cmd: 'settle' })
      if (answer?.is === 'running') return { ...outputsOf(a, place, answer.running), owner: 'mine' as const }
      if (answer !== undefined) return undefined
      if (!hasSupervisor(place)) return withoutSupervisor(a, place)
      await systemClock.sleep(POLL_MS, a.signal)
    } while (systemClock.mono() < until)
    throw outcomeUnknown('the supervisor of the process does not answer')
  },

  async update(a) {
    const place = placeOf(a.host.home, a.mark.uid)
    const definition = definitionOf(a.inputs, a.host)
    const change = changeOf(a.prior.inputs, a.inputs)
    const about = { key: a.key.toString(), definition, secrets: a.host.secrets() }
    if (change === 'reload' || change === 'settings') {
      if (change === 'reload') await a.partial(a.outputs)
      const signal = change === 'reload' ? { signal: (a.inputs.reload?.signal ?? 'SIGHUP') as NodeJS.Signals } : {}
      const answer = await ask(a, { cmd: 'adjust', ...about, ...signal })
      if (answer.is === 'running') return outputsOf(a, place, answer.running)
      if (answer.is !== 'restart') throw notReady(a, place, answer)
    }
    a.progress('waiting until the new one is ready')
    let answer = await start(a, definition, false)
    if (answer.is === 'stop-first') {
      await a.partial(a.outputs) // the old one is about to go: from here on a failure has changed something
      answer = await start(a, definition, true)
    }
    if (answer.is === 'running') return outputsOf(a, place, answer.running)
    throw notReady(a, place, answer)
  },

  async delete(a) {
    const place = placeOf(a.host.home, a.mark.uid)
    const until = systemClock.mono() + ANSWER_MS_MAX + longestStopMs(place)
    do {
      const holder = readPid(place.run)
      if (holder && (holder.store !== a.mark.store || holder.uid !== a.mark.uid)) throw notOurs(`the process in ${place.run}`)
      if (systemClock.mono() > until) throw outcomeUnknown('the supervisor of the process does not end')
      a.progress('waiting until it has stopped')
      const contact: Contact = { made: false }
      await askRunning(a, place, { cmd: 'shutdown' }, contact)
      // One that lives and does not answer yet is asked again.
      if (await waitForEnd(place, contact, ASK_AGAIN_MS)) break
    } while (!a.signal.aborted)
    if (a.signal.aborted) throw outcomeUnknown(a.signal.reason)
    for (const child of liveChildren(place.run)) await endProcess(child.id, child.stop.signal, child.stop.withinMs)
    rmSync(place.run, { recursive: true, force: true })
  },
}

const start = (a: Call, definition: Definition, stopFirst: boolean, contact?: Contact): Promise<Answer> =>
  ask(a, { cmd: 'start', key: a.key.toString(), definition, secrets: a.host.secrets(), stopFirst }, contact)

function outputsOf(a: Call, place: Place, running: Running, supervised = true): ProcessOutputs {
  const { pid, port, startedAt, downMs } = running
  return { port, pid, startedAt, logPath: relative(a.host.root, place.log), supervised, ...(downMs === undefined ? {} : { downMs }) }
}

/**
 * Its supervisor was killed. A program that still runs is shown as it is, so that a person sees the difference; after a lost `create` it counts
 * as absent, so that the create is repeated, which stops it and starts it properly.
 */
function withoutSupervisor(a: Call & { readonly outputs?: Partial<ProcessOutputs> }, place: Place): (ProcessOutputs & { readonly owner: 'mine' }) | undefined {
  const running = readStatus(place.run)?.running
  if (!running || a.outputs?.pid === undefined || !liveChildren(place.run).some((c) => c.id.pid === running.pid)) return undefined
  return { ...outputsOf(a, place, running, false), owner: 'mine' }
}

function notReady(a: Call, place: Place, answer: Answer) {
  const { why, lines, old } = answer.is === 'not-ready' ? answer : { why: `unexpected answer ${answer.is}`, lines: [], old: 'none' as const }
  const logPath = relative(a.host.root, place.log)
  const shown = lines.map((l) => a.host.redact(l))
  const kept = old === 'running' ? ' The one before it keeps running.' : ''
  const tail = shown.length > 0 ? `\nThe last lines of its log:\n${shown.map((l) => `    ${l}`).join('\n')}` : ''
  return failure('HF3107', { message: `The program did not become ready: ${a.host.redact(why)}.${kept}${tail}`, hint: `Its log is ${logPath}.`, details: { logPath, lines: shown } })
}

const longestStopMs = (place: Place): number => Math.max(0, ...liveChildren(place.run).map((c) => c.stop.withinMs))

function pruneLogs(home: string): void {
  const dir = join(home, 'logs')
  let names: string[] = []
  try {
    names = readdirSync(dir)
  } catch {
    return // the first process of the project
  }
  const oldest = systemClock.now() - LOG_KEEP_MS
  for (const name of names) {
    const uid = /^([A-Za-z0-9_-]+)\.log(\.1)?$/.exec(name)?.[1]
    if (uid === undefined || statSync(join(home, 'run', uid), { throwIfNoEntry: false })) continue
    const stats = statSync(join(dir, name), { throwIfNoEntry: false })
    if (stats && stats.mtimeMs < oldest) rmSync(join(dir, name), { force: true })
  }
}
