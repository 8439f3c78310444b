import { rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { canonical, failure, limits, sha256hex } from '../../base/index.ts'
import { isNotOurs, notOurs, outcomeUnknown, type CallContext, type ResourceSpec } from '../../provider/index.ts'
import { absolutePath, diskFailure, look, sameObject, traceOf } from './disk.ts'
import { contentRef } from './file.ts'
import { dropAside, dropRecord, emptyFolder, identityAt, putAside, readRecord, stateOf, undoLeftovers, writeRecord, type Before, type CommandRecord } from './command-record.ts'
import { holderOf, isCompleted, markCompleted } from './holders.ts'
import { removeMadeFolders } from './made-folders.ts'
import type { ProgramEnd } from './run-program.ts'
import type { ProcessId } from './supervisor/identity.ts'

/** A program and its arguments. A file by path and content makes the command depend on the content. */
export const argv = z.array(z.union([z.string(), contentRef])).min(1)
export type Argv = z.output<typeof argv>

const inputs = z.object({
  command: argv,
  env: z.record(z.string(), z.string()).default({}),
  /** Default: the folder of the program. */
  cwd: z.string().optional(),
  user: z.string().min(1).optional(),
  /** Any value: when it changes, the command runs again. */
  triggers: z.unknown().optional(),
  /** The file or folder that the command makes, or the empty folder that it fills. */
  creates: z.string().min(1).optional(),
  /** Runs when the node is deleted. Must bear being run twice. */
  destroy: argv.optional(),
})
const identity = z.object({ inode: z.number(), bornMs: z.number() })
const outputs = z.object({
  exitCode: z.number(),
  /** The last 64 KiB. */
  stdout: z.string(),
  /** Recorded before the program starts. */
  process: z.object({ pid: z.number(), start: z.string(), boot: z.string() }).optional(),
  /** What stands at `creates`, when this command made it. */
  made: identity.extend({ before: z.enum(['absent', 'empty']) }).optional(),
})
type Inputs = z.output<typeof inputs>
type Outputs = z.output<typeof outputs>

/** Which process wrote a record: numbers of processes are given again. */
const us = sha256hex(`${process.pid} ${performance.timeOrigin} ${Math.random()}`).slice(0, 16)

/**
 * A program that runs once, and again when it or its triggers change.
 *
 * Always true: the program dies with us, its children too; its process is on record before it does anything, its end right after.
 * With `creates`, a run that did not end well leaves nothing: what it made is removed, what stood there before stands there again. It never runs over something it did not make.
 * A result inside a data holder (Directory with `data`) belongs to the holder: it stays with the data, and the command does not run again over it.
 * Class B, where the record tells: not started, ended, or with `creates` half done (then it is removed and run again). Half done without `creates` only a person can judge,
 * and when that person says so it runs once more.
 */
export const commandSpec: ResourceSpec<typeof inputs, typeof outputs> = {
  type: 'holdfast:local/Command',
  inputs,
  outputs,
  replaceOn: ['creates'],
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 },
  limit: limits.parallelLocal,
  // Not `path:`: the data holder that a command fills claims its path itself.
  claims: (i, host) => (i.creates === undefined ? [] : [`creates:${absolutePath(host, i.creates)}`]),
  describe: (change) => (change.paths.length > 0 && change.paths.every((p) => p === 'destroy' || p.startsWith('destroy.')) ? undefined : 'run again'),

  async create(a) {
    const earlier = await earlierAttempt(a)
    if (earlier) return earlier
    const target = targetOf(a)
    if (!target) return run(a, undefined)
    const before = stateOf(target.path)
    if (before !== 'full') return run(a, { ...target, before, ...(filledBy(a, target) ? { fills: target.holder } : {}) })
    if (target.holder === undefined || !isCompleted(a.host.home, target.holder, target.path)) throw notMade(target)
    a.log(`${target.shown} is complete: nothing to run`)
    return { exitCode: 0, stdout: '' }
  },

  async read(a) {
    const target = targetOf(a)
    const record = readRecord(a.host.home, a.mark)
    if (record?.key === a.key.toString()) {
      await endSurvivor(record.process)
      if (succeeded(record)) return { ...fromRecord(a, record), owner: 'mine' }
      if (!record.creates && !record.end) throw interrupted()
    }
    const { exitCode, stdout, made } = a.outputs ?? {}
    if (exitCode === undefined || stdout === undefined) return undefined // of a create: it is sent again, and cleans up first
    const known: Outputs = { exitCode, stdout, ...(made ? { made } : {}) }
    if (!target || record?.key === a.key.toString()) return { ...known, owner: 'mine' }
    const stats = look(target.path)
    if (!stats) return undefined
    return { ...known, owner: !made || sameObject(made, stats) ? 'mine' : 'unknown' }
  },

  async update(a) {
    if (canonical(runPart(a.inputs)) === canonical(runPart(a.prior.inputs))) return a.outputs
    const earlier = await earlierAttempt(a)
    if (earlier) return earlier
    const target = targetOf(a)
    if (!target) return run(a, undefined)
    const state = stateOf(target.path)
    if (state !== 'full') return run(a, { ...target, before: state })
    if (target.holder !== undefined) {
      a.log(`${target.shown} holds data: the command does not run again over it`)
      return a.outputs
    }
    const { made } = a.outputs
    const stats = look(target.path)
    if (!made || !stats || !sameObject(made, stats)) throw notMade(target)
    return run(a, { ...target, before: made.before === 'empty' ? 'content aside' : 'aside' })
  },

  async delete(a) {
    const { home } = a.host
    const record = readRecord(home, a.mark)
    await endSurvivor(record?.process ?? a.outputs.process)
    if (a.inputs.destroy && (record || a.outputs.exitCode !== undefined || a.outputs.process)) {
      const end = await programOf(a, a.inputs.destroy, async (process) => writeRecord(home, a.mark, { ...(record ?? { key: a.key.toString(), by: us }), process }))
      if (end.exitCode !== 0) throw commandFailed(a, a.inputs.destroy, end, 'The destroy command')
    }
    try {
      removeTarget(a, record)
    } catch (e) {
      if (isNotOurs(e)) dropRecord(home, a.mark)
      throw diskFailure(e, `${a.host.redact(a.inputs.creates ?? '')} cannot be removed`)
    }
    dropRecord(home, a.mark)
  },
}

type Call = CallContext & { readonly inputs: Inputs }
type ChangeCall = Call & { partial(o: Partial<Outputs>): Promise<void> }
interface Target {
  readonly path: string
  readonly shown: string
  /** The data holder that the path is, or lies in. */
  readonly holder: string | undefined
}

function targetOf(a: Call): Target | undefined {
  if (a.inputs.creates === undefined) return undefined
  const path = absolutePath(a.host, a.inputs.creates)
  return { path, shown: a.host.redact(a.inputs.creates), holder: holderOf(a.host.home, path) }
}

/** What decides about a run; a change of anything else runs nothing. */
const runPart = ({ destroy: _, creates: __, ...rest }: Inputs) => rest

const notMade = (t: Target) => failure('HF3104', { message: `${t.shown}: something stands there that this command did not make.`, hint: 'Move it away, or name another path in creates.' })
const interrupted = () => outcomeUnknown('the command was running when the program that waited for it died; whether it did its work is not known')
const succeeded = (r: CommandRecord): boolean => r.end?.exitCode === 0 && (!r.creates || look(r.creates.path) !== undefined)

/** What another process left of this very call: its result, or nothing, and then what it made is gone. */
async function earlierAttempt(a: Call): Promise<Outputs | undefined> {
  const record = readRecord(a.host.home, a.mark)
  if (!record || record.key !== a.key.toString()) return undefined
  await endSurvivor(record.process)
  if (succeeded(record)) return fromRecord(a, record)
  undoLeftovers(record)
  if (record.creates) return undefined
  // Nobody knows how far it got: it runs again when a person says so.
  if (!record.end && a.insisted) return undefined
  if (!record.end) throw interrupted()
  if (record.by === us) return undefined // the rejection was heard, and now the call is repeated
  // It was rejected, and nobody heard of it: said once, so that a repeat runs it anew.
  dropRecord(a.host.home, a.mark)
  throw commandFailed(a, a.inputs.command, record.end)
}

function fromRecord(a: Call, record: CommandRecord): Outputs {
  settle(a, record)
  const { exitCode, stdout, made } = record.end as NonNullable<CommandRecord['end']>
  return { exitCode, stdout, ...(made && record.creates ? { made: { ...made, before: record.creates.before === 'empty' || record.creates.before === 'content aside' ? ('empty' as const) : ('absent' as const) } } : {}) }
}

/** What follows from a good end, said as often as you like. */
function settle(a: Call, record: CommandRecord): void {
  const target = targetOf(a)
  if (target?.holder !== undefined) markCompleted(a.host.home, target.holder, target.path)
  dropAside(record)
}

/** The program is told the whole folder, which is empty, and `creates` names only a part: what is there when it ends badly is all its own. */
function filledBy(a: Call, { path, holder }: Target): boolean {
  if (holder === undefined || path === holder || stateOf(holder) !== 'empty') return false
  const { command, cwd } = a.inputs
  return [...command, ...(cwd === undefined ? [] : [cwd])].some((word) => typeof word === 'string' && (absolutePath(a.host, word) === holder || absolutePath(a.host, word.slice(word.indexOf('=') + 1)) === holder))
}

async function run(a: ChangeCall, target: (Target & { readonly before: Before; readonly fills?: string | undefined }) | undefined): Promise<Outputs> {
  const { home } = a.host
  const aside = target?.before === 'aside' || target?.before === 'content aside' ? traceOf(target.path, `${a.key} aside`).temporary.replace(/\.new$/, '.old') : undefined
  const started = (process: ProcessId): CommandRecord => ({ key: a.key.toString(), by: us, process, ...(target ? { creates: { path: target.path, before: target.before, ...(aside === undefined ? {} : { aside }), ...(target.fills === undefined ? {} : { fills: target.fills }) } } : {}) })
  let record: CommandRecord | undefined
  try {
    const end = await programOf(a, a.inputs.command, async (process) => {
      const begun = started(process)
      writeRecord(home, a.mark, begun)
      try {
        await a.partial({ process })
        putAside(begun)
      } catch (e) {
        dropRecord(home, a.mark) // the program does not start
        throw e
      }
      record = begun
    })
    const made = target && identityAt(target.path)
    const { exitCode } = end
    record = { ...(record as CommandRecord), end: { exitCode, stdout: a.host.redact(end.stdout), complaint: end.complaint, ...(made ? { made } : {}) } }
    writeRecord(home, a.mark, record)
    if (exitCode !== 0) throw commandFailed(a, a.inputs.command, end)
    if (target && !made) throw failure('HF3108', { message: `${named(a, a.inputs.command)} ended well, but did not make ${target.shown}.`, hint: 'Correct the command, or creates.' })
    settle(a, record)
    return { ...fromRecord(a, record), stdout: end.stdout }
  } catch (e) {
    if (record) undoLeftovers(record)
    throw diskFailure(e, `${named(a, a.inputs.command)} cannot be run`)
  }
}

/** What starts processes is loaded when one is started. */
const programs = () => import('./run-program.ts')

async function endSurvivor(p: ProcessId | undefined): Promise<void> {
  if (p) await (await programs()).endSurvivor(p)
}

const programOf = async (a: Call, command: Argv, started: (p: ProcessId) => Promise<void>): Promise<ProgramEnd> =>
  (await programs()).runProgram({
    argv: command.map((item) => (typeof item === 'string' ? item : absolutePath(a.host, a.host.assetPath(item)))),
    env: a.inputs.env,
    cwd: a.inputs.cwd === undefined ? a.host.root : absolutePath(a.host, a.inputs.cwd),
    user: a.inputs.user,
    host: a.host,
    signal: a.signal,
    log: (line) => a.log(line),
    started,
  })

const named = (a: Call, command: Argv): string => {
  const first = command[0] as Argv[number]
  return a.host.redact(basename(typeof first === 'string' ? first : first.path))
}

function commandFailed(a: Call, command: Argv, end: { readonly exitCode: number; readonly complaint: string }, who?: string): Error {
  const said = end.complaint === '' ? '' : `\n${end.complaint}`
  return failure('HF3108', { message: `${who ? `${who} ` : ''}${named(a, command)} ended with code ${end.exitCode}.${said}`, details: { exitCode: end.exitCode } })
}

/** Removes what the command made, if it is still that, and unless it belongs to a data holder. */
function removeTarget(a: Call & { readonly outputs: Partial<Outputs> }, record: CommandRecord | undefined): void {
  const target = targetOf(a)
  if (!target) return
  if (record && record.creates && !succeeded(record)) undoLeftovers(record)
  if (target.holder !== undefined) {
    if (record && succeeded(record)) settle(a, record)
    return
  }
  const made = a.outputs.made ?? (record && succeeded(record) ? fromRecord(a, record).made : undefined)
  const stats = look(target.path)
  if (!made || !stats) return
  if (!sameObject(made, stats)) throw notOurs(`${target.shown}: something stands there that this command did not make; it was left alone.`)
  if (made.before === 'empty') emptyFolder(target.path)
  else rmSync(target.path, { recursive: true, force: true })
  removeMadeFolders(a.host.home, join(dirname(target.path)))
}
