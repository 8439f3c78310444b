import { canonical, textOf } from '../base/index.ts'
import type { Value } from '../model/index.ts'
import { unresolved, type ComponentRow, type EnvRow, type ReferenceRow, type ResourceDocs, type ResourceRow, type TxRow } from '../state/index.ts'
import { holderAlive } from '../store/index.ts'
import { checkContext, checkTexts, storable } from './check.ts'
import type { RequestContext } from './contract.ts'
import { componentHash } from './digest.ts'
import { CloudOutputDoesNotExist, ComponentDoesNotExist, ResourceDoesNotExist, ResourceStateDoesNotExist, StoreCorrupt } from './errors.ts'
import type { ChangeRecord, ChangeStatus, CloudOutput, ComponentModel, FailedResourceChange, OpenResourceChange, ResourceDifference, ResourceModel, ResourceReferenceModel, ResourceState } from './models.ts'
import { addressOf, childrenApp, componentOf, derivedUid, nameIn, parentOf, stateName } from './names.ts'
import { demand, type PermitRequest } from './permit.ts'
import type { Session } from './session.ts'
import { decode, keyOfRow, modelOf, shown, stored } from './values.ts'

/** What a change said when it was opened; stored with its transaction, whose `payloadDigest` tells the difference from any other. */
export interface ChangeDoc {
  readonly action: ResourceDifference['actionType']
  readonly owner: string
  readonly previous?: { readonly name: string; readonly hash: string }
}

const changeDoc = (tx: TxRow): ChangeDoc | undefined => (tx.target.change === undefined ? undefined : (stored(tx.target.change) as ChangeDoc))

/** Gives the state, or fails ResourceStateDoesNotExist. */
export async function stateOf(s: Session, uuid: string): Promise<EnvRow> {
  const env = typeof uuid === 'string' && storable(uuid) ? await s.store.envById(uuid) : undefined
  if (!env || env.app === '/gone') throw new ResourceStateDoesNotExist(`There is no resource state ${textOf(uuid)}.`)
  return env
}

/** Who asks, as the records name it. */
export const callerOf = (s: Session, ctx: RequestContext | undefined): string => ctx?.principal ?? `pid ${s.holder.pid} on ${s.holder.host}`

/** Gives the state that the caller may read. Fails ResourceStateDoesNotExist, PermissionDenied. */
export async function readable(s: Session, uuid: string, ctx: RequestContext | undefined, action: 'state:read' | 'component:read' | 'output:read' | 'watch' = 'state:read', about: Omit<PermitRequest['resource'], 'state'> = {}): Promise<EnvRow> {
  checkContext(ctx)
  const env = await stateOf(s, uuid)
  const { component, ruuid, name, key } = about
  checkTexts({ ...('component' in about ? { component } : {}), ...('ruuid' in about ? { resourceType: ruuid } : {}), ...('name' in about ? { resourceName: name } : {}), ...('key' in about ? { key } : {}) })
  if (s.permit) await demand(s.permit, ctx, action, { state: stateName(env), ...about })
  return env
}

/** Whether a component exists: it was made, or has resources. */
export async function componentExists(s: Session, env: EnvRow, name: string): Promise<boolean> {
  return hasContent(s, env, name, await s.store.component(env.id, name))
}

const hasContent = async (s: Session, env: EnvRow, name: string, row: ComponentRow | undefined): Promise<boolean> =>
  row?.declared === true || (await s.store.find(env.id, 'committed', { component: name })).length > 0

/** Gives the row of the component, where it has one. Fails ComponentDoesNotExist. */
export async function demandComponent(s: Session, env: EnvRow, name: string): Promise<ComponentRow | undefined> {
  const row = await s.store.component(env.id, name)
  if (!(await hasContent(s, env, name, row))) throw new ComponentDoesNotExist(`${stateName(env)} has no component ${name}.`)
  return row
}

/** The resource of a type under a name. Fails ComponentDoesNotExist, ResourceDoesNotExist. Costs one look-up where it is there. */
export async function resourceByName(s: Session, env: EnvRow, component: string, type: string, name: string): Promise<ResourceRow> {
  const row = (await s.store.find(env.id, 'committed', { address: addressOf(component, name) })).find((r) => r.type === type)
  if (row && !name.includes('/')) return row
  await demandComponent(s, env, component)
  throw new ResourceDoesNotExist(`${component} has no ${type} called ${name}.`)
}

export async function resourceByHash(s: Session, env: EnvRow, component: string, type: string, hash: string): Promise<ResourceRow> {
  checkTexts({ hash })
  const row = (await s.store.find(env.id, 'committed', { fingerprint: hash })).find((r) => r.type === type && componentOf(r.address) === component)
  if (row) return row
  await demandComponent(s, env, component)
  throw new ResourceDoesNotExist(`${component} has no ${type} with the hash ${hash}.`)
}

export async function resourcesByTag(s: Session, env: EnvRow, component: string, type: string, tag: string): Promise<ResourceRow[]> {
  checkTexts({ tag })
  const eq = tag.indexOf('=')
  const by = eq < 0 ? { tag } : { tag: tag.slice(0, eq), value: tag.slice(eq + 1) }
  const rows = (await s.store.find(env.id, 'committed', by)).filter((r) => r.type === type && componentOf(r.address) === component)
  if (rows.length === 0) await demandComponent(s, env, component)
  return rows
}

/** Outputs of a resource. Fails CloudOutputDoesNotExist. */
export async function outputsOf(s: Session, row: ResourceRow): Promise<Value> {
  const [docs] = row.meta.noOutputs ? [] : await docsOf(s, [row])
  if (!docs) throw new CloudOutputDoesNotExist(`${row.type} ${nameIn(row.address)} has no output.`)
  return decode(row.uid, row.type, 'outputs', docs.outputs, s.ring)
}

/** Inputs and outputs of rows that are there. Fails StoreCorrupt. */
export async function docsOf(s: Session, rows: readonly ResourceRow[]): Promise<readonly ResourceDocs[]> {
  const docs = await s.store.docs(rows)
  rows.forEach((row, i) => {
    if (!docs[i]) throw new StoreCorrupt(`${row.address} (${row.uid}) has lost its inputs and outputs.`)
  })
  return docs as readonly ResourceDocs[]
}

export async function modelsOf(s: Session, rows: readonly ResourceRow[], clear: boolean): Promise<ResourceModel[]> {
  const docs = await docsOf(s, rows)
  return rows.map((row, i) => modelOf(row, decode(row.uid, row.type, 'inputs', (docs[i] as ResourceDocs).inputs, s.ring), clear))
}

/** Everything around the resources that components of a state are made of. */
interface Surroundings {
  readonly env: EnvRow
  /** By name. */
  readonly rows: ReadonlyMap<string, ComponentRow>
  readonly held: readonly ReferenceRow[]
  readonly pointing: readonly ReferenceRow[]
}

async function surroundings(s: Session, env: EnvRow): Promise<Surroundings> {
  const [components, held, pointing] = await Promise.all([s.store.components(env.id), s.store.references({ env: env.id }), s.store.references({ targetEnv: env.id })])
  return { env, rows: new Map(components.map((c) => [c.name, c])), held, pointing }
}

/** The row that a reference means now: the same object wherever it is called, else what stands in its place. */
export async function targetOf(s: Session, reference: ReferenceRow): Promise<Pick<ResourceRow, 'address' | 'type'>> {
  const here = (await s.store.find(reference.targetEnv, 'committed', { address: reference.address })).find((r) => r.uid === reference.targetUid)
  if (here) return here
  const moved = (await s.store.resources(reference.targetEnv, 'committed')).find((r) => r.uid === reference.targetUid)
  return moved ?? reference
}

/**
 * Whether a reference means what stands at an address: its target, or what came in the place of a target that is gone. A target that was renamed keeps the references
 * that other states have to it, whatever is called as it was before.
 */
export async function means(s: Session, r: ReferenceRow, place: Pick<ResourceRow, 'env' | 'address' | 'type'>, uid: string | undefined): Promise<boolean> {
  if (r.targetUid === uid) return true
  if (r.targetEnv !== place.env || r.address !== place.address || r.type !== place.type) return false
  return !(await s.store.resources(r.targetEnv, 'committed')).some((row) => row.uid === r.targetUid)
}

async function referenceModel(s: Session, reference: ReferenceRow): Promise<ResourceReferenceModel> {
  const target = await targetOf(s, reference)
  return { componentName: componentOf(target.address), ruuid: target.type, name: nameIn(target.address), ...(reference.targetEnv === reference.env ? {} : { isInParentResourceState: true }) }
}

async function assemble(s: Session, around: Surroundings, name: string, rows: readonly ResourceRow[], clear: (row: ResourceRow) => boolean): Promise<ComponentModel> {
  const docs = await docsOf(s, rows)
  const resolved = await s.store.resolved(rows.map((r) => r.uid))
  const cloudOutput: Record<string, CloudOutput> = {}
  const previousResolvedCloudValues: Record<string, Record<string, unknown>> = {}
  const externalReferences: Record<string, { cnt: number }> = {}
  const resources: ResourceModel[] = []
  for (const [i, row] of rows.entries()) {
    const key = keyOfRow(row)
    const doc = docs[i] as ResourceDocs
    if (!row.meta.noOutputs) cloudOutput[key] = (shown(decode(row.uid, row.type, 'outputs', doc.outputs, s.ring), clear(row)) ?? {}) as CloudOutput
    const read = resolved[i]
    if (read) previousResolvedCloudValues[key] = shown(decode(row.uid, row.type, 'resolved', read.doc, s.ring), clear(row)) as Record<string, unknown>
    let cnt = 0
    for (const r of around.pointing) if (r.targetUid === row.uid || (r.address === row.address && await means(s, r, row, row.uid))) cnt++
    if (cnt > 0) externalReferences[key] = { cnt }
    resources.push(modelOf(row, decode(row.uid, row.type, 'inputs', doc.inputs, s.ring), clear(row)))
  }
  const uid = around.rows.get(name)?.uid
  const references: ResourceReferenceModel[] = []
  for (const r of around.held) if (r.component === uid) references.push(await referenceModel(s, r))
  return { name, hash: componentHash({ resources, references }), resources, references, cloudOutput, previousResolvedCloudValues, externalReferences }
}

export async function readComponent(s: Session, env: EnvRow, name: string, clear: (row: ResourceRow) => boolean): Promise<ComponentModel> {
  const rows = await s.store.find(env.id, 'committed', { component: name })
  if (rows.length === 0) await demandComponent(s, env, name)
  return assemble(s, await surroundings(s, env), name, rows, clear)
}

/** The components of a state by name, with their rows. */
export async function componentsOf(s: Session, env: EnvRow): Promise<Map<string, ResourceRow[]>> {
  const out = new Map<string, ResourceRow[]>()
  for (const c of await s.store.components(env.id)) if (c.declared) out.set(c.name, [])
  for (const row of await s.store.resources(env.id, 'committed')) {
    const name = componentOf(row.address)
    const list = out.get(name)
    if (list) list.push(row)
    else out.set(name, [row])
  }
  return new Map([...out].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export async function readComponents(s: Session, env: EnvRow, clear: (row: ResourceRow) => boolean): Promise<ComponentModel[]> {
  const around = await surroundings(s, env)
  const out: ComponentModel[] = []
  for (const [name, rows] of await componentsOf(s, env)) out.push(await assemble(s, around, name, rows, clear))
  return out
}

/** Uid of a component: the one on record, or the one that follows from its name and is nobody else's. */
export function uidOf(rows: readonly ComponentRow[], env: string, name: string): string {
  const own = rows.find((c) => c.name === name)
  if (own) return own.uid
  const taken = new Set(rows.map((c) => c.uid))
  for (let n = 0; ; n++) {
    const uid = derivedUid(env, name, n)
    if (!taken.has(uid)) return uid
  }
}

export async function readState(s: Session, env: EnvRow, clear: (row: ResourceRow) => boolean): Promise<ResourceState> {
  const components = await readComponents(s, env, clear)
  const identities = await s.store.components(env.id)
  const resourceChanges: Record<string, OpenResourceChange> = {}
  const failedChanges: Record<string, FailedResourceChange> = {}
  for (const tx of await s.store.txs({ env: env.id, unresolved: true })) {
    const record = await recordOf(s, tx)
    const { componentName, diff, owner, openedAt } = record
    if (record.status === 'open') resourceChanges[tx.token] = { componentName, diff, owner, openedAt, ownerGone: record.ownerGone }
    else failedChanges[tx.token] = { componentName, diff, failedState: record.failedState, outcome: record.status === 'unknown' ? 'unknown' : 'failed', owner, openedAt }
  }
  return {
    name: stateName(env), uuid: env.id, components, componentNameToUuid: Object.fromEntries(components.map((c) => [c.name, uidOf(identities, env.id, c.name)])),
    parentUuid: parentOf(env) ?? null, children: (await s.store.envs(childrenApp(env))).map((e) => e.id), resourceChanges, failedChanges, revision: env.seq,
  }
}

const iso = (at: number | undefined): string | null => (at === undefined ? null : new Date(at).toISOString())

export function statusOf(tx: TxRow): ChangeStatus {
  switch (tx.status) {
    case 'open':
    case 'sent': return 'open'
    case 'failed': return unresolved(tx) ? 'failed' : 'abandoned'
    default: return tx.status
  }
}

/** A transaction as the contract shows it, whoever opened it. */
export async function recordOf(s: Session, tx: TxRow): Promise<ChangeRecord> {
  const run = await s.store.run(tx.run)
  const doc = changeDoc(tx)
  const status = statusOf(tx)
  const { failed } = tx.target
  return {
    transactionToken: tx.token, stateUuid: tx.env, componentName: componentOf(tx.address), diff: differenceOf(s, tx), status,
    failedState: failed === undefined ? (tx.evidence ?? null) : shown(decode(tx.uid, tx.type, 'failed', failed, s.ring), false),
    owner: doc?.owner ?? (run ? `pid ${run.holder.pid} on ${run.holder.host}` : tx.run), openedAt: iso(tx.openedAt) as string, endedAt: iso(tx.endedAt), evidence: tx.evidence ?? null,
    ownerGone: status === 'open' && run !== undefined && holderAlive(run.holder) === false,
  }
}

function differenceOf(s: Session, tx: TxRow): ResourceDifference {
  const doc = changeDoc(tx)
  const { row, prior, inputs } = tx.target
  const componentName = componentOf(tx.address)
  const actionType = doc?.action ?? (tx.op === 'create' ? 'CREATE' : tx.op === 'delete' ? 'DELETE' : 'UPDATE_IDENTITY')
  const model = (name: string, hash: string, text: string): ResourceModel => ({ ...(shown(decode(tx.uid, tx.type, 'inputs', text, s.ring), false) as object), name, ruuid: tx.type, hash })
  const previous = doc?.previous ?? { name: nameIn(tx.address), hash: row?.fingerprint ?? '' }
  return {
    actionType, componentName,
    ...(prior ? { previousResource: model(previous.name, previous.hash, prior.inputs) } : {}),
    ...(row && actionType !== 'DELETE' ? { newResource: model(nameIn(row.address), row.fingerprint, inputs) } : {}),
  }
}

export const sameText = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b)
