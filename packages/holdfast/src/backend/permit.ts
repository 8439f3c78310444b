import { PermissionDenied } from './errors.ts'
import type { ComponentExport } from './models.ts'
import type { RequestContext } from './contract.ts'

export type Action =
  | 'state:create' | 'state:read' | 'state:delete' | 'component:create' | 'component:rename' | 'component:delete' | 'component:read'
  | 'resource:create' | 'resource:update' | 'resource:rename' | 'resource:delete' | 'output:read' | 'output:readSecret' | 'reference:create' | 'reference:delete'
  | 'tx:fail' | 'tx:recover' | 'tx:abandon' | 'lease:force' | 'watch'

export interface PermitRequest {
  readonly principal: string | undefined
  readonly action: Action
  readonly resource: { readonly state: string; readonly component?: string; readonly ruuid?: string; readonly name?: string; readonly key?: string; readonly tags?: Readonly<Record<string, string>> }
}

/** Says whether somebody may do something: true or nothing wrong; false, or a text that says why not. Without a hook the caller owns everything. */
export type Permit = (request: PermitRequest) => boolean | string | undefined | Promise<boolean | string | undefined>

/** Why the caller may not; undefined: it may. */
export async function denial(permit: Permit | undefined, ctx: RequestContext | undefined, action: Action, resource: PermitRequest['resource']): Promise<string | undefined> {
  if (!permit) return undefined
  const answer = await permit({ principal: ctx?.principal, action, resource })
  if (answer === true || answer === undefined) return undefined
  const what = [resource.state, resource.component, resource.ruuid && `${resource.ruuid};${resource.name ?? '*'}`, resource.key].filter((x) => x !== undefined).join(' ')
  return `${ctx?.principal ?? 'The caller'} may not do ${action} on ${what}${typeof answer === 'string' ? `: ${answer}` : ''}.`
}

/** Fails PermissionDenied. */
export async function demand(permit: Permit | undefined, ctx: RequestContext | undefined, action: Action, resource: PermitRequest['resource']): Promise<void> {
  const why = await denial(permit, ctx, action, resource)
  if (why !== undefined) throw new PermissionDenied(why, undefined, [], { details: { action, ...resource } })
}

const wildcard = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`).test(text)

/** Whether a component's exports (undefined: everything) let a state refer to a resource. */
export function exported(exports: readonly ComponentExport[] | undefined, key: string, toState: string): boolean {
  return exports === undefined || exports.some((x) => wildcard(x.resources, key) && wildcard(x.to ?? '*', toState))
}
