import { DependencyCycle, DuplicateComponentName, DuplicateResourceName, ReferenceToDeletedResource, UnknownReferenceTarget } from './errors.ts'
import type { ResourceModel, ResourceReferenceModel } from './models.ts'
import { keyOf, type Content } from './pairing.ts'

/** Components that take no part in a difference, but can be referred to, or refer to what does take part. Without them such references are not checked. */
export interface Surroundings {
  /** Of the same state. */
  readonly others?: readonly Content[]
  /** Of the parent state. */
  readonly parents?: readonly Content[]
}

interface Checked {
  readonly newComponents: readonly Content[]
  readonly oldComponents: readonly Content[]
  readonly around: Surroundings
  readonly names: { reference(reference: ResourceReferenceModel): ResourceReferenceModel }
  isNewReference(component: Content, reference: ResourceReferenceModel): boolean
}

type Index = ReadonlyMap<string, ReadonlySet<string>>
const indexOf = (components: readonly Content[]): Index => new Map(components.map((c) => [c.name, new Set(c.resources.map((r) => keyOf(r, r.name)))]))
const has = (index: Index, r: ResourceReferenceModel): boolean => index.get(r.componentName)?.has(keyOf(r, r.name)) ?? false
const shown = (r: ResourceReferenceModel): string => `${r.componentName}/${r.name} (${r.ruuid})`

/** What is wrong with the new components as such, before anything is compared or written. */
export function checkComponents(all: Checked): void {
  const { newComponents, around } = all
  const components = new Set<string>()
  for (const c of newComponents) {
    if (components.has(c.name)) throw new DuplicateComponentName(`Two components are called ${c.name}.`)
    components.add(c.name)
    const keys = new Set<string>()
    for (const r of c.resources) {
      const key = keyOf(r, r.name)
      if (keys.has(key)) throw new DuplicateResourceName(`${c.name} has two resources of the type ${r.ruuid} that are called ${r.name}.`)
      keys.add(key)
    }
  }
  const referring = newComponents.some((c) => c.references?.length)
  if (referring || around.others?.length) checkTargets(all)
  checkCircles(all)
}

function checkTargets({ newComponents, oldComponents, around, names }: Checked): void {
  const now = indexOf(newComponents)
  const before = indexOf(oldComponents)
  const others = around.others && indexOf(around.others.filter((c) => !now.has(c.name)))
  const parents = around.parents && indexOf(around.parents)
  for (const c of newComponents) {
    for (const given of c.references ?? []) {
      const r = names.reference(given)
      if (r.isInParentResourceState) {
        if (parents && !has(parents, r)) throw new UnknownReferenceTarget(`${c.name} refers to ${shown(r)} of the parent state, and nobody there has it.`)
        continue
      }
      if (has(now, r) || others && has(others, r)) continue
      if (has(before, given)) throw new ReferenceToDeletedResource(`${c.name} refers to ${shown(r)}, which is deleted by the same change.`)
      if (now.has(r.componentName) || others || before.has(r.componentName)) throw new UnknownReferenceTarget(`${c.name} refers to ${shown(r)}, and nobody has it.`)
    }
  }
  for (const c of around.others ?? []) {
    if (now.has(c.name) || before.has(c.name)) continue
    for (const given of c.references ?? []) {
      if (given.isInParentResourceState || !has(before, given)) continue
      const r = names.reference(given)
      if (!has(now, r)) throw new ReferenceToDeletedResource(`${c.name} refers to ${shown(given)}, which would be deleted.`)
    }
  }
}

/** The place of an output of another resource, in the desired configuration of one. */
interface Marker { readonly id: 'cdev_cloud_output'; readonly type: 'resource' | 'reference'; readonly ruuid: string; readonly name: string }
const isMarker = (v: object): v is Marker => (v as Marker).id === 'cdev_cloud_output' && typeof (v as Marker).ruuid === 'string' && typeof (v as Marker).name === 'string'

function markersIn(value: unknown, found: Marker[]): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  if (isMarker(value)) found.push(value)
  for (const k in value) {
    const inner = (value as Record<string, unknown>)[k]
    if (typeof inner === 'object' && inner !== null) markersIn(inner, found)
  }
}

/**
 * Whether anything waits for itself: a resource for those whose outputs its configuration names; all resources of a component for what the component
 * is about to refer to, unless one of them says that it is the one.
 */
function checkCircles({ newComponents, names, isNewReference }: Checked): void {
  const waitsFor = new Map<string, string[]>()
  const wait = (from: string, to: string) => {
    const known = waitsFor.get(from)
    if (known) known.push(to)
    else waitsFor.set(from, [to])
  }
  const node = (component: string, r: { readonly ruuid: string; readonly name: string }) => `${component}/${r.name}\u0000${r.ruuid}`
  for (const c of newComponents) {
    const named = new Set<string>()
    const consumers: [ResourceModel, Marker[]][] = []
    let markers: Marker[] = []
    for (const r of c.resources) {
      markersIn(r, markers)
      if (markers.length === 0) continue
      consumers.push([r, markers])
      markers = []
    }
    for (const [r, markers] of consumers) {
      for (const m of markers) {
        const target = m.type === 'reference' ? c.references?.find((x) => x.ruuid === m.ruuid && x.name === m.name) : undefined
        if (m.type === 'reference' && (!target || target.isInParentResourceState)) continue
        if (target) named.add(keyOf(target, target.name))
        wait(node(c.name, r), node(target ? names.reference(target).componentName : c.name, target ? names.reference(target) : m))
      }
    }
    const vague = (c.references ?? []).filter((r) => !r.isInParentResourceState && !named.has(keyOf(r, r.name)) && isNewReference(c, r)).map((r) => names.reference(r)).filter((r) => r.componentName !== c.name)
    if (vague.length === 0) continue
    for (const r of c.resources) wait(node(c.name, r), c.name)
    for (const r of vague) wait(c.name, node(r.componentName, r))
  }
  const circle = findCircle(waitsFor)
  if (!circle) return
  const path = circle.filter((n) => n.includes('\u0000')).map((n) => n.slice(0, n.indexOf('\u0000')))
  path.push(path[0] as string)
  throw new DependencyCycle(`Each waits for the next: ${path.join(' -> ')}.`, undefined, [], { details: { path } })
}

/** The nodes of one circle, beginning with the smallest; undefined when there is none. */
function findCircle(waitsFor: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  for (const start of [...waitsFor.keys()].sort()) {
    if (done.has(start)) continue
    const path: string[] = [start]
    const on = new Map([[start, 0]])
    const next = [0]
    while (path.length > 0) {
      const at = path[path.length - 1] as string
      const i = next[next.length - 1] as number
      const to = waitsFor.get(at)?.[i]
      if (to === undefined) {
        done.add(at)
        on.delete(at)
        path.pop()
        next.pop()
        continue
      }
      next[next.length - 1] = i + 1
      const seen = on.get(to)
      if (seen !== undefined) return fromSmallest(path.slice(seen))
      if (done.has(to)) continue
      on.set(to, path.length)
      path.push(to)
      next.push(0)
    }
  }
  return undefined
}

function fromSmallest(circle: string[]): string[] {
  const first = circle.filter((n) => n.includes('\u0000')).sort()[0]
  const i = circle.indexOf(first as string)
  return [...circle.slice(i), ...circle.slice(0, i)]
}
