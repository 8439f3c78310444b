import { canonical } from '../base/index.ts'
import { checkedContents } from './check.ts'
import { checkComponents, type Surroundings } from './differences-check.ts'
import type { ComponentDifference, ResourceDifference, ResourceModel, ResourceReferenceDifference, ResourceReferenceModel } from './models.ts'
import { byText, contentText, keyOf, leftAlike, pairByName, sameContent, type Content, type Pairing } from './pairing.ts'

/** Something a person should know about a difference; it is still carried out. */
export interface DifferenceDiagnostic {
  /** `ambiguous-rename`: several could have been renamed, so they are deleted and created. `assumed-rename`: empty components, of which the last ones are taken for one. */
  readonly code: 'ambiguous-rename' | 'assumed-rename'
  /** Of resources: the component they are in, by its new name. */
  readonly componentName?: string
  readonly message: string
  readonly candidates: { readonly previous: readonly string[]; readonly new: readonly string[] }
}

export interface ComponentDifferences {
  readonly components: ComponentDifference[]
  readonly resources: ResourceDifference[]
  readonly references: ResourceReferenceDifference[]
  readonly diagnostics: DifferenceDiagnostic[]
}

/**
 * What has to change so that `oldComponents` become `newComponents`. Pure: the same values give the same lists, in whatever order resources and references stand.
 *
 * Takes    components as a program asks for them, and as the state has them. Declared hashes of components are not looked at: content is compared.
 * Gives    components in the new order, deletes in the old order at the end; inside a component by type and name, deletes last. Names of a renamed component are
 *          the new ones everywhere. A reference whose target was renamed is the same reference.
 *          A resource that was renamed and changed is one UPDATE_IDENTITY between two names; a component is an UPDATE_NAME and an UPDATE_IDENTITY.
 * Fails    InvalidArgument, DuplicateComponentName, DuplicateResourceName, UnknownReferenceTarget, ReferenceToDeletedResource, DependencyCycle.
 * Costs    one comparison per resource; nothing is digested where names are equal.
 */
export function compareComponents(newComponents: readonly Content[], oldComponents: readonly Content[], around: Surroundings = {}): ComponentDifferences {
  return compareContents(checkedContents('new', newComponents), checkedContents('old', oldComponents), around)
}

/** The same, of components that were looked at already. */
export function compareContents(newComponents: readonly Content[], oldComponents: readonly Content[], around: Surroundings): ComponentDifferences {
  const out: ComponentDifferences = { components: [], resources: [], references: [], diagnostics: [] }
  const components = pairComponents(oldComponents, newComponents, out.diagnostics)
  const resourcesOf = new Map<Content, Pairing<ResourceModel, ResourceModel>>()
  for (const [n, o] of components.oldOf) resourcesOf.set(n, pairResources(o, n, out.diagnostics))
  const names = namesNow(components, resourcesOf)
  checkComponents({ newComponents, oldComponents, around, names, isNewReference: (n, r) => !keysOf(components.oldOf.get(n), names).has(referenceKey(names.reference(r))) })

  for (const n of newComponents) {
    const o = components.oldOf.get(n)
    const resources = resourceDifferences(n.name, o, n, resourcesOf.get(n))
    const references = referenceDifferences(n.name, o, n, names)
    if (!o) out.components.push({ actionType: 'CREATE', newName: n.name })
    else if (o.name !== n.name) out.components.push({ actionType: 'UPDATE_NAME', previousName: o.name, newName: n.name })
    const inside = !o ? false : o.name === n.name ? resources.length > 0 : resources.some((d) => d.actionType !== 'UPDATE_NAME')
    if (o && (inside || references.length > 0)) out.components.push({ actionType: 'UPDATE_IDENTITY', previousName: n.name, newName: n.name })
    out.resources.push(...resources)
    out.references.push(...references)
  }
  for (const o of oldComponents) {
    if (components.newOf.has(o)) continue
    out.components.push({ actionType: 'DELETE', previousName: o.name })
    out.resources.push(...resourceDifferences(o.name, o, undefined, undefined))
    out.references.push(...referenceDifferences(o.name, o, undefined, names))
  }
  return out
}

/** Names as they will be: a reference that was made under an old name of its target still means the target. */
export interface NamesNow {
  reference(reference: ResourceReferenceModel): ResourceReferenceModel
}

function namesNow(components: Pairing<Content, Content>, resourcesOf: ReadonlyMap<Content, Pairing<ResourceModel, ResourceModel>>): NamesNow {
  const componentNow = new Map<string, string>()
  const resourceNow = new Map<string, Map<string, string>>()
  for (const [n, o] of components.oldOf) {
    if (n.name !== o.name) componentNow.set(o.name, n.name)
    for (const [fresh, past] of resourcesOf.get(n)?.oldOf ?? []) {
      if (fresh.name === past.name) continue
      const inside = resourceNow.get(n.name) ?? new Map<string, string>()
      inside.set(keyOf(past, past.name), fresh.name)
      resourceNow.set(n.name, inside)
    }
  }
  if (componentNow.size === 0 && resourceNow.size === 0) return { reference: (r) => r }
  const taken = new Map([...components.oldOf.keys()].map((n) => [n.name, new Set(n.resources.map((r) => keyOf(r, r.name)))]))
  return {
    reference(r) {
      if (r.isInParentResourceState) return r
      const componentName = taken.has(r.componentName) ? r.componentName : componentNow.get(r.componentName) ?? r.componentName
      const stillThere = taken.get(componentName)?.has(keyOf(r, r.name)) ?? false
      const name = stillThere ? r.name : resourceNow.get(componentName)?.get(keyOf(r, r.name)) ?? r.name
      return componentName === r.componentName && name === r.name ? r : { ...r, componentName, name }
    },
  }
}

export const referenceKey = (r: ResourceReferenceModel): string => canonical([r.isInParentResourceState === true, r.componentName, r.ruuid, r.name])
const keysOf = (component: Content | undefined, names: NamesNow): ReadonlySet<string> => new Set((component?.references ?? []).map((r) => referenceKey(names.reference(r))))

function pairResources(old: Content, fresh: Content, diagnostics: DifferenceDiagnostic[]): Pairing<ResourceModel, ResourceModel> {
  const pairing = pairByName(old.resources, fresh.resources, { key: keyOf, same: sameContent })
  for (const { olds, news } of leftAlike(old.resources, fresh.resources, pairing, contentText)) {
    if (olds.length === 1 && news.length === 1) {
      if (!sameContent(olds[0] as ResourceModel, news[0] as ResourceModel)) continue // in a secret
      pairing.oldOf.set(news[0] as ResourceModel, olds[0] as ResourceModel)
      pairing.newOf.set(olds[0] as ResourceModel, news[0] as ResourceModel)
    } else diagnostics.push(ambiguous(olds, news, fresh.name))
  }
  return pairing
}

function pairComponents(olds: readonly Content[], news: readonly Content[], diagnostics: DifferenceDiagnostic[]): Pairing<Content, Content> {
  const pairing = pairByName(olds, news, { key: (_, name) => name, same: sameComponent })
  const alike = () => leftAlike(olds, news, pairing, (c, side) => componentText(c, (name) => nameThen(pairing, olds, name, side)))
  // A component that refers to a renamed one is found once that one is: again, until nothing more is found.
  for (let found = true; found;) {
    found = false
    for (const group of alike()) {
      if (group.olds.length !== 1 || group.news.length !== 1) continue
      found = true
      pairing.oldOf.set(group.news[0] as Content, group.olds[0] as Content)
      pairing.newOf.set(group.olds[0] as Content, group.news[0] as Content)
    }
  }
  for (const { olds: o, news: n } of alike()) {
    if (!o.every((c) => c.resources.length === 0)) {
      diagnostics.push(ambiguous(o, n))
      continue
    }
    // Empty components have nothing to lose, and the founding text pairs the last ones.
    const [past, now] = [o.at(-1) as Content, n.at(-1) as Content]
    pairing.oldOf.set(now, past)
    pairing.newOf.set(past, now)
    diagnostics.push({ code: 'assumed-rename', message: `The empty component ${past.name} is taken to be ${now.name} now.`, candidates: namesOf(o, n) })
  }
  return pairing
}

const namesOf = (olds: readonly { readonly name: string }[], news: readonly { readonly name: string }[]) =>
  ({ previous: olds.map((o) => o.name).sort(byText), new: news.map((n) => n.name).sort(byText) })

function ambiguous(olds: readonly { readonly name: string }[], news: readonly { readonly name: string }[], componentName?: string): DifferenceDiagnostic {
  const candidates = namesOf(olds, news)
  return {
    code: 'ambiguous-rename', ...(componentName === undefined ? {} : { componentName }), candidates,
    message: `${candidates.previous.join(', ')} could each be ${candidates.new.join(' or ')} now: they are deleted and created. Say it with aliases to keep them.`,
  }
}

/** The old name of what a reference names, so that both sides of a difference speak of the same component. */
function nameThen({ oldOf }: Pairing<Content, Content>, olds: readonly Content[], name: string, side: 'old' | 'new'): string {
  if (side === 'old') return name
  for (const [n, o] of oldOf) if (n.name === name) return o.name
  return olds.some((o) => o.name === name) ? name : `\u0001${name}`
}

/** Equal for components with the same content: names of resources do not enter, so that a rename inside is no other component. */
function componentText(c: Content, nameOf: (name: string) => string): string {
  const references = (c.references ?? []).map((r) => referenceKey(r.isInParentResourceState ? r : { ...r, componentName: r.componentName === c.name ? '' : nameOf(r.componentName) }))
  return canonical([c.resources.map(contentText).sort(byText), [...new Set(references)].sort(byText)])
}

function sameComponent(a: Content, b: Content): boolean {
  if (a.resources.length !== b.resources.length) return false
  const at = new Map(a.resources.map((r) => [keyOf(r, r.name), r]))
  for (const r of b.resources) {
    const o = at.get(keyOf(r, r.name))
    if (!o || !sameContent(o, r)) return false
  }
  const references = (c: Content) => [...new Set((c.references ?? []).map(referenceKey))].sort(byText).join()
  return references(a) === references(b)
}

const resourceOf = (d: ResourceDifference): ResourceModel => (d.newResource ?? d.previousResource) as ResourceModel
const byTypeAndName = (a: { ruuid: string; name: string }, b: { ruuid: string; name: string }) => byText(a.ruuid, b.ruuid) || byText(a.name, b.name)

/** What is stored is the resource; how it was called before is said to the comparison only. */
function withoutAliases(resource: ResourceModel): ResourceModel {
  if (!('aliases' in resource)) return resource
  const { aliases: _, ...rest } = resource
  return rest as ResourceModel
}

function resourceDifferences(componentName: string, old: Content | undefined, fresh: Content | undefined, pairing: Pairing<ResourceModel, ResourceModel> | undefined): ResourceDifference[] {
  const out: ResourceDifference[] = []
  for (const n of fresh?.resources ?? []) {
    const o = pairing?.oldOf.get(n)
    if (!o) out.push({ actionType: 'CREATE', componentName, newResource: withoutAliases(n) })
    else if (!sameContent(o, n)) out.push({ actionType: 'UPDATE_IDENTITY', componentName, previousResource: o, newResource: withoutAliases(n) })
    else if (o.name !== n.name) out.push({ actionType: 'UPDATE_NAME', componentName, previousResource: o, newResource: withoutAliases(n) })
  }
  const gone: ResourceDifference[] = (old?.resources ?? []).filter((o) => !pairing?.newOf.has(o)).map((o) => ({ actionType: 'DELETE', componentName, previousResource: o }))
  const sort = (list: ResourceDifference[]) => list.sort((a, b) => byTypeAndName(resourceOf(a), resourceOf(b)))
  return [...sort(out), ...sort(gone)]
}

function referenceDifferences(originatingComponentName: string, old: Content | undefined, fresh: Content | undefined, names: NamesNow): ResourceReferenceDifference[] {
  if (!old?.references?.length && !fresh?.references?.length) return []
  const byKey = (c: Content | undefined) => new Map((c?.references ?? []).map((r) => names.reference(r)).map((r) => [referenceKey(r), r]))
  const [before, after] = [byKey(old), byKey(fresh)]
  const differing = (of: Map<string, ResourceReferenceModel>, other: Map<string, ResourceReferenceModel>, actionType: 'CREATE' | 'DELETE') =>
    [...of].filter(([key]) => !other.has(key)).sort(([a], [b]) => byText(a, b)).map(([, resourceReference]) => ({ actionType, originatingComponentName, resourceReference }))
  return [...differing(after, before, 'CREATE'), ...differing(before, after, 'DELETE')]
}
