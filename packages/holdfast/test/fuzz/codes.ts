import type { EnvRow, TxRow } from '../../src/state/index.ts'
import type { Checks } from './check.ts'
import { restricted } from './options.ts'
import type { Outcome } from './run.ts'

/** The run that is neither committed nor taken back, whether it has the whole environment or a part. */
export const openRunOf = (env: EnvRow | undefined): string | undefined => env?.openRun ?? env?.parts?.[0]?.run

/** What cannot be read at the moment is not taken for gone. */
function unreadable({ op }: Outcome): boolean {
  return (op.kind === 'repair' || op.kind === 'refresh' || ('refresh' in op && op.refresh === true)) && op.faults?.some((f) => f.call === 'read') === true
}

/** Failures before a run exists, and what must be so for them. Anything else is a rule that does not hold. */
const refusals: Readonly<Record<string, (o: Outcome, c: Checks) => boolean>> = {
  HF5001: (_, c) => c.lab.programs.some((p) => p.some((n) => n.protect)),
  HF2104: (_, c) => c.lab.programs.some((p) => p.some((n) => n.slot !== undefined || n.kind === 'B' || n.kind === 'L')),
  HF2102: (_, c) => c.lab.programs.some((p) => p.some((n) => n.movedFrom?.length)),
  HF2120: (_, c) => c.lab.programs.some((p) => p.some((n) => n.adopt !== undefined)),
  HF2121: (_, c) => c.lab.programs.some((p) => p.some((n) => n.adopt !== undefined)),
  HF6001: ({ op }) => 'targets' in op || 'excludes' in op || 'replace' in op || op.kind === 'taint' || op.kind === 'forget',
  HF4101: ({ op }, c) => (op.kind === 'taint' || op.kind === 'forget' || op.kind === 'refresh' || 'refresh' in op) && !c.clean,
  HF2107: ({ op }) => 'targets' in op || 'excludes' in op,
  HF1001: ({ op }) => 'targets' in op && 'excludes' in op,
  HF6005: ({ op }) => op.kind === 'revert' || op.kind === 'resume',
  HF2401: ({ op }, c) => op.kind === 'resume' || ('stored' in op && c.lab.movedOn),
  HF2403: ({ op }) => 'stored' in op,
  HF2404: ({ op }) => op.kind === 'resume',
  HF3101: unreadable,
  HF3105: unreadable,
  HF4006: ({ op }) => op.end?.how === 'full',
  HF1008: ({ process }) => process.stop.signal.aborted,
}

/** Codes of the error in a run's document. */
const ends: Readonly<Record<string, (o: Outcome, c: Checks) => boolean>> = {
  HF3101: (_, c) => !c.calm || fails(c),
  HF3120: (_, c) => !c.calm,
  HF2120: (_, c) => c.lab.programs.some((p) => p.some((n) => n.adopt !== undefined)),
  HF2121: (_, c) => c.lab.programs.some((p) => p.some((n) => n.adopt !== undefined)),
  HF3103: (_, c) => !c.calm,
  HF3104: (_, c) => !c.calm,
  HF3105: (_, c) => !c.calm,
  HF3106: ({ process, op }) => process.stop.signal.aborted || op.end !== undefined,
  HF4006: ({ op }) => op.end?.how === 'full',
  HF5001: (_, c) => c.lab.programs.some((p) => p.some((n) => n.protect)),
  HF2401: ({ op }, c) => op.kind === 'resume' || !c.calm,
}

/** What is resumed is as restricted as it was. */
const ofPart = (c: Checks, { op, doc }: Outcome): boolean => restricted(op) || (op.kind === 'resume' && typeof doc?.plan === 'string' && c.plans.get(doc.plan)?.restricted === true)

const fails = (c: Checks): boolean => c.lab.programs.some((p) => p.some((n) => n.fail))

/** The exit code is one that what happened allows (contract.md 3, decisions 1 and 7). */
export function checkCode(c: Checks, out: Outcome): void {
  const { doc, error, code } = out
  const { env } = c
  if (error) {
    c.must(refusals[error.code]?.(out, c) === true, 'c', () => `${out.op.kind} was refused with ${error.code}: ${error.message}`)
    if (error.code !== 'HF4006' && !('refresh' in out.op)) c.must(c.revisionBefore === (env?.revision ?? 0) && c.openRunBefore === openRunOf(env), 'c', () => `${error.code} was said before anything was done, and the environment has moved`)
    return
  }
  if (!doc) return
  const said = doc.error?.code as string | undefined
  c.must(said === undefined || ends[said]?.(out, c) === true, 'c', () => `${out.op.kind} ended ${doc.outcome} with ${said}: ${String(doc.error?.message)}`)
  const deleting = c.current().filter((r) => r.status === 'deleting')
  // What a dead run was deleting elsewhere is its own to tell, as long as nobody knows that it is dead.
  const ours = restricted(out.op) ? deleting.filter((r) => !c.pendingBefore.has(r.uid)) : deleting
  const unsettled = c.lab.tables.unresolvedOf.size
  // A deletion that is left over may be asked about again by the next run, and what failed half-way has a row; what else nobody knows belongs to a run that is open.
  const rows = new Set(c.current().map((r) => r.uid))
  const isOpen = (tx: TxRow | undefined) => tx !== undefined && (tx.status === 'failed' ? !rows.has(tx.uid) : tx.op !== 'delete')
  const undecided = [...c.lab.tables.unresolvedOf.values()].filter((token) => isOpen(c.lab.tables.txs.get(token))).length
  if (code === 0 || code === 14) c.must(undecided === 0, 'c', () => `${code} (${doc.outcome}), and ${undecided} changes are not settled`)
  const what = () => `${code} (${doc.outcome}): open run ${openRunOf(env)}, partial ${env?.partial}, ${deleting.length} deletions left, ${unsettled} changes not settled, ${said ?? 'no error'}`
  // What a restricted command does not touch may have been left half-way before.
  switch (code) {
    case 0:
      c.must(openRunOf(env) === undefined && (doc.outcome !== 'applied' || ((!env?.partial || ofPart(c, out) || out.op.kind === 'refresh') && ours.length === 0)) && said === undefined, 'c', what)
      break
    case 4:
      c.must(doc.outcome === 'reverted' && openRunOf(env) === undefined && (env?.revision ?? 0) === c.revisionBefore, 'c', what)
      break
    case 8: c.must(out.process.stop.signal.aborted, 'c', what); break
    case 12: c.must(openRunOf(env) !== undefined || env?.partial === true || unsettled > 0 || said === 'HF4006', 'c', what); break
    case 14: c.must(deleting.length > 0 && openRunOf(env) === undefined, 'c', what); break
    default: c.must(false, 'c', what)
  }
  // Whether what is protected needs a new object may show only when something before it is made.
  if (c.calm && !fails(c) && said !== 'HF5001') c.must(code === 0, 'c', () => `nothing went wrong, and ${what()}`)
  if (doc.outcome === 'unchanged') c.must(c.lab.world.mutations === out.callsFrom, 'j', () => 'nothing was changed, and calls were made')
}
