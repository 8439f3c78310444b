import type { TxTarget } from '../state/index.ts'
import type { Entry } from './entry.ts'

/** What a change that is not settled is to write, when the run that it belongs to writes another number in the place of `tag`. The same value where it names none. */
export function retagTarget(target: TxTarget, tag: number, to: number): TxTarget {
  const { row, before, also } = target
  const at = (n: number | undefined) => (n === tag ? to : n)
  return {
    ...target,
    ...(row && { row: { ...row, since: at(row.since) as number, until: at(row.until) } }),
    ...(before && { before: retagEntries(before, tag, to) }), ...(also && { also: retagEntries(also, tag, to) }),
  }
}

/** As {@link retagTarget}, for a list of entries. */
export function retagEntries(entries: readonly object[], tag: number, to: number): readonly object[] {
  const at = <T>(n: T): T | number => (n === tag ? to : n)
  return (entries as readonly Entry[]).map((e) => {
    switch (e.t) {
      case 'resource.put': return { ...e, row: spanned(e.row, at) }
      case 'claim.put': return { ...e, row: spanned(e.row, at) }
      case 'resource.until': return spanned(e, at)
      case 'resource.drop': return spanned(e, at)
      default: return e
    }
  })
}

/** Keys that are absent stay absent. */
const spanned = <T extends object>(o: T, at: (n: unknown) => unknown): T => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, k === 'since' || k === 'until' ? at(v) : v])) as T
