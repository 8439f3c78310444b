import { readDrift, type DriftDocument } from '../../engine/index.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject, withRun } from '../session.ts'
import type { Verb } from '../verb.ts'
import { applyPlanned } from './apply.ts'
import { restrictions } from './plan.ts'

const DRIFT_EXIT_CODE = 7

export const drift: Verb = (io, call) => {
  if (call.flags.own.repair !== true) {
    return withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
      const doc = await readDrift(s.cx)
      s.progress.end()
      if (call.flags.json) s.print(doc)
      else io.out(driftText(doc))
      return call.flags.exitCode && doc.drifted.length > 0 ? DRIFT_EXIT_CODE : 0
    })
  }
  return withProject(io, call, { access: 'create' }, async (s) => {
    const graph = s.opened.graph()
    return withRun(io, call, s, async (run, interrupt) => {
      const found = await readDrift(run.cx)
      if (!call.flags.quiet) io.err(driftText(found))
      const planned = await run.plan({ graph, repair: found, ...restrictions(call.flags) })
      return applyPlanned(io, call, s, run, interrupt, planned, 'apply')
    })
  })
}

const driftText = (doc: DriftDocument): string =>
  doc.drifted.length === 0 ? 'No drift: the world is as the state says.\n' : rowsText(doc.drifted.map((d) => [d.address, d.kind, d.paths.join(', ')]))
