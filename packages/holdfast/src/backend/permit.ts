import { BackendError, PermissionDenied } from './errors.ts'
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

/** Says whether somebody may do something. Only true allows it: false, a text that says why not, and no answer refuse it. Without a hook the caller owns everything. */
export type Permit = (request: PermitRequest) => boolean | string | undefined | Promise<boolean | string | undefined>

/** A hook that cannot decide allows nothing, and says so even where what is refused would only be left out. */
const faulty = (why: string, request: PermitRequest, cause?: unknown): PermissionDenied =>
  new PermissionDenied(`The hook permit ${why}, asked for ${request.action}. Nothing is allowed by that.`, 'Correct the hook: true allows, false or a text that says why not refuses.', [], { details: { action: request.action, ...request.resource }, cause })

async function answerOf(permit: Permit, request: PermitRequest): Promise<boolean | string | undefined> {
  let answer: unknown
  try {
    answer = await permit(request)
  } catch (e) {
    // What it throws as a refusal of this contract is its answer; the text of anything else may hold what nobody is to read.
    throw e instanceof BackendError ? e : faulty('failed', request, e)
  }
  if (answer === undefined || typeof answer === 'boolean' || typeof answer === 'string') return answer
  throw faulty(`gave ${answer === null ? 'null' : `a value of type ${typeof answer}`}`, request)
}

/** Why the caller may not; undefined: it may. Fails PermissionDenied where the hook fails or gives what is no answer. */
export async function denial(permit: Permit | undefined, ctx: RequestContext | undefined, action: Action, resource: PermitRequest['resource']): Promise<string | undefined> {
  if (!permit) return undefined
  const answer = await answerOf(permit, { principal: ctx?.principal, action, resource })
  if (answer === true) return undefined
  const what = [resource.state, resource.component, resource.ruuid && `${resource.ruuid};${resource.name ?? '*'}`, resource.key].filter((x) => x !== undefined).join(' ')
  const why = answer === undefined ? ': the hook permit gave no answer' : answer === false ? '' : `: ${answer}`
  return `${ctx?.principal ?? 'The caller'} may not do ${action} on ${what}${why}.`
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
