import { canonical, sha256hex } from '../base/index.ts'
import type { Entry, Tables } from '../journal/index.ts'
import type { ResourceDocs, ResourceRow } from '../state/index.ts'
import type { ResourceRecord } from './ports.ts'

interface Kept {
  readonly record: ResourceRecord
  readonly sum: bigint
}

const MODULUS = 1n << 256n

/** What a list of records adds up to, in whatever order they come. */
export class RecordSum {
  #sum = 0n

  add(sum: bigint): void {
    this.#sum = (this.#sum + sum) % MODULUS
  }
  take(sum: bigint): void {
    this.#sum = (this.#sum - sum + MODULUS) % MODULUS
  }
  get text(): string {
    return this.#sum.toString(16).padStart(64, '0')
  }
}

export const sumOf = (record: ResourceRecord): bigint => BigInt(`0x${sha256hex(canonical(record))}`)

/** The records as they were at one moment, however they change after it. */
export interface Pinned {
  readonly sum: string
  each(): AsyncIterable<ResourceRecord>
  /** Nobody reads it any more. */
  release(): void
}

/**
 * The resources of one environment in memory as records. A commit costs what it changes, a pinned view what changes while it is held.
 */
export class Records {
  readonly #tables: Tables
  readonly #env: string
  readonly #kept = new Map<string, Kept>()
  readonly #keysOf = new Map<string, readonly string[]>()
  readonly #sum = new RecordSum()
  /** For each view: what its changed keys were. */
  readonly #pins = new Set<Map<string, Kept | undefined>>()

  constructor(tables: Tables, env: string) {
    this.#tables = tables
    this.#env = env
    this.#all()
  }

  /** Uids that the entries will change. To be asked before they are written. */
  touched(entries: readonly Entry[]): ReadonlySet<string> | 'all' {
    const uids = new Set<string>()
    for (const e of entries) {
      switch (e.t) {
        case 'env.commit': return 'all' // what ended with the former revision goes
        case 'resource.put': uids.add(e.row.uid); break
        case 'resource.until': case 'resource.drop': case 'claim.drop': uids.add(e.uid); break
        case 'claim.put': {
          uids.add(e.row.uid)
          const owner = this.#tables.claims.get(e.row.key)
          if (owner) uids.add(owner.uid)
          break
        }
        default: break
      }
    }
    return uids
  }

  /** Takes over what the tables say now. */
  refresh(touched: ReadonlySet<string> | 'all'): void {
    if (touched === 'all') return this.#all()
    for (const uid of touched) this.#one(uid)
  }

  has(uid: string): boolean {
    for (const { row } of this.#tables.resources.get(uid)?.values() ?? []) if (this.#kept.has(keyOf(row))) return true
    return false
  }

  pin(): Pinned {
    const was = new Map<string, Kept | undefined>()
    this.#pins.add(was)
    const kept = this.#kept
    let released = false
    return {
      sum: this.#sum.text,
      async *each() {
        if (released) throw new Error('the resources of a snapshot are to be read before the end of its mutation resolves')
        const given = new Set<string>()
        for (const [key, { record }] of kept) {
          if (given.has(key)) continue // went and came back while it was read
          given.add(key)
          const then = was.has(key) ? was.get(key)?.record : record
          if (then) yield then
        }
        for (const [key, then] of was) if (then && !given.has(key)) yield then.record
      },
      release: () => {
        released = true
        this.#pins.delete(was)
      },
    }
  }

  #all(): void {
    const uids = new Set(this.#tables.uidsOf.get(this.#env) ?? [])
    for (const { record } of this.#kept.values()) uids.add(record.uid)
    for (const uid of uids) this.#one(uid)
  }

  #one(uid: string): void {
    const revision = this.#tables.envs.get(this.#env)?.revision ?? 0
    const stored = [...(this.#tables.resources.get(uid)?.values() ?? [])].filter(({ row }) => row.env === this.#env && (row.until === undefined || row.until > revision))
    stored.sort((a, b) => a.row.since - b.row.since)
    const now = new Map(stored.map((s, i) => [keyOf(s.row), recordOf(s.row, s.docs, i === stored.length - 1 ? this.#claims(uid) : [])]))
    for (const key of this.#keysOf.get(uid) ?? []) if (!now.has(key)) this.#set(key, undefined)
    for (const [key, record] of now) this.#set(key, record)
    if (now.size > 0) this.#keysOf.set(uid, [...now.keys()])
    else this.#keysOf.delete(uid)
  }

  #claims(uid: string): ResourceRecord['claims'] {
    return [...(this.#tables.claimsOfUid.get(uid) ?? [])].sort().map((key) => {
      const until = this.#tables.claims.get(key)?.until
      return until === undefined ? { key } : { key, until }
    })
  }

  #set(key: string, record: ResourceRecord | undefined): void {
    const old = this.#kept.get(key)
    const now = record && { record, sum: sumOf(record) }
    if (old?.sum === now?.sum) return
    for (const was of this.#pins) if (!was.has(key)) was.set(key, old)
    if (old) this.#sum.take(old.sum)
    if (now) {
      this.#sum.add(now.sum)
      this.#kept.set(key, now)
    } else this.#kept.delete(key)
  }
}

const keyOf = (row: { readonly uid: string; readonly since: number }): string => `${row.uid}@${row.since}`

function recordOf(row: ResourceRow, docs: ResourceDocs, claims: ResourceRecord['claims']): ResourceRecord {
  const { env: _env, until, ...rest } = row
  return { ...rest, ...(until === undefined ? {} : { until }), ...docs, claims }
}
