import { canonical, failure } from '../base/index.ts'
import type { ExprNode } from '../model/index.ts'
import { readPlan, type Plan, type PlannedChange } from '../plan/index.ts'
import { withoutSites } from '../program/index.ts'
import type { EngineContext } from '../resource/index.ts'
import type { ChangeDocument } from './documents.ts'

/** How two plans of one environment differ, a person's question before an approval. */
export interface PlanDiffDocument {
  readonly a: string
  readonly b: string
  /** Committed revisions that they start from. */
  readonly revisions: { readonly a: number; readonly b: number }
  readonly onlyInA: readonly ChangeDocument[]
  readonly onlyInB: readonly ChangeDocument[]
  /**
   * Changes of one node that are not the same in both. `inputs` and `options` name what the program says differently; their values are not shown, because
   * a literal may stand for a secret. Neither: what was found in the state differs.
   */
  readonly different: readonly { readonly address: string; readonly a: ChangeDocument; readonly b: ChangeDocument; readonly inputs: readonly string[]; readonly options: readonly string[] }[]
  /** Number of changes that are in both. */
  readonly same: number
  /** Whether the app would give the same outputs, as far as the program says. */
  readonly outputs: 'same' | 'different'
}

/** Fails HF2404 for a plan that is not stored, HF2402 for one that was edited. A secret is compared by its name: a new value alone is not seen. */
export async function diffPlans(cx: EngineContext, a: string, b: string): Promise<PlanDiffDocument> {
  const read = async (id: string): Promise<Plan> => {
    const row = await cx.store.plan(id)
    if (!row) throw failure('HF2404', { message: `There is no plan ${id}.` })
    return readPlan(row.doc, cx.ring)
  }
  return comparePlans(await read(a), await read(b))
}

/** Pure; in the order of the plans. */
function comparePlans(a: Plan, b: Plan): PlanDiffDocument {
  // An address has two changes at most: an object that goes, and one that comes.
  const keyOf = ({ doc: c }: PlannedChange): string => `${c.address}\0${c.action === 'delete' || c.action === 'forget'}`
  const others = new Map(b.changes.map((c) => [keyOf(c), c]))
  const onlyInA: ChangeDocument[] = []
  const different: PlanDiffDocument['different'][number][] = []
  let same = 0
  for (const c of a.changes) {
    const other = others.get(keyOf(c))
    others.delete(keyOf(c))
    if (!other) {
      onlyInA.push(c.doc)
      continue
    }
    const inputs = unlike(partsOf(c.inputs), partsOf(other.inputs))
    const options = unlike(optionsOf(c), optionsOf(other))
    if (inputs.length + options.length === 0 && canonical(c.doc) === canonical(other.doc)) same++
    else different.push({ address: c.doc.address, a: c.doc, b: other.doc, inputs, options })
  }
  return {
    a: a.id, b: b.id, revisions: { a: a.vector.revision, b: b.vector.revision }, onlyInA, onlyInB: [...others.values()].map((c) => c.doc), different, same,
    outputs: unlike(partsOf(a.outputs), partsOf(b.outputs)).length === 0 ? 'same' : 'different',
  }
}

type Parts = ReadonlyMap<string, string>

/** Names under which two differ, in their order. */
const unlike = (a: Parts, b: Parts): string[] => [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name))

/** Each field of an object as text; what is no object stands under one name. */
function partsOf(e: ExprNode | undefined): Parts {
  if (e === undefined) return new Map()
  if (e.k === 'obj') return new Map(e.keys.map((key, i) => [key, textOf(e.args[i] as ExprNode)]))
  if (e.k === 'lit' && typeof e.v === 'object' && e.v !== null && !Array.isArray(e.v)) return new Map(Object.entries(e.v).map(([key, v]) => [key, textOf({ k: 'lit', v })]))
  return new Map([['value', textOf(e)]])
}

function optionsOf(c: PlannedChange): Parts {
  return new Map([...Object.entries(c.options ?? {}), ['dependsOn', [...c.deps].sort()] as const].filter(([, v]) => v !== undefined).map(([name, v]) => [name, name === 'replaceWhen' ? textOf(v as ExprNode) : canonical(v)]))
}

/** Where an expression stands in the source is no difference. */
const textOf = (e: ExprNode): string => canonical(withoutSites(e))
