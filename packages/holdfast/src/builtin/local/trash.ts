import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { checkArguments, failure, makeFolders as makePlain, optionKind, type Kind, type Kinds } from '../../base/index.ts'
import type { Mark } from '../../model/index.ts'
import { codeOf, diskFailure, look, syncFolder, traceMoment, type CallTrace } from './disk.ts'
import { dropHolder, noteHolder } from './holders.ts'
import { makeFolders } from './made-folders.ts'
import { copyTree } from './tree.ts'

/**
 * What held data and was to go (decisions 12.4): `.holdfast/trash/<id>/data`, and beside it `meta.json`.
 *
 * Always true: an entry counts when its `data` is there; `meta.json` is durable before the data is moved; the data is never deleted before a copy of it is proven.
 */
export interface TrashEntry {
  /** The uid of the node that owned it, with a number when it has several entries. */
  readonly id: string
  readonly uid: string
  /** Where it stood, absolute. */
  readonly path: string
  readonly env: { readonly id: string; readonly app: string; readonly name: string }
  readonly removedAt: string
  /** The folder of the entry; what was bound to the data may be kept in it. */
  readonly folder: string
  /** What commands had filled to the end, below the path. */
  readonly completed: readonly string[]
}

type Meta = Omit<TrashEntry, 'folder' | 'uid'> & { readonly v: 1; readonly mark: Mark }

const trashOf = (home: string): string => join(home, 'trash')
const dataOf = (entry: { readonly folder: string }): string => join(entry.folder, 'data')

const HOME: Kinds = new Map([['home', optionKind.text]])
const ENTRY: Kinds = new Map<string, Kind>([...HOME, ['id', optionKind.text], ['to', optionKind.text]])

/** Oldest first. Fails HF1307. */
export function listTrash(home: string): readonly TrashEntry[] {
  checkArguments('listTrash', { home }, HOME)
  const trash = trashOf(home)
  if (!existsSync(trash)) return []
  return readdirSync(trash)
    .map((name) => entryAt(join(trash, name)))
    .filter((e) => e !== undefined && existsSync(dataOf(e)))
    .sort((a, b) => ((a as TrashEntry).removedAt < (b as TrashEntry).removedAt ? -1 : 1)) as TrashEntry[]
}

/** The newest entry that stood at `path` in that environment. */
export const findTrash = (home: string, path: string, envId: string): TrashEntry | undefined => listTrash(home).filter((e) => e.path === path && e.env.id === envId).at(-1)

function entryAt(folder: string): TrashEntry | undefined {
  try {
    const { id, path, env, removedAt, completed, mark } = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Meta
    return { id, uid: mark?.uid ?? id, path, env, removedAt, completed, folder }
  } catch {
    return undefined
  }
}

/**
 * Moves a folder into the trash. Said twice, done once: with nothing at `path` it does nothing.
 * Durable  on return.
 */
export async function moveToTrash(home: string, what: { readonly path: string; readonly mark: Mark; readonly env: TrashEntry['env']; readonly completed: readonly string[] }): Promise<void> {
  rmSync(leavingOf(what.path), { recursive: true, force: true })
  if (!look(what.path)) return
  const folder = freeFolder(home, what.mark.uid)
  makePlain(folder, 0o700)
  const meta: Meta = { v: 1, id: basename(folder), path: what.path, env: what.env, removedAt: new Date().toISOString(), mark: what.mark, completed: what.completed }
  writeFileSync(join(folder, 'meta.json'), `${JSON.stringify(meta, undefined, 2)}\n`, { mode: 0o600, flush: true })
  await syncFolder(folder)
  moveTree(what.path, join(folder, 'data'))
  await Promise.all([syncFolder(dirname(what.path)), syncFolder(folder), syncFolder(trashOf(home))])
}

/** One folder per object. An entry of that name without data is a move that was cut short: it is used again. */
function freeFolder(home: string, uid: string): string {
  const name = uid.replace(/[^\w.-]/g, '_')
  for (let n = 1; ; n++) {
    const folder = join(trashOf(home), n === 1 ? name : `${name}.${n}`)
    if (!existsSync(join(folder, 'data'))) return folder
  }
}

const leavingOf = (path: string): string => join(dirname(path), `.${basename(path)}.holdfast-moved`)

/** Rename, or copy, prove and remove. The copy grows under another name: `to` is there whole or not at all. */
function moveTree(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (e) {
    if (codeOf(e) !== 'EXDEV') throw e
    const growing = join(dirname(to), `.${basename(to)}.new`)
    rmSync(growing, { recursive: true, force: true })
    copyTree(from, growing)
    renameSync(growing, to)
    // Out of its place first: half of it must not be taken for the data when this is cut short.
    renameSync(from, leavingOf(from))
    rmSync(leavingOf(from), { recursive: true, force: true })
  }
}

export interface TakenBack {
  readonly stats: { readonly inode: number; readonly bornMs: number }
  /** Gives it its place. */
  publish(): Promise<void>
}

/**
 * Takes an entry's data back to `path`, where nothing stands. In two steps, so that what will stand there can be recorded before it does.
 * A copy grows beside `path`, when the trash lies on another file system. The folder carries the trace of the call until something is put into it or taken out.
 */
export function prepareTakeBack(home: string, entry: TrashEntry, path: string, trace: CallTrace): TakenBack {
  makeFolders(home, dirname(path))
  let from = dataOf(entry)
  if (lstatSync(from).dev !== lstatSync(dirname(path)).dev) {
    rmSync(trace.temporary, { recursive: true, force: true })
    copyTree(from, trace.temporary)
    from = trace.temporary
  }
  const moment = traceMoment(trace)
  utimesSync(from, moment, moment)
  const s = lstatSync(from)
  return {
    stats: { inode: s.ino, bornMs: Math.floor(s.birthtimeMs) },
    async publish() {
      noteHolder(home, path, entry.completed)
      renameSync(from, path)
      await syncFolder(dirname(path))
      rmSync(dataOf(entry), { recursive: true, force: true })
      removeEntry(home, entry)
    },
  }
}

/** Entries of `path` that a crash left without data, and what it left of a folder that was copied into the trash. */
export function sweepTrash(home: string, path: string): void {
  rmSync(leavingOf(path), { recursive: true, force: true })
  const trash = trashOf(home)
  if (!existsSync(trash)) return
  for (const name of readdirSync(trash)) {
    const entry = entryAt(join(trash, name))
    if (entry?.path === path && !existsSync(dataOf(entry))) removeEntry(home, entry)
  }
}

/** What else lies in the folder of the entry (secrets bound to the data) stays for who put it there. */
function removeEntry(home: string, entry: TrashEntry): void {
  rmSync(join(entry.folder, 'meta.json'), { force: true })
  for (const folder of [entry.folder, trashOf(home)]) {
    try {
      rmdirSync(folder)
    } catch (e) {
      if (codeOf(e) !== 'ENOTEMPTY' && codeOf(e) !== 'ENOENT' && codeOf(e) !== 'EEXIST') throw e
    }
  }
}

function entryOf(home: string, id: string): TrashEntry {
  const entry = listTrash(home).find((e) => e.id === id)
  if (entry) return entry
  const known = listTrash(home).map((e) => e.id)
  throw failure('HF6006', { message: `There is no ${id} in the trash.`, ...(known.length > 0 ? { hint: `There is: ${known.join(', ')}.` } : {}) })
}

/**
 * Puts data back where it stood, or to another place, as a plain folder that nobody owns. Where it stood, the next apply that declares it takes it over, with what was completed in it.
 * Gives    where it is now.
 * Fails    HF6006: no such entry. HF3104: something stands there. HF1307.
 */
export async function restoreTrash(home: string, id: string, to?: string): Promise<string> {
  checkArguments('restoreTrash', { home, id, to }, ENTRY, ['home', 'id'])
  const entry = entryOf(home, id)
  const path = resolve(to ?? entry.path)
  if (look(path)) throw failure('HF3104', { message: `${path}: something stands there already.`, hint: 'Name another place: holdfast trash restore ID --to PATH' })
  const inPlace = path === entry.path
  try {
    makeParents(path)
    if (inPlace) noteHolder(home, path, entry.completed, true)
    moveTree(dataOf(entry), path)
    await syncFolder(dirname(path))
    removeEntry(home, entry)
  } catch (e) {
    if (inPlace && !look(path)) dropHolder(home, path)
    throw diskFailure(e, `${path} cannot be restored`)
  }
  return path
}

const makeParents = (path: string): void => void makePlain(dirname(path))

/** Deletes one entry, or all of them, for good. Gives what was deleted. Fails HF6006, HF1307. */
export function emptyTrash(home: string, id?: string): readonly TrashEntry[] {
  checkArguments('emptyTrash', { home, id }, ENTRY, ['home'])
  const entries = id === undefined ? listTrash(home) : [entryOf(home, id)]
  for (const entry of entries) {
    try {
      // Out of the list first: half of a database must not come back when this is cut short.
      renameSync(dataOf(entry), join(entry.folder, 'going'))
      rmSync(entry.folder, { recursive: true, force: true })
    } catch (e) {
      throw diskFailure(e, `${entry.folder} cannot be removed`)
    }
  }
  if (id === undefined) rmSync(trashOf(home), { recursive: true, force: true })
  return entries
}

/** Bytes and files of an entry, for the list. Fails HF1307, and as the disk does when the entry is gone. */
export function trashSize(entry: TrashEntry): { readonly bytes: number; readonly files: number } {
  if (!optionKind.text.is((entry as TrashEntry | null | undefined)?.folder)) throw failure('HF1307', { message: 'trashSize: entry must be one that listTrash gave.' })
  let bytes = 0
  let files = 0
  for (const e of readdirSync(dataOf(entry), { recursive: true, withFileTypes: true })) {
    if (!e.isFile()) continue
    files++
    bytes += lstatSync(join(e.parentPath, e.name)).size
  }
  return { bytes, files }
}
