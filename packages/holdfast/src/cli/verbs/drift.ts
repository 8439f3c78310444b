import { failure } from '../../base/index.ts'
import { readDrift } from '../../engine/index.ts'
import { confirm } from '../ask.ts'
import { reportRun } from '../run-result.ts'
import { driftText } from '../screen/drift.ts'
import { withProject, withRun } from '../session.ts'
import type { Verb } from '../verb.ts'
import { applyPlanned } from './apply.ts'
import { restrictions } from './plan.ts'

const DRIFT_EXIT_CODE = 7

export const drift: Verb = (io, call) => {
  if (call.flags.own.accept === true && call.flags.own.repair === true) throw failure('HF1001', { message: '--accept and --repair are two answers to one question.', hint: 'With --accept the world wins, with --repair the program.' })
  if (call.flags.own.accept === true) return accept(io, call)
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

const accept: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, (s) => withRun(io, call, s, async (run, interrupt) => {
  const { flags } = call
  const doc = await run.refresh({
    ...restrictions(flags),
    async confirm(found) {
      s.progress.pause()
      if (!flags.quiet) io.err(driftText(found))
      const gone = found.drifted.filter((d) => d.kind === 'gone').length
      await confirm(io, flags, `Record ${found.drifted.length} of ${s.where.app}/${s.where.env} as the world is${gone > 0 ? `, and forget ${gone} that ${gone === 1 ? 'is' : 'are'} gone` : ''}?`)
      s.progress.resume()
    },
  }, interrupt)
  return reportRun(io, call, s, doc)
}))
