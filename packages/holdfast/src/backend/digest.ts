import { canonical, sha256hex } from '../base/index.ts'
import { checkHashed } from './check.ts'
import type { ResourceModel, ResourceReferenceModel } from './models.ts'

/** Of a component without content. */
const EMPTY_COMPONENT_HASH = '0'

/**
 * Identity of a component's content, computed here and nowhere else: types and hashes of its resources, and what it refers to. Names of resources do not enter,
 * so a rename changes nothing; the order in which they were given does not either. Fails InvalidArgument.
 */
export function componentHash(content: { readonly resources: readonly Pick<ResourceModel, 'ruuid' | 'hash'>[]; readonly references?: readonly ResourceReferenceModel[] }): string {
  checkHashed(content)
  const references = content.references ?? []
  if (content.resources.length === 0 && references.length === 0) return EMPTY_COMPONENT_HASH
  const resources = content.resources.map((r) => canonical([r.ruuid, r.hash])).sort()
  const refs = references.map((r) => canonical([r.isInParentResourceState === true, r.componentName, r.ruuid, r.name])).sort()
  return `c1:${sha256hex(canonical(['holdfast:component', resources, refs]))}`
}
