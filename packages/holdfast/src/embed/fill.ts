import type { Entry } from '../journal/index.ts'
import type { EnvRow, ResourceRow, RunRow } from '../state/index.ts'
import { exportLine, framed, type TableName } from '../store/index.ts'
import { damaged } from './failures.ts'
import type { OpenChange, ResourceRecord, Snapshot, StoreIdentity } from './ports.ts'
import type { PortStore } from './port-store.ts'
import { readRecords } from './snapshot.ts'

/** What a snapshot made of an empty store. */
export interface Filled {
  readonly env: EnvRow | undefined
  /** What became true with the intent of each open change. */
  readonly intents: ReadonlyMap<string, readonly Entry[]>
  /** Changes that were announced and that the state refuses: nothing was ever sent for them. */
  readonly stray: readonly OpenChange[]
}

/**
 * Fills an empty store from a snapshot: its rows as an import, and the intents that were announced after it was persisted as commits, so that the rules of
 * the journal hold for what comes after.
 *
 * Fails    HF4011, HF4002 as reading does; HF4011 when the rows contradict each other.
 */
export async function fillStore(store: PortStore, snapshot: Snapshot, nowMs: number): Promise<Filled> {
  const records = await readRecords(snapshot)
  const { head, open, target } = snapshot
  const intents = new Map<string, readonly Entry[]>(open.map((c) => [c.id, c.record.entries]))
  const [first] = open
  const store_ = head?.store ?? first?.record.store
  const env = head?.env ?? first?.record.env
  if (!store_ || !env) return { env: undefined, intents, stray: [] }
  const opened = new Set(head?.opened)
  const runs = new Map<string, RunRow>()
  for (const r of [...open.flatMap((c) => c.record.run ?? []), ...(head?.runs ?? [])]) runs.set(r.id, r)
  const rows: Partial<Record<TableName, readonly object[]>> = {
    envs: [env], runs: [...runs.values()], resources: records.map((r) => resourceRow(r, env.id)),
    claims: [...records.flatMap((r) => r.claims.map((c) => ({ until: undefined, ...c, env: env.id, uid: r.uid }))), ...(head?.claims ?? [])],
    txs: open.filter((c) => opened.has(c.id)).map((c) => c.record.tx),
    outputs: head?.outputs ? [{ env: env.id, ...head.outputs }] : [], trash: head?.trash ?? [],
  }
  try {
    await store.import(await lines(store, store_, nowMs, rows))
  } catch (e) {
    throw damaged(target, (e as Error).message)
  }
  const stray: OpenChange[] = []
  for (const change of open) if (!opened.has(change.id) && !(await announce(store, env.id, change))) stray.push(change)
  return { env: await store.envById(env.id), intents, stray }
}

async function lines(store: PortStore, identity: StoreIdentity, nowMs: number, rows: Partial<Record<TableName, readonly object[]>>): Promise<Iterable<string>> {
  const { schema } = await store.meta()
  // Leases are numbered on from here: no two runs of a target have one number, so none takes what another kept beside for its own.
  return framed({ storeId: identity.storeId, schema, fenceSeq: nowMs }, each())
  function* each(): Generator<string> {
    yield exportLine('meta', { keyCheck: undefined, ...identity, schema })
    for (const table of ['envs', 'runs', 'resources', 'claims', 'txs', 'outputs', 'trash'] as const) for (const row of rows[table] ?? []) yield exportLine(table, row)
  }
}

function resourceRow({ claims: _claims, inputs, outputs, ...rest }: ResourceRecord, env: string): ResourceRow & { readonly docs: object } {
  return { until: undefined, ...rest, env, docs: { inputs, outputs } }
}

/** Makes an intent true again that was durable when its run ended. False: the state refuses it, as it did then. */
async function announce(store: PortStore, env: string, { record }: OpenChange): Promise<boolean> {
  const now = await store.envById(env)
  const entries: Entry[] = []
  if (record.run && now?.openRun === undefined && record.env.openRun === record.run.id) entries.push({ t: 'env.open', env, run: record.run.id })
  try {
    await store.commit([...entries, { t: 'tx.open', row: record.tx }, ...record.entries], { env })
    return true
  } catch {
    return false
  }
}
