import type { TaskResult } from '../flow/index.ts'
import type { Entry } from '../journal/index.ts'
import type { HookNames, ResolvedOptions, Value } from '../model/index.ts'
import type { PlannedChange } from '../plan/index.ts'
import type { ResourceType } from '../provider/index.ts'
import { encodeDoc } from '../secret/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { lookup } from './call.ts'
import { draftOf, event, taskRow, type RowDraft, type Work } from './change.ts'
import { withTies } from './compile.ts'
import { idIn, type Fields } from './facts.ts'
import type { TaskLog } from './log.ts'
import { givenUpEntries } from './remove.ts'
import { closing, draftRow } from './rows.ts'

/** Steps that change only what the store keeps: one commit each, and no call that changes anything. */
export class Recorder {
  readonly #work: Work
  readonly #log: TaskLog
  readonly #touch: (id: string, uid: string) => void

  /** Takes `touch`: is told of every uid that a task decides about. */
  constructor(work: Work, log: TaskLog, touch: (id: string, uid: string) => void) {
    this.#work = work
    this.#log = log
    this.#touch = touch
  }

  /** Only what the store keeps about the node changes: one commit, no call. */
  async record(id: string, c: PlannedChange, row: RowDraft, before: { readonly inputs: Fields; readonly outputs: Fields }): Promise<TaskResult> {
    const { state } = this.#work
    const began = this.#log.start(id, c.doc.address, c.doc.action === 'move' ? 'move' : 'update', 1)
    this.#touch(id, row.uid)
    await state.commit([...closing(state, row.uid), this.#put(row, before.inputs, before.outputs), ...this.#finish(id, row)])
    this.#log.succeed(id, began, before.outputs, undefined, undefined)
    if (this.#work.referred(c.doc.address)) state.remember(row.uid, before.outputs)
    return { kind: 'succeeded' }
  }

  async adopt(id: string, c: PlannedChange, row: RowDraft, inputs: Fields, outputs: Fields, entries: readonly Entry[]): Promise<TaskResult> {
    const began = this.#log.start(id, c.doc.address, 'create', 1)
    await this.#work.state.commit([...entries, this.#put(row, inputs, outputs), ...this.#finish(id, row)])
    this.#log.succeed(id, began, outputs, 'taken back from the trash', undefined)
    this.#work.state.remember(row.uid, outputs)
    return { kind: 'succeeded' }
  }

  async read(id: string, c: PlannedChange, type: ResourceType, inputs: Fields): Promise<TaskResult> {
    const { state } = this.#work
    const began = this.#log.start(id, c.doc.address, 'read', 1)
    const outputs = await lookup(state, type, inputs, { address: c.doc.address, site: c.site })
    const old = state.rowAt(c.doc.address) as ResourceRow | undefined
    const owned = old && !old.meta.lookup ? old : undefined
    const uid = (owned ? undefined : old?.uid) ?? state.cx.ids.next('u')
    this.#touch(id, uid)
    if (owned) this.#touch(id, owned.uid)
    // What it finds was ours: it is given up after the commit, and is ours again when the run is taken back. Anything else that was made for the node goes, as for a replacement.
    const stays = owned !== undefined && (owned.meta.retain || (owned.type === type.type && owned.meta.physicalId !== undefined && idIn(outputs) === owned.meta.physicalId))
    const leaves = owned ? await this.setAside(owned, undefined, undefined, stays) : []
    const row = draftRow(state, { address: c.doc.address, type, uid, ordinal: 1, inputs, options: c.options as NonNullable<typeof c.options>, deps: c.deps, claims: [], lookup: true, storeId: this.#work.storeId, physicalName: undefined, trigger: undefined })
    await state.commit([...leaves, ...closing(state, uid), this.#put(row, inputs, outputs), ...this.#finish(id, row)])
    this.#log.succeed(id, began, outputs, undefined, undefined)
    state.remember(uid, outputs)
    return { kind: 'succeeded' }
  }

  /** The old object of a replacement stays until the commit, and is deleted after it: its row says so. */
  async setAside(old: ResourceRow, options: ResolvedOptions | undefined, ties: PlannedChange['ties'], retain: boolean): Promise<Entry[]> {
    const { state } = this.#work
    const docs = await state.docs(old)
    const meta = { ...withHooks(options ? withTies(state, old, { node: { options }, ties: ties ?? old.meta.tied }).meta : old.meta, options ? options.hooks : old.meta.hooks), retain }
    const provisional = state.provisional(old as RowDraft)
    return [
      ...(provisional ? [{ t: 'resource.drop' as const, uid: old.uid, since: old.since }] : [{ t: 'resource.until' as const, uid: old.uid, since: old.since, until: state.next }]),
      { t: 'resource.put', row: { ...draftOf(old), meta, since: state.next, until: undefined, status: 'deleting' }, docs },
    ]
  }

  /** A row behind which nothing of ours stands ends where another begins. */
  close(row: ResourceRow | undefined): Entry[] {
    if (!row) return []
    return this.#work.state.provisional(row as RowDraft) ? [{ t: 'resource.drop', uid: row.uid, since: row.since }] : closing(this.#work.state, row.uid)
  }

  /** The old object of a replacement that is retained: it stays, and is forgotten. */
  async letGo(id: string, row: RowDraft): Promise<TaskResult> {
    const { state } = this.#work
    const began = this.#log.start(id, row.address, 'forget', 1)
    await state.commit([...givenUpEntries(state, row), { t: 'event', at: state.cx.clock.now(), kind: 'resource.retained', data: JSON.stringify({ run: this.#work.run, node: row.address, uid: row.uid, physicalId: row.meta.physicalId ?? null }) }])
    this.#log.succeed(id, began, undefined, 'retained', undefined)
    return { kind: 'succeeded' }
  }

  #put(row: RowDraft, inputs: Fields, outputs: Fields): Entry {
    const { cx } = this.#work.state
    const place = { table: 'resource', row: row.uid, tx: cx.ids.next('t'), type: row.type }
    return { t: 'resource.put', row, docs: { inputs: encodeDoc(inputs as Value, { ...place, field: 'inputs' }, cx.ring), outputs: encodeDoc(outputs as Value, { ...place, field: 'outputs' }, cx.ring) } }
  }

  #finish(id: string, row: RowDraft): Entry[] {
    const now = this.#work.state.cx.clock.now()
    const tx = { task: id, address: row.address, undo: false, attempts: 1, token: '', openedAt: now, op: 'update' as const }
    return [{ t: 'task.put', row: { ...taskRow(this.#work, tx, 'update', 'success', undefined, undefined), tx: undefined } }, event(this.#work, 'resource.recorded', tx, {})]
  }
}

/** What is deleted runs the hooks that the program names now. */
function withHooks(meta: ResourceRow['meta'], hooks: HookNames | undefined): ResourceRow['meta'] {
  const { hooks: _before, ...rest } = meta
  return hooks ? { ...rest, hooks } : rest
}
