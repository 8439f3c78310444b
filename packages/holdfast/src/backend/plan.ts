import { masked, type Value } from '../model/index.ts'
import type { EnvRow, ResourceDocs } from '../state/index.ts'
import { actions } from './changes.ts'
import type { Differences, RequestContext } from './contract.ts'
import { compareContents } from './differences.ts'
import type { ComponentDifference, ComponentExport, NewComponent, ResourceDifference, ResourceModel, ResourceReferenceDifference } from './models.ts'
import { parentOf, stateName } from './names.ts'
import type { Content } from './pairing.ts'
import { denial, exported, type Action, type PermitRequest } from './permit.ts'
import { demandComponent, docsOf, readComponents } from './reader.ts'
import type { Session } from './session.ts'
import { decode, modelOf, stored } from './values.ts'

/**
 * What has to change in a state so that the named components become the new ones. Reads only.
 *
 * Secrets are compared, and shown in no difference; one that was read masked and comes back means the stored one.
 * A change that the caller may not make carries `denied`, the reason; opening it is refused for the same one.
 */
export async function stateDifferences(s: Session, env: EnvRow, newComponents: readonly NewComponent[], oldNames: readonly string[], ctx: RequestContext | undefined): Promise<Differences> {
  const stored: Content[] = []
  for (const name of new Set(oldNames)) stored.push(await contentOf(s, env, name))
  // The rest of the state matters only to references.
  const references = await referencesOf(s, env, [...newComponents, ...stored])
  const olds = stored.map((c) => ({ ...c, references: references.held.get(c.name) ?? [] }))
  const found = compareContents(newComponents, olds, references.around(oldNames))
  const hidden = (model: ResourceModel): ResourceModel => masked(model as Value) as ResourceModel
  const resources = found.resources.map((d) => (d.previousResource ? { ...d, previousResource: hidden(d.previousResource) } : d))
  return [
    await marked(found.components, (d) => componentDenial(s, env, d, ctx)), await marked(resources, (d) => resourceDenial(s, env, d, ctx)), await marked(found.references, (d) => referenceDenial(s, env, d, ctx)),
  ]
}

/** The resources of a component as they are stored, secrets closed. */
async function contentOf(s: Session, env: EnvRow, name: string): Promise<Content> {
  const rows = await s.store.find(env.id, 'committed', { component: name })
  if (rows.length === 0) await demandComponent(s, env, name)
  const docs = await docsOf(s, rows)
  return { name, resources: rows.map((row, i) => modelOf(row, decode(row.uid, row.type, 'inputs', (docs[i] as ResourceDocs).inputs, s.ring), 'closed')) }
}

async function referencesOf(s: Session, env: EnvRow, components: readonly Content[]) {
  const held = new Map<string, Content['references']>()
  const any = components.some((c) => c.references?.length) || (await s.store.references({ env: env.id })).length > 0 || (await s.store.references({ targetEnv: env.id })).length > 0
  if (!any) return { held, around: () => ({}) }
  const all = await readComponents(s, env, () => false)
  for (const c of all) held.set(c.name, c.references)
  const parent = parentOf(env)
  const above = parent === undefined ? undefined : await s.store.envById(parent)
  const parents = above && await readComponents(s, above, () => false)
  return { held, around: (oldNames: readonly string[]) => ({ others: all.filter((c) => !oldNames.includes(c.name)), ...(parents ? { parents } : {}) }) }
}

async function marked<D extends object>(list: readonly D[], why: (d: D) => Promise<string | undefined>): Promise<D[]> {
  const out: D[] = []
  for (const d of list) {
    const denied = await why(d)
    out.push(denied === undefined ? d : { ...d, denied })
  }
  return out
}

const ofComponent = { CREATE: 'component:create', UPDATE_NAME: 'component:rename', DELETE: 'component:delete' } as const satisfies Record<string, Action>

async function componentDenial(s: Session, env: EnvRow, d: ComponentDifference, ctx: RequestContext | undefined): Promise<string | undefined> {
  if (d.actionType === 'UPDATE_IDENTITY') return undefined
  return denial(s.permit, ctx, ofComponent[d.actionType], { state: stateName(env), component: (d.previousName ?? d.newName) as string })
}

async function resourceDenial(s: Session, env: EnvRow, d: ResourceDifference, ctx: RequestContext | undefined): Promise<string | undefined> {
  if (!s.permit) return undefined
  const { ruuid, name, tags } = (d.newResource ?? d.previousResource) as ResourceModel & { readonly tags?: Readonly<Record<string, string>> }
  return denial(s.permit, ctx, actions[d.actionType], { state: stateName(env), component: d.componentName, ruuid, name, ...(tags ? { tags } : {}) })
}

/** Both sides have a say: who refers, and the component that is referred to. */
async function referenceDenial(s: Session, env: EnvRow, d: ResourceReferenceDifference, ctx: RequestContext | undefined): Promise<string | undefined> {
  const action = `reference:${d.actionType === 'CREATE' ? 'create' : 'delete'}` as const
  const own = await denial(s.permit, ctx, action, { state: stateName(env), component: d.originatingComponentName })
  if (own !== undefined || d.actionType === 'DELETE') return own
  const { componentName, ruuid, name, isInParentResourceState } = d.resourceReference
  const owner = isInParentResourceState ? await s.store.envById(parentOf(env) ?? '') : env
  if (!owner) return undefined
  const about: PermitRequest['resource'] = { state: stateName(owner), component: componentName, ruuid, name }
  const exports = (await s.store.component(owner.id, componentName))?.exports
  if (exports !== undefined && !exported(stored(exports) as ComponentExport[], `${ruuid};${name}`, stateName(env))) return `${componentName} does not export ${ruuid};${name} to ${stateName(env)}.`
  return denial(s.permit, ctx, action, about)
}
