import { failure, systemRandom } from '../base/index.ts'
import type { Address } from '../model/index.ts'
import { makeRegistry } from '../provider/index.ts'
import { EnvState, type EngineContext, type EngineEvent } from '../resource/index.ts'
import { makeKeyring } from '../secret/index.ts'
import { unresolved, type TxRow } from '../state/index.ts'
import { MemoryStore } from '../store/index.ts'
import type { OnFailure, PlanRequest } from './api.ts'
import { applyOn } from './apply.ts'
import type { RunDocument } from './documents.ts'
import { ImaginedClock, imagined } from './imagined.ts'
import { loadPlan, makePlan, refuseStale, vectorOf, type PlannedRun } from './plan.ts'

export interface SimulateOptions {
  readonly onFailure: OnFailure
  /** Calls that are to fail: of one node, all of them or those of one kind. */
  readonly fail: readonly { readonly address: Address; readonly op?: 'create' | 'update' | 'delete' }[]
}

/** What begins at one moment. A commit stands alone. */
export interface SimulatedStep {
  /** Moments are counted from 1; every call takes one. */
  readonly at: number
  readonly phase: 'expand' | 'commit' | 'contract' | 'revert'
  readonly tasks: readonly { readonly address: Address; readonly op: string; readonly outcome: 'succeeded' | 'failed' }[]
}

export interface SimulationDocument {
  readonly plan: string
  readonly revision: RunDocument['revision']
  /** How the run would end. */
  readonly outcome: RunDocument['outcome']
  readonly steps: readonly SimulatedStep[]
  /** Most calls at one moment. */
  readonly atOnce: number
  readonly skipped: readonly Address[]
  readonly reverted: RunDocument['reverted']
  readonly pending: readonly Address[]
  /** The error that the run would end with. */
  readonly failure?: RunDocument['error']
}

/**
 * Carries a plan out in a world that is only imagined: the real scheduler and the real engine, over a copy of the state in memory, with types that
 * call nobody, and hooks that do nothing. Every call takes one moment, so what begins together could run together.
 *
 * Takes    a program, or a plan that was stored.
 * Durable  nothing; planning asks lookups what exists, as every plan does.
 * Fails    as planning does; HF6001 when what is to fail is no part of the plan; HF4101 while a change is not settled: an apply would ask what became of it.
 * Costs    a copy of the whole state in memory, and the steps.
 */
export async function simulate(cx: EngineContext, what: PlanRequest | { readonly id: string } | { readonly text: string }, o: SimulateOptions): Promise<SimulationDocument> {
  const planned = 'graph' in what ? await makePlan(cx, what) : await loaded(cx, what)
  for (const { address } of o.fail) {
    const known = planned.plan.changes.some((c) => c.doc.address === address) || planned.plan.pending.some((p) => p.address === address)
    if (!known) throw failure('HF6001', { address, message: `${address} is no part of the plan, so nothing of it can fail.` })
  }
  const clock = new ImaginedClock(cx.clock.now())
  const { store, opened } = await copyOf(cx, clock)
  const env = await store.env(cx.env.app, cx.env.name)
  const [left] = env ? (await store.txs({ env: env.id, unresolved: true })).filter((tx) => unresolved(tx) && (tx.status === 'open' || tx.status === 'sent')) : []
  if (left) throw failure('HF4101', { address: left.address, message: `The ${left.op} of ${left.address} (${left.token}) is not settled: an apply finds out first what became of it, and that cannot be imagined.` })
  const imagine = async (_op: string, uid: string | undefined): Promise<void> => {
    await clock.sleep(1)
    const tx = uid === undefined ? undefined : opened.get(uid)
    if (tx && !tx.undo && o.fail.some((f) => f.address === tx.address && (f.op === undefined || f.op === tx.op))) throw new Error('it is to fail')
  }
  const seen: { readonly event: EngineEvent; readonly at: number }[] = []
  const began = clock.now()
  const { spool: _spool, pruneAssets: _prune, ...rest } = cx
  const imaginedCx: EngineContext = {
    ...rest, store, clock, types: makeRegistry(cx.types.all().map((t) => imagined(t, cx.host, imagine))), keepAssets: async () => undefined,
    emit: (event) => void seen.push({ event, at: clock.now() - began + 1 }),
    hook: () => () => undefined, // functions of the program run in earnest only
    ring: cx.ring ?? makeKeyring(systemRandom.bytes(32), 'imagined', systemRandom),
  }
  const never = new AbortController().signal
  const doc = await applyOn(await EnvState.load(imaginedCx), planned, 'apply', { onFailure: o.onFailure, stop: never, abort: never })
  const steps = stepsOf(seen)
  const { run: _run, ...failed } = doc.error ?? {}
  return {
    plan: planned.id, revision: doc.revision, outcome: doc.outcome, steps, atOnce: Math.max(0, ...steps.map((s) => s.tasks.length)),
    skipped: doc.tasks.filter((t) => t.outcome === 'skipped').map((t) => t.address), reverted: doc.reverted, pending: doc.pending, ...(doc.error ? { failure: failed } : {}),
  }
}

async function loaded(cx: EngineContext, ref: { readonly id: string } | { readonly text: string }): Promise<PlannedRun> {
  const planned = await loadPlan(cx, ref)
  refuseStale(planned.plan, await vectorOf(await EnvState.load(cx)))
  return planned
}

/** The state in memory. `opened` has the newest transaction of every object: who is asked knows by it for whom. */
async function copyOf(cx: EngineContext, clock: ImaginedClock): Promise<{ readonly store: MemoryStore; readonly opened: ReadonlyMap<string, TxRow> }> {
  const store = new MemoryStore({ clock, random: systemRandom })
  await store.import(cx.store.export())
  const opened = new Map<string, TxRow>()
  const commit = store.commit.bind(store)
  store.commit = (entries, options) => {
    for (const e of entries) if (e.t === 'tx.open') opened.set(e.row.uid, e.row)
    return commit(entries, options)
  }
  return { store, opened }
}

function stepsOf(seen: readonly { readonly event: EngineEvent; readonly at: number }[]): SimulatedStep[] {
  const steps: { at: number; phase: SimulatedStep['phase']; tasks: { address: Address; op: string; outcome: 'succeeded' | 'failed' }[] }[] = []
  const running = new Map<string, { address: Address; op: string; outcome: 'succeeded' | 'failed' }>()
  let phase: SimulatedStep['phase'] = 'expand'
  for (const { event: e, at } of seen) {
    const key = `${e.node} ${e.op}`
    switch (e.type) {
      case 'run.phase':
        phase = e.message as SimulatedStep['phase']
        if (phase === 'commit') steps.push({ at, phase, tasks: [] })
        break
      case 'task.started': case 'task.reverting': {
        if (e.type === 'task.reverting') phase = 'revert'
        let step = steps.at(-1)
        if (!step || step.at !== at || step.phase !== phase) steps.push((step = { at, phase, tasks: [] }))
        const task = { address: e.node as Address, op: e.type === 'task.reverting' ? 'revert' : (e.op as string), outcome: 'succeeded' as const }
        step.tasks.push(task)
        running.set(key, task)
        break
      }
      case 'task.failed': case 'task.retrying': case 'task.revertFailed': case 'task.unknown': {
        const task = running.get(key)
        if (task) task.outcome = 'failed'
        break
      }
      default:
    }
  }
  return steps
}
