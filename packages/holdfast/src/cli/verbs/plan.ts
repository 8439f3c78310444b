import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure, limits, type Millis } from '../../base/index.ts'
import {
  acquire, approvePlan, diffPlans, envScope, keepForLater, listPlans, makePlan, showPlan as showStored, type ApprovalDocument, type ChangeDocument, type PlanDocument, type PlannedRun, type PlanRequest,
} from '../../engine/index.ts'
import { count, duration } from '../flags.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject, type Session } from '../session.ts'
import { showPlan, withFiles } from '../show-plan.ts'
import type { Flags, Verb } from '../verb.ts'

const CHANGES_EXIT_CODE = 7

/** What the flags say of a plan beside the program. */
export const restrictions = (flags: Flags) => ({
  allowDeletes: flags.allowDeletes, targets: flags.target, targetDependents: flags.targetDependents, excludes: flags.exclude, excludeDependents: flags.excludeDependents, unprotect: flags.unprotect,
})

export const planRequest = (s: Session, flags: Flags): PlanRequest => ({ graph: s.opened.graph(), ...restrictions(flags), replace: flags.replace, adoptOther: flags.own.adoptOther === true })

export const plan: Verb = (io, call) => {
  const { flags } = call
  const holdMs = duration('--hold', flags.own.hold as string | undefined)
  return withProject(io, call, { access: 'create' }, async (s) => {
    const { planned, lease } = holdMs === undefined ? { planned: await made(s, flags), lease: undefined } : await planUnderLease(s, flags, holdMs)
    const doc = { ...withFiles(planned.document, s), ...(lease && { lease }) }
    s.progress.end()
    if (flags.json) s.print(doc)
    else {
      io.out(showPlan(doc, s, call, io.paintOut, !planned.empty && !lease))
      if (lease) io.out(`Nobody else changes ${s.where.app}/${s.where.env} until ${lease.expires}.\nTo apply the plan: holdfast apply ${planned.id} --lease '${lease.token}'. To give the lease up: holdfast state unlock.\n`)
    }
    return flags.exitCode && !planned.empty ? CHANGES_EXIT_CODE : 0
  })
}

async function made(s: Session, flags: Flags): Promise<PlannedRun> {
  const planned = await makePlan(s.cx, flags.own.destroy === true ? { graph: undefined, ...restrictions(flags) } : planRequest(s, flags), { save: true })
  const out = flags.own.out as string | undefined
  if (out !== undefined) writePlanFile(resolve(flags.cwd, out), planned.text())
  return planned
}

/** The lease is kept when there is something to apply. */
async function planUnderLease(s: Session, flags: Flags, holdMs: Millis) {
  const { signal } = new AbortController()
  const lease = await acquire(s.cx, envScope(s.cx), { lockTimeoutMs: flags.lockTimeoutMs, stop: signal })
  s.cx.store.lease.keepLater(lease, limits.leaseHeartbeatMs, () => {}) // who lost it cannot hand it over
  try {
    const planned = await made(s, flags)
    if (!planned.empty) return { planned, lease: await keepForLater(s.cx, lease, holdMs) }
    await s.cx.store.lease.release(lease)
    return { planned, lease: undefined }
  } catch (e) {
    await s.cx.store.lease.release(lease).catch(() => undefined) // the first failure is the one to tell
    throw e
  }
}

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
  else io.out(plans.length === 0 ? 'No plans.\n' : rowsText(plans.map((p) => [String(p.id), String(p.createdAt), `revision ${p.revision}`, p.usedBy ? `applied by ${p.usedBy}` : '', approvedText(p.approval as ApprovalDocument | null)])))
  return 0
})

export const planShow: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const stored = await showStored(s.cx, call.args[0] as string)
  const doc = { ...stored, ...withFiles(stored as unknown as PlanDocument, s) }
  if (call.flags.json) s.print(doc)
  else {
    const approval = approvedText(stored.approval as ApprovalDocument | null)
    io.out(`${showPlan(doc, s, call, io.paintOut, (stored.usedBy ?? null) === null)}${approval ? `${approval.charAt(0).toUpperCase()}${approval.slice(1)}\n` : ''}`)
  }
  return 0
})

const approvedText = (a: ApprovalDocument | null): string => (a ? `approved by ${a.by}${a.own ? ', who made it,' : ''} at ${a.at}` : '')

export const planApprove: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, async (s) => {
  const doc = await approvePlan(s.cx, call.args[0] as string)
  if (call.flags.json) s.print(doc)
  else io.out(`${doc.plan} is ${approvedText(doc)}.\nTo apply it: holdfast apply ${doc.plan}\n`)
  return 0
})

const otherwise = ({ inputs, options }: { readonly inputs: readonly string[]; readonly options: readonly string[] }): string => (inputs.length + options.length === 0 ? '' : `: ${[...inputs, ...options].join(', ')}`)

/** Exit 7 with --exit-code when they are not the same. */
export const planDiff: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const [a, b] = call.args as [string, string]
  const doc = await diffPlans(s.cx, a, b)
  const { onlyInA, onlyInB, different, same, outputs } = doc
  const equal = onlyInA.length + onlyInB.length + different.length === 0 && outputs === 'same'
  if (call.flags.json) s.print(doc)
  else {
    const line = (sign: string, c: ChangeDocument): readonly string[] => [sign, c.address, c.type, c.action]
    io.out(equal ? `The plans are the same: ${same} changes.\n` : rowsText([
      ...onlyInA.map((c) => line('-', c)), ...onlyInB.map((c) => line('+', c)),
      ...different.map((d) => ['~', d.address, d.a.type, `${d.a.action === d.b.action ? `${d.a.action}, otherwise` : `${d.a.action} ${io.paintOut.sign('→')} ${d.b.action}`}${otherwise(d)}`]),
      ...(outputs === 'different' ? [['~', 'outputs', '', 'otherwise']] : []),
    ]))
  }
  return call.flags.exitCode && !equal ? CHANGES_EXIT_CODE : 0
})
