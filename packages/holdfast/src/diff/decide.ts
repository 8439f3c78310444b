import type { ResourceRow } from '../state/index.ts'
import type { PathDiff } from './compare.ts'

/** What of a resource type, and of the options of a node, the difference depends on. */
export interface Rules {
  readonly replaceOn: readonly string[]
  readonly updatable: boolean
  readonly deleteFirst: boolean
  /** An update says everything, so sending it again is harmless. */
  readonly fullUpdate: boolean
}

/** Why a new object is wanted, in plain words. `maybe`: whether it is shows at apply. */
export interface Cause {
  readonly because: string
  readonly maybe: boolean
}

/** What asks for a new object beside the differences under the rules of the type. In order of precedence (spec/engine.md 2.3), the differences come after `first`. */
export interface Asks {
  /** A person (`--replace`, a taint), the time (`renewAt`), or a node that it is replaced or deleted with. */
  readonly first?: Cause | undefined
  /** Paths of the node's own `replaceOn` that differ. */
  readonly paths?: readonly Cause[] | undefined
  /** `replaceWhen` has another value. */
  readonly when?: Cause | undefined
}
const asksNothing: Asks = Object.freeze({})

/**
 * `record`: only what the store keeps about the node differs (options, tags, dependencies, address): no provider call.
 * `maybe`: the only differences are unknown values.
 */
export type Decision =
  | { readonly action: 'unchanged' | 'record' | 'create' }
  | { readonly action: 'update'; readonly maybe: boolean }
  | { readonly action: 'replace'; readonly maybe: boolean; readonly order: 'create-first' | 'delete-first'; readonly because: readonly string[] }

/** Decides from the differences what has to be done. The same function plans and, once everything is known, acts. */
export function decide(row: ResourceRow | undefined, diffs: readonly PathDiff[], rules: Rules, asks: Asks = asksNothing): Decision {
  if (!row) return { action: 'create' }
  const order = rules.deleteFirst ? 'delete-first' as const : 'create-first' as const
  if (asks.first && !asks.first.maybe) return { action: 'replace', maybe: false, order, because: [asks.first.because] }
  if (row.status === 'partial' && row.meta.whole && diffs.length === 0 && rules.updatable && rules.fullUpdate) return { action: 'update', maybe: false }
  // A create that failed half-way leaves an object nobody can vouch for: it goes first. What was whole before may be referred to: it goes last where it can.
  // An update that says only what differs would leave out what the one that broke off did not do: what stands is not known.
  if (row.status === 'partial' && (diffs.length === 0 || !rules.updatable || !rules.fullUpdate)) return { action: 'replace', maybe: false, order: row.meta.whole ? order : 'delete-first', because: ['the last change of it failed half-way'] }
  const why = firstThatApplies([asks.first ? [asks.first] : [], causesIn(diffs, rules), asks.paths ?? [], asks.when ? [asks.when] : []])
  // A certain update beside an unknown cause of replacement: which of them it is shows at apply.
  if (why) return { action: 'replace', maybe: why.every((c) => c.maybe), order, because: why.map((c) => c.because) }
  if (diffs.length === 0) return { action: 'record' }
  return { action: 'update', maybe: diffs.every((d) => d.unknown) }
}

/** Inputs whose change needs a new object, each once. */
function causesIn(diffs: readonly PathDiff[], rules: Rules): Cause[] {
  const out = new Map<string, boolean>()
  for (const d of diffs) {
    const input = top(d.path)
    if (!rules.updatable || rules.replaceOn.includes(input)) out.set(input, (out.get(input) ?? true) && d.unknown)
  }
  return [...out].map(([because, maybe]) => ({ because, maybe }))
}

/** The first group that has a certain cause, else the first that has any. */
const firstThatApplies = (groups: readonly (readonly Cause[])[]): readonly Cause[] | undefined =>
  groups.find((g) => g.some((c) => !c.maybe)) ?? groups.find((g) => g.length > 0)

const top = (path: string): string => {
  const dot = path.indexOf('.')
  return dot < 0 ? path : path.slice(0, dot)
}
