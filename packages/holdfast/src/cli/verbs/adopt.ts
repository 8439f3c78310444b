import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure } from '../../base/index.ts'
import { makePlan, readAdoptRows, type AdoptRow } from '../../engine/index.ts'
import { withProject, withRun } from '../session.ts'
import { showPlan, withFiles } from '../show-plan.ts'
import type { Call, Verb } from '../verb.ts'
import { applyPlanned } from './apply.ts'

/** Plans to take objects over, and does it at once with --yes. The program is not edited. */
export const adopt: Verb = (io, call) => {
  const rows = rowsOf(call)
  return withProject(io, call, { access: 'create' }, async (s) => {
    const request = { graph: s.opened.graph(), adopt: rows, adoptOther: call.flags.own.adoptOther === true }
    if (call.flags.yes) return withRun(io, call, s, async (run, interrupt) => applyPlanned(io, call, s, run, interrupt, await run.plan(request), 'apply'))
    const planned = await makePlan(s.cx, request, { save: true })
    const doc = withFiles(planned.document, s)
    s.progress.end()
    if (call.flags.json) s.print(doc)
    else io.out(showPlan(doc, s, call, io.paintOut, !planned.empty))
    return 0
  })
}

/** Either an address and an id, or a file. Fails HF1001, HF2120. */
function rowsOf(call: Call): AdoptRow[] {
  const [address, id] = call.args
  const { from } = call.flags.own
  if ((address === undefined) === (from === undefined) || (address !== undefined && id === undefined)) throw failure('HF1001', { message: 'adopt needs an address and an id, or --from FILE.', hint: 'holdfast adopt web/box i-0123    or    holdfast adopt --from mapping.json' })
  if (address !== undefined) return readAdoptRows([{ address, id }])
  const file = from === '-' ? 0 : resolve(call.flags.cwd, String(from))
  try {
    return readAdoptRows(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    if ((cause as { readonly name?: string }).name === 'HoldfastError') throw cause
    throw failure('HF1001', { message: `--from ${String(from)} is not a file with JSON in it: ${(cause as Error).message}.`, cause })
  }
}
