import type { RunDocument, TaskDocument } from '../../engine/index.ts'
import type { Paint } from '../paint.ts'
import { summaryLine } from './plan.ts'
import { isSecretDoc, shortValue, unknownOf } from './value.ts'

/** The line that says where the environment stands now, and what is left to do (spec/api-cli.md 4.4). */
export function resultScreen(doc: RunDocument, where: { readonly app: string; readonly env: string }, paint: Paint): string {
  const place = `${where.app} ${paint.sign('·')} ${where.env}`
  const { from, to } = doc.revision
  const counts = summaryLine(doc.summary, paint)
  const down = downTimes(doc.tasks, paint)
  switch (doc.outcome) {
    case 'applied':
      return `${paint.green(`${place} is at revision ${to}.`)}${counts ? ` ${counts}.` : ''}\n${down}${stillPartial(doc)}${pendingLines(doc)}${outputLines(doc.outputs, paint)}`
    case 'unchanged':
      return `${place} is up to date at revision ${to}. Nothing was changed.\n${stillPartial(doc)}${pendingLines(doc)}${outputLines(doc.outputs, paint)}`
    case 'reverted':
      return `${place} is unchanged at revision ${from}. ${revertedLine(doc.tasks)}\n${identityLines(doc)}`
    case 'kept':
      return `${paint.yellow(`${place} is at revision ${to}, which holds only what succeeded.`)} ${counts}\n${notDone(doc.tasks)}To go on: holdfast run resume, or correct the program and holdfast apply.\n${down}${outputLines(doc.outputs, paint)}`
    case 'cancelled':
      return to > from
        ? `${paint.yellow(`Cancelled. ${place} is at revision ${to}, which holds only what succeeded.`)}\n`
        : `${paint.yellow('Cancelled.')} ${place} is unchanged at revision ${from}. ${revertedLine(doc.tasks)}\n${identityLines(doc)}`
    case 'incomplete':
      return `${paint.red(`${place} is not at a committed revision; the last one is ${from}.`)} ${revertedLine(doc.tasks)}\n${leftLines(doc.tasks)}What is open: holdfast status. To take the rest back: holdfast run revert. To go on: holdfast run resume.\n`
  }
}

/** `3 of 3 completed tasks were reverted.` */
function revertedLine(tasks: readonly TaskDocument[]): string {
  const reverted = tasks.filter((t) => t.outcome === 'reverted').length
  const completed = reverted + tasks.filter((t) => t.outcome === 'succeeded' || t.outcome === 'revertFailed').length
  if (completed === 0) return 'No task had completed.'
  return `${reverted} of ${completed} completed ${completed === 1 ? 'task was' : 'tasks were'} reverted.`
}

function identityLines(doc: RunDocument): string {
  const anew = doc.reverted.filter((r) => r.identity === 'new').map((r) => r.address)
  return anew.length === 0 ? '' : `Same content in a new object: ${anew.join(', ')}.\n`
}

/** What a partial revision lacks; only `--on-failure continue` knows what it did not begin. */
function notDone(tasks: readonly TaskDocument[]): string {
  const of = (outcome: TaskDocument['outcome']) => tasks.filter((t) => t.outcome === outcome).map((t) => t.address)
  const [failed, skipped] = [of('failed'), of('skipped')]
  return `${failed.length > 0 ? `Failed: ${failed.join(', ')}.\n` : ''}${skipped.length > 0 ? `Not begun, because something before it failed: ${skipped.join(', ')}.\n` : ''}`
}

function leftLines(tasks: readonly TaskDocument[]): string {
  return tasks.filter((t) => t.outcome === 'unknown' || t.outcome === 'revertFailed')
    .map((t) => `  ${t.address}  ${t.op}  ${t.outcome === 'unknown' ? 'outcome unknown' : 'could not be taken back'}${t.error ? `: ${String(t.error.message).replace(`${t.address}: `, '')}` : ''}\n`).join('')
}

/** Whether anything is left of what an earlier run did not do, only a plan of the whole program can tell. */
function stillPartial(doc: RunDocument): string {
  return doc.partial ? 'What an earlier run left undone may be undone still: an apply of the whole program does it, and makes the revision whole.\n' : ''
}

function pendingLines(doc: RunDocument): string {
  return doc.pending.length === 0 ? '' : `Still to be deleted: ${doc.pending.join(', ')}. The next apply tries again.\n`
}

function downTimes(tasks: readonly TaskDocument[], paint: Paint): string {
  return tasks.filter((t) => t.downMs !== undefined).map((t) => `  ${t.address}  ${t.op}  ${paint.dim(`down for ${t.downMs} ms`)}\n`).join('')
}

/** `url = http://...`, one line each. */
export function outputLines(outputs: Readonly<Record<string, unknown>>, paint: Paint): string {
  return Object.entries(outputs).map(([k, v]) => `${paint.bold(k)} = ${outputText(v, paint)}\n`).join('')
}

export const outputText = (v: unknown, paint: Paint): string =>
  typeof v === 'string' ? v : isSecretDoc(v) || unknownOf(v) !== undefined ? shortValue(v, paint) : JSON.stringify(v) ?? 'undefined'
