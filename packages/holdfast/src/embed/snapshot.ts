import { canonical, sha256hex, textOf } from '../base/index.ts'
import type { Entry, Tables } from '../journal/index.ts'
import { masked, type Value } from '../model/index.ts'
import { decodeDoc } from '../secret/index.ts'
import { unresolved, type ClaimRow, type EnvRow, type OutputsRow, type RunRow, type TxRow } from '../state/index.ts'
import { checkAsSnapshot, checkMutations } from './check.ts'
import { checkTargetName, damaged, fromProvider, newer } from './failures.ts'
import type { OpenChange, OpenRecord, ResourceRecord, Snapshot, SnapshotHead, StoreIdentity } from './ports.ts'
import { RecordSum, sumOf, type Pinned } from './records.ts'

const VERSION = 1

/** As it reads after it was written: what is undefined is not there. */
const plain = <T>(v: T): T => JSON.parse(JSON.stringify(v)) as T

export const identityOf = (t: Tables): StoreIdentity => plain({ storeId: t.meta.storeId, createdAt: t.meta.createdAt, keyCheck: t.meta.keyCheck })

const digestOf = (s: Pick<Snapshot, 'target' | 'revision' | 'at' | 'outputs' | 'head'>, resources: string): string =>
  `d1:${sha256hex(canonical({ v: VERSION, target: s.target, revision: s.revision, at: s.at, outputs: s.outputs, head: s.head, resources }))}`

/** What was made of a transaction as it is now: rows are never changed in place. */
const changes = new WeakMap<TxRow, OpenChange>()

/** The transaction as what a provider of snapshots keeps of it. `record` is asked for when nobody has asked before. */
export function openChange(tx: TxRow, record: () => Omit<OpenRecord, 'v' | 'tx'>): OpenChange {
  const known = changes.get(tx)
  if (known) return known
  const r = record()
  const change = plain({
    id: tx.token, address: tx.address, type: tx.type, op: tx.op, status: tx.status, since: new Date(tx.openedAt).toISOString(),
    ...(tx.evidence === undefined ? {} : { evidence: tx.evidence }),
    by: r.run?.holder ?? { id: '', host: '', bootId: '', pid: 0, startedAt: '' },
    record: { v: VERSION, ...r, tx },
  }) as OpenChange
  changes.set(tx, change)
  return change
}

export interface Taken {
  readonly target: string
  readonly tables: Tables
  readonly env: string
  readonly resources: Pinned
  readonly at: number
  /** What became true with the intent of an open change. */
  intentOf(token: string): readonly Entry[]
}

/** What the tables say at this moment, as a snapshot. Costs nothing per resource; what nobody reads is not made. */
export function takeSnapshot({ target, tables: t, env: id, resources, at, intentOf }: Taken): Snapshot {
  const env = t.envs.get(id) as EnvRow
  const open = openTxs(t, id).map((tx) => ({ tx, run: t.runs.get(tx.run), entries: intentOf(tx.token) }))
  const txs = open.map((o) => o.tx)
  const outputs = newestOutputs(t, env)
  const store = identityOf(t)
  const parts = {
    store, env, runs: runsToKeep(t, env, txs), claims: claimsWithoutRow(t, txs), trash: [...t.trash.values()], opened: txs.map((x) => x.token),
    ...(outputs ? { outputs: { since: outputs.since, doc: outputs.doc } } : {}),
  }
  const head = once((): SnapshotHead => plain(parts))
  const content = { target, revision: env.revision, at: new Date(at).toISOString() }
  const shownOutputs = once(() => (outputs ? shown(outputs.doc) : {}))
  const digest = once(() => digestOf({ ...content, outputs: shownOutputs(), head: head() }, resources.sum))
  const list = once(() => open.map(({ tx, run, entries }) => openChange(tx, () => ({ store, env, run, entries }))))
  return {
    v: VERSION, ...content, reliable: open.length === 0, resources: resources.each,
    get outputs() { return shownOutputs() },
    get head() { return head() },
    get digest() { return digest() },
    get open() { return list() },
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

const openTxs = (t: Tables, env: string): TxRow[] => [...t.unresolvedOf.values()].map((token) => t.txs.get(token) as TxRow).filter((x) => x.env === env && unresolved(x)).sort((a, b) => (a.token < b.token ? -1 : 1))

/** The last run is part of what a plan was made on; those of open changes and the open one are needed to go on. */
function runsToKeep(t: Tables, env: EnvRow, open: readonly TxRow[]): RunRow[] {
  const named = new Set([env.openRun, ...open.map((x) => x.run)])
  let last: RunRow | undefined
  for (const r of t.runs.values()) if (!last || r.startedAt > last.startedAt || (r.startedAt === last.startedAt && r.id > last.id)) last = r
  return [...t.runs.values()].filter((r) => r === last || named.has(r.id)).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function claimsWithoutRow(t: Tables, open: readonly TxRow[]): ClaimRow[] {
  return open.filter((x) => !t.resources.get(x.uid)?.size).flatMap((x) => [...(t.claimsOfUid.get(x.uid) ?? [])].sort().map((key) => t.claims.get(key) as ClaimRow))
}

function newestOutputs(t: Tables, env: EnvRow): OutputsRow | undefined {
  let newest: OutputsRow | undefined
  for (const row of t.outputs.get(env.id)?.values() ?? []) if (row.since <= env.revision && row.since > (newest?.since ?? -1)) newest = row
  return newest
}

/** Without the key: what is secret is never opened here. */
const shown = (doc: string): Record<string, unknown> =>
  plain(masked(decodeDoc(doc, { table: 'outputs', row: '', field: 'outputs', type: 'holdfast:outputs' }, undefined) as Value)) as Record<string, unknown>

/** An open change that can be gone on with. Fails HF4011, HF4002. */
function checkedOpen(target: string, change: unknown): OpenChange {
  const { id, record } = (change ?? {}) as { readonly id?: unknown; readonly record?: { readonly v?: unknown; readonly tx?: unknown; readonly entries?: unknown; readonly store?: unknown; readonly env?: unknown } | null }
  const v = record?.v
  if (typeof v === 'number' && v > VERSION) throw newer(target, v)
  const whole = typeof id === 'string' && v === VERSION && [record?.tx, record?.store, record?.env].every((x) => typeof x === 'object' && x !== null) && Array.isArray(record?.entries)
  if (!whole) throw damaged(target, 'an open change is not what was kept of it')
  return change as OpenChange
}

/**
 * What a provider of snapshots gave, before anything is done with it. Costs what is open; records are looked at when they are read.
 *
 * Fails    HF4011 when it is no snapshot, or that of another target; HF4002 when a newer version made it.
 */
export function checkSnapshot(target: string, given: unknown): Snapshot | undefined {
  if (given === undefined || given === null) return undefined
  const s = given as { readonly [K in keyof Snapshot]?: unknown }
  if (typeof s.v === 'number' && s.v > VERSION) throw newer(target, s.v)
  if (typeof given !== 'object' || s.v !== VERSION) throw damaged(target, 'it does not say which version it has')
  if (s.target !== target) throw damaged(target, `it is of ${textOf(s.target)}`)
  if (!Array.isArray(s.open) || typeof s.resources !== 'function' || typeof s.reliable !== 'boolean') throw damaged(target, 'parts of it are missing')
  for (const change of s.open) checkedOpen(target, change)
  return given as Snapshot
}

/** Adds up a snapshot's records and compares. Fails HF4011, HF4002. */
export async function readRecords(snapshot: Snapshot): Promise<ResourceRecord[]> {
  const { target } = snapshot
  checkSnapshot(target, snapshot)
  const records: ResourceRecord[] = []
  const sum = new RecordSum()
  await fromProvider(`resources() of the snapshot of ${target}`, async () => {
    for await (const r of snapshot.resources()) {
      sum.add(sumOf(r))
      records.push(r)
    }
  })
  if (snapshot.head !== undefined && digestOf(snapshot, sum.text) !== snapshot.digest) throw damaged(target, 'its content does not fit its digest')
  return records
}

/** A whole snapshot as JSON: what a provider that keeps one document per target writes. */
export interface SnapshotDocument extends Omit<Snapshot, 'resources'> {
  readonly resources: readonly ResourceRecord[]
}

/** Reads all of a snapshot. Fails HF1306. Resources in the order of their addresses, so that two documents can be compared line by line. */
export async function packSnapshot(snapshot: Snapshot): Promise<SnapshotDocument> {
  checkAsSnapshot(snapshot)
  const resources: ResourceRecord[] = []
  await fromProvider('resources() of the snapshot', async () => {
    for await (const r of snapshot.resources()) resources.push(r)
  })
  resources.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.since - b.since))
  const { v, target, revision, at, reliable, open, digest, outputs, head } = snapshot
  return { v, target, revision, at, reliable, open, digest, outputs, head, resources }
}

/**
 * The snapshot of a document that {@link packSnapshot} made, checked.
 *
 * Fails    HF4011 when it is something else or was changed, HF4002 when a newer version wrote it.
 */
export function unpackSnapshot(target: string, document: unknown): Snapshot {
  const doc = document as SnapshotDocument | null
  if (typeof doc !== 'object' || doc === null || typeof doc.v !== 'number') throw damaged(target, 'it is no snapshot')
  if (doc.v > VERSION) throw newer(target, doc.v)
  if (doc.target !== target) throw damaged(target, `it is of ${textOf(doc.target)}`)
  const whole = Array.isArray(doc.resources) && Array.isArray(doc.open) && typeof doc.head === 'object' && typeof doc.revision === 'number' && typeof doc.at === 'string' && typeof doc.outputs === 'object'
  if (!whole) throw damaged(target, 'parts of it are missing')
  for (const change of doc.open) checkedOpen(target, change)
  const sum = new RecordSum()
  for (const r of doc.resources) sum.add(sumOf(r))
  if (digestOf(doc, sum.text) !== doc.digest) throw damaged(target, 'its content does not fit its digest')
  const { resources, ...rest } = doc
  return { ...rest, reliable: rest.open.length === 0, resources: () => each(resources) }
}

async function* each(records: readonly ResourceRecord[]): AsyncGenerator<ResourceRecord> {
  yield* records
}

/**
 * What `getSnapshot` gives: the persisted snapshot, unreliable while mutations are open.
 *
 * Takes    `mutations`: all that are open, those around a run (`about` undefined) too. What they say of a change is newer than what the snapshot says.
 * Fails    HF1305, HF1306; HF4011 and HF4002 as `getSnapshot` of the engine does.
 */
export function withOpen(target: string, persisted: Snapshot | undefined, mutations: readonly { readonly about?: OpenChange | undefined }[]): Snapshot | undefined {
  checkTargetName(target)
  checkMutations(mutations)
  if (mutations.length === 0) return persisted
  checkSnapshot(target, persisted)
  const open = new Map((persisted?.open ?? []).map((c) => [c.id, c]))
  for (const { about } of mutations) if (about) open.set(about.id, checkedOpen(target, about))
  const base = persisted ?? { v: VERSION, target, revision: 0, at: new Date(0).toISOString(), digest: '', outputs: {}, head: undefined, resources: () => each([]) }
  return { ...base, reliable: false, open: [...open.values()] }
}
