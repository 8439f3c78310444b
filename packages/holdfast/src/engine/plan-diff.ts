import { canonical } from '../base/index.ts'
import type { ChangeDocument, PlanDocument } from './documents.ts'

/** How two plans of one environment differ, a person's question before an approval. */
export interface PlanDiffDocument {
  readonly a: string
  readonly b: string
  /** Committed revisions that they start from. */
  readonly revisions: { readonly a: number; readonly b: number }
  readonly onlyInA: readonly ChangeDocument[]
  readonly onlyInB: readonly ChangeDocument[]
  /** Changes of one node that are not the same in both. */
  readonly different: readonly { readonly address: string; readonly a: ChangeDocument; readonly b: ChangeDocument }[]
  /** Number of changes that are in both. */
  readonly same: number
}

/** Pure; in the order of the plans. Secrets and unknowns are masked in the documents already: a change of a secret alone is not seen here. */
export function diffPlans(a: PlanDocument, b: PlanDocument): PlanDiffDocument {
  // An address has two changes at most: an object that goes, and one that comes.
  const keyOf = (c: ChangeDocument): string => `${c.address}\0${c.action === 'delete' || c.action === 'forget'}`
  const others = new Map(b.changes.map((c) => [keyOf(c), c]))
  const onlyInA: ChangeDocument[] = []
  const different: { address: string; a: ChangeDocument; b: ChangeDocument }[] = []
  let same = 0
  for (const c of a.changes) {
    const other = others.get(keyOf(c))
    others.delete(keyOf(c))
    if (!other) onlyInA.push(c)
    else if (canonical(c) === canonical(other)) same++
    else different.push({ address: c.address, a: c, b: other })
  }
  return { a: a.id, b: b.id, revisions: { a: a.revision, b: b.revision }, onlyInA, onlyInB: [...others.values()], different, same }
}
