import { isFailure } from '../../src/base/index.ts'
import { beginRun, makePlan, repairOf, type EngineContext, type OnFailure, type PlannedRun, type RunDocument, type RunSession, type SettleHow } from '../../src/engine/index.ts'
import type { TxRow } from '../../src/state/index.ts'
import { liesBeyond } from '../support/held.ts'
import type { Process } from './kernel.ts'
import { committedRows, MARKER, type Lab } from './lab.ts'
import type { Part } from './scenario.ts'
import { Dice } from './random.ts'
import { audit, checkReverted, opened } from './watch.ts'
import { graphOf, type Program } from './workload.ts'
import type { Inputs } from './world.ts'

/** A command, with its program at hand. */
export type Job =
  | { readonly do: 'apply'; readonly program: Program; readonly onFailure: OnFailure; readonly part?: Part | undefined; readonly refresh?: true | undefined }
  | { readonly do: 'destroy'; readonly onFailure?: OnFailure | undefined }
  | { readonly do: 'revert' | 'resume' | 'refresh' }

export interface Attempt {
  readonly process: Process
  /** Settled when the process has ended by itself or is dead. */
  readonly ended: Promise<void>
  done: boolean
  doc: RunDocument | undefined
  /** Failure that ended it before there was a document. */
  code: string | undefined
  empty: boolean | undefined
}

export interface AttemptOptions {
  readonly lockTimeoutMs: number
  /** A person looks after what only a person can settle. */
  readonly person: boolean
  /** Nothing goes wrong in this seed: the order of things is checked, too. */
  readonly calm: boolean
  readonly stop?: AbortSignal | undefined
  readonly abort?: AbortSignal | undefined
}

/** One command, as a process of its own. */
export function start(lab: Lab, process: Process, cx: EngineContext, job: Job, o: AttemptOptions): Attempt {
  lab.kernel.note(process.name, `begins ${job.do}`)
  let end: () => void = () => undefined
  const a: Attempt = { process, ended: new Promise((resolve) => { end = resolve }), done: false, doc: undefined, code: undefined, empty: undefined }
  const finish = () => {
    a.done = true
    end()
  }
  process.onDeath(finish)
  command(lab, process, cx, job, o, a).catch((e: unknown) => {
    if (process.dead) return
    if (!isFailure(e)) return lab.kernel.fail('I-BUG', e instanceof Error ? `${e.message}\n${e.stack}` : String(e))
    a.code = e.code
    lab.kernel.count(`ended ${e.code}`)
    lab.kernel.note(process.name, `fails ${e.code} ${e.message}`)
    lab.kernel.check(!JSON.stringify(e.toDocument()).includes(MARKER), 'I-SECRET', () => `an error holds a secret: ${e.message}`)
  }).finally(finish)
  return a
}

async function command(lab: Lab, process: Process, cx: EngineContext, job: Job, o: AttemptOptions, a: Attempt): Promise<void> {
  const { kernel, world } = lab
  const stop = o.stop ?? lab.never
  const abort = o.abort ?? lab.never
  const early = await planEarly(lab, process, cx, job)
  const part = job.do === 'apply' ? job.part : undefined
  const request = { graph: job.do === 'apply' ? graphOf(job.program) : undefined, ...(part ? { targets: part.targets } : {}) }
  const session = await beginRun(cx, { lockTimeoutMs: o.lockTimeoutMs, stop, abort, only: job.do === 'apply' && job.refresh ? undefined : request })
  if (part && process.dead === false) kernel.count([...lab.tables.leases.values()].some((l) => l.holder.pid === process.pid && l.scope.includes(':')) ? 'a part is held' : 'the whole is held for a part')
  try {
    if (o.person) await settleByHand(lab, process, cx, session)
    const effects = world.effects.length
    const how = { onFailure: ('onFailure' in job ? job.onFailure : undefined) ?? 'revert' as const, stop, abort }
    if (job.do === 'revert') a.doc = await session.revert(how)
    else if (job.do === 'resume') a.doc = await session.resume(how)
    else if (job.do === 'refresh') a.doc = await session.refresh({}, { stop })
    else {
      const repair = job.do === 'apply' && job.refresh ? repairOf(await session.refresh({}, { stop })) : undefined
      const planned = (early === undefined || repair ? undefined : await asPlanned(session, early)) ?? (await session.plan({ ...request, ...(repair ? { repair } : {}) }))
      a.empty = planned.empty
      kernel.remark(process.name, () => `plan ${planned.plan.changes.map((c) => `${c.doc.action}${c.deleteFirst ? '!' : ''}${c.phase === 'contract' ? '~' : ''} ${c.doc.address} <${c.after.join(',')}>`).join('; ')}`)
      a.doc = await session.apply(planned, how)
    }
    const { doc } = a
    if (process.dead) return
    kernel.note(process.name, `ends ${doc.outcome} ${doc.error ? `${doc.error.code} ${doc.error.address ?? ''}` : ''}`)
    kernel.count(`ended ${doc.outcome}${doc.error ? ` ${doc.error.code}` : ''}`)
    const text = JSON.stringify(doc)
    kernel.check(!text.includes(MARKER), 'I-SECRET', () => `a run document holds a secret: ${text}`)
    // A process that lost its lease says so; what it says about the rest is not the last word.
    if (doc.error?.code === 'HF4203') return
    if (doc.outcome === 'reverted') {
      checkReverted(lab, committedRows(lab.tables), part)
      if (isAlone(lab, process)) audit(lab, `${process.name} reverted`)
      if (o.calm && lab.scenario.parallelism === 1) checkUndoOrder(lab, effects)
    }
    if (doc.outcome === 'applied' && isAlone(lab, process)) audit(lab, `${process.name} applied`)
  } finally {
    if (!process.dead) await session.end()
  }
}

/** Nobody else is at work, and no other run is in the middle. */
const isAlone = (lab: Lab, process: Process): boolean => {
  const others = [...lab.tables.leases.values()].filter((l) => l.holder.pid !== process.pid)
  return others.length === 0 && ![...lab.tables.envs.values()].some((e) => e.parts)
}

/** A plan that a person looks at before it is applied: what it was made for may have moved when the lease is there. */
async function planEarly(lab: Lab, process: Process, cx: EngineContext, job: Job): Promise<string | undefined> {
  if (job.do !== 'apply' || job.part || !new Dice(lab.kernel.seed, `${process.name} plans early`).chance(0.2)) return undefined
  try {
    const { id } = await makePlan(cx, { graph: graphOf(job.program) }, { save: true })
    await process.sleep(new Dice(lab.kernel.seed, `${process.name} looks`).below(2000))
    return id
  } catch (e) {
    if (!isFailure(e)) throw e
    lab.kernel.note(process.name, `cannot plan early: ${e.code}`)
    return undefined
  }
}

/** The plan of before, unless it is stale. */
async function asPlanned(session: RunSession, id: string): Promise<PlannedRun | undefined> {
  try {
    return await session.load({ id })
  } catch (e) {
    if (!isFailure(e) || !['HF2401', 'HF2404'].includes(e.code)) throw e
    return undefined
  }
}

/** What a run made goes newest first. With one task at a time and no fault, that is the exact reverse of how it came. */
function checkUndoOrder(lab: Lab, from: number): void {
  const effects = lab.world.effects.slice(from)
  // Where something has to be restored, too, a withdrawal may have to wait for that.
  if (effects.some((e) => e.op === 'update' || e.what.endsWith(' 2'))) return
  const made = effects.filter((e) => e.op === 'create').map((e) => e.what)
  const gone = effects.filter((e) => e.op === 'delete' && made.includes(e.what)).map((e) => e.what)
  const want = made.filter((what) => gone.includes(what)).reverse()
  lab.kernel.check(gone.join() === want.join(), 'I-UNDO-ORDER', () => `made ${made.join(' ')}, taken back ${gone.join(' ')}`)
}

/** Time that a person waits beyond the moment after which nothing can land. */
const PERSON_MS = 10_000

/** A person looks into the world and says what is there, of all that does not lie beyond what the session holds. */
async function settleByHand(lab: Lab, process: Process, cx: EngineContext, session: RunSession): Promise<void> {
  const { kernel } = lab
  for (const tx of await cx.store.txs({ unresolved: true, status: 'unknown' })) {
    if (liesBeyond(lab.tables, cx, tx.address)) continue
    const kind = lab.kindOf(tx.type)
    const quietAt = (tx.lastSentAt ?? 0) + kind.maxCallMs + kind.settleMs + PERSON_MS
    if (quietAt > kernel.now) await process.sleep(quietAt - kernel.now)
    const how = whatIsThere(lab, tx)
    kernel.count(`settled by hand, ${how.kind}`)
    kernel.note(process.name, `settles ${tx.op} ${tx.address} ${JSON.stringify(how)}`)
    try {
      await session.settle(tx.token, how)
    } catch (e) {
      if (!isFailure(e) || e.code === 'HF4203') throw e
      kernel.note(process.name, `cannot settle: ${e.code} ${e.message}`)
    }
  }
}

function whatIsThere(lab: Lab, tx: TxRow): SettleHow {
  const { world } = lab
  const [o] = world.ours(tx)
  if (tx.op === 'create') return o ? { kind: 'adopt', id: o.id } : { kind: 'absent' }
  if (tx.op === 'delete') return { kind: 'to', state: o ? 'previous' : 'new' }
  if (!o) return { kind: 'to', state: 'previous' }
  const wanted = opened(lab, tx, 'inputs', tx.target.inputs) as unknown as Inputs
  if (world.specText(o.spec) === world.specText(wanted)) return { kind: 'to', state: 'new' }
  const before = opened(lab, tx, 'inputs', tx.target.prior?.inputs ?? '{}') as unknown as Inputs
  // Neither: the person puts it back by hand.
  if (world.specText(o.spec) !== world.specText(before)) o.spec = before
  return { kind: 'to', state: 'previous' }
}
