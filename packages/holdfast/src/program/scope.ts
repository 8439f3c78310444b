import type { DesiredNode } from '../graph/index.ts'
import type { Address, ResolvedOptions } from '../model/index.ts'
import type { Site } from '../base/index.ts'
import { failureAt } from './site.ts'

/** Marks the result of a component. */
export const COMPONENT: unique symbol = Symbol.for('holdfast.component') as never

/** A node as it was declared: what it depends on is resolved when the build has ended. */
export interface DeclaredNode extends Omit<DesiredNode, 'deps' | 'options'> {
  /** Addresses of nodes and components, from references and `dependsOn`; then of nodes alone. */
  deps: readonly Address[]
  options: ResolvedOptions
}

/** One build of a program: everything that is declared while it runs. */
export interface Build {
  readonly env: string
  /** The first build notes where things are declared; the second, made to compare, need not. */
  readonly noteSites: boolean
  readonly nodes: Map<Address, DeclaredNode>
  readonly components: Map<Address, { readonly type: string; readonly site: Site | undefined }>
}

/** What a component passes on to every node under it. */
export interface Inherited {
  readonly options: Partial<ResolvedOptions>
  readonly refs: readonly Address[]
}

/** Where a declaration lands. One is open at a time; a component opens one inside that of its caller. */
export interface Scope {
  readonly build: Build
  /** Address of the component, `''` for the app itself. */
  readonly prefix: Address
  readonly inherited: Inherited
  /** Set while the callback of an each() runs over a list that is not known. */
  readonly inEach: boolean
}

const SCOPE = Symbol.for('holdfast.scope')
const holder = globalThis as { [SCOPE]?: Scope | undefined }

export const currentScope = (): Scope | undefined => holder[SCOPE]

/** Runs `f` with the scope open, and closes it whatever happens. */
export function within<R>(scope: Scope | undefined, f: () => R): R {
  const outer = holder[SCOPE]
  holder[SCOPE] = scope
  try {
    return f()
  } finally {
    holder[SCOPE] = outer
  }
}

/** The open scope, for a declaration. Fails HF1101 outside of build(), and inside the callback of an each() whose list is not known. */
export function declaringScope(what: string, above: Function): Scope {
  const scope = holder[SCOPE]
  if (!scope) throw failureAt('HF1101', above, { message: `${what} was declared outside of build().`, hint: 'Move the call into the build() of an app or a component.' })
  if (scope.inEach) {
    throw failureAt('HF1101', above, { message: `${what} was declared in the callback of each(): how many there would be is not known before apply.`, hint: 'Use a list of settings or config, which is known in build().' })
  }
  return scope
}

/** Whether expressions made now should note where. */
export const notesSites = (): boolean => holder[SCOPE]?.build.noteSites ?? true
