import { canonical, failure, type EpochMs } from '../base/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import { masked, refsOf, reveal, type Address, type Value } from '../model/index.ts'
import { EnvState, readDriftOf, type EngineContext } from '../resource/index.ts'
import { isKept, type PlanApproval, type PlanRow, type ResourceRow, type TxRow } from '../state/index.ts'
import { holderAlive } from '../store/index.ts'
import type { DriftDocument, OpenChangeDocument, ResourceDocument, RunDocument, StatusDocument } from './documents.ts'
import { approvalDocument, approvalIn } from './approval.ts'
import { openParts } from './part.ts'
import { committedOutputs, shownPlan, vectorOf } from './plan.ts'
import { readPlan } from '../plan/index.ts'
import { actionsFor } from './settle.ts'

export const iso = (at: EpochMs): string => new Date(at).toISOString()
const isoOr = (at: EpochMs | undefined): string | null => (at === undefined ? null : iso(at))

export async function readStatus(cx: EngineContext): Promise<StatusDocument> {
  const state = await EnvState.load(cx)
  const { env } = state
  const stored = env.seq > 0
  const [last] = stored ? await cx.store.runs(env.id, 1) : []
  const open = stored ? await cx.store.txs({ env: env.id, unresolved: true }) : []
  const rows = [...state.current.values()]
  const leases = await cx.store.leases()
  return {
    revision: env.revision, partial: env.partial,
    resources: rows.filter((r) => r.status !== 'deleting').length,
    reliable: open.length === 0,
    open: open.map(openDocument),
    pendingDeletes: rows.filter((r) => r.status === 'deleting' && r.since <= env.revision).map((r) => r.address),
    leases: leases.map((l) => ({ scope: l.scope, host: l.holder.host, pid: l.holder.pid, since: iso(l.grantedAt), expires: iso(l.expiresAt), alive: holderAlive(l.holder) !== false, ...(isKept(l.holder) && { kept: true }) })),
    lastRun: last ? { run: last.id, kind: last.kind, status: last.status, outcome: outcomeIn(last.result), startedAt: iso(last.startedAt), endedAt: isoOr(last.endedAt) } : null,
    openRun: env.openRun ?? null,
    ...(env.parts ? { parts: openParts(env, leases) } : {}),
    warnings: [],
  }
}

function outcomeIn(result: string | undefined): string | null {
  return result === undefined ? null : ((JSON.parse(result) as { outcome?: string }).outcome ?? null)
}

const openDocument = (t: TxRow): OpenChangeDocument =>
  ({ tx: t.token, address: t.address, op: t.op, status: t.status, since: iso(t.openedAt), evidence: t.evidence ?? null, actions: actionsFor(t) })

export async function listResources(cx: EngineContext, o: { readonly withOutputs?: boolean; readonly tag?: string; readonly open?: boolean } = {}): Promise<ResourceDocument[]> {
  const state = await EnvState.load(cx)
  if (state.env.seq === 0) return []
  const rows = (await cx.store.resources(state.env.id, o.open ? 'current' : 'committed')).filter((r) => tagged(r, o.tag))
  const docs = o.withOutputs ? await cx.store.docs(rows) : []
  return rows.map((r, i) => {
    const text = docs[i]?.outputs
    return { ...resourceDocument(r), ...(text === undefined ? {} : { outputs: masked(state.decode(r, 'outputs', text) as Value) }) }
  })
}

function tagged(r: ResourceRow, tag: string | undefined): boolean {
  if (tag === undefined) return true
  const eq = tag.indexOf('=')
  const key = eq < 0 ? tag : tag.slice(0, eq)
  return key in r.meta.tags && (eq < 0 || r.meta.tags[key] === tag.slice(eq + 1))
}

const resourceDocument = (r: ResourceRow): ResourceDocument => ({
  address: r.address, type: r.type, uid: r.uid, status: r.status, revision: r.since,
  ...(r.meta.physicalId === undefined ? {} : { physicalId: r.meta.physicalId }),
  created: isoOr(r.meta.createdAt), modified: isoOr(r.meta.modifiedAt), ...(r.meta.renewAt === undefined ? {} : { renewAt: iso(r.meta.renewAt) }), ...(r.meta.adopted ? { adopted: true } : {}),
  protect: r.meta.protect, retain: r.meta.retain, dependsOn: r.meta.deps, ...(r.meta.tainted ? { tainted: true as const } : {}), ...(r.meta.rules ? { options: { ...r.meta.rules } } : {}), ...(Object.keys(r.meta.tags).length ? { tags: r.meta.tags } : {}),
})

/** One resource with its documents and the transactions of its life. Fails HF6001. */
export async function showResource(cx: EngineContext, address: Address, o: { readonly open?: boolean } = {}): Promise<Record<string, unknown>> {
  const state = await EnvState.load(cx)
  const rows = state.env.seq === 0 ? [] : await cx.store.resources(state.env.id, o.open ? 'current' : 'committed')
  const row = rows.find((r) => r.address === address)
  if (!row) throw failure('HF6001', { address, message: `There is no node ${address} in ${state.env.app}/${state.env.name}.` })
  const [docs] = await cx.store.docs([row])
  const history = await cx.store.txs({ env: state.env.id, uid: row.uid })
  return {
    ...resourceDocument(row),
    inputs: docs ? masked(state.decode(row, 'inputs', docs.inputs) as Value) : null,
    outputs: docs ? masked(state.decode(row, 'outputs', docs.outputs) as Value) : null,
    claims: row.meta.claims,
    history: history.map((t) => ({ tx: t.token, run: t.run, op: t.op, undo: t.undo, status: t.status, attempts: t.attempts, openedAt: iso(t.openedAt), endedAt: isoOr(t.endedAt), evidence: t.evidence ?? null })),
  }
}

/** Outputs of the committed revision. With `reveal`, secrets in clear: an event in the journal says who asked. */
export async function readOutputs(cx: EngineContext, o: { readonly reveal: boolean }): Promise<Record<string, unknown>> {
  const state = await EnvState.load(cx)
  const outputs = ((await committedOutputs(state)) ?? {}) as Value
  if (!o.reveal) return (masked(outputs) ?? {}) as Record<string, unknown>
  const plain = reveal(outputs) as Record<string, unknown>
  if (state.env.seq > 0) await cx.store.commit([{ t: 'event', at: cx.clock.now(), kind: 'secret.revealed', data: JSON.stringify({ what: 'outputs', holder: cx.holder.id }) }], { env: state.env.id })
  return plain
}

/** Reads the world and compares it with the record: with that of the open run where it has changed something, for that is what it left in the world. */
export async function readDrift(cx: EngineContext, stop: AbortSignal = new AbortController().signal): Promise<DriftDocument> {
  const state = await EnvState.load(cx)
  if (state.env.seq === 0) return { drifted: [] }
  const rows = (await cx.store.resources(state.env.id, 'current')).filter((r) => r.status !== 'deleting')
  const { storeId } = await cx.store.meta()
  const drifted = await readDriftOf(state, rows, storeId, stop, cx.parallelism)
  for (const d of drifted) cx.emit({ type: 'drift.found', node: d.address, message: d.kind })
  return { drifted }
}

const runDocument = (r: Awaited<ReturnType<EngineContext['store']['run']>> & object) => ({
  run: r.id, kind: r.kind, plan: r.plan || null, status: r.status, outcome: outcomeIn(r.result), phase: r.phase, revision: { from: r.from, to: r.to ?? null },
  holder: { id: r.holder.id, host: r.holder.host, pid: r.holder.pid }, startedAt: iso(r.startedAt), endedAt: isoOr(r.endedAt),
})

export async function listRuns(cx: EngineContext, limit: number): Promise<Record<string, unknown>[]> {
  const env = await cx.store.env(cx.env.app, cx.env.name)
  return env ? (await cx.store.runs(env.id, limit)).map(runDocument) : []
}

/** A run with its tasks, its change transactions and its events. Fails HF6002. */
export async function showRun(cx: EngineContext, id: string): Promise<Record<string, unknown>> {
  const run = await cx.store.run(id)
  if (!run) throw failure('HF6002', { message: `There is no run ${id}.` })
  const tasks = await cx.store.tasks(id)
  const events = (await cx.store.events(run.env, { seq: 0 }, Number.MAX_SAFE_INTEGER)).filter((e) => e.data.includes(`"run":"${id}"`))
  return {
    ...runDocument(run),
    tasks: tasks.map((t) => ({ id: t.id, address: t.address, op: t.kind, state: t.state, intention: t.intention, attempt: t.attempt, tx: t.tx ?? null, failure: t.failure ?? null, startedAt: iso(t.startedAt), endedAt: isoOr(t.endedAt), note: t.note ?? null })),
    // What an event says never takes the place of what it is.
    events: events.map((e) => ({ ...(JSON.parse(e.data) as object), seq: e.seq, at: iso(e.at), kind: e.kind })),
  }
}

export async function listPlans(cx: EngineContext, limit: number): Promise<Record<string, unknown>[]> {
  const env = await cx.store.env(cx.env.app, cx.env.name)
  if (!env) return []
  const out: Record<string, unknown>[] = []
  for (const p of await cx.store.plans(env.id, limit)) out.push({ id: p.id, createdAt: iso(p.createdAt), revision: p.revision, usedBy: p.usedBy ?? null, madeBy: p.madeBy ?? null, approval: approvalDocument(await standing(cx, p)) })
  return out
}

export async function showPlan(cx: EngineContext, id: string): Promise<Record<string, unknown>> {
  const row = await cx.store.plan(id)
  if (!row) throw failure('HF2404', { message: `There is no plan ${id}.` })
  return { ...shownPlan(row.doc, cx.ring), createdAt: iso(row.createdAt), usedBy: row.usedBy ?? null, madeBy: row.madeBy ?? null, approval: approvalDocument(await standing(cx, row)) }
}

/** The approval of a plan that can still be applied, or was; a stale plan has lost it. */
async function standing(cx: EngineContext, row: PlanRow): Promise<PlanApproval | undefined> {
  const approval = approvalIn(row, cx.ring)
  if (!approval || row.usedBy !== undefined) return approval
  const vector = await vectorOf(await EnvState.load(cx))
  return canonical(readPlan(row.doc, cx.ring).vector) === canonical(vector) ? approval : undefined
}

export function graphDocument(graph: DesiredGraph): { nodes: { address: Address; type: string }[]; edges: { from: Address; to: Address; kind: 'reads' | 'dependsOn' }[] } {
  const nodes: { address: Address; type: string }[] = []
  const edges: { from: Address; to: Address; kind: 'reads' | 'dependsOn' }[] = []
  for (const n of graph.nodes.values()) {
    nodes.push({ address: n.address, type: n.type })
    const reads = refsOf(n.inputs)
    for (const d of n.deps) edges.push({ from: n.address, to: d, kind: reads.has(d) ? 'reads' : 'dependsOn' })
  }
  return { nodes, edges }
}

const outcomes: readonly unknown[] = ['unchanged', 'applied', 'cancelled', 'reverted', 'kept', 'incomplete'] satisfies readonly RunDocument['outcome'][]

/** Exit code of the command that ends with this run (contract.md 3, decisions 7). Fails HF1306 for what is no document of a run. */
export function exitCodeOf(doc: RunDocument): number {
  if (!outcomes.includes((doc as RunDocument | null | undefined)?.outcome) || !Array.isArray(doc.pending)) throw failure('HF1306', { message: 'exitCodeOf: doc must be the document of a run.' })
  const code = (doc.error as { code?: string } | undefined)?.code
  if (code === 'HF3106') return 8
  // However far it came: not all of it could be written down, and the next command looks.
  if (code === 'HF4006') return 12
  // Whatever else happened: what is missing is the key.
  if (doc.outcome === 'reverted' && (code === 'HF4301' || code === 'HF4302')) return 3
  switch (doc.outcome) {
    case 'unchanged': return 0
    case 'applied': return doc.pending.length ? 14 : 0
    case 'cancelled': return 8
    // A revert that was asked for has done what it should.
    case 'reverted': return doc.error ? 4 : 0
    case 'kept': case 'incomplete': return code === 'HF4203' ? 10 : 12
  }
}

