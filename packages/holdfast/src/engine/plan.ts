import { canonical, failure, mutant, sha256hex } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import { evaluate, firstUnknown, type Address, type Value } from '../model/index.ts'
import { guard, guardDeletes, isEmpty, readPlan, summarise, writePlan, type Plan, type PlannedChange, type Vector } from '../plan/index.ts'
import { diffAndCompile, EnvState, freeze, type EngineContext } from '../resource/index.ts'
import { decodeDoc } from '../secret/index.ts'
import { equal } from '../diff/index.ts'
import { adoptNeeds, adoptOptions, refuseProblems } from './adopt.ts'
import { judge } from './policies.ts'
import { restrictionOf, type PlanRequest } from './api.ts'
import type { PlanDocument } from './documents.ts'
import { openParts } from './part.ts'

/** A plan, ready to be shown and applied. */
export interface PlannedRun {
  readonly id: string
  readonly document: PlanDocument
  /** Nothing would be done. */
  readonly empty: boolean
  /** Nodes with a step that cannot be taken back: a person is asked. */
  readonly irreversible: readonly Address[]
  /** The plan as text with its MAC, for `--out`. */
  text(): string
  readonly plan: Plan
  /** It stands in the store already. */
  readonly stored: boolean
}

/** Plans without a lease: reads only, and writes nothing but the plan's own record when `save` is set. */
export async function makePlan(cx: EngineContext, request: PlanRequest, o: { readonly save?: boolean } = {}): Promise<PlannedRun> {
  const state = await EnvState.load(cx)
  const planned = await planOn(state, request)
  if (!o.save) return planned
  await state.commit([...(await ensureEnv(state)), planEntry(state, planned)])
  return { ...planned, stored: true }
}

/** The record of a plan. */
export const planEntry = (state: EnvState, planned: PlannedRun): Entry => ({
  t: 'plan.put',
  row: { id: planned.id, env: state.env.id, createdAt: planned.plan.createdAt, revision: state.env.revision, seq: state.env.seq, usedBy: undefined, doc: planned.text(), madeBy: nameOf(state.cx) },
})

export const nameOf = (cx: EngineContext): string => cx.user ?? 'unknown'

/** Entries without which nothing can be written for an environment: its row, and the check of the key. */
export async function ensureEnv(state: EnvState): Promise<Entry[]> {
  const entries: Entry[] = state.env.seq === 0 ? [{ t: 'env.create', row: state.env }] : []
  if (state.cx.ring && (await state.cx.store.meta()).keyCheck === undefined) entries.push({ t: 'meta.keyCheck', value: state.cx.ring.keyCheck })
  return entries
}

export async function planOn(state: EnvState, request: PlanRequest): Promise<PlannedRun> {
  const { cx } = state
  const { graph } = request
  const adoption = adoptOptions(request)
  refuseTwins(state)
  const options = {
    ...(adoption.options ? { adopt: adoption.options } : {}),
    replace: new Set(request.replace ?? []),
    gone: new Set(request.repair?.drifted.filter((d) => d.kind === 'gone').map((d) => d.address)),
    drifted: new Set(request.repair?.drifted.filter((d) => d.kind === 'changed').map((d) => d.address)),
    restriction: restrictionOf(request),
    unprotect: unprotected(state, request),
  }
  for (const a of options.replace) if (!graph?.nodes.has(a)) throw failure('HF6001', { address: a, message: `${a} is no node of this program.` })
  const { diff, compiled } = await diffAndCompile(state, graph, options)
  const { through } = compiled
  const changes = request.adopt ? compiled.changes.filter((c) => c.adopt) : compiled.changes
  refuseProblems([...adoption.problems, ...diff.problems, ...(request.adopt ? adoptNeeds(state, changes) : [])], graph)
  refuseUndeclared(state, changes)
  refuseWithoutHooks(state, changes)
  guard(changes, request.allowDeletes)
  const findings = judge(cx, graph, diff.scope, changes)
  await refuseReferenced(state, changes)
  const meta = await cx.store.meta()
  const { keep } = diff
  const pending = [...state.current.values()].filter((r) => r.status === 'deleting')
  const secrets = state.env.seq === 0 ? [] : (await cx.store.secrets(state.env.id)).map((s) => s.name)
  const deletedFirst = new Set(changes.filter((c) => c.doc.action === 'delete' && c.phase === 'expand').map((c) => c.uid))
  const plan: Plan = {
    v: 1, id: cx.ids.next('p'), store: meta.storeId, env: state.env.id, app: state.env.app, name: state.env.name, createdAt: cx.clock.now(), destroy: graph === undefined,
    vector: await vectorOf(state), changes, unchanged: diff.unchanged, through,
    // What is only taken over leaves the rest, outputs and pending deletes too, to the next apply.
    ...(request.adopt ? { adoptOnly: true } : {}),
    outputs: request.adopt ? undefined : graph?.outputs && freeze(graph.outputs, diff.scope),
    // What a restricted destroy leaves still gives what it gave.
    outputsChanged: request.adopt || (!graph && keep) ? false : await outputsChanged(state, graph, diff.scope),
    pending: request.adopt ? [] : pending.filter((r) => !deletedFirst.has(r.uid) && (!keep || keep.has(r.address))).map((r) => ({ uid: r.uid, address: r.address })),
    ...(findings.length > 0 ? { findings } : {}),
    ...(keep ? { restricted: { untouched: diff.untouched ?? 0, spared: pending.filter((r) => !keep.has(r.address)).map((r) => r.uid) } } : {}),
    ...(options.unprotect.length > 0 ? { unprotect: options.unprotect } : {}),
    ...(secrets.length > 0 ? { secrets } : {}),
  }
  const left = state.part || state.parts.length === 0 ? undefined : openParts(state.env, await cx.store.leases()).find((p) => !p.alive)
  return wrap(plan, state, false, left?.run)
}

/** Fails HF6001 for a path that names no node of the program or the state, nor anything that holds one. */
function unprotected(state: EnvState, request: PlanRequest): readonly Address[] {
  const paths = (request.unprotect ?? []).map((p) => p.normalize('NFC').replace(/\/$/, ''))
  for (const p of paths) {
    const names = (a: Address) => a === p || a.startsWith(`${p}/`)
    if (![...(request.graph?.nodes.keys() ?? [])].some(names) && ![...state.current.values()].some((r) => names(r.address))) throw failure('HF6001', { address: p, message: `${p} is no node or component of this program or state.` })
  }
  return paths
}

/** What a component of another program, or of the founding contract, refers to may not go (journal: HF4103). */
async function refuseReferenced(state: EnvState, changes: readonly PlannedChange[]): Promise<void> {
  if (state.env.seq === 0) return
  const references = await state.cx.store.references({ targetEnv: state.env.id })
  for (const r of references) {
    const going = changes.find((c) => (c.doc.action === 'delete' || c.doc.action === 'forget') && (c.uid === r.targetUid || (c.doc.address === r.address && !state.current.has(r.targetUid))))
    if (!going) continue
    const names = new Map((await state.cx.store.components(r.env)).map((c) => [c.uid, c.name]))
    throw failure('HF4103', { address: going.doc.address, message: `The plan would delete ${going.doc.address}, which is used by ${names.get(r.component) ?? r.component}.`, details: { referrers: [names.get(r.component) ?? r.component] } })
  }
}

/** A plan speaks of addresses; where two resources share one it would see one of them, and change or delete it for the other. */
function refuseTwins(state: EnvState): void {
  let standing = 0
  for (const row of state.current.values()) if (row.status !== 'deleting') standing++
  if (standing === state.at.size) return
  for (const row of state.current.values()) {
    const other = state.rowAt(row.address)
    if (row.status === 'deleting' || !other || other.uid === row.uid || state.provisional(row) || state.provisional(other)) continue
    const types = [row.type, other.type].sort()
    throw failure('HF2108', { address: row.address, message: `${row.address} stands for two resources, of the types ${types.join(' and ')}. Nothing was changed.`, details: { types } })
  }
}

/** What nobody could carry out is refused before anything is changed. What is pending since an earlier run stays pending. */
function refuseUndeclared(state: EnvState, changes: readonly PlannedChange[]): void {
  const { types } = state.cx
  for (const tx of state.unknown.values()) {
    if (types.has(tx.type) || tx.target.change !== undefined) continue // a lone change is its caller's to settle
    throw failure('HF2106', {
      address: tx.address, message: `The ${tx.op} of ${tx.address} (${tx.token}) is not settled, and its type ${tx.type} is not declared any more, so nobody can ask what became of it. Nothing was changed.`,
      hint: `Keep the file that declares ${tx.type} imported until it is settled. Or say what became of it yourself: holdfast run settle ${tx.token} --abandon`,
    })
  }
  for (const c of changes) {
    if (c.uid === undefined || c.doc.action === 'forget') continue
    const row = state.current.get(c.uid)
    if (!row || row.meta.lookup || types.has(row.type)) continue
    throw failure('HF2106', {
      address: row.address, message: `${row.address} is to be ${c.doc.action === 'delete' ? 'deleted' : 'replaced'}, and its type ${row.type} is not declared any more, so nobody can delete the object. Nothing was changed.`,
      hint: `Keep the file that declares ${row.type} imported until the object is deleted. Or give it up, and the object stays: holdfast state forget ${row.address}`,
    })
  }
}

/** What is deleted runs its hooks, so they must be there. What is pending since an earlier run stays pending without them. */
function refuseWithoutHooks(state: EnvState, changes: readonly PlannedChange[]): void {
  for (const c of changes) for (const [point, name] of Object.entries(c.doc.hooks ?? {})) {
    if (state.cx.hook?.(name)) continue
    throw failure('HF2122', {
      address: c.doc.address, site: c.site, message: `${c.doc.address} is to run the hook ${name} (${point}), and no hook of that name is declared. Nothing was changed.`,
      hint: `Keep the file that declares hook('${name}', ...) imported until that is done. Or give the object up, and it stays: holdfast state forget ${c.doc.address}`,
    })
  }
}

/** A plan that was stored knows nothing of what is allowed now. Fails HF2501. */
export const refuseDeletes = (planned: PlannedRun, allowed: number | undefined): void => guardDeletes(planned.plan.changes, allowed)

/** `left`: run of a part that is not finished, and nobody is at work on it; an apply takes it over as it does an open run of the whole. */
export function wrap(plan: Plan, state: EnvState, stored: boolean, left?: string): PlannedRun {
  const openRun = state.env.openRun ?? left
  return {
    id: plan.id, plan, stored,
    document: {
      id: plan.id, revision: plan.vector.revision, changes: plan.changes.map((c) => c.doc), summary: summarise(plan),
      ...(plan.pending.length ? { pending: plan.pending.map((p) => p.address) } : {}),
      ...(plan.findings ? { findings: plan.findings } : {}), ...(plan.unprotect ? { unprotect: plan.unprotect } : {}),
      ...(plan.restricted ? { untouched: plan.restricted.untouched } : {}),
      ...(openRun === undefined ? {} : { openRun }),
    },
    empty: isEmpty(plan) && openRun === undefined && (!state.env.partial || plan.adoptOnly === true || plan.restricted !== undefined),
    irreversible: plan.changes.filter((c) => c.doc.irreversible).map((c) => c.doc.address),
    text: () => writePlan(plan, state.cx.ring),
  }
}

/** A stored plan or a plan file. Fails HF2404, HF2402, HF2403. Whether it is stale is checked when the lease is held. */
export async function loadPlan(cx: EngineContext, ref: { readonly id: string } | { readonly text: string }): Promise<PlannedRun> {
  const state = await EnvState.load(cx)
  return loadOn(state, ref)
}

export async function loadOn(state: EnvState, ref: { readonly id: string } | { readonly text: string }): Promise<PlannedRun> {
  const { store, ring } = state.cx
  const plan = 'text' in ref ? readPlan(ref.text, ring) : undefined
  const row = await store.plan('id' in ref ? ref.id : (plan as Plan).id)
  if (!row && 'id' in ref) throw failure('HF2404', { message: `There is no plan ${ref.id}.` })
  const found = plan ?? readPlan((row as NonNullable<typeof row>).doc, ring)
  const meta = await store.meta()
  if (found.store !== meta.storeId || found.env !== state.env.id) throw failure('HF2402', { message: `The plan was made for ${found.app}/${found.name} of ${found.store === meta.storeId ? 'this' : 'another'} state, not for ${state.env.app}/${state.env.name} here.` })
  if (row?.usedBy !== undefined) throw failure('HF2403', { message: `The plan ${found.id} was applied by run ${row.usedBy}.`, run: row.usedBy })
  return wrap(found, state, row !== undefined)
}

/** What must not have moved between plan and apply. */
export async function vectorOf(state: EnvState): Promise<Vector> {
  const { store } = state.cx
  if (state.env.seq === 0) return { revision: 0, openRun: undefined, lastRun: undefined, rest: '' }
  // Runs of other parts come and go, and change nothing that this one stands on.
  const [last] = state.part ? [] : await store.runs(state.env.id, 1)
  const secrets = await store.secrets(state.env.id)
  // What is under way will have changed rows when it is settled: a plan that was made before that is stale. (A change that no run plans is its caller's.)
  const underWay = (await store.txs({ env: state.env.id, unresolved: true })).filter((tx) => state.holds(tx.address) && tx.target.change === undefined && (tx.status === 'open' || tx.status === 'sent'))
  // How far each has come counts, too: one that turns out to have broken off has written a row.
  const open = [...[...state.partly.values()].map((t) => `${t} partly`), ...[...state.unknown.values()].map((t) => `${t.token} unknown`), ...underWay.map((t) => `${t.token} sent`)].sort()
  const tainted: string[] = []
  for (const r of state.current.values()) if (r.meta.tainted && r.status !== 'deleting' && state.holds(r.address)) tainted.push(r.uid)
  return {
    revision: state.env.revision, openRun: state.env.openRun, lastRun: last && `${last.id} ${last.status} ${last.endedAt ?? ''}`,
    rest: secrets.length || open.length || tainted.length ? sha256hex(canonical([secrets.map((s) => [s.name, s.fp]), open, ...(tainted.length > 0 ? [tainted.sort()] : [])])).slice(0, 16) : '',
  }
}

export function refuseStale(plan: Plan, now: Vector): void {
  if (canonical(plan.vector) === canonical(now) || mutant('stale-plan-accepted')) return
  const what = plan.vector.revision !== now.revision ? `revision ${plan.vector.revision} became ${now.revision}`
    : plan.vector.openRun !== now.openRun || plan.vector.lastRun !== now.lastRun ? 'a run has changed something since' : 'a secret, an unsettled change or a taint has changed since'
  throw failure('HF2401', { message: `The plan ${plan.id} is stale: ${what}.` })
}

async function outputsChanged(state: EnvState, graph: DesiredGraph | undefined, scope: Parameters<typeof evaluate>[1]): Promise<boolean> {
  const before = await committedOutputs(state)
  const after: Value = graph ? evaluate(graph.outputs, scope) : {}
  // An output that is not known yet depends on a change, and that is counted already.
  if (firstUnknown(after)) return false
  return !equal(before ?? {}, after ?? {})
}

export async function committedOutputs(state: EnvState): Promise<Value | undefined> {
  if (state.env.seq === 0) return undefined
  const row = await state.cx.store.outputs(state.env.id, state.env.revision)
  return row && decodeDoc(row.doc, outputsPlace(state), state.cx.ring)
}

export const outputsPlace = (state: EnvState) => ({ table: 'outputs', row: state.env.id, field: 'outputs', type: 'holdfast:outputs' })

/** A stored plan as a person reads it. */
export function shownPlan(text: string, ring: EngineContext['ring']): PlanDocument {
  const plan = readPlan(text, ring)
  return { id: plan.id, revision: plan.vector.revision, changes: plan.changes.map((c) => c.doc), summary: summarise(plan), ...(plan.findings ? { findings: plan.findings } : {}), ...(plan.unprotect ? { unprotect: plan.unprotect } : {}) }
}
