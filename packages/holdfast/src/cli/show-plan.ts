import type { PathChange, PlanDocument } from '../engine/index.ts'
import type { Paint } from './paint.ts'
import { planScreen } from './screen/plan.ts'
import type { Session } from './session.ts'
import type { Call } from './verb.ts'

/** The document with the names of the files that changed in every tree (decisions 12.1): digests alone say nothing to a reader. */
export function withFiles(doc: PlanDocument, s: Session): PlanDocument {
  const { changedFiles } = s.opened.assets
  const filled = (p: PathChange): PathChange => {
    if (p.files || !p.path.endsWith('digest') || !isDigest(p.before) || !isDigest(p.after)) return p
    const files = changedFiles(p.before, p.after)
    return files ? { ...p, files } : p
  }
  return { ...doc, changes: doc.changes.map((c) => (c.paths ? { ...c, paths: c.paths.map(filled) } : c)) }
}

const isDigest = (v: unknown): v is string => typeof v === 'string' && v.startsWith('sha256:')

export function showPlan(doc: PlanDocument, s: Session, call: Call, paint: Paint, saved: boolean): string {
  let components: ReadonlyMap<string, string> = new Map()
  if (!s.opened.broken) components = componentsOf(s)
  return planScreen(doc, { ...s.where, store: s.cx.store.traits.name, program: s.opened.programDigest, components, verbose: call.flags.verbose, saved }, paint)
}

/** A stored plan is shown also when the program does not build any more. */
function componentsOf(s: Session): ReadonlyMap<string, string> {
  try {
    return s.opened.graph().components
  } catch {
    return new Map()
  }
}
