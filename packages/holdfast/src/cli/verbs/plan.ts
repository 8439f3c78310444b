import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure } from '../../base/index.ts'
import { listPlans, makePlan, showPlan as showStored, type PlanDocument, type PlanRequest } from '../../engine/index.ts'
import { count } from '../flags.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject, type Session } from '../session.ts'
import { showPlan, withFiles } from '../show-plan.ts'
import type { Flags, Verb } from '../verb.ts'

const CHANGES_EXIT_CODE = 7

export const planRequest = (s: Session, flags: Flags): PlanRequest => ({
  graph: s.opened.graph(), allowDeletes: flags.allowDeletes, targets: flags.target, excludes: flags.exclude, replace: flags.replace,
})

export const plan: Verb = (io, call) => withProject(io, call, { access: 'create' }, async (s) => {
  const { flags } = call
  const planned = await makePlan(s.cx, planRequest(s, flags), { save: true })
  const out = flags.own.out as string | undefined
  if (out !== undefined) writePlanFile(resolve(flags.cwd, out), planned.text())
  const doc = withFiles(planned.document, s)
  s.progress.end()
  if (flags.json) s.print(doc)
  else io.out(showPlan(doc, s, call, io.paintOut, !planned.empty))
  return flags.exitCode && !planned.empty ? CHANGES_EXIT_CODE : 0
})

function writePlanFile(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 })
  } catch (cause) {
    throw failure('HF1001', { message: `--out ${path} cannot be written: ${(cause as NodeJS.ErrnoException).code}.`, cause })
  }
}

export const planList: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const plans = await listPlans(s.cx, count('--limit', call.flags.own.limit as string | undefined, 1) ?? 20)
  if (call.flags.json) s.print({ plans })
  else io.out(plans.length === 0 ? 'No plans.\n' : rowsText(plans.map((p) => [String(p.id), String(p.createdAt), `revision ${p.revision}`, p.usedBy ? `applied by ${p.usedBy}` : ''])))
  return 0
})

export const planShow: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const stored = await showStored(s.cx, call.args[0] as string)
  const doc = { ...stored, ...withFiles(stored as unknown as PlanDocument, s) }
  if (call.flags.json) s.print(doc)
  else io.out(showPlan(doc, s, call, io.paintOut, (stored.usedBy ?? null) === null))
  return 0
})
