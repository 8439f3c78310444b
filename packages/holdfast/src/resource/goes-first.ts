import type { Decision } from '../diff/index.ts'
import type { DesiredGraph, DesiredNode } from '../graph/index.ts'
import { EVERY, parsePath, refsOf, type Address, type ExprNode } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { EnvDiff } from './diff.ts'
import type { EnvState } from './state.ts'

/** A node whose old object goes before the new one is made, because its type or an option asks for that, or because another pulls it. */
interface Member {
  /** The replacements that this began with; itself, when nothing pulled it. */
  readonly roots: readonly Address[]
  readonly maybe: boolean
}

export interface Pulled extends Member {
  readonly because: readonly string[]
}

/**
 * Which nodes go with a replacement whose old object goes first (spec/engine.md 2.4): those whose objects refer to it, and cannot be updated to
 * refer to the new one. Their old objects go before it, in reverse order of dependencies. Asked in order of dependencies, so it is transitive.
 * A replacement that goes first only because both objects claim one thing pulls nobody: what refers to that thing finds it again.
 */
export class GoesFirst {
  readonly #rowOf: ReadonlyMap<Address, ResourceRow>
  readonly #never: ReadonlySet<Address>
  readonly #members = new Map<Address, Member>()

  /** `never`: nodes that are not pulled, because something that stays refers to their objects. */
  constructor(rowOf: ReadonlyMap<Address, ResourceRow>, never: ReadonlySet<Address>) {
    this.#rowOf = rowOf
    this.#never = never
  }

  get size(): number {
    return this.#members.size
  }

  /** Whether a node goes, too, whatever its inputs become. */
  pulls(node: DesiredNode, type: ResourceType, row: ResourceRow): Pulled | undefined {
    return this.#among(node, row, (dep) => {
      if (node.options.deletedWith === dep) return `${dep} goes first, and it goes with that (deletedWith)`
      const inputs = fixedInputs(node, type, dep)
      return inputs.length > 0 ? `${dep} goes first, and ${inputs.join(', ')} ${inputs.length > 1 ? 'are' : 'is'} made of it` : undefined
    })
  }

  /**
   * Notes what was decided about a node, for those that depend on it.
   * Gives  the decision and the roots that pull it, if any: what is replaced in any case goes first, too, when its old object refers to one that does.
   */
  decided(node: DesiredNode, row: ResourceRow, decision: Decision, pulled: Pulled | undefined, wished: boolean): [Decision, readonly Address[] | undefined] {
    // What is gone already cannot go first.
    if (decision.action === 'create') return [decision, undefined]
    const replaced = decision.action === 'replace' ? decision : undefined
    const because = replaced?.because ?? []
    const pull = pulled ?? (replaced && !replaced.maybe && this.size > 0 ? this.#among(node, row, () => because[0] ?? '') : undefined)
    const d: Decision = !pull ? decision
      : replaced && !replaced.maybe ? { ...replaced, order: 'delete-first' }
        : { action: 'replace', maybe: pull.maybe, order: 'delete-first', because: pull.because }
    const retained = row.meta.retain || node.options.retain
    if (d.action === 'replace' && !retained && (pull || wished)) this.#members.set(node.address, { roots: pull?.roots ?? [node.address], maybe: d.maybe })
    return [d, pull?.roots]
  }

  /** The members that a node's object refers to, as far as `why` has a reason. One that goes for certain makes it certain. */
  #among(node: DesiredNode, row: ResourceRow, why: (dep: Address) => string | undefined): Pulled | undefined {
    if (this.#never.has(node.address)) return undefined
    const roots = new Set<Address>()
    const because: string[] = []
    let maybe = true
    for (const dep of node.deps) {
      const m = this.#members.get(dep)
      const was = m && this.#rowOf.get(dep)?.address
      // An object that did not refer to the old one does not stand in its way.
      if (!m || was === undefined || !row.meta.deps.includes(was)) continue
      const reason = why(dep)
      if (reason === undefined) continue
      for (const r of m.roots) roots.add(r)
      because.push(reason)
      maybe &&= m.maybe
    }
    return roots.size > 0 ? { roots: [...roots], maybe, because } : undefined
  }
}

/** Inputs that are made of the outputs of `dep` and cannot be changed without a new object. What is ignored stays as it is. */
function fixedInputs(node: DesiredNode, type: ResourceType, dep: Address): readonly string[] {
  const { ignore = [], replaceOn = [] } = node.options
  const own = replaceOn.map((p) => parsePath(p)?.[0])
  return fieldsOf(node.inputs).filter(([k, e]) =>
    refsOf(e).has(dep) && !ignore.includes(k) && !ignore.includes('*')
    && (!type.update || type.replaceOn?.includes(k) || replaceOn.includes('*') || own.includes(k) || own.includes(EVERY))).map(([k]) => k)
}

const fieldsOf = (e: ExprNode): readonly [string, ExprNode][] => (e.k === 'obj' ? e.keys.map((k, i) => [k, e.args[i] as ExprNode]) : [])

/**
 * Nodes that were pulled although something that stays refers to their objects: these would be deleted under its feet. Then nothing is gained, since
 * one object goes under the feet of another either way, and they are replaced as they would be otherwise; the plan is made again without pulling them.
 * Where the node itself says `deleteFirst`, and not only its type, its author knows what it is about: what it pulls goes.
 */
export function pulledInVain(state: EnvState, graph: DesiredGraph | undefined, diff: EnvDiff): Address[] {
  const says = (a: Address): boolean => graph?.nodes.get(a)?.options.deleteFirst === true
  const pulled = diff.changed.filter((d) => d.pulledBy)
  if (pulled.length === 0) return []
  const goes = new Set([...pulled.map((d) => d.row?.uid), ...diff.left.filter((r) => !r.meta.retain).map((r) => r.uid)])
  const users = new Map<Address, ResourceRow[]>()
  for (const r of state.current.values()) if (r.status !== 'deleting') for (const a of r.meta.deps) users.set(a, [...(users.get(a) ?? []), r as ResourceRow])
  // What goes and is still referred to goes last, and so does what it refers to itself.
  const usedByStaying = (address: Address): boolean => {
    const seen = new Set([address])
    const todo = [address]
    for (let a = todo.pop(); a !== undefined; a = todo.pop()) for (const u of users.get(a) ?? []) {
      if (!goes.has(u.uid)) return true
      if (seen.has(u.address)) continue
      seen.add(u.address)
      todo.push(u.address)
    }
    return false
  }
  return pulled.filter((d) => !d.pulledBy?.some(says) && usedByStaying((d.row as ResourceRow).address)).map((d) => d.node.address)
}
