import { failure } from '../../base/index.ts'
import { listRuns, showRun, type SettleHow } from '../../engine/index.ts'
import { confirm } from '../ask.ts'
import { count } from '../flags.ts'
import { reportRun } from '../run-result.ts'
import { rowsText } from '../screen/rows.ts'
import { stopping, withProject, withRun } from '../session.ts'
import type { Flags, Verb } from '../verb.ts'

export const runList: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const runs = await listRuns(s.cx, count('--limit', call.flags.own.limit as string | undefined, 1) ?? 20)
  if (call.flags.json) s.print({ runs })
  else io.out(runs.length === 0 ? 'No runs.\n' : rowsText(runs.map((r) => [String(r.run), String(r.kind), String(r.outcome ?? r.status), String(r.endedAt ?? r.startedAt)])))
  return 0
})

export const runShow: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const doc = await showRun(s.cx, call.args[0] as string)
  if (call.flags.json) {
    s.print(doc)
    return 0
  }
  const tasks = doc.tasks as Record<string, unknown>[]
  const { from, to } = doc.revision as { from: number; to: number | null }
  io.out(`${io.paintOut.bold(String(doc.run))}  ${doc.kind}  ${doc.outcome ?? doc.status}  revision ${from}${to === null ? '' : ` ${io.paintOut.sign('→')} ${to}`}  ${doc.startedAt}\n`)
  io.out(rowsText(tasks.map((t) => [`  ${t.address}`, String(t.op), String(t.state), `attempt ${t.attempt}`, t.failure ? messageIn(String(t.failure)) : ''])))
  return 0
})

/** The change still waits for a person. */
const STILL_UNKNOWN = 12

/** A failure is stored as its document. */
function messageIn(text: string): string {
  try {
    const doc = JSON.parse(text) as { code?: string; message?: string }
    return doc.message ? `${doc.code} ${doc.message}` : text
  } catch {
    return text
  }
}

export const runResume: Verb = (io, call) => withProject(io, call, { access: 'write' }, (s) => withRun(io, call, s, async (run, interrupt) => {
  await confirm(io, call.flags, `Go on with the open run of ${s.where.app}/${s.where.env}?`)
  return reportRun(io, call, s, await run.resume(stopping(io, call, s, interrupt)))
}))

export const runRevert: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, (s) => withRun(io, call, s, async (run, interrupt) => {
  await confirm(io, call.flags, `Take the open run of ${s.where.app}/${s.where.env} back?`)
  return reportRun(io, call, s, await run.revert({ onFailure: 'revert', stop: interrupt.stop, abort: interrupt.abort }))
}))

export const runSettle: Verb = (io, call) => {
  const how = settleHow(call.flags)
  return withProject(io, call, { access: 'write', programOptional: true }, (s) => withRun(io, call, s, async (run) => {
    const tx = call.args[0] as string
    if (how.kind === 'abandon') {
      const { address, op, objects } = await run.objectsOf(tx)
      const what = objects.length > 0 ? `It may have left ${objects.join(', ')}` : 'What it may have left has no id that is known here'
      await confirm(io, call.flags, `Give the ${op} of ${address} up? ${what}; nobody will look after it.`)
      if (call.flags.yes) io.err(`${what}; nobody looks after it any more.\n`)
    }
    const doc = await run.settle(tx, how)
    if (call.flags.json) s.print(doc)
    else io.out(`${tx} is ${doc.status}.${doc.status === 'unknown' ? ` ${doc.evidence}` : ''}\n`)
    return doc.status === 'unknown' ? STILL_UNKNOWN : 0
  }))
}

/** Exactly one way. Fails HF1001. */
export function settleHow(flags: Flags): SettleHow {
  const { retry, adopt, absent, to, abandon } = flags.own
  const ways: SettleHow[] = []
  if (retry === true) ways.push({ kind: 'retry' })
  if (typeof adopt === 'string') ways.push({ kind: 'adopt', id: adopt })
  if (absent === true) ways.push({ kind: 'absent' })
  if (to === 'previous' || to === 'new') ways.push({ kind: 'to', state: to })
  if (abandon === true) ways.push({ kind: 'abandon' })
  const [way] = ways
  if (way === undefined || ways.length > 1) throw failure('HF1001', { message: `run settle needs exactly one of --retry, --adopt ID, --absent, --to previous, --to new, --abandon.`, hint: 'holdfast status lists what fits.' })
  return way
}
