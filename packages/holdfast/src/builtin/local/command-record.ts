import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { recordsIn } from '../record-file.ts'
import { look, type Identity } from './disk.ts'
import type { ProcessId } from './supervisor/identity.ts'

/**
 * What a command did so far, under `.holdfast/commands`, for the next process when this one dies.
 *
 * Always true: it is durable before the program starts, and written again when it has ended; it holds no secret.
 */
export interface CommandRecord {
  /** Token of the call. */
  readonly key: string
  /** The process that made the call: what another one left is settled, what this one did was reported. */
  readonly by: string
  readonly process: ProcessId
  /** What the command makes, and what stood there before. `fills`: the empty data holder that it was told to fill. */
  readonly creates?: { readonly path: string; readonly before: Before; readonly aside?: string; readonly fills?: string }
  /** There when it has ended. */
  readonly end?: { readonly exitCode: number; readonly stdout: string; readonly complaint: string; readonly made?: Identity }
}
/** `aside`: an earlier result, kept beside until the new one is there; `content aside`: only what is in the folder, which belongs to somebody else. */
export type Before = 'absent' | 'empty' | 'aside' | 'content aside'

export const { read: readRecord, write: writeRecord, drop: dropRecord } = recordsIn<CommandRecord>('commands')

/** What stands where a command is to make something. */
export function stateOf(path: string): 'absent' | 'empty' | 'full' {
  const stats = look(path)
  if (!stats) return 'absent'
  return stats.isDirectory() && readdirSync(path).length === 0 ? 'empty' : 'full'
}

/** Takes back what a command made that did not end well; what stood there before stands there again. */
export function undoLeftovers(record: CommandRecord): void {
  const { creates } = record
  if (!creates) return
  if (creates.fills !== undefined) return emptyFolder(creates.fills)
  if (creates.before === 'empty') return emptyFolder(creates.path)
  if (creates.before === 'absent') return rmSync(creates.path, { recursive: true, force: true })
  const { aside } = creates
  if (aside === undefined || !look(aside)) return // it was not put aside yet, or is back already
  if (creates.before === 'aside') {
    rmSync(creates.path, { recursive: true, force: true })
    return renameSync(aside, creates.path)
  }
  // While the mark of a finished move is missing, some of the old content still stands in its place.
  if (look(doneMark(aside))) {
    emptyFolder(creates.path)
    rmSync(doneMark(aside))
  }
  for (const name of readdirSync(aside)) renameSync(join(aside, name), join(creates.path, name))
  rmdirSync(aside)
}

const doneMark = (aside: string): string => `${aside}.all`

/** Keeps an earlier result beside, for as long as the new one is not there. */
export function putAside(record: CommandRecord): void {
  const { creates } = record
  if (creates?.aside === undefined) return
  if (creates.before === 'aside') return renameSync(creates.path, creates.aside)
  mkdirSync(creates.aside, { mode: 0o700 })
  for (const name of readdirSync(creates.path)) renameSync(join(creates.path, name), join(creates.aside, name))
  writeFileSync(doneMark(creates.aside), '', { mode: 0o600 })
}

/** The new result is there. */
export function dropAside(record: CommandRecord): void {
  const aside = record.creates?.aside
  if (aside === undefined) return
  rmSync(aside, { recursive: true, force: true })
  rmSync(doneMark(aside), { force: true })
}

export function emptyFolder(path: string): void {
  if (!look(path)?.isDirectory()) return
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true })
}

export const identityAt = (path: string): Identity | undefined => {
  const s = look(path) && lstatSync(path)
  return s && { inode: s.ino, bornMs: Math.floor(s.birthtimeMs) }
}
