import { failure } from '../../base/index.ts'
import { compactHistory, listResources, showResource } from '../../engine/index.ts'
import { OWNER_ONLY } from '../../store/index.ts'
import { confirm } from '../ask.ts'
import { count, duration } from '../flags.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject, withRun } from '../session.ts'
import type { Verb } from '../verb.ts'

const DOCTOR_EXIT_CODE = 13

export const stateList: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const { own, json } = call.flags
  const resources = await listResources(s.cx, { withOutputs: own.withOutputs === true, open: own.open === true, ...(typeof own.tag === 'string' && { tag: own.tag }) })
  if (json) s.print({ resources })
  else io.out(resources.length === 0 ? 'No nodes.\n' : rowsText(resources.map((r) => [r.address, r.type, r.status, r.physicalId ?? '', r.outputs === undefined ? '' : JSON.stringify(r.outputs)])))
  return 0
})

export const stateShow: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const doc = await showResource(s.cx, call.args[0] as string, { open: call.flags.own.open === true })
  if (call.flags.json) s.print(doc)
  else io.out(`${JSON.stringify(doc, undefined, 2)}\n`)
  return 0
})

export const stateDoctor: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const checks = await s.cx.store.doctor()
  const ok = checks.every((c) => c.ok)
  if (call.flags.json) s.print({ ok, checks })
  else io.out(`${rowsText(checks.map((c) => [c.ok ? 'ok' : 'FAIL', c.name, c.detail ?? '']))}${ok ? 'The state is sound.' : 'The state is damaged.'}\n`)
  return ok ? 0 : DOCTOR_EXIT_CODE
})

export const stateExport: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  if (call.flags.json) throw failure('HF1001', { message: 'state export writes lines of JSON, not one document; leave --json out.' })
  const damaged = (await s.cx.store.doctor()).filter((c) => !c.ok && c.name !== OWNER_ONLY)
  for await (const line of s.cx.store.export()) io.out(line.endsWith('\n') ? line : `${line}\n`)
  // Everything that can be read is written first: it may be all that is left.
  if (damaged.length > 0) throw failure('HF4001', { message: `The export is written, and the state that it comes from is damaged: ${damaged.map((c) => `${c.name}: ${c.detail}`).join('; ')}.` })
  return 0
})

export const stateForget: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, (s) => withRun(io, call, s, async (run) => {
  const address = call.args[0] as string
  await confirm(io, call.flags, `Forget ${address} in ${s.where.app}/${s.where.env}? Its object stays, and nobody looks after it.`)
  const doc = await run.forget(address)
  if (call.flags.json) s.print(doc)
  else io.out(`${address} is forgotten; its object stays: ${(doc.forgotten as { type: string; physicalId: string | null }[]).map((o) => `${o.type} ${o.physicalId ?? ''}`.trim()).join(', ')}.\n`)
  return 0
}))

export const stateCompact: Verb = (io, call) => {
  const { own } = call.flags
  const olderMs = duration('--older', own.older as string | undefined)
  const keep = count('--keep', own.keep as string | undefined, 0)
  return withProject(io, call, { access: 'write', programOptional: true }, async (s) => {
    const doc = await compactHistory(s.cx, { olderMs, keep })
    if (call.flags.json) s.print(doc)
    else io.out(doc.upTo === null ? `Nothing is old enough; there are ${doc.left} events.\n` : `${doc.events} events up to commit ${doc.upTo} are gone, ${doc.left} are left. Watch from there: holdfast state watch --from ${doc.upTo}\n`)
    return 0
  })
}

const marking = (tainted: boolean): Verb => (io, call) => withProject(io, call, { access: 'write', programOptional: true }, (s) => withRun(io, call, s, async (run) => {
  const doc = await run.taint(call.args, tainted)
  if (call.flags.json) s.print(doc)
  else {
    const { nodes, changed } = doc as { nodes: readonly string[]; changed: readonly string[] }
    const said = tainted ? { now: 'is tainted: the next plan makes a new object', before: 'was tainted already' } : { now: 'is not tainted any more', before: 'was not tainted' }
    for (const a of nodes) io.out(`${a} ${changed.includes(a) ? said.now : said.before}.\n`)
  }
  return 0
}))
export const stateTaint = marking(true)
export const stateUntaint = marking(false)
