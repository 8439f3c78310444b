import { makeIds } from '../../src/base/index.ts'
import type { EngineContext, EngineEvent } from '../../src/engine/index.ts'
import { emptyTables, type Tables } from '../../src/journal/index.ts'
import { makeRegistry } from '../../src/provider/index.ts'
import { makeKeyring, makeRedactor, type Keyring } from '../../src/secret/index.ts'
import type { ResourceRow } from '../../src/state/index.ts'
import { Process, type Kernel } from './kernel.ts'
import { drawKinds, typesFor, type Kind, type KindName } from './kinds.ts'
import { Stream } from './random.ts'
import { MemorySpool } from './spool.ts'
import { SimStore, type Committed, type CrashPoint, type StoreFaults } from './store.ts'
import { World } from './world.ts'
import { APP } from './workload.ts'
import { watcherOf, type Base } from './watch.ts'

/** Everything one seed is made of: the store's tables, the world, and the processes between them. */
export class Lab {
  readonly kernel: Kernel
  readonly world: World
  readonly kinds: Record<KindName, Kind>
  readonly tables: Tables
  readonly ring: Keyring
  readonly storeId: string
  readonly commits: Committed[] = []
  /** Sealed documents that a check has opened already. */
  readonly opened = new Map<string, Record<string, unknown>>()
  /** A process that dies is known to be dead by the next (the same host), or only its lease tells. */
  readonly sameHost: boolean
  readonly parallelism: number
  readonly #storeRandom: Stream
  readonly #seal: Stream
  readonly #disk: Stream
  readonly #byHolder = new Map<string, Process>()
  /** What the committed revision holds. */
  base: Base = { revision: 0, rows: new Map() }
  storeFaults: StoreFaults = { slowCommit: 0, full: 0 }
  /** What processes have kept beside the store. */
  readonly spooled = new Map<string, string[]>()
  processes = 0
  crashes = 0

  constructor(kernel: Kernel) {
    const { seed } = kernel
    this.kernel = kernel
    const setting = new Stream(seed, 'setting')
    this.sameHost = setting.chance(0.5)
    this.parallelism = setting.chance(0.4) ? 1 : setting.between(2, 4)
    this.kinds = drawKinds(setting)
    this.world = new World(kernel, new Stream(seed, 'world'))
    this.#storeRandom = new Stream(seed, 'store')
    this.#seal = new Stream(seed, 'seal')
    this.#disk = new Stream(seed, 'disk')
    this.storeId = `st-${seed}`
    this.tables = emptyTables({ storeId: this.storeId, schema: 1, createdAt: kernel.now, keyCheck: undefined })
    this.ring = makeKeyring(KEY, this.storeId, this.#seal)
    this.world.watcher = watcherOf(this)
  }

  kindOf(type: string): Kind {
    return this.kinds[type.slice('sim:'.length) as KindName]
  }

  /** A new process with its own view of the store and of the world. */
  process(crash: CrashPoint | undefined): { readonly process: Process; readonly cx: EngineContext } {
    const name = `p${++this.processes}`
    const process = new Process(this.kernel, name)
    process.onDeath(() => { this.crashes++ })
    const random = new Stream(this.kernel.seed, `ids ${name}`)
    const ids = makeIds(process, random)
    const holder = { id: ids.next('h'), host: 'host', bootId: 'boot', pid: this.processes, startedAt: '0' }
    this.#byHolder.set(holder.id, process)
    const store = new SimStore({
      process, tables: this.tables, random: this.#storeRandom, disk: this.#disk, storeId: this.storeId, faults: this.storeFaults, crash,
      isDead: (id) => this.sameHost && this.#byHolder.get(id)?.dead === true,
      onCommit: (c) => this.#committed(c, process),
    })
    this.world.crashAt(process, crash)
    const env = { id: ids.next('e'), app: APP, name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined }
    const redactor = makeRedactor()
    const cx: EngineContext = {
      store, clock: process, random, ids, types: makeRegistry(typesFor(this.world, process, this.kinds)), env,
      host: { root: '/', home: '/', env: { id: env.id, app: env.app, name: env.name }, assetPath: (a) => a.path, redact: (s) => redactor.text(s), secrets: () => redactor.secrets() },
      ring: this.ring, redactor, holder, emit: (e) => this.#heard(process, e),
      asset: (path) => ({ path, digest: 'sha256:0' }), keepAssets: async () => undefined, spool: new MemorySpool(this.spooled), parallelism: this.parallelism, serial: false,
    }
    return { process, cx }
  }

  #heard(process: Process, e: EngineEvent): void {
    if (process.dead) return
    const text = JSON.stringify(e)
    this.kernel.check(!text.includes(MARKER), 'I-SECRET', () => `an event holds a secret: ${text}`)
    this.kernel.remark(process.name, () => `event ${e.type} ${e.node ?? ''} ${e.message ?? ''}`)
  }

  #committed(c: Committed, process: Process): void {
    this.commits.push(c)
    const { fence } = c.options
    this.kernel.check(!fence || this.tables.leases.get(fence.scope)?.fence === fence.fence, 'I-FENCE', () => `${process.name} wrote, and its lease has gone to another`)
    for (const e of c.entries) if (e.t === 'env.commit') this.base = { revision: e.to, rows: committedRows(this.tables) }
  }
}

const KEY = new Uint8Array(32).fill(7)
/** Every secret of the simulation ends so. */
export const MARKER = '-marker'

export function committedRows(t: Tables): Map<string, ResourceRow> {
  const out = new Map<string, ResourceRow>()
  const [env] = t.envs.values()
  for (const rows of t.resources.values()) for (const { row } of rows.values()) {
    if (row.since <= (env?.revision ?? 0) && (row.until === undefined || row.until > (env?.revision ?? 0)) && row.status !== 'deleting') out.set(row.uid, row)
  }
  return out
}
