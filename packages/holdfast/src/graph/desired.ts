import type { Site } from '../base/index.ts'
import type { Address, ExprNode, ResolvedOptions } from '../model/index.ts'

/** One node of the program. */
export interface DesiredNode {
  readonly address: Address
  readonly type: string
  /** `manage` makes and owns the object; `read` only looks it up. */
  readonly action: 'manage' | 'read'
  /** An `obj` or `lit` expression: every input by name. */
  readonly inputs: ExprNode
  /** Addresses the inputs refer to, and those of dependsOn; each once. */
  readonly deps: readonly Address[]
  readonly options: ResolvedOptions
  readonly site: Site | undefined
}

/** What the program asks for: pure data (spec/api-cli.md 2.1). */
export interface DesiredGraph {
  readonly app: string
  readonly env: string
  /** In order of declaration. */
  readonly nodes: ReadonlyMap<Address, DesiredNode>
  /** Component instances: address to component type, for the screens. */
  readonly components: ReadonlyMap<Address, string>
  /** What build() returned: an expression. */
  readonly outputs: ExprNode
  /** Names of all declared secrets. */
  readonly secrets: readonly string[]
}
