import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure } from '../../base/index.ts'
import { refuseDeletes, repairOf, type PlannedRun, type RunSession } from '../../engine/index.ts'
import { confirm } from '../ask.ts'
import type { Interrupt } from '../interrupt.ts'
import type { Io } from '../io.ts'
import { reportRun } from '../run-result.ts'
import { stopping, withProject, withRun, type Session } from '../session.ts'
import { showPlan, withFiles } from '../show-plan.ts'
import type { Call, Verb } from '../verb.ts'
import { driftText } from '../screen/drift.ts'
import { planRequest, restrictions } from './plan.ts'

export const apply: Verb = (io, call) => withProject(io, call, { access: 'create' }, async (s) => {
  const ref = call.args[0] === undefined ? undefined : planRef(call.args[0], call.flags.cwd)
  const refresh = call.flags.own.refresh === true
  if (ref && refresh) throw failure('HF1001', { message: 'A stored plan is carried out as it was made: --refresh would change what it was made on.', hint: 'Leave the plan out: holdfast apply --refresh.' })
  const wanted = ref ? undefined : planRequest(s, call.flags)
  return withRun(io, call, s, async (run, interrupt) => {
    const found = refresh ? await run.refresh(restrictions(call.flags), interrupt) : undefined
    if (found && found.drifted.length > 0 && !call.flags.quiet) io.err(driftText(found))
    const request = wanted && found ? { ...wanted, repair: repairOf(found) } : wanted
    const planned = request ? await run.plan(request) : await run.load(ref as NonNullable<typeof ref>)
    if (ref) refuseDeletes(planned, call.flags.allowDeletes)
    return applyPlanned(io, call, s, run, interrupt, planned, planned.plan.destroy ? 'destroy' : 'apply')
  }, refresh ? undefined : wanted)
})

export const destroy: Verb = (io, call) => withProject(io, call, { access: 'write' }, (s) => {
  const request = { graph: undefined, ...restrictions(call.flags) }
  return withRun(io, call, s, async (run, interrupt) => applyPlanned(io, call, s, run, interrupt, await run.plan(request), 'destroy'), request)
})

/** Shows the plan, asks, applies it and says how it went. */
export async function applyPlanned(io: Io, call: Call, s: Session, run: RunSession, interrupt: Interrupt, planned: PlannedRun, what: 'apply' | 'destroy'): Promise<number> {
  const { flags } = call
  if (!planned.empty) {
    await run.refuseUnapproved(planned)
    s.progress.pause()
    if (!flags.quiet) io.err(`${showPlan(withFiles(planned.document, s), s, call, io.paintErr, false)}\n`)
    const n = planned.document.changes.length
    const place = `${s.where.app}/${s.where.env}`
    const question = what === 'destroy' ? `Destroy ${n} ${n === 1 ? 'node' : 'nodes'} of ${place}?` : `Apply ${n} ${n === 1 ? 'change' : 'changes'} to ${place}?`
    if (planned.irreversible.length > 0) io.err(`${io.paintErr.yellow('warning')} What is done to ${planned.irreversible.join(', ')} cannot be taken back.\n`)
    await confirm(io, flags, question, s.opened.approve || planned.irreversible.length > 0 ? s.where.env : undefined)
    s.progress.resume()
  }
  return reportRun(io, call, s, await run.apply(planned, stopping(io, call, s, interrupt)))
}

/** An id of a stored plan, or a file with a plan in it. Fails HF2404. */
export function planRef(word: string, cwd: string): { readonly id: string } | { readonly text: string } {
  if (/^p-[0-9A-HJKMNP-TV-Z]{26}$/.test(word)) return { id: word }
  try {
    return { text: readFileSync(resolve(cwd, word), 'utf8') }
  } catch (cause) {
    throw failure('HF2404', { message: `${word} is neither the id of a plan nor a file that can be read.`, cause })
  }
}
