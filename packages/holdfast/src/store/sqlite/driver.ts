import { statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Bug, failure, type HoldfastError } from '../../base/index.ts'

/** The part of `DatabaseSync` that is used: node:sqlite and @photostructure/sqlite both have it. */
interface DatabaseSync {
  exec(sql: string): void
  prepare(sql: string): Statement
  close(): void
}

/** A connection that prepares each text once. Two walks with `iterate` over one text must not overlap. */
export class Connection {
  private readonly db: DatabaseSync
  private readonly statements = new Map<string, Statement>()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  exec(sql: string): void {
    this.db.exec(sql)
  }

  prepare(sql: string): Statement {
    let s = this.statements.get(sql)
    if (!s) this.statements.set(sql, (s = this.db.prepare(sql)))
    return s
  }

  close(): void {
    this.statements.clear()
    this.db.close()
  }
}

/**
 * Resolves when closed connections have let go of their files. The package cannot end a statement: it lives until it is collected, and its connection
 * stays half open as long, which would keep the log beside the file. So a collection is asked for, once, when a store closes. Node's own SQLite needs none of this.
 */
export async function settleClosed(): Promise<void> {
  if (loaded?.from !== '@photostructure/sqlite') return
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  await new Promise((next) => setImmediate(next))
  await new Promise((next) => setImmediate(next))
}

export interface Statement {
  run(...values: Cell[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint }
  get(...values: Cell[]): Row | undefined
  all(...values: Cell[]): Row[]
  iterate(...values: Cell[]): Iterable<Row>
}
export type Cell = string | number | null
// `any`: a row has the columns of its statement, which the reader of the row names
export type Row = Record<string, any>

export interface Driver {
  /** SQLite's own version. */
  readonly version: string
  /** Builtin or package: shown by `holdfast version`. */
  readonly from: 'node:sqlite' | '@photostructure/sqlite'
  open(path: string, options?: { readonly readOnly?: boolean }): Connection
}

/** Below it, two connections that commit and checkpoint at the same time can damage the file. */
const OLDEST = '3.51.3'

let loaded: Driver | undefined
/**
 * Node's own SQLite when it has one that is new enough, else the package. Loaded when first asked for (about 20 ms for the package).
 * Fails HF4007 when neither is new enough or there.
 */
export function driver(): Driver {
  if (loaded) return loaded
  const candidates: Driver[] = []
  for (const from of ['node:sqlite', '@photostructure/sqlite'] as const) {
    const DatabaseSync = load(from)
    if (!DatabaseSync) continue
    const probe = new DatabaseSync(':memory:')
    const version = String(probe.prepare('select sqlite_version() as v').get()?.v)
    probe.close()
    candidates.push({ from, version, open: (path, options = {}) => new Connection(new DatabaseSync(path, options)) })
    if (!isOld(version)) break // the other need not be loaded
  }
  return (loaded = pickSqlite(candidates))
}

/** The first that is new enough. Fails HF4007 when there is none. */
export function pickSqlite<T extends { readonly from: string; readonly version: string }>(candidates: readonly T[]): T {
  const found = candidates.find((c) => !isOld(c.version))
  if (found) return found
  throw failure('HF4007', {
    message: candidates.length ? `SQLite is too old: ${candidates.map((c) => `${c.from} ${c.version}`).join(', ')}; ${OLDEST} is needed.` : 'No SQLite library was found: the package @photostructure/sqlite is not installed.',
  })
}

type Constructor = new (path: string, options?: { readonly readOnly?: boolean }) => DatabaseSync

function load(from: Driver['from']): Constructor | undefined {
  if (from === 'node:sqlite') return quietly(() => (process.getBuiltinModule('node:sqlite' as 'fs') as { DatabaseSync?: Constructor } | undefined)?.DatabaseSync)
  try {
    return (createRequire(import.meta.url)('@photostructure/sqlite') as { DatabaseSync: Constructor }).DatabaseSync
  } catch {
    return undefined
  }
}

/** Node warns that its SQLite is experimental; what we rely on is in the store suite, and the warning would stand on everybody's stderr. */
function quietly<T>(act: () => T): T {
  const warn = process.emitWarning
  process.emitWarning = () => {}
  try {
    return act()
  } finally {
    process.emitWarning = warn
  }
}

export function isOld(version: string): boolean {
  const a = version.split('.').map(Number)
  const b = OLDEST.split('.').map(Number)
  for (let i = 0; i < b.length; i++) if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) < (b[i] as number)
  return false
}

const BUSY = 5, LOCKED = 6, READONLY = 8, IOERR = 10, CORRUPT = 11, FULL = 13, CANTOPEN = 14, CONSTRAINT = 19, NOTADB = 26, PERM = 3

/** SQLite's primary result code; undefined when the error is not SQLite's. */
export function resultCode(e: unknown): number | undefined {
  const code = (e as { errcode?: unknown } | undefined)?.errcode
  if (typeof code === 'number') return code & 0xff
  // The package gives no code where a walk over rows fails; SQLite's texts are fixed.
  return e instanceof Error ? TEXTS[e.message] : undefined
}
const TEXTS: Readonly<Record<string, number>> = {
  'database is locked': BUSY, 'attempt to write a readonly database': READONLY, 'disk I/O error': IOERR, 'database disk image is malformed': CORRUPT, 'database or disk is full': FULL,
  'unable to open database file': CANTOPEN, 'file is not a database': NOTADB,
}

export const isConstraint = (e: unknown, column: string): boolean => resultCode(e) === CONSTRAINT && (e as Error).message.includes(column)
export const isBusy = (e: unknown): boolean => resultCode(e) === BUSY || resultCode(e) === LOCKED
/** After these the connection is not trusted any more: what the file system did is unknown. */
export const isPoison = (e: unknown): boolean => resultCode(e) === FULL || resultCode(e) === IOERR || resultCode(e) === CORRUPT

/** SQLite's index of the log is a file, too: where there is no room for it, it only says that the disk failed. */
export function needsSpace(e: unknown, path: string): boolean {
  if (resultCode(e) === FULL) return true
  if (resultCode(e) !== IOERR) return false
  const { bavail, bsize } = statfsSync(dirname(path))
  return bavail * bsize < LOG_INDEX_BYTES
}
const LOG_INDEX_BYTES = 65_536

/** SQLite's error in the words of the registry. Anything else passes through. */
export function storeFailure(e: unknown, path: string, doing: 'read' | 'write'): HoldfastError | Bug | unknown {
  // What stands in a row was JSON when it was written, and tables and columns are those of the migrations. The text that is none now is not shown: it may be anybody's data.
  if (e instanceof SyntaxError || (e instanceof Error && e.message === 'malformed JSON')) return failure('HF4001', { message: `${path} is damaged: a row holds a text that cannot be read.` })
  if (e instanceof Error && /^no such (table|column): /.test(e.message)) return failure('HF4001', { message: `${path} is damaged: its tables are not those that were made (${e.message}).`, cause: e })
  const code = resultCode(e)
  if (code === undefined) return e
  const text = (e as Error).message
  switch (code) {
    case BUSY:
    case LOCKED: return failure('HF4004', { message: `Another program has held ${path} for too long.`, cause: e })
    case READONLY:
    case PERM:
    case CANTOPEN: return failure('HF4003', { message: `${path} cannot be ${doing === 'write' ? 'written' : 'opened'}: ${text}.`, cause: e })
    case CORRUPT:
    case NOTADB: return failure('HF4001', { message: `${path} is damaged: ${text}.`, cause: e })
    case FULL: return failure('HF4006', { message: `The disk is full: ${path} could not be written. What was acknowledged is safe.`, cause: e })
    case IOERR:
      if (needsSpace(e, path)) return failure('HF4006', { message: `The disk is full: ${path} could not be used. What was acknowledged is safe.`, cause: e })
      return doing === 'write'
        ? failure('HF4006', { message: `The disk failed while ${path} was written: ${text}.`, cause: e })
        : failure('HF4001', { message: `${path} cannot be read: ${text}.`, cause: e })
    default: return new Bug(`SQLite: ${text} (${(e as { errcode: number }).errcode})`)
  }
}
