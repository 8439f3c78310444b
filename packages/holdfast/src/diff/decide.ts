import type { ResourceRow } from '../state/index.ts'
import type { PathDiff } from './compare.ts'

/** What of a resource type the difference depends on. */
export interface Rules {
  readonly replaceOn: readonly string[]
  readonly updatable: boolean
  readonly deleteFirst: boolean
  /** An update says everything, so sending it again is harmless. */
  readonly fullUpdate: boolean
}

/**
 * `record`: only what the store keeps about the node differs (options, tags, dependencies, address): no provider call.
 * `maybe`: the only differences are unknown values.
 */
export type Decision =
  | { readonly action: 'unchanged' | 'record' | 'create' }
  | { readonly action: 'update'; readonly maybe: boolean }
  | { readonly action: 'replace'; readonly maybe: boolean; readonly order: 'create-first' | 'delete-first'; readonly because: readonly string[] }

/** Decides from the differences what has to be done. The same function plans and, once everything is known, acts. */
export function decide(row: ResourceRow | undefined, diffs: readonly PathDiff[], rules: Rules, forceReplace: boolean): Decision {
  if (!row) return { action: 'create' }
  const certain = diffs.some((d) => !d.unknown)
  const replacing = [...new Set(diffs.map((d) => top(d.path)).filter((k) => !rules.updatable || rules.replaceOn.includes(k)))]
  const order = rules.deleteFirst ? 'delete-first' as const : 'create-first' as const
  if (forceReplace) return { action: 'replace', maybe: false, order, because: ['asked for with --replace'] }
  if (row.status === 'partial' && row.meta.whole && diffs.length === 0 && rules.updatable && rules.fullUpdate) return { action: 'update', maybe: false }
  // A create that failed half-way leaves an object nobody can vouch for: it goes first. What was whole before may be referred to: it goes last where it can.
  // An update that says only what differs would leave out what the one that broke off did not do: what stands is not known.
  if (row.status === 'partial' && (diffs.length === 0 || !rules.updatable || !rules.fullUpdate)) return { action: 'replace', maybe: false, order: row.meta.whole ? order : 'delete-first', because: ['the last change of it failed half-way'] }
  if (diffs.length === 0) return { action: 'record' }
  if (replacing.length > 0) {
    const sure = diffs.some((d) => !d.unknown && replacing.includes(top(d.path)))
    // A certain update beside an unknown cause of replacement: which of them it is shows at apply.
    return { action: 'replace', maybe: !sure, order, because: replacing }
  }
  return { action: 'update', maybe: !certain }
}

const top = (path: string): string => {
  const dot = path.indexOf('.')
  return dot < 0 ? path : path.slice(0, dot)
}
