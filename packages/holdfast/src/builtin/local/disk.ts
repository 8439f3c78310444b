import { chmodSync, closeSync, fchmodSync, fchownSync, fstatSync, fsync, futimesSync, linkSync, lstatSync, openSync, readlinkSync, symlinkSync, unlinkSync, writeSync, copyFileSync, constants, type Stats } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { failure, sha256hex } from '../../base/index.ts'
import { notOurs, type CallContext, type Host } from '../../provider/index.ts'
import { makeFolders } from './made-folders.ts'

/** Paths of local types are relative to the program. */
export const absolutePath = (host: Host, path: string): string => resolve(host.root, path)

export const codeOf = (e: unknown): string | undefined => (e as NodeJS.ErrnoException | undefined)?.code

const PLAIN: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'the operation is not permitted',
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'a folder stands there',
  ENOTEMPTY: 'the folder is not empty',
  EROFS: 'the file system is read-only',
  ENAMETOOLONG: 'the path is too long',
  ELOOP: 'the path holds a loop of links',
  EXDEV: 'it lies on another file system',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
  EIO: 'the disk reported an error',
  EBUSY: 'it is in use',
}

/** What the system refused, in plain words: HF3111 for a full disk, else HF3109. Failures with a code pass. */
export function diskFailure(e: unknown, doing: string): Error {
  const code = codeOf(e)
  if (code === undefined || code.startsWith('HF')) return e instanceof Error ? e : new Error(String(e))
  if (code === 'ENOSPC' || code === 'EDQUOT') return failure('HF3111', { message: `${doing}: ${code === 'EDQUOT' ? 'the quota is used up' : 'no space is left on the disk'}.`, cause: e })
  return failure('HF3109', { message: `${doing}: ${PLAIN[code] ?? (e as Error).message} (${code}).`, cause: e })
}

export const taken = (path: string, what: string) =>
  failure('HF3104', { message: `${path}: ${what} stands there that Holdfast did not make.`, hint: 'Move it away or choose another path.' })

/** `undefined` when nothing stands there. Links are not followed. */
export function look(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

export const kindOf = (s: Stats): string => (s.isDirectory() ? 'a folder' : s.isSymbolicLink() ? 'a link' : s.isFile() ? 'a file' : 'something')

/** What the file system knows an object by. A number of a removed object is given again, a moment of birth is not; 0 where it is not kept. */
export interface Identity {
  readonly inode: number
  readonly bornMs: number
}
export const identityOf = (s: Stats): Identity => ({ inode: s.ino, bornMs: Math.floor(s.birthtimeMs) })
export const sameObject = (recorded: Partial<Identity> | undefined, s: Stats): boolean =>
  recorded?.inode === s.ino && (!recorded.bornMs || s.birthtimeMs === 0 || recorded.bornMs === Math.floor(s.birthtimeMs))

/**
 * How a call is known on disk: the name of its temporary object, and the microseconds of the modification time of what it publishes.
 * They let a later look-up tell "this call made it" from "it stood there before" without a durable record per file.
 */
export interface CallTrace {
  readonly temporary: string
  readonly micros: number
}
export function traceOf(path: string, key: string): CallTrace {
  const digest = sha256hex(key)
  // The name is cut by bytes: a file name has 255 of them.
  const name = Buffer.from(basename(path)).subarray(0, 200).toString('utf8').replace(/\uFFFD+$/, '')
  return { temporary: join(dirname(path), `.${name}.${digest.slice(0, 16)}.new`), micros: Number.parseInt(digest.slice(-10), 16) % 1_000_000 }
}

export interface CallPlace {
  readonly path: string
  readonly trace: CallTrace
  /** The path as it may be shown. */
  readonly shown: string
}
/** Where a call works on one path. */
export function placeOf(a: CallContext & { readonly inputs: { readonly path: string } }): CallPlace {
  const path = absolutePath(a.host, a.inputs.path)
  return { path, trace: traceOf(path, a.key.toString()), shown: a.host.redact(a.inputs.path) }
}

export const notMadeByUs = (shown: string, stats: Stats): Error => notOurs(`${shown}: ${kindOf(stats)} stands there that Holdfast did not make; it was left alone.`)

/** Removes a file or link, and what an earlier attempt of the call left beside it; nothing when it is gone. Fails (not ours) when something of somebody else stands there. */
export async function unlinkOurs({ path, trace, shown }: CallPlace, isOurs: (stats: Stats) => boolean | Promise<boolean>): Promise<void> {
  dropQuietly(trace.temporary)
  const stats = look(path)
  if (!stats) return
  if (!(await isOurs(stats))) throw notMadeByUs(shown, stats)
  unlinkSync(path)
  await syncFolder(dirname(path))
}

/** The latest moment up to now whose microseconds are `micros`, in seconds as utimes takes them; half a microsecond keeps the rounding away. */
function momentWith(micros: number): number {
  const now = Date.now() / 1000
  const whole = Math.floor(now)
  return (whole + micros / 1e6 <= now ? whole : whole - 1) + (micros + 0.5) / 1e6
}

/** Whether an object carries the trace. A file system that keeps whole seconds only cannot tell: there it counts as carried. */
export function carriesTrace(path: string, trace: CallTrace): boolean {
  const ns = lstatSync(path, { bigint: true }).mtimeNs % 1_000_000_000n
  return ns === 0n || Number(ns / 1000n) === trace.micros
}
export const traceMoment = (trace: CallTrace): number => momentWith(trace.micros)

export interface Ownership {
  readonly uid: number
  readonly gid: number
}

/** A call that died between giving an object its name and dropping the temporary one: both names are one object. Drops the temporary one. */
export function publishedBefore(path: string, trace: CallTrace): boolean {
  const temporary = look(trace.temporary)
  if (!temporary || temporary.nlink < 2 || look(path)?.ino !== temporary.ino) return false
  unlinkSync(trace.temporary)
  return true
}

/**
 * Writes the temporary file of a call, whole and durable, readable by nobody else until its mode is set.
 *
 * Gives    the stat of the file; its folder is not yet durable. `undefined`: an earlier attempt of the call has published it at `path` already.
 * Costs    six system calls and one fsync, which runs beside others.
 */
export async function writeTemporary(home: string, path: string, trace: CallTrace, bytes: Uint8Array, mode: number, owner: Ownership | undefined): Promise<Stats | undefined> {
  const fd = openNew(home, path, trace)
  if (fd === undefined) return undefined
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
    // A change of owner clears bits of the mode, so it comes first.
    if (owner) fchownSync(fd, owner.uid, owner.gid)
    fchmodSync(fd, mode)
    const moment = momentWith(trace.micros)
    futimesSync(fd, moment, moment)
    await new Promise<void>((done, fail) => fsync(fd, (e) => (e ? fail(e) : done())))
    return fstatSync(fd)
  } catch (e) {
    dropQuietly(trace.temporary)
    throw e
  } finally {
    closeSync(fd)
  }
}

const OPEN_ATTEMPTS = 5
/** Opens a new file, making the folders above it. What an earlier attempt of the same call left there is dropped. */
function openNew(home: string, path: string, trace: CallTrace): number | undefined {
  for (let attempt = 1; ; attempt++) {
    try {
      return openSync(trace.temporary, 'wx', 0o600)
    } catch (e) {
      if (attempt === OPEN_ATTEMPTS) throw e
      if (codeOf(e) === 'EEXIST') {
        if (publishedBefore(path, trace)) return undefined
        unlinkSync(trace.temporary)
      }
      // A folder may go between two attempts: the last file of a neighbour that is deleted takes it along.
      else if (codeOf(e) === 'ENOENT') makeFolders(home, dirname(path))
      else throw e
    }
  }
}

/** Gives the temporary object its name, unless something stands there: then `false`. A copy is another object. */
export function publishNew(temporary: string, path: string): false | 'same' | 'copy' {
  let published: 'same' | 'copy' = 'same'
  try {
    linkSync(temporary, path)
  } catch (e) {
    const code = codeOf(e)
    if (code === 'EEXIST') return false
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'EMLINK') throw e
    // A file system without hard links: not atomic, but exclusive.
    published = 'copy'
    try {
      const stats = lstatSync(temporary)
      if (stats.isSymbolicLink()) symlinkSync(readlinkSync(temporary), path)
      else {
        copyFileSync(temporary, path, constants.COPYFILE_EXCL)
        chmodSync(path, stats.mode & 0o7777)
      }
    } catch (e2) {
      if (codeOf(e2) === 'EEXIST') return false
      throw e2
    }
  }
  unlinkSync(temporary)
  return published
}

export function dropQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch (e) {
    if (codeOf(e) !== 'ENOENT' && codeOf(e) !== 'ENOTDIR') throw e
  }
}

const waiting = new Map<string, { running: Promise<void>; next: Promise<void> | undefined }>()

/**
 * Makes the names in a folder durable. Those who ask while one is under way share the one after it: it sees what they wrote.
 * Costs    one fsync for all files of a folder that are written at the same time.
 */
export function syncFolder(folder: string): Promise<void> {
  const w = waiting.get(folder)
  if (!w) return startSync(folder)
  return (w.next ??= w.running.then(
    () => startSync(folder),
    () => startSync(folder),
  ))
}

function startSync(folder: string): Promise<void> {
  const running = syncNow(folder)
  waiting.set(folder, { running, next: undefined })
  const forget = () => {
    if (waiting.get(folder)?.running === running && waiting.get(folder)?.next === undefined) waiting.delete(folder)
  }
  running.then(forget, forget)
  return running
}

async function syncNow(folder: string): Promise<void> {
  let fd: number
  try {
    fd = openSync(folder, 'r')
  } catch (e) {
    if (codeOf(e) === 'ENOENT' || codeOf(e) === 'EACCES') return // gone meanwhile, or a folder that may be written but not read
    throw e
  }
  try {
    await new Promise<void>((done, fail) => fsync(fd, (e) => (e && e.code !== 'EINVAL' && e.code !== 'EBADF' ? fail(e) : done())))
  } finally {
    closeSync(fd)
  }
}
