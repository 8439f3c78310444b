import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure } from '../../base/index.ts'
import { diffPlans, listPlans, makePlan, showPlan as showStored, type ChangeDocument, type PlanDocument, type PlanRequest } from '../../engine/index.ts'
import { count } from '../flags.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject, type Session } from '../session.ts'
import { showPlan, withFiles } from '../show-plan.ts'
import type { Flags, Verb } from '../verb.ts'

const CHANGES_EXIT_CODE = 7

/** What the flags say of a plan beside the program. */
export const restrictions = (flags: Flags) => ({
  allowDeletes: flags.allowDeletes, targets: flags.target, targetDependents: flags.targetDependents, excludes: flags.exclude, excludeDependents: flags.excludeDependents,
})

export const planRequest = (s: Session, flags: Flags): PlanRequest => ({ graph: s.opened.graph(), ...restrictions(flags), replace: flags.replace })

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

/** Exit 7 with --exit-code when they are not the same. */
export const planDiff: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const [a, b] = await Promise.all(call.args.map(async (id) => (await showStored(s.cx, id)) as unknown as PlanDocument)) as [PlanDocument, PlanDocument]
  const doc = diffPlans(a, b)
  const { onlyInA, onlyInB, different, same } = doc
  const equal = onlyInA.length + onlyInB.length + different.length === 0
  if (call.flags.json) s.print(doc)
  else {
    const line = (sign: string, c: ChangeDocument): readonly string[] => [sign, c.address, c.type, c.action]
    io.out(equal ? `The plans are the same: ${same} changes.\n` : rowsText([
      ...onlyInA.map((c) => line('-', c)), ...onlyInB.map((c) => line('+', c)),
      ...different.map((d) => ['~', d.address, d.a.type, d.a.action === d.b.action ? `${d.a.action}, otherwise` : `${d.a.action} ${io.paintOut.sign('→')} ${d.b.action}`]),
    ]))
  }
  return call.flags.exitCode && !equal ? CHANGES_EXIT_CODE : 0
})
