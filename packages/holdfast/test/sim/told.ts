import { canonical } from '../../src/base/index.ts'
import { classOf, emptyTables, fold, linksOf, type Entry, type Tables } from '../../src/journal/index.ts'
import type { EventRow, TxRow } from '../../src/state/index.ts'
import type { Lab } from './lab.ts'
import type { Committed } from './store.ts'

/** Why a change that can be looked up may be given up for a person all the same. */
const EXCUSES = ['several objects carry its mark', 'still not settled after', 'the time in which the token is honoured has passed']

/** What each event says about its change. */
const says: Readonly<Record<string, string>> = {
  'tx.sent': 'sent', 'tx.resent': 'sent', 'tx.completed': 'completed', 'tx.recovered': 'completed', 'tx.failed': 'failed', 'tx.unknown': 'unknown', 'tx.abandoned': 'abandoned',
}
interface Saying {
  readonly tx?: string
  readonly applied?: string
  readonly evidence?: string
}

/**
 * I-REPLAY and I-UNK: reads the events of every commit as somebody would who has no tables, and compares what they say with the tables, at that commit.
 * The fold that writes the tables is not asked.
 */
export class Told {
  readonly #lab: Lab
  readonly #status = new Map<string, string>()
  /** Objects that there are, by what was told. uid -> since which change. */
  readonly #there = new Map<string, string>()
  readonly #events: EventRow[] = []
  readonly #wasUnknown = new Set<string>()

  constructor(lab: Lab) {
    this.#lab = lab
  }

  committed({ entries, options }: Committed): void {
    const { kernel, tables } = this.#lab
    const kinds = new Set<string>()
    const seq = tables.envs.get(options.env)?.seq ?? 0
    let n = 0
    for (const e of entries) {
      if (e.t !== 'event') continue
      kinds.add(e.kind)
      this.#events.push({ env: options.env, seq, n: n++, at: e.at, kind: e.kind, data: e.data })
      const to = says[e.kind]
      if (to !== undefined) this.#hear(to, JSON.parse(e.data) as Saying)
    }
    for (const e of entries) if (e.t === 'tx.open' || e.t === 'tx.move') this.#compare(e, kinds)
    kernel.check(n > 0 || !entries.some((e) => e.t === 'tx.open' || e.t === 'env.commit'), 'I-REPLAY', () => `commit ${seq} changes something, and no event says so`)
  }

  #hear(to: string, { tx: token, applied, evidence }: Saying): void {
    const { kernel, tables } = this.#lab
    const tx = token === undefined ? undefined : tables.txs.get(token)
    if (!tx) return kernel.fail('I-REPLAY', `an event tells of the change ${token}, which is not on record`)
    this.#status.set(tx.token, to === 'failed' ? `failed ${applied}` : to)
    if (to === 'completed') {
      if (tx.op === 'delete') this.#there.delete(tx.uid)
      else this.#there.set(tx.uid, tx.token)
    }
    if (to === 'unknown') this.#excused(tx, evidence ?? '')
  }

  #excused(tx: TxRow, evidence: string): void {
    const kind = this.#lab.kindOf(tx.type)
    const d = classOf(tx.op, tx.capability, kind.readable, kind.search) === 'D'
    this.#lab.kernel.check(d || EXCUSES.some((why) => evidence.includes(why)), 'I-UNK', () => `${tx.op} ${tx.address} (${tx.type}) is left to a person: ${evidence}`)
    if (d) this.#wasUnknown.add(tx.token)
  }

  #compare(e: Extract<Entry, { t: 'tx.open' | 'tx.move' }>, kinds: ReadonlySet<string>): void {
    const { kernel, tables } = this.#lab
    const tx = tables.txs.get(e.t === 'tx.open' ? e.row.token : e.token) as TxRow
    const { token, status } = tx
    if (status === 'abandoned' && tx.evidence?.startsWith('superseded by ')) this.#status.set(token, 'abandoned')
    const is = status === 'failed' ? `failed ${tx.applied}` : status
    kernel.check(this.#status.get(token) === is, 'I-REPLAY', () => `${tx.op} of ${tx.address} is recorded as ${is}, and the events say ${this.#status.get(token) ?? 'nothing'}`)
    if (this.#wasUnknown.has(token) && status !== 'unknown') {
      this.#wasUnknown.delete(token)
      kernel.check(kinds.has('tx.byHand') || kinds.has('tx.spooled') || status === 'sent', 'I-UNK', () => `${tx.op} ${tx.address} (${tx.type}) was for a person to settle, and it is ${is} without a word of anybody`)
    }
  }

  /** The objects on record are those that the events tell of. */
  audit(when: string): void {
    const { kernel, rules, tables } = this.#lab
    const recorded = new Set<string>()
    for (const rows of tables.resources.values()) for (const { row } of rows.values()) {
      if (row.until !== undefined) continue
      recorded.add(row.uid)
      kernel.check(row.status !== 'ready' || row.meta.lookup === true || this.#there.has(row.uid), 'I-REPLAY', () => `${when}: ${row.address} is recorded, and no event tells of its making`)
    }
    for (const uid of this.#there.keys()) kernel.check(recorded.has(uid) || tables.unresolvedOf.has(uid) || rules.retained.has(uid), 'I-REPLAY', () => `${when}: the events tell of ${uid}, and it is not on record`)
  }

  /** At the end of a life, in a share of the seeds: the same entries on empty tables give the same tables, and the chain of events verifies. */
  end(): void {
    const { kernel, tables, commits, storeId } = this.#lab
    const stored = [...tables.events.values()].flat()
    const same = (a: EventRow, b: EventRow | undefined) => b !== undefined && a.env === b.env && a.seq === b.seq && a.n === b.n && a.at === b.at && a.kind === b.kind && a.data === b.data
    kernel.check(stored.length === this.#events.length && stored.every((e, i) => same(e, this.#events[i])), 'I-REPLAY', () => 'the events on record are not those that were committed')
    if (kernel.seed % 8 !== 0 || kernel.violation) return
    for (const chain of tables.chains.values()) {
      let hash = chain.baseHash
      for (const link of linksOf(chain, tables.events.get(chain.env) ?? [])) hash = link.hash
      kernel.check(hash === chain.hash, 'I-REPLAY', () => 'the chain of events does not verify')
    }
    const again = emptyTables({ storeId, schema: 1, createdAt: 0, keyCheck: undefined })
    for (const { entries, options } of commits) fold(again, entries, { env: options.env })
    for (const table of ['envs', 'resources', 'txs', 'claims', 'tasks', 'runs', 'plans', 'outputs', 'events', 'chains', 'unresolvedOf'] as const) {
      kernel.check(text(again, table) === text(tables, table), 'I-REPLAY', () => `the journal, folded again, gives another table ${table}`)
    }
  }
}

const text = (t: Tables, table: keyof Tables): string => canonical(plain(t[table]))
const plain = (v: unknown): unknown => v instanceof Map ? [...v].map(([k, x]) => [k, plain(x)]) : v
