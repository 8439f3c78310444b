import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { assert, failure, systemClock, systemRandom, type Clock, type Millis, type Random } from '../../base/index.ts'
import type { Entry } from '../../journal/index.ts'
import type { EventRow, Holder, LeaseRow } from '../../state/index.ts'
import type { Check } from '../doctor.ts'
import type { AcquireOptions, Committed, CommitOptions, Leases, Lookup, ResourceView, Store, StoreTraits } from '../port.ts'
import { WriterClient } from './client.ts'
import { needsSpace, settleClosed, storeFailure, type Connection } from './driver.ts'
import type { Imported } from '../transfer.ts'
import { watchEvents, type WatchOptions } from '../watch.ts'
import { encode } from './encode.ts'
import { failpointSetting, makeFailpoint, type Failpoint } from './failpoint.ts'
import { importLines } from './import.ts'
import { examine, exportLines } from './inspect.ts'
import { WatchHub } from './hub.ts'
import { refuseDamagedLog } from './log-check.ts'
import { becomeReader, connect, connectReadOnly, createFile, mayWrite, migrate, rollback, schemaOf, SINGLE_CHANGES, STATE_FILE, tightenMode } from './open.ts'
import { Reader } from './read.ts'
import { migrations } from './migrations.ts'

export interface SqliteStoreOptions {
  /** The state file, `.../.holdfast/state.db`. */
  readonly path: string
  readonly clock?: Clock
  readonly random?: Random
  /** Only reads. A file that may not be written is read as it stands. */
  readonly readonly?: boolean
  /** Default true. With false, a missing file gives undefined, and nothing is made. */
  readonly createIfMissing?: boolean
  /** Told where the copy of an older file lies, before which its schema was changed. */
  readonly onCopy?: (path: string, schema: number) => void
  /** Of a new file: `single` when most commits will hold one change, as the founding contract makes them. Default `grouped`, as an apply's are. */
  readonly commits?: 'single' | 'grouped'
  /** Every transaction commits alone. Default: while HOLDFAST_FAILPOINT is set (contract.md section 5). */
  readonly serial?: boolean
}

/**
 * Opens the state in one SQLite file, making or migrating it when needed.
 *
 * Durable  what `commit` acknowledged survives a crash of the process and of the machine (write-ahead log, every commit synced).
 * Fails    HF4001 damaged or not ours, HF4002 newer schema, HF4003 not writable, HF4004 busy, HF4006 disk full, HF4007 no usable SQLite.
 * Costs    about 20 ms for the library on Node 20, 2 ms for an existing file, 10 ms for a new one.
 */
export async function openSqliteStore(options: SqliteStoreOptions & { readonly createIfMissing: false }): Promise<Store | undefined>
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store>
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store | undefined> {
  const path = resolve(options.path)
  const { clock = systemClock, random = systemRandom, readonly = false, createIfMissing = true } = options
  const setting = failpointSetting(process.env)
  const failpoint = makeFailpoint(setting)
  if (!existsSync(path)) {
    if (!createIfMissing) return undefined
    if (readonly) throw failure('HF4003', { message: `There is no state at ${path}, and it may not be made.` })
    createFile(path)
  }
  const writable = mayWrite(path)
  if (!readonly && !writable) throw failure('HF4003', { message: `${path} or its folder cannot be written by this user.` })
  await refuseDamagedLog(path)
  let db: Connection | undefined
  try {
    if (!writable) db = connectReadOnly(path)
    else {
      tightenMode(path)
      try {
        db = connect(path, 'write', options.commits === 'single' ? SINGLE_CHANGES : STATE_FILE)
      } catch (e) {
        // On a full disk what is there can still be looked at.
        if (!readonly || !needsSpace(e, path)) throw e
        db = connectReadOnly(path)
      }
    }
    if (!readonly) {
      const before = schemaOf(db, path)
      const copy = migrate(db, path, clock, random, failpoint)
      if (copy !== undefined) options.onCopy?.(copy, before)
    } else if (schemaOf(db, path) < migrations.length) throw failure('HF4003', { message: `${path} has an older schema; it is brought up to date by the first command that writes.`, hint: 'Run `holdfast plan`.' })
    if (readonly && writable) becomeReader(db)
    return new SqliteStore(path, db, clock, readonly ? undefined : new WriterClient(path, db, failpoint, options.serial ?? setting.kind !== 'none'), failpoint)
  } catch (e) {
    db?.close()
    if (db) await settleClosed() // nothing may stay beside a file that was only looked at
    throw storeFailure(e, path, 'read')
  }
}

class SqliteStore implements Store {
  readonly traits: StoreTraits = { name: 'sqlite', durable: true, severalWriters: true }
  readonly path: string
  readonly lease: Leases
  private readonly writer: WriterClient | undefined
  private readonly onlyReader: Connection
  private readonly failpoint: Failpoint
  private readonly reader: Reader
  private hub: WatchHub | undefined
  private closed = false

  constructor(path: string, db: Connection, clock: Clock, writer: WriterClient | undefined, failpoint: Failpoint) {
    this.path = path
    this.writer = writer
    this.failpoint = failpoint
    this.onlyReader = db
    this.reader = new Reader(() => writer?.connection ?? db)
    this.lease = {
      acquire: (scope: string, holder: Holder, ttlMs: Millis, { mode = 'X', ticket }: AcquireOptions = {}) =>
        this.writing(() => this.mustWrite().acquire({ scope, mode, holder, ttlMs, ticket, nowMs: clock.now() })),
      keep: (lease: LeaseRow, everyMs: Millis, onLost) => this.mustWrite().keep(lease, everyMs, onLost),
      keepLater: (lease: LeaseRow, everyMs: Millis, onLost) => this.mustWrite().keepLater(lease, everyMs, onLost),
      unkeep: ({ fence }) => this.mustWrite().unkeep(fence),
      release: (lease: LeaseRow) => this.writing(() => this.mustWrite().release(lease)),
      transfer: ({ scope, fence }, to: Holder, ttlMs: Millis) => this.writing(() => this.mustWrite().transfer({ scope, fence, to, ttlMs, nowMs: clock.now() })),
      leave: (ticket) => this.writing(() => this.mustWrite().leave(ticket.id)),
    }
  }

  async commit(entries: readonly Entry[], options: CommitOptions): Promise<Committed> {
    const committed = await this.mustWrite().commit(() => encode(entries, options))
    this.hub?.poke()
    return committed
  }

  private mustWrite(): WriterClient {
    assert(!this.closed, 'the store is closed')
    if (!this.writer) throw failure('HF4003', { message: `${this.path} was opened for reading only.` })
    return this.writer
  }

  private async writing<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (e) {
      throw storeFailure(e, this.path, 'write')
    }
  }

  private async read<T>(look: (reader: Reader) => T): Promise<T> {
    assert(!this.closed, 'the store is closed')
    try {
      return look(this.reader)
    } catch (e) {
      throw storeFailure(e, this.path, 'read')
    }
  }

  readonly meta = () => this.read((r) => r.meta())
  readonly envs = (app?: string) => this.read((r) => r.envs(app))
  readonly env = (app: string, name: string) => this.read((r) => r.env(app, name))
  readonly envById = (id: string) => this.read((r) => r.envById(id))
  readonly find = (env: string, view: 'committed' | 'current', by: Lookup) => this.read((r) => r.find(env, view, by))
  readonly components = (env: string) => this.read((r) => r.components(env))
  readonly component = (env: string, name: string) => this.read((r) => r.component(env, name))
  readonly references: Store['references'] = (filter) => this.read((r) => r.references(filter))
  readonly resolved = (uids: readonly string[]) => this.read((r) => r.resolved(uids))
  readonly request = (scope: string, id: string) => this.read((r) => r.request(scope, id))
  readonly resources = (env: string, view: ResourceView) => this.read((r) => r.resources(env, view))
  readonly docs: Store['docs'] = (keys) => this.read((r) => r.docs(keys))
  readonly claims = (keys: readonly string[]) => this.read((r) => r.claims(keys))
  readonly claimsOf = (env: string) => this.read((r) => r.claimsOf(env))
  readonly txs: Store['txs'] = (filter) => this.read((r) => r.txs(filter))
  readonly tx = (token: string) => this.read((r) => r.tx(token))
  readonly runs = (env: string, limit: number) => this.read((r) => r.runs(env, limit))
  readonly run = (id: string) => this.read((r) => r.run(id))
  readonly tasks = (run: string) => this.read((r) => r.tasks(run))
  readonly plans = (env: string, limit: number) => this.read((r) => r.plans(env, limit))
  readonly plan = (id: string) => this.read((r) => r.plan(id))
  readonly outputs = (env: string, revision: number) => this.read((r) => r.outputs(env, revision))
  readonly secrets = (env: string) => this.read((r) => r.secrets(env))
  readonly trash = (env: string) => this.read((r) => r.trash(env))
  readonly events: Store['events'] = (env, after, limit) => this.read((r) => r.events(env, after, limit))
  readonly eventsKept = (env: string) => this.read((r) => r.eventsKept(env))
  readonly leases = () => this.read((r) => r.leases())
  readonly tickets = () => this.read((r) => r.tickets())

  watch(env: string | undefined, options: WatchOptions): AsyncIterable<EventRow> {
    assert(!this.closed, 'the store is closed')
    try {
      this.hub ??= new WatchHub(this.path, () => this.ownReader(), !mayWrite(this.path))
      return watching(watchEvents(this.hub, env, options), this.path)
    } catch (e) {
      throw storeFailure(e, this.path, 'read')
    }
  }

  async doctor(): Promise<Check[]> {
    assert(!this.closed, 'the store is closed')
    return this.beside((db) => examine(db, this.path))
  }

  async *export(): AsyncIterable<string> {
    assert(!this.closed, 'the store is closed')
    let db: Connection | undefined
    try {
      db = this.ownReader()
      db.exec('begin')
      yield* exportLines(db)
    } catch (e) {
      throw storeFailure(e, this.path, 'read')
    } finally {
      if (db) {
        rollback(db) // the read transaction
        db.close()
      }
    }
  }

  async import(lines: AsyncIterable<string> | Iterable<string>): Promise<Imported> {
    this.mustWrite()
    let db: Connection | undefined
    try {
      db = connect(this.path, 'write')
      return await importLines(db, lines, this.failpoint)
    } catch (e) {
      throw storeFailure(e, this.path, 'write')
    } finally {
      db?.close()
      this.hub?.poke()
    }
  }

  /** Runs on a connection of its own, in one read transaction: commits go on meanwhile. */
  private beside<T>(look: (db: Connection) => T): T {
    let db: Connection | undefined
    try {
      db = this.ownReader()
      db.exec('begin')
      return look(db)
    } catch (e) {
      throw storeFailure(e, this.path, 'read')
    } finally {
      if (db) {
        rollback(db) // the read transaction
        db.close()
      }
    }
  }

  private ownReader(): Connection {
    return mayWrite(this.path) ? connect(this.path, 'read') : connectReadOnly(this.path)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    if (this.hub?.close()) await settleClosed()
    if (this.writer) await this.writer.close()
    else {
      this.onlyReader.close()
      await settleClosed()
    }
  }
}

async function* watching(events: AsyncIterable<EventRow>, path: string): AsyncGenerator<EventRow> {
  try {
    yield* events
  } catch (e) {
    throw storeFailure(e, path, 'read')
  }
}
