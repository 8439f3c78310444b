import { setMaxListeners } from 'node:events'
import { makeIds } from '../../src/base/index.ts'
import type { EngineContext, EngineEvent } from '../../src/engine/index.ts'
import { emptyTables, type Tables } from '../../src/journal/index.ts'
import type { Plan, PlannedChange } from '../../src/plan/index.ts'
import { makeRegistry } from '../../src/provider/index.ts'
import { makeKeyring, makeRedactor, type Keyring } from '../../src/secret/index.ts'
import type { ResourceRow } from '../../src/state/index.ts'
import { Fate } from './fate.ts'
import { Process, type Kernel } from './kernel.ts'
import { cheapKeyring, cheapRedactor } from './keyring.ts'
import { kindsOf, typesFor, type Kind, type KindName } from './kinds.ts'
import { Stream } from './random.ts'
import type { CrashPoint, Scenario } from './scenario.ts'
import { Rules } from './rules.ts'
import { MemorySpool } from './spool.ts'
import { SimStore, type Committed } from './store.ts'
import { Told } from './told.ts'
import { watcherOf, type Base } from './watch.ts'
import { World } from './world.ts'
import { APP } from './workload.ts'

/** What of a stored plan can be read without the key. */
export type PlanText = Pick<Plan, 'pending'> & { readonly changes: readonly Pick<PlannedChange, 'doc' | 'uid'>[] }

/** Everything one life is made of: the store's tables, the world, and the processes between them. */
export class Lab {
  readonly kernel: Kernel
  readonly scenario: Scenario
  readonly fate: Fate
  readonly world: World
  readonly kinds: Record<KindName, Kind>
  readonly tables: Tables
  readonly ring: Keyring
  readonly storeId: string
  readonly rules: Rules
  readonly commits: Committed[] = []
  /** Sealed documents that a check has opened already. */
  readonly opened = new Map<string, Record<string, unknown>>()
  /** For who is never stopped. */
  readonly never = new AbortController().signal
  readonly plans = new Map<string, PlanText>()
  /** What the events say, beside the tables. */
  readonly told: Told
  readonly #storeRandom: Stream
  readonly #byHolder = new Map<string, Process>()
  readonly #kindNames: readonly KindName[]
  /** What the committed revision holds. */
  base: Base = { revision: 0, rows: new Map(), inputs: new Map() }
  /** What processes have kept beside the store. */
  readonly spooled = new Map<string, string[]>()
  processes = 0
  crashes = 0

  constructor(kernel: Kernel, scenario: Scenario) {
    const { seed } = kernel
    this.kernel = kernel
    this.scenario = scenario
    this.fate = new Fate(kernel, scenario.rates, scenario.faults)
    this.kinds = kindsOf(scenario.kinds)
    this.world = new World(kernel, this.fate)
    this.#storeRandom = new Stream(seed, 'store')
    this.#kindNames = [...new Set(Object.values(scenario.programs).flatMap((p) => p.map((n) => n.kind)))]
    this.storeId = `st-${seed}`
    this.tables = emptyTables({ storeId: this.storeId, schema: 1, createdAt: kernel.now, keyCheck: undefined })
    this.ring = scenario.realKey ? makeKeyring(KEY, this.storeId, new Stream(seed, 'seal')) : cheapKeyring(this.storeId)
    this.told = new Told(this)
    this.rules = new Rules(this)
    setMaxListeners(0, this.never) // a process that dies lets go of nothing
    this.world.watcher = watcherOf(this)
  }

  kindOf(type: string): Kind {
    return this.kinds[type.slice('sim:'.length) as KindName]
  }

  /** A new process with its own view of the store and of the world. */
  process(name: string, crash: CrashPoint | undefined): { readonly process: Process; readonly cx: EngineContext } {
    const { scenario } = this
    const process = new Process(this.kernel, name, ++this.processes, crash)
    process.onDeath(() => { this.crashes++ })
    const random = new Stream(this.kernel.seed, `ids ${name}`)
    const ids = makeIds(process, random)
    const holder = { id: ids.next('h'), host: 'host', bootId: 'boot', pid: process.pid, startedAt: '0' }
    this.#byHolder.set(holder.id, process)
    const store = new SimStore({
      process, tables: this.tables, random: this.#storeRandom, storeId: this.storeId, fate: this.fate, slowReads: scenario.slowReads,
      isDead: (id) => this.#knownDead(id), onCommit: (c) => this.#committed(c, process),
      onGrant: (lease, tookOver) => this.rules.granted(process, lease, tookOver, tookOver !== undefined && this.#knownDead(tookOver.holder.id)),
    })
    const env = { id: ids.next('e'), app: APP, name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined }
    const redactor = scenario.realKey ? makeRedactor() : cheapRedactor()
    const cx: EngineContext = {
      store, clock: process, random, ids, types: makeRegistry(typesFor(this.world, process, this.kinds, this.#kindNames)), env,
      host: { root: '/', home: '/', env: { id: env.id, app: env.app, name: env.name }, assetPath: (a) => a.path, redact: (s) => redactor.text(s), secrets: () => redactor.secrets() },
      ring: this.ring, redactor, holder, emit: (e) => this.#heard(process, e),
      asset: (path) => ({ path, digest: 'sha256:0' }), keepAssets: async () => undefined, spool: new MemorySpool(this.spooled, (records) => this.rules.dropped(records)), parallelism: scenario.parallelism, serial: false,
    }
    return { process, cx }
  }

  #knownDead(holder: string): boolean {
    return this.scenario.sameHost && this.#byHolder.get(holder)?.dead === true
  }

  #heard(process: Process, e: EngineEvent): void {
    if (process.dead) return
    if (says(e, MARKER)) this.kernel.fail('I-SECRET', `an event holds a secret: ${JSON.stringify(e)}`)
    this.kernel.remark(process.name, () => `event ${e.type} ${e.node ?? ''} ${e.message ?? ''}`)
  }

  #committed(c: Committed, process: Process): void {
    this.commits.push(c)
    this.told.committed(c)
    const { fence } = c.options
    this.kernel.check([fence, ...(fence?.also ?? [])].every((f) => !f || this.tables.leases.get(f.scope)?.fence === f.fence), 'I-FENCE', () => `${process.name} wrote, and its lease has gone to another`)
    this.rules.committed(c, process)
    for (const e of c.entries) {
      if (e.t === 'env.commit') this.base = baseOf(this.tables, e.to)
      else if (e.t === 'event') this.kernel.count(`event ${e.kind}`)
    }
  }
}

/** Whether a text stands somewhere in a value: as JSON would show it, and cheaper. */
function says(v: unknown, text: string): boolean {
  if (typeof v === 'string') return v.includes(text)
  if (typeof v !== 'object' || v === null) return false
  for (const x of Object.values(v)) if (says(x, text)) return true
  return false
}

const KEY = new Uint8Array(32).fill(7)
/** Every secret of the simulation ends so. */
export const MARKER = '-marker'

function baseOf(t: Tables, revision: number): Base {
  const rows = committedRows(t)
  return { revision, rows, inputs: new Map([...rows].map(([uid, { since }]) => [uid, t.resources.get(uid)?.get(since)?.docs.inputs ?? ''])) }
}

export function committedRows(t: Tables): Map<string, ResourceRow> {
  const out = new Map<string, ResourceRow>()
  const [env] = t.envs.values()
  for (const rows of t.resources.values()) for (const { row } of rows.values()) {
    if (row.since <= (env?.revision ?? 0) && (row.until === undefined || row.until > (env?.revision ?? 0)) && row.status !== 'deleting') out.set(row.uid, row)
  }
  return out
}
