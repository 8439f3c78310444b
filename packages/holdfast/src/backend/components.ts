import type { Entry } from '../journal/index.ts'
import { unresolved, type ComponentRow, type EnvRow, type ReferenceRow, type ResourceDocs, type ResourceRow } from '../state/index.ts'
import { refuseOpenRun } from './changes.ts'
import { checkDifference, checkExports, checkReference, checkTexts, kept } from './check.ts'
import type { RequestContext } from './contract.ts'
import { ComponentAlreadyExists, ComponentBusy, ComponentDoesNotExist, ComponentNotEmpty, InvalidDifference, PermissionDenied, ResourceReferenceError } from './errors.ts'
import type { ComponentDifference, ComponentExport, ResourceReferenceDifference, ResourceReferenceModel } from './models.ts'
import { addressOf, checkedPath, componentOf, nameIn, parentOf, stateName } from './names.ts'
import { demand, exported } from './permit.ts'
import { componentExists, docsOf, means, stateOf, targetOf, uidOf } from './reader.ts'
import type { Session } from './session.ts'
import { stored } from './values.ts'

type Note = () => Entry[]
const event = (s: Session, kind: string, data: object): Entry => ({ t: 'event', at: s.clock.now(), kind, data: JSON.stringify(data) })

export async function updateComponent(s: Session, stateUuid: string, diff: ComponentDifference, ctx: RequestContext | undefined, note: Note): Promise<void> {
  const env = await stateOf(s, stateUuid)
  checkDifference('component', diff)
  const { actionType, previousName, newName } = diff
  const named = (name: string | undefined, side: string) => {
    if (name === undefined || name === null) throw new InvalidDifference(`A component difference ${actionType} needs its ${side} name.`)
    return checkedPath('The name of a component', name)
  }
  switch (actionType) {
    case 'CREATE': return s.settled(env, (now) => create(s, now, named(newName, 'new'), ctx, note), ctx)
    case 'DELETE': return s.settled(env, (now) => remove(s, now, named(previousName, 'previous'), ctx, note), ctx)
    case 'UPDATE_NAME': return s.settled(env, (now) => rename(s, now, named(previousName, 'previous'), named(newName, 'new'), ctx, note), ctx)
    case 'UPDATE_IDENTITY': {
      const name = named(previousName ?? newName, 'previous')
      if (!(await componentExists(s, env, name))) throw missing(env, name)
      const entries = note()
      if (entries.length > 0) await s.commit(env, entries, { ctx, component: name })
      return
    }
    default: throw new InvalidDifference(`${String(actionType)} is no action of a component.`)
  }
}

const missing = (env: EnvRow, name: string) => new ComponentDoesNotExist(`${stateName(env)} has no component ${name}.`)
const taken = (env: EnvRow, name: string) => new ComponentAlreadyExists(`${stateName(env)} has a component ${name} already.`)

async function create(s: Session, env: EnvRow, name: string, ctx: RequestContext | undefined, note: Note): Promise<void> {
  if (await componentExists(s, env, name)) throw taken(env, name)
  await demand(s.permit, ctx, 'component:create', { state: stateName(env), component: name })
  const old = await s.store.component(env.id, name)
  const uid = s.ids.next('c')
  await s.commit(env, [
    // An identity that outlived its resources gives way: the new component is another one.
    ...(old ? [{ t: 'component.drop' as const, env: env.id, uid: old.uid }] : []),
    { t: 'component.put', row: { env: env.id, uid, name, seed: uid, declared: true, exports: undefined } },
    event(s, 'component.created', { component: name }), ...note(),
  ], { expectSeq: env.seq, ctx, component: name })
}

/** Who refers to resources of a component, by name. */
async function referrersOf(s: Session, env: EnvRow, component: string): Promise<string[]> {
  const names: string[] = []
  for (const r of await s.store.references({ targetEnv: env.id })) if (componentOf((await targetOf(s, r)).address) === component) names.push((await s.store.components(r.env)).find((c) => c.uid === r.component)?.name ?? r.component)
  return [...new Set(names)].sort()
}

async function refuseOpenChanges(s: Session, env: EnvRow, component: string): Promise<void> {
  const open = (await s.store.txs({ env: env.id, unresolved: true })).find((tx) => unresolved(tx) && componentOf(tx.address) === component)
  if (open) throw new ComponentBusy(`${component} has a change that is not settled: ${open.token}.`, undefined, [], { details: { transactionToken: open.token } })
}

async function remove(s: Session, env: EnvRow, name: string, ctx: RequestContext | undefined, note: Note): Promise<void> {
  if (!(await componentExists(s, env, name))) throw missing(env, name)
  const referrers = await referrersOf(s, env, name)
  if (referrers.length > 0) throw new ResourceReferenceError(`Resources of ${name} are used by ${referrers.join(', ')}.`, undefined, [], { details: { referrers } })
  const rows = await s.store.find(env.id, 'current', { component: name })
  if (rows.length > 0) throw new ComponentNotEmpty(`${name} has ${rows.length} ${rows.length === 1 ? 'resource' : 'resources'}.`)
  await refuseOpenChanges(s, env, name)
  await demand(s.permit, ctx, 'component:delete', { state: stateName(env), component: name })
  const row = (await s.store.component(env.id, name)) as ComponentRow
  await s.commit(env, [{ t: 'component.drop', env: env.id, uid: row.uid }, event(s, 'component.deleted', { component: name }), ...note()], { expectSeq: env.seq, ctx, component: name })
}

/** The row of a component, or the one it gets with its first write. */
async function identity(s: Session, env: EnvRow, name: string): Promise<ComponentRow> {
  const rows = await s.store.components(env.id)
  return rows.find((c) => c.name === name) ?? { env: env.id, uid: uidOf(rows, env.id, name), name, seed: name, declared: false, exports: undefined }
}

/** The uid of a component, on record from now on. */
export async function componentUid(s: Session, env: EnvRow, name: string): Promise<string> {
  const known = await s.store.component(env.id, name)
  if (known) return known.uid
  if (!(await componentExists(s, env, name))) throw missing(env, name)
  const row = await identity(s, env, name)
  await s.store.commit([{ t: 'component.put', row }], { env: env.id }) // an identity that follows from the name: no lease is needed to write it down
  return row.uid
}

async function rename(s: Session, env: EnvRow, from: string, to: string, ctx: RequestContext | undefined, note: Note): Promise<void> {
  if (await componentExists(s, env, to)) throw taken(env, to)
  if (!(await componentExists(s, env, from))) throw missing(env, from)
  refuseOpenRun(env)
  await refuseOpenChanges(s, env, from)
  await demand(s.permit, ctx, 'component:rename', { state: stateName(env), component: from })
  const row = await identity(s, env, from)
  const old = await s.store.component(env.id, to)
  const rows = await s.store.find(env.id, 'current', { component: from })
  const moved = rows.length === 0 ? [] : await moves(s, env, to, rows)
  await s.commit(env, [
    ...(old ? [{ t: 'component.drop' as const, env: env.id, uid: old.uid }] : []),
    { t: 'component.put', row: { ...row, name: to } }, ...moved,
    event(s, 'component.renamed', { component: to, before: from }),
    ...(rows.length > 0 ? [{ t: 'env.commit' as const, env: env.id, from: env.revision, to: env.revision + 1, partial: env.partial }] : []),
    ...note(),
  ], { expectSeq: env.seq, ctx, component: from })
}

/** Every row of the component at its new address, what depends on them under the new names, and references that follow. */
async function moves(s: Session, env: EnvRow, to: string, rows: readonly ResourceRow[]): Promise<Entry[]> {
  const next = env.revision + 1
  const inside = new Map(rows.map((r) => [r.uid, r]))
  const names = new Map(rows.map((r) => [r.address, addressOf(to, nameIn(r.address))]))
  const all = rows.every((r) => r.meta.provider === 'holdfast/backend') ? rows : await s.store.resources(env.id, 'current')
  const changed = all.filter((r) => inside.has(r.uid) || r.meta.deps.some((d) => names.has(d)))
  const docs = await docsOf(s, changed)
  const entries: Entry[] = []
  changed.forEach((r, i) => {
    const { seq: _seq, ...row } = r
    entries.push(
      { t: 'resource.until', uid: r.uid, since: r.since, until: next },
      { t: 'resource.put', row: { ...row, since: next, address: inside.has(r.uid) ? names.get(r.address) as string : r.address, meta: renamed(row.meta, names) }, docs: docs[i] as ResourceDocs },
    )
  })
  for (const r of await s.store.references({ targetEnv: env.id })) {
    if (r.env === env.id && inside.has(r.targetUid)) entries.push({ t: 'reference.put', row: { ...r, address: names.get((inside.get(r.targetUid) as ResourceRow).address) as string } })
  }
  return entries
}

/** What a row says about others, under their new names. */
function renamed(meta: ResourceRow['meta'], names: ReadonlyMap<string, string>): ResourceRow['meta'] {
  const now = (a: string): string => names.get(a) ?? a
  const { rules, tied } = meta
  return {
    ...meta, deps: meta.deps.map(now),
    ...(tied ? { tied: Object.fromEntries(Object.entries(tied).map(([a, uid]) => [now(a), uid])) } : {}),
    ...(rules ? { rules: { ...rules, ...(rules.replaceWith ? { replaceWith: rules.replaceWith.map(now) } : {}), ...(rules.deletedWith === undefined ? {} : { deletedWith: now(rules.deletedWith) }) } } : {}),
  }
}

export async function setExports(s: Session, stateUuid: string, component: string, exports: readonly ComponentExport[] | null, ctx: RequestContext | undefined, note: Note): Promise<void> {
  const env = await stateOf(s, stateUuid)
  checkTexts({ component })
  checkExports(exports)
  return s.settled(env, async (now) => {
    if (!(await componentExists(s, now, component))) throw missing(now, component)
    const row = await identity(s, now, component)
    await s.commit(now, [{ t: 'component.put', row: { ...row, exports: exports === null ? undefined : JSON.stringify(exports) } }, event(s, 'component.exports', { component }), ...note()], { expectSeq: now.seq, ctx, component })
  }, ctx)
}

export async function resolveReference(s: Session, stateUuid: string, diff: ResourceReferenceDifference, ctx: RequestContext | undefined, note: Note): Promise<void> {
  const env = await stateOf(s, stateUuid)
  checkDifference('reference', diff)
  const { actionType, resourceReference } = diff
  if (actionType !== 'CREATE' && actionType !== 'DELETE') throw new InvalidDifference(`${String(actionType)} is no action of a reference.`)
  checkReference(diff)
  const consumer = kept(diff.originatingComponentName)
  checkTexts({ originatingComponentName: consumer })
  return s.settled(env, async (now) => {
    if (!(await componentExists(s, now, consumer))) throw missing(now, consumer)
    const place = await placeOfReference(s, now, resourceReference)
    if (actionType === 'CREATE') await refer(s, now, consumer, place, ctx, note)
    else await dereference(s, now, consumer, place, ctx, note)
  }, ctx)
}

interface Place {
  readonly env: EnvRow
  readonly component: string
  readonly address: string
  readonly type: string
  readonly shown: string
}

async function placeOfReference(s: Session, env: EnvRow, r: ResourceReferenceModel): Promise<Place> {
  const shown = `${r.componentName} ${r.ruuid};${r.name}`
  let owner: EnvRow | undefined = env
  if (r.isInParentResourceState) {
    const parent = parentOf(env)
    owner = parent === undefined ? undefined : await s.store.envById(parent)
    if (!owner) throw new ResourceReferenceError(`${shown} is said to be in the parent of ${stateName(env)}, which has none.`)
  }
  return { env: owner, component: r.componentName.normalize('NFC'), address: addressOf(r.componentName, r.name), type: r.ruuid, shown }
}

/** The references of a component to a place. */
async function heldBy(s: Session, env: EnvRow, component: string, place: Place, uid: string | undefined): Promise<ReferenceRow[]> {
  const out: ReferenceRow[] = []
  for (const r of await s.store.references({ env: env.id })) if (r.component === component && await means(s, r, { ...place, env: place.env.id }, uid)) out.push(r)
  return out
}

async function refer(s: Session, env: EnvRow, consumer: string, place: Place, ctx: RequestContext | undefined, note: Note): Promise<void> {
  if (!(await componentExists(s, place.env, place.component))) throw new ResourceReferenceError(`There is no component ${place.component} in ${stateName(place.env)}.`)
  const target = (await s.store.find(place.env.id, 'committed', { address: place.address })).find((r) => r.type === place.type)
  if (!target) throw new ResourceReferenceError(`There is no resource ${place.shown}.`)
  await demand(s.permit, ctx, 'reference:create', { state: stateName(env), component: consumer })
  const about = { state: stateName(place.env), component: place.component, ruuid: place.type, name: nameIn(place.address), tags: target.meta.tags }
  await demand(s.permit, ctx, 'reference:create', about)
  const exports = (await s.store.component(place.env.id, place.component))?.exports
  if (!exported(exports === undefined ? undefined : stored(exports) as ComponentExport[], `${place.type};${nameIn(place.address)}`, stateName(env))) {
    throw new PermissionDenied(`${place.component} does not export ${place.type};${nameIn(place.address)} to ${stateName(env)}.`, 'Have the component export it.', [], { details: about })
  }
  const row = await identity(s, env, consumer)
  const held = (await heldBy(s, env, row.uid, place, target.uid)).length > 0
  const extra = note()
  if (held && extra.length === 0) return
  await s.commit(env, [
    ...(held ? [] : [
      { t: 'component.put' as const, row }, { t: 'reference.put' as const, row: { env: env.id, component: row.uid, targetEnv: place.env.id, targetUid: target.uid, address: place.address, type: place.type } },
      event(s, 'reference.created', { component: consumer, target: place.address }),
    ]), ...extra,
  ], { expectSeq: env.seq, ctx, component: consumer })
}

async function dereference(s: Session, env: EnvRow, consumer: string, place: Place, ctx: RequestContext | undefined, note: Note): Promise<void> {
  const row = await identity(s, env, consumer)
  const target = (await s.store.find(place.env.id, 'committed', { address: place.address })).find((r) => r.type === place.type)
  const held = await heldBy(s, env, row.uid, place, target?.uid)
  if (held.length === 0) throw new ResourceReferenceError(`${consumer} does not refer to ${place.shown}.`)
  await demand(s.permit, ctx, 'reference:delete', { state: stateName(env), component: consumer })
  await s.commit(env, [
    ...held.map((r) => ({ t: 'reference.drop' as const, env: env.id, component: r.component, targetUid: r.targetUid })),
    event(s, 'reference.deleted', { component: consumer, target: place.address }), ...note(),
  ], { expectSeq: env.seq, ctx, component: consumer })
}
