import { accessSync, chmodSync, closeSync, constants, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { assert, failure, limits, makeFolders, makeIds, type Clock, type Random } from '../../base/index.ts'
import { driver, isBusy, storeFailure, type Connection } from './driver.ts'
import type { Failpoint } from './failpoint.ts'
import { migrations, type Migration } from './migrations.ts'

/** What a database of ours holds: the table that counts its migrations tells one kind from the other. */
export interface FileKind {
  readonly what: string
  readonly versions: string
  readonly list: readonly Migration[]
  readonly pageBytes: number
  /** So many pages in the log are moved to the file by the commit that finds them there. */
  readonly checkpointPages: number
}

const BUSY_TIMEOUT_MS = 5_000
/** Half of SQLite's own: a commit ends a page in each table that it appends to, and all of that page is written. Rows fit; only long documents need more than one. */
const PAGE_BYTES = 2_048
/** 16 MB of log: most pages of one run are written back once, not once per commit. */
export const CHECKPOINT_PAGES = 8_000
export const STATE_FILE: FileKind = { what: 'a state of Holdfast', versions: 'schema_versions', list: migrations, pageBytes: PAGE_BYTES, checkpointPages: CHECKPOINT_PAGES }
/**
 * Of a file whose commits hold one change each: a pair of them writes 26 KB instead of 50, where two flushes of one byte write 8. An apply into such a file takes
 * 9 % longer. A commit that makes the log longer takes the disk three times as long as one that writes over what is there, so the log is soon begun anew
 * (bench/backend.bench.mjs).
 */
export const SINGLE_CHANGES: FileKind = { ...STATE_FILE, pageBytes: 512, checkpointPages: 2_000 }

/**
 * A connection to an existing state file, set up. `write`: it commits and checkpoints, and every commit is synced: that is read back, because
 * SQLite may be compiled to sync less when a file in write-ahead mode is opened again. `read`: it can do neither, but it may recover a log that a dead process left.
 */
export function connect(path: string, role: 'write' | 'read', kind: FileKind = STATE_FILE): Connection {
  const db = driver().open(path)
  try {
    db.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}; pragma foreign_keys = on; pragma cell_size_check = on; pragma mmap_size = 0`)
    if (role === 'read') {
      becomeReader(db)
      return db
    }
    schemaOf(db, path, kind.list.length, kind) // before anything is changed: it may be somebody else's database
    db.exec(`pragma page_size = ${kind.pageBytes}`) // of a new file; an old one keeps its own
    walMode(db)
    db.exec(`pragma synchronous = full; pragma fullfsync = on; pragma wal_autocheckpoint = ${kind.checkpointPages}`)
    assert(Number(db.prepare('pragma synchronous').get()?.synchronous) === 2, 'SQLite does not sync every commit')
    return db
  } catch (e) {
    db.close()
    throw e
  }
}

/** From now on the connection only reads; what checkpoints is the writer's. */
export function becomeReader(db: Connection): void {
  db.exec('pragma query_only = on; pragma wal_autocheckpoint = 0')
}

/** Switching a new file to write-ahead mode needs it alone for a moment, and SQLite does not wait for that by itself. */
function walMode(db: Connection): void {
  const giveUpAt = performance.now() + BUSY_TIMEOUT_MS
  for (;;) {
    try {
      const mode = db.prepare('pragma journal_mode = wal').get()?.journal_mode
      assert(mode === 'wal', `SQLite does not use a write-ahead log here (${String(mode)})`)
      return
    } catch (e) {
      if (!isBusy(e) || performance.now() > giveUpAt) throw e
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** A file that nobody may write: read as it stands. With a log beside it that cannot be recovered there is no consistent reading. */
export function connectReadOnly(path: string): Connection {
  const log = existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0
  return log ? driver().open(path, { readOnly: true }) : driver().open(`file:${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}?immutable=1`, { readOnly: true })
}

/** Makes the folder (0700) and an empty file (0600), whatever the umask. SQLite gives the log beside it the same mode. */
export function createFile(path: string): void {
  const folder = dirname(path)
  try {
    const first = makeFolders(folder, 0o700)
    if (first !== undefined) chmodSync(folder, 0o700)
    closeSync(openSync(path, 'wx', 0o600))
    chmodSync(path, 0o600)
  } catch (e) {
    const { code, message } = e as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code === 'ENOSPC' || code === 'EDQUOT') throw failure('HF4006', { message: `The disk is full: ${path} could not be created.`, cause: e })
    throw failure('HF4003', { message: `${path} could not be created: ${message}.`, cause: e })
  }
}

/** A file that others may read holds sealed secrets only, and still is nobody's business. */
export function tightenMode(path: string): void {
  try {
    const found = statSync(path)
    if (found.isFile() && found.mode & 0o077) chmodSync(path, 0o600) // a folder is refused later, and was somebody's before
  } catch {
    // Somebody else's file: what matters is whether it can be written, which is asked next.
  }
}

export function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    accessSync(dirname(path), constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Number of migrations the file has seen; 0 for an empty one. Fails HF4001 when it is a database of something else, HF4002 when it is newer than `known`. */
export function schemaOf(db: Connection, path: string, known = migrations.length, kind: FileKind = STATE_FILE): number {
  const tables = db.prepare("select count(*) as n, sum(name = ?) as ours from sqlite_master where type = 'table'").get(kind.versions)
  if (Number(tables?.n) === 0) return 0
  if (!tables?.ours) throw failure('HF4001', { message: `${path} is a database, but not ${kind.what}.` })
  const version = Number(db.prepare(`select max(version) as v from ${kind.versions}`).get()?.v ?? 0)
  if (version > known) throw failure('HF4002', { message: `${path} has schema ${version}; this version knows ${known}.`, details: { schema: version, known } })
  return version
}

/**
 * Brings the file to the newest schema: one transaction per migration (a new file: one for all), its version row first, so that of two starters one does it and the
 * other sees it done. An existing file is copied beside itself before it is changed. Gives where the copy is.
 */
export function migrate(db: Connection, path: string, clock: Clock, random: Random, failpoint: Failpoint, list: readonly Migration[] = migrations, kind: FileKind = STATE_FILE): string | undefined {
  const from = schemaOf(db, path, list.length, kind)
  if (from === list.length) return undefined
  const copy = from > 0 ? keepCopy(db, path, from, kind) : undefined
  for (const steps of from === 0 ? [list] : list.slice(from).map((m) => [m])) {
    try {
      db.exec('begin immediate')
      const seen = schemaOf(db, path, list.length, kind)
      const todo = steps.filter((m) => m.version > seen)
      if (todo.length === 0) {
        db.exec('rollback')
        continue
      }
      db.exec(`create table if not exists ${kind.versions} (version integer primary key, name text not null, at integer not null) strict`)
      for (const m of todo) {
        db.prepare(`insert into ${kind.versions} (version, name, at) values (?, ?, ?)`).run(m.version, m.name, clock.now())
        db.exec(m.sql)
        if (m.version === 1 && kind === STATE_FILE) db.prepare('insert into store_meta (one, store_id, created_at, fence_seq) values (1, ?, ?, 0)').run(makeIds(clock, random).next('st'), clock.now())
      }
      failpoint.before()
      db.exec('commit')
      failpoint.after()
    } catch (e) {
      rollback(db)
      throw storeFailure(e, path, 'write')
    }
  }
  return copy
}

/** A copy of the file as it is before its schema changes: whole or not there at all, for the owner only. The oldest go. Gives its path; undefined when another starter was first. */
function keepCopy(db: Connection, path: string, version: number, kind: FileKind): string | undefined {
  const copy = `${path}.schema-${version}.bak`
  const unfinished = `${copy}.${process.pid}`
  rmSync(unfinished, { force: true })
  try {
    closeSync(openSync(unfinished, 'wx', 0o600))
    db.prepare('vacuum into ?').run(unfinished)
    // Of two starters one may have changed the schema meanwhile: then this is no copy of what was, and the other has made one.
    if (versionOf(unfinished, kind) !== version) return undefined
    const fd = openSync(unfinished, 'r')
    fsyncSync(fd)
    closeSync(fd)
    renameSync(unfinished, copy)
  } finally {
    rmSync(unfinished, { force: true })
  }
  for (const old of copiesOf(path).slice(limits.schemaCopiesMax)) rmSync(old, { force: true })
  return copy
}

function versionOf(path: string, kind: FileKind): number {
  const db = driver().open(path)
  try {
    return Number(db.prepare(`select max(version) as v from ${kind.versions}`).get()?.v)
  } finally {
    db.close()
  }
}

/** Newest schema first. */
function copiesOf(path: string): string[] {
  const name = new RegExp(`^${basename(path).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\.schema-(\\d+)\\.bak$`)
  const found = readdirSync(dirname(path)).flatMap((f) => {
    const m = name.exec(f)
    return m ? [{ version: Number(m[1]), path: join(dirname(path), f) }] : []
  })
  return found.sort((a, b) => b.version - a.version).map((c) => c.path)
}

export function rollback(db: Connection): void {
  try {
    db.exec('rollback')
  } catch {
    // SQLite had ended the transaction itself, as it does when the disk is full.
  }
}
