import { failure, isFailure, mutant, type HoldfastError, type Millis } from '../base/index.ts'
import { compare, decide, type Asks, type Decision, type PathDiff } from '../diff/index.ts'
import type { Executor, TaskResult, UndoResult } from '../flow/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Scope, Value } from '../model/index.ts'
import { deleteTask, type PlannedChange } from '../plan/index.ts'
import type { ResourceType } from '../provider/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { draftOf, type Change, type RowDraft, type Work } from './change.ts'
import { upgraded } from './diff.ts'
import { claimsOf, resolveInputs, rulesOf, shapeOf, type Fields } from './facts.ts'
import { forcedBy, mustGo, refuseProtected, replacedWith, withIgnored } from './known.ts'
import { TaskLog } from './log.ts'
import { Recorder } from './recorded.ts'
import { owesOnly, removalOf, type RemovalMode } from './remove.ts'
import { claimEntries, closing, draftRow } from './rows.ts'
import { asksOf, triggerOf } from './rules.ts'
import { Steps } from './steps.ts'
import { fromTrash } from './trash.ts'
import { oneAtATime, undoTask } from './undo.ts'

/** A commit, and the revision that stood then. */
export interface Planned {
  readonly seq: number
  readonly revision: number
}

/** Carries out the changes of a plan as tasks of a flow. Task ids: the address of a node, `address#delete`, or `done:uid`. */
export class ResourceTasks implements Executor {
  readonly work: Work
  readonly log: TaskLog
  readonly #scope: Scope
  readonly #changes = new Map<string, PlannedChange>()
  readonly #removals = new Map<string, Removal>()
  /** What goes first together with a replacement, by its address. */
  readonly #pulled = new Map<string, PlannedChange[]>()
  /** Objects that went in the call of another. */
  readonly #taken = new Map<string, string>()
  /** Uids whose fate a task decided; what its undo looks at. */
  readonly #touched = new Map<string, string | Set<string>>()
  readonly #alone = oneAtATime()
  readonly #steps: Steps
  readonly #recorder: Recorder
  readonly #planned: Planned

  /** Takes `planned`: on what the plan was made. What was written since is its own work, of an earlier attempt perhaps. */
  constructor(work: Work, scope: Scope, log: TaskLog, planned: Planned) {
    this.work = work
    this.#scope = scope
    this.#planned = planned
    this.log = log
    this.#steps = new Steps(work, log, (id, change) => this.#deadline(id, change))
    this.#recorder = new Recorder(work, log, (id, uid) => this.#touch(id, uid))
  }

  /** The first failure that was final. */
  get error(): HoldfastError | undefined {
    return this.#steps.error
  }
  set error(e: HoldfastError | undefined) {
    this.#steps.error = e
  }

  plan(id: string, change: PlannedChange): void {
    this.#changes.set(id, change)
    if (id === change.doc.address) for (const root of change.pulledBy ?? []) this.#pulled.set(root, [...(this.#pulled.get(root) ?? []), change])
  }

  /** `takes`: uids of what goes in the same call (`deletedWith`). */
  removal(id: string, uid: string, mode: RemovalMode, takes: readonly string[] = []): void {
    this.#removals.set(id, { uid, mode, takes, address: this.work.state.current.get(uid)?.address })
    this.#touch(id, uid)
  }

  /** What an earlier run did and this one may have to take back. */
  done(id: string, uid: string): void {
    this.#touch(id, uid)
  }

  #touch(id: string, uid: string): void {
    const known = this.#touched.get(id)
    if (known === undefined || known === uid) this.#touched.set(id, uid) // one, nearly always: no set for it
    else if (typeof known === 'string') this.#touched.set(id, new Set([known, uid]))
    else known.add(uid)
  }

  async execute(id: string, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    const removal = this.#removals.get(id)
    const change = this.#changes.get(id)
    if (!removal && !change) return { kind: 'skipped' }
    const address = change?.doc.address ?? removal?.address ?? id
    try {
      if (removal) return await this.#remove(id, removal, change, attemptNo, signal)
      return await this.#make(id, change as PlannedChange, attemptNo, signal)
    } catch (e) {
      if (!isFailure(e)) throw e
      if (stops(e)) throw e
      e.address ??= address
      e.site ??= change?.site
      this.#steps.failed(id, address, removal ? 'delete' : (change as PlannedChange).doc.action, e, false)
      return { kind: 'failed', retry: false }
    }
  }

  async undo(id: string, half: 'withdraw' | 'restore', signal: AbortSignal): Promise<UndoResult> {
    await this.#steps.closeRetry(id)
    return undoTask(this.work, this.log, id, this.#undoneBy(id), half, signal, (e) => {
      this.error ??= e
    }, this.#alone)
  }

  /**
   * What went in the call of this task, and was never reached by its own, comes back with it. What an earlier run made, and this task only changed, goes
   * with the task that stands for that: what refers to it waits for that one, and not for this.
   */
  #undoneBy(id: string): ReadonlySet<string> {
    const all = uidsIn(this.#touched.get(id))
    const touched = new Set([...all].filter((uid) => id === `done:${uid}` || !this.#touched.has(`done:${uid}`) || this.work.state.base.has(uid)))
    const along = [...this.#taken].filter(([, by]) => by === id)
    return along.length === 0 ? touched : new Set([...touched, ...along.map(([uid]) => uid)])
  }

  /** Writes down the rejections of tasks that were waiting for another attempt when the flow stopped. */
  closeRetries(): Promise<void> {
    return this.#steps.closeRetries()
  }

  async #make(id: string, c: PlannedChange, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    const { state } = this.work
    const { address } = c.doc
    const type = state.type(c.doc.type, address)
    const at = { address, site: c.site }
    const asked = resolveInputs(type, c.inputs as NonNullable<typeof c.inputs>, this.#scope, at, true)
    const options = c.options as NonNullable<typeof c.options>
    if (c.lookup) return this.#recorder.read(id, c, type, asked)
    const lookedUp = state.rowAt(address)?.meta.lookup ? state.rowAt(address) as ResourceRow : undefined
    const standing = (lookedUp ? undefined : state.rowAt(address) ?? (c.uid === undefined ? undefined : state.current.get(c.uid))) as ResourceRow | undefined
    const row = standing?.type === type.type && standing.status !== 'deleting' ? standing : undefined
    const retry = this.#steps.retryOf(id)
    const takesOver = c.adopt !== undefined && row?.meta.physicalId !== c.adopt.id
    const inputs = options.ignore && !takesOver ? await withIgnored(this.work.state, c, type, row, asked, options.ignore) : asked
    if (takesOver) return this.#takeOver(id, c, type, inputs, standing, lookedUp, attemptNo, signal)
    const trigger = triggerOf(state, type.type, { ...at, options }, this.#scope)
    const shape = shapeOf(type, inputs, options, c.deps, trigger?.digest)
    // Done by this plan already, in this run or in one that kept it; what a dead run of another plan did may have been changed from outside since.
    const finished = row !== undefined && row.since > this.#planned.revision && row.seq > this.#planned.seq
    if (row?.meta.due && options.hooks?.[row.meta.due] !== undefined && !retry && !mutant('owed-hook-forgotten')) return this.#owed(id, c, type, row, row.meta.due, attemptNo, signal)
    const tie = finished ? undefined : replacedWith(this.work.state, c)
    if (row && row.status === 'ready' && row.shape === shape && row.address === address && ((c.force === 'none' && !tie) || finished)) return { kind: 'skipped' }

    const before = row ? await upgraded(state, type, row) : undefined
    const paths = before ? compare(before.inputs as Value, inputs as Value) : []
    const decision = this.#decide(c, type, row, standing, paths, finished, asksOf(options, row, forcedBy(c, finished) ?? tie, before?.inputs, inputs, trigger))
    const claims = claimsOf(type, inputs, state.cx.host, at) ?? []
    const common = { address, type, inputs, expr: c.inputs, options, deps: c.deps, claims, lookup: false, storeId: this.work.storeId, shape, trigger: trigger?.digest }

    switch (decision.action) {
      case 'unchanged': return { kind: 'skipped' }
      case 'record': {
        const kept = row as ResourceRow
        const draft = draftRow(state, { ...common, ...(mutant('moved-keeps-address') ? { address: kept.address } : {}), uid: kept.uid, ordinal: kept.ordinal, physicalName: kept.meta.physicalName, kept: kept.meta })
        return this.#recorder.record(id, c, draft, before as { inputs: Fields; outputs: Fields })
      }
      case 'update': {
        const kept = row as ResourceRow
        const draft = draftRow(state, { ...common, uid: kept.uid, ordinal: kept.ordinal, physicalName: kept.meta.physicalName, kept: kept.meta, ...(options.hooks?.afterUpdate ? { due: 'afterUpdate' as const } : {}) })
        const keys = claimEntries(state, kept.uid, claims, kept.meta.claims)
        this.#touch(id, kept.uid)
        return this.#steps.run(id, { ...this.#change(id, c, type, draft, inputs), op: 'update', kind: 'update', prior: before, opening: keys.opening, also: keys.also, before: closing(state, kept.uid) }, attemptNo, options.retries ?? 0, retry, signal)
      }
      case 'create': case 'replace': {
        const again = c.force === 'gone' && row && decision.action === 'create'
        // Deleted first, by the task before this one: the node starts anew.
        const old = decision.action === 'replace' && standing && state.current.get(standing.uid)?.status !== 'deleting' ? standing : undefined
        const retain = options.retain || old?.meta.retain === true
        if (old && !retain && (c.deleteFirst || (decision.action === 'replace' && decision.order === 'delete-first'))) {
          const gone = await this.#removeFirst(id, c, old, signal)
          if (gone.kind === 'unknown' || gone.kind === 'failed') return gone
        }
        const uid = retry?.uid ?? (again ? row.uid : state.cx.ids.next('u'))
        const draft = retry?.target.row ?? draftRow(state, { ...common, uid, ordinal: again ? row.ordinal + 1 : 1, physicalName: undefined, ...(options.hooks?.afterCreate ? { due: 'afterCreate' as const } : {}) })
        const moves: Entry[] = again ? closing(state, uid) : old && state.current.has(old.uid) ? await this.#recorder.setAside(old, options, c.ties, retain) : this.#recorder.close(lookedUp)
        if (old) this.#touch(id, old.uid)
        this.#touch(id, uid)
        const trash = fromTrash(state, type, draft, inputs, decision.action === 'replace')
        const { opening, also } = claimEntries(state, uid, claims, again ? row.meta.claims : [])
        if (trash?.outputs) return this.#recorder.adopt(id, c, draft, inputs, trash.outputs, [...opening, ...moves, trash.drop, ...also])
        const made = await this.#steps.run(id, { ...this.#change(id, c, type, draft, inputs), op: 'create', kind: decision.action === 'replace' ? 'replace' : 'create', prior: undefined, opening, before: moves, also: trash ? [trash.drop, ...also] : also }, attemptNo, options.retries ?? 0, retry, signal)
        if (made.kind === 'succeeded' && old && mutant('replaced-deleted-at-once')) await this.#remove(deleteTask(address), { uid: old.uid, mode: 'contract', takes: [], address }, undefined, 1, signal)
        return made.kind === 'succeeded' && old && moves.length > 0 ? { ...made, beside: true } : made
      }
    }
  }

  /** Takes an object over, in place of the one that stands there, and then makes it what the program says. */
  async #takeOver(id: string, c: PlannedChange, type: ResourceType, inputs: Fields, standing: ResourceRow | undefined, lookedUp: ResourceRow | undefined, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    const { state } = this.work
    const { address } = c.doc
    const adopt = c.adopt as NonNullable<PlannedChange['adopt']>
    const options = c.options as NonNullable<typeof c.options>
    const old = standing && state.current.get(standing.uid)?.status !== 'deleting' ? standing : undefined
    const retain = options.retain || old?.meta.retain === true
    if (old) {
      refuseProtected(c)
      if (!c.mayReplace) throw failure('HF2401', { address, site: c.site, message: `${address} has another object now; the plan did not say so.` })
      if (c.deleteFirst && !retain) {
        const gone = await this.#removeFirst(id, c, old, signal)
        if (gone.kind === 'unknown' || gone.kind === 'failed') return gone
      }
      this.#touch(id, old.uid)
    }
    const retry = this.#steps.retryOf(id)
    const uid = retry?.uid ?? state.cx.ids.next('u')
    const claims = [...new Set([...(claimsOf(type, inputs, state.cx.host, { address, site: c.site }) ?? []), ...adopt.claims])].sort()
    const draft = retry?.target.row ?? draftRow(state, { address, type, inputs, expr: c.inputs, options, deps: c.deps, claims, lookup: false, storeId: this.work.storeId, uid, ordinal: 1, physicalName: undefined, trigger: triggerOf(state, type.type, { address, site: c.site, options }, this.#scope)?.digest, adopted: true })
    const moves = old && state.current.has(old.uid) ? await this.#recorder.setAside(old, options, c.ties, retain) : this.#recorder.close(lookedUp)
    this.#touch(id, uid)
    const change: Change = { ...this.#change(id, c, type, draft, inputs), op: 'read', kind: 'adopt', prior: undefined, adopt, opening: claimEntries(state, uid, claims, []).opening, before: moves, also: [] }
    const made = await this.#steps.run(id, change, attemptNo, options.retries ?? 0, retry, signal)
    const taken: TaskResult = made.kind === 'succeeded' && old && moves.length > 0 ? { ...made, beside: true } : made
    if (made.kind !== 'succeeded' || adopt.only) return taken
    const rest = await this.#make(id, c, attemptNo, signal)
    return rest.kind === 'skipped' || rest.kind === 'succeeded' ? taken : rest
  }

  async #removeFirst(id: string, c: PlannedChange, old: ResourceRow, signal: AbortSignal): Promise<TaskResult> {
    const { state } = this.work
    const gone = await this.#remove(deleteTask(c.doc.address), { uid: old.uid, mode: state.provisional(old as RowDraft) && !state.base.has(old.uid) ? 'withdraw' : 'expand', takes: [], address: c.doc.address }, c, 1, signal)
    if (gone.kind !== 'unknown' && gone.kind !== 'failed') this.#touch(id, old.uid)
    return gone
  }

  #decide(c: PlannedChange, type: ResourceType, row: ResourceRow | undefined, standing: ResourceRow | undefined, paths: readonly PathDiff[], finished: boolean, asks: Asks): Decision {
    if (!row && standing && standing.status !== 'deleting') return { action: 'replace', maybe: false, order: 'create-first', because: [`the type was ${standing.type}`] }
    if (c.force === 'gone' && !finished) return { action: 'create' }
    let d = decide(row, paths, rulesOf(type, c.options), asks)
    if (d.action === 'record' && c.force === 'repair' && !finished) d = type.update ? { action: 'update', maybe: false } : { action: 'replace', maybe: false, order: 'create-first', because: ['it was changed from outside'] }
    if (d.action === 'replace') refuseProtected(c)
    if (d.action === 'replace' && (!c.mayReplace || c.adopt)) {
      throw failure('HF2401', { address: c.doc.address, site: c.site, message: `${c.doc.address} would need a new object now (${d.because.join(', ')}); the plan did not say so.` })
    }
    return d
  }

  #change(id: string, c: PlannedChange, type: ResourceType, row: RowDraft, inputs: Fields) {
    return { task: id, address: c.doc.address, site: c.site, type, uid: row.uid, ordinal: row.ordinal, physicalName: row.meta.physicalName, undo: false, inputs, row, hooks: c.options?.hooks }
  }

  /** A step whose hook after it failed, or was never reached because the process died, runs it before anything else. */
  async #owed(id: string, c: PlannedChange, type: ResourceType, row: ResourceRow, due: NonNullable<ResourceRow['meta']['due']>, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    const { state } = this.work
    const { inputs, outputs } = await upgraded(state, type, row)
    const draft = draftOf(row)
    const change: Change = { ...this.#change(id, c, type, draft, inputs), op: due === 'afterCreate' ? 'create' : 'update', kind: 'update', prior: { inputs, outputs }, opening: [], before: [], also: [] }
    const paid = await this.#steps.owed(id, change, attemptNo, signal)
    if (paid.kind !== 'succeeded') return paid
    const rest = await this.#make(id, c, attemptNo, signal)
    return rest.kind === 'skipped' ? { kind: 'succeeded' } : rest
  }

  /** An object went, and the hook after that failed, or was never reached: it runs now, and nothing is called. */
  async #owedAfterDelete(id: string, r: Removal, row: RowDraft, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    const { state } = this.work
    const change = await removalOf(state, row, id, r.mode)
    if (!change) return { kind: 'skipped' }
    this.#touch(id, r.uid)
    return this.#steps.owed(id, { ...change, undo: false }, attemptNo, signal)
  }

  #deadline(id: string, change: Change): Millis | undefined {
    if (change.op === 'delete') return this.work.state.current.get(change.uid)?.meta.timeouts?.delete
    const options = this.#changes.get(id)?.options
    return options?.timeouts?.[change.op] ?? options?.timeoutMs
  }

  async #remove(id: string, r: Removal, c: PlannedChange | undefined, attemptNo: number, signal: AbortSignal): Promise<TaskResult> {
    const { state } = this.work
    const row = state.current.get(r.uid) as RowDraft | undefined
    if (!row) return this.#wentAlong(id, r) // or it went in an earlier run
    if (owesOnly(row)) return this.#owedAfterDelete(id, r, row, attemptNo, signal)
    if (c && c.phase === 'expand' && c.doc.action !== 'delete') {
      if (!(await this.#goesFirst(c, row))) return { kind: 'skipped' }
      this.#refuseAnyProtected(c)
    }
    if (row.meta.retain && row.status === 'deleting' && !mutant('retained-deleted')) return this.#recorder.letGo(id, row)
    const takes = r.takes.flatMap((uid) => (state.current.get(uid) as RowDraft | undefined) ?? [])
    const change = await removalOf(state, row, id, r.mode, takes)
    if (!change) return { kind: 'skipped' }
    this.#touch(id, r.uid)
    const result = await this.#steps.run(id, change, attemptNo, 0, this.#steps.retryOf(id), signal)
    if (result.kind === 'succeeded') for (const t of takes) if (!state.current.has(t.uid)) this.#taken.set(t.uid, id)
    return result
  }

  /** Of those that go first together, none goes when one is protected. */
  #refuseAnyProtected(c: PlannedChange): void {
    refuseProtected(c)
    for (const root of c.pulledBy ?? [c.doc.address]) {
      const change = this.#changes.get(root)
      if (change) refuseProtected(change)
      for (const x of this.#pulled.get(root) ?? []) refuseProtected(x)
    }
  }

  #wentAlong(id: string, r: Removal): TaskResult {
    if (!this.#taken.delete(r.uid)) return { kind: 'skipped' }
    this.log.succeed(id, this.log.start(id, r.address ?? id, 'delete', 1), undefined, 'went with another', undefined)
    return { kind: 'succeeded' }
  }

  /** Whether the old object goes before the new one: for its own sake, or for one of those that pull it. */
  async #goesFirst(c: PlannedChange, row: RowDraft): Promise<boolean> {
    if (!c.pulledBy) return mustGo(this.work.state, this.#scope, c, row)
    for (const a of c.pulledBy) {
      const root = this.#changes.get(a)
      const standing = root?.uid === undefined ? undefined : (this.work.state.current.get(root.uid) as RowDraft | undefined)
      // It is gone already: then it went first.
      if (!root || !standing || (await mustGo(this.work.state, this.#scope, root, standing))) return true
    }
    return false
  }
}

interface Removal {
  readonly uid: string
  readonly mode: RemovalMode
  readonly takes: readonly string[]
  readonly address: string | undefined
}

const uidsIn = (touched: string | Set<string> | undefined): ReadonlySet<string> => (typeof touched === 'string' ? new Set([touched]) : touched ?? new Set())

/** Failures of the store itself: nothing more can be written, so nothing more may be done. */
const stops = (e: HoldfastError): boolean => e.code.startsWith('HF40') || e.code === 'HF4203'
