import { unreachable } from '../../base/index.ts'
import { baseOf, checkEntries, loneRun, loneToken, retagEntries, scopesOf, type Entry } from '../../journal/index.ts'
import type { ResourceMeta, ResourceRow, RunRow, TaskRow, TxRow, TxTarget } from '../../state/index.ts'
import type { CommitOptions } from '../port.ts'
import type { Cell } from './driver.ts'

/** Keys that hold what a row belongs to, and its number there: tasks and transactions of a run, events of an environment. */
export const RUN_SPAN = 2 ** 28
export const ENV_SPAN = 2 ** 40

/** One transaction as a flat list of cells: cheap to send to a thread, ready to be bound to statements. */
export interface EncodedTx {
  readonly cells: Cell[]
  /** Characters in it: what the bound on a batch counts. */
  readonly bytes: number
}

/** Operations, in the order of the union `Entry`. Each is followed by a fixed number of cells, but `txMove` and `txTarget` as noted. */
export const OP = {
  envCreate: 1, envCommit: 2, envOpen: 3, runPut: 4, planPut: 5, planUse: 6, txOpen: 7,
  /** token, to, target (two cells, or two nulls), count, then `count` pairs of (column number, value) */
  txMove: 8,
  resourcePut: 9, resourceUntil: 10, resourceDrop: 11, claimPut: 12, claimDrop: 13, taskPut: 14, outputsPut: 15, secretPut: 16, secretDrop: 17,
  trashPut: 18, trashDrop: 19, keyCheck: 20, event: 21, eventsCompact: 22,
  /** uid, since, count, then `count` pairs of (key, value): tags of the row just put */
  tags: 30,
  envDrop: 31, componentPut: 32, componentDrop: 33, referencePut: 34, referenceDrop: 35, resolvedPut: 36, resolvedDrop: 37, requestPut: 38,
  /** scope, holder, ttl, now, 1 to keep or 0 to release, fences to take away or null: `check` before everything else, `settle` after it */
  holdCheck: 39, holdSettle: 40,
  /** A change that no run plans: uid, address, type, fingerprint of its base, 1 when it deletes; comes after its txOpen. */
  guardLone: 41,
  /** id, approval as JSON */
  planApprove: 42,
  /** part as JSON */
  partOpen: 43,
  /** tag, to or null */
  partClose: 44,
  /** scope, fence: a further lease of the commit */
  fenceAlso: 45,
  /** A lone change: how many cells further on those of its run and of its task stand, which are written with the `txOpen` or `txMove` that follows; 0 for none. */
  alongside: 46,
} as const

/** Cells of a run, of a task, of a hold. */
export const RUN_CELLS = 11
export const TASK_CELLS = 3
export const HOLD_CELLS = 6

/** Columns that `tx.move` may set beside the status, by number. */
export const MOVE_COLUMNS = ['applied', 'epoch', 'attempts', 'first_sent_at', 'last_sent_at', 'ended_at', 'evidence'] as const
const MOVE_FIELDS = ['applied', 'epoch', 'attempts', 'firstSentAt', 'lastSentAt', 'endedAt', 'evidence'] as const

/** Cells before the operations of a transaction: environment, fence scope, fence, expected seq, cells that follow. */
export const HEAD_CELLS = 5

/** Checks what can be checked without the store, and flattens. Runs on the caller's thread. */
export function encode(entries: readonly Entry[], options: CommitOptions): EncodedTx {
  const { env } = options
  checkEntries(entries, env, scopesOf(options.fence))
  const cells: Cell[] = [env, options.fence?.scope ?? null, options.fence?.fence ?? null, options.expectSeq ?? null, 0]
  const hold: Cell[] = options.hold ? [options.hold.scope, JSON.stringify(options.hold.holder), options.hold.ttlMs, options.hold.nowMs, options.hold.after === 'keep' ? 1 : 0, options.hold.force ? JSON.stringify(options.hold.force) : null] : []
  // A row of the revision that the same commit makes is never part of an open run.
  const shown = entries.find((e) => e.t === 'env.commit')?.to
  for (const f of options.fence?.also ?? []) cells.push(OP.fenceAlso, f.scope, f.fence)
  const runs = entries.filter((e) => e.t === 'run.put')
  /** Cells that wait to be told where an entry stands. */
  const places = new Map<Entry, number>()
  const place = (e: Entry) => {
    const at = places.get(e)
    if (at !== undefined) cells[at] = cells.length + 1 - at
  }
  /** Of the run and the task that come after an entry, the first of each, if they are not part of another. */
  const parts = (of: Entry, run: string) => {
    const after = entries.slice(entries.indexOf(of) + 1).filter((e) => !places.has(e))
    const found = [after.find((e) => e.t === 'run.put' && e.row.id === run), after.find((e) => e.t === 'task.put' && e.row.run === run)]
    found.forEach((e, i) => { if (e) places.set(e, cells.length + 1 + i) })
    cells.push(OP.alongside, 0, 0)
  }
  for (const e of entries) {
    switch (e.t) {
      case 'env.create':
        cells.push(OP.envCreate, e.row.id, e.row.app, e.row.name, e.row.revision, e.row.partial ? 1 : 0, e.row.openRun ?? null, e.row.parts ? JSON.stringify(e.row.parts) : null)
        break
      case 'env.commit':
        cells.push(OP.envCommit, e.from, e.to, e.partial ? 1 : 0)
        break
      case 'env.open':
        cells.push(OP.envOpen, e.run ?? null)
        break
      case 'part.open':
        cells.push(OP.partOpen, JSON.stringify(e.part))
        break
      case 'part.close':
        cells.push(OP.partClose, e.tag, e.to ?? null)
        break
      case 'run.put': {
        place(e)
        cells.push(OP.runPut, ...runCells(e.row))
        break
      }
      case 'plan.put': {
        const r = e.row
        cells.push(OP.planPut, r.id, r.createdAt, r.revision, r.seq, r.usedBy ?? null, r.doc, r.madeBy ?? null, r.approval ? JSON.stringify(r.approval) : null)
        break
      }
      case 'plan.use':
        cells.push(OP.planUse, e.id, e.run)
        break
      case 'plan.approve':
        cells.push(OP.planApprove, e.id, JSON.stringify(e.approval))
        break
      case 'tx.open': {
        const r = e.row
        if (loneToken(r.run) === r.token) parts(e, r.run)
        const about: TxAbout = [r.type, r.op, short(r.task, r.address), r.address, r.undo ? 1 : 0, r.ordinal, r.payloadDigest, r.fence, r.openedAt]
        cells.push(
          OP.txOpen, r.target.inputs, `[${JSON.stringify(about)},${packTarget(r.target, r)}]`, r.run, JSON.stringify(r.capability), r.address, r.token, r.uid, r.status, r.applied ?? null,
          r.epoch, r.attempts, r.firstSentAt ?? null, r.lastSentAt ?? null, r.endedAt ?? null, r.evidence ?? null,
        )
        if (r.target.change !== undefined) cells.push(OP.guardLone, r.uid, r.address, r.type, baseOf(r.target.change) ?? null, r.op === 'delete' ? 1 : 0)
        break
      }
      case 'tx.move': {
        if (runs.some((r) => r.row.id === loneRun(e.token))) parts(e, loneRun(e.token))
        cells.push(OP.txMove, e.token, e.to, e.set.target?.inputs ?? null, e.set.target ? packTarget(e.set.target) : null, 0)
        const count = cells.length - 1
        for (let i = 0; i < MOVE_FIELDS.length; i++) {
          const field = MOVE_FIELDS[i] as (typeof MOVE_FIELDS)[number]
          if (field in e.set) cells.push(i, e.set[field] ?? null)
        }
        cells[count] = (cells.length - 1 - count) / 2
        break
      }
      case 'resource.put': {
        const r = e.row
        cells.push(
          OP.resourcePut, e.docs?.inputs ?? null, e.docs?.outputs ?? null, r.since === shown ? 1 : null, r.uid, r.since, r.until ?? null, r.ordinal, r.status, r.address, r.type, r.fingerprint,
          r.shape === r.fingerprint ? '' : r.shape, JSON.stringify(packMeta(r.meta)),
        )
        const tags = Object.entries(r.meta.tags)
        if (tags.length > 0) cells.push(OP.tags, r.uid, r.since, tags.length, ...tags.flat())
        break
      }
      case 'resource.until':
        cells.push(OP.resourceUntil, e.uid, e.since, e.until ?? null)
        break
      case 'resource.drop':
        cells.push(OP.resourceDrop, e.uid, e.since)
        break
      case 'claim.put':
        cells.push(OP.claimPut, e.row.key, e.row.uid, e.row.until ?? null)
        break
      case 'claim.drop':
        cells.push(OP.claimDrop, e.uid, e.key ?? null)
        break
      case 'task.put': {
        place(e)
        cells.push(OP.taskPut, ...taskCells(e.row))
        break
      }
      case 'outputs.put':
        cells.push(OP.outputsPut, e.row.since, e.row.doc)
        break
      case 'secret.put':
        cells.push(OP.secretPut, e.row.name, e.row.fp, e.row.sealed, e.row.at)
        break
      case 'secret.drop':
        cells.push(OP.secretDrop, e.name)
        break
      case 'trash.put':
        cells.push(OP.trashPut, e.row.id, e.row.address, e.row.type, e.row.at, e.row.doc)
        break
      case 'trash.drop':
        cells.push(OP.trashDrop, e.id)
        break
      case 'env.drop':
        cells.push(OP.envDrop)
        break
      case 'component.put':
        cells.push(OP.componentPut, e.row.uid, e.row.name, e.row.seed, e.row.declared ? 1 : 0, e.row.exports ?? null)
        break
      case 'component.drop':
        cells.push(OP.componentDrop, e.uid)
        break
      case 'reference.put':
        cells.push(OP.referencePut, e.row.component, e.row.targetUid, e.row.targetEnv, e.row.address, e.row.type)
        break
      case 'reference.drop':
        cells.push(OP.referenceDrop, e.component, e.targetUid)
        break
      case 'resolved.put':
        cells.push(OP.resolvedPut, e.row.uid, e.row.doc)
        break
      case 'resolved.drop':
        cells.push(OP.resolvedDrop, e.uid)
        break
      case 'request.put':
        cells.push(OP.requestPut, e.row.scope, e.row.id, e.row.method, e.row.digest, e.row.result, e.row.at)
        break
      case 'meta.keyCheck':
        cells.push(OP.keyCheck, e.value)
        break
      case 'event':
        cells.push(OP.event, e.at, e.kind, e.data)
        break
      case 'events.compact':
        cells.push(OP.eventsCompact, e.upTo)
        break
      default: unreachable(e, 'encode')
    }
  }
  if (options.hold) {
    cells.splice(HEAD_CELLS, 0, OP.holdCheck, ...hold)
    cells.push(OP.holdSettle, ...hold)
  }
  cells[HEAD_CELLS - 1] = cells.length - HEAD_CELLS
  let bytes = 0
  for (const c of cells) bytes += typeof c === 'string' ? c.length : 8
  return { cells, bytes }
}

const runCells = (r: RunRow): Cell[] => [r.id, r.kind, r.plan, r.status, r.phase, r.from, r.to ?? null, JSON.stringify(r.holder), r.startedAt, r.endedAt ?? null, r.result ?? null]

const taskCells = (r: TaskRow): Cell[] => [r.run, r.id, packTask(r)]

/** Run of a lone change as it stands in its transaction (`txs.run`), from the cells of an entry; less what is before it, the number of its holder in `words`. */
export const loneRunDoc = ([, kind, plan, status, phase, from, to, , startedAt, endedAt, result]: readonly Cell[]): string => JSON.stringify([status, phase, from, to, startedAt, endedAt, result, kind, plan]).slice(1)
/** `doc` as in `tasks`. */
export const loneTaskDoc = (id: string, doc: string): string => `[${JSON.stringify(id)},${doc.slice(1)}`

/** What a transaction says once, in its document. */
export type TxAbout = [
  type: string, op: TxRow['op'], task: Shortened, address: string, undo: 0 | 1, ordinal: number, payloadDigest: string, fence: number, openedAt: number,
]
/** A text that ends as another does is the part before it, in a list: ids of tasks end with the address. */
export type Shortened = string | [before: string]
const short = (text: string, ending: string): Shortened => (text.endsWith(ending) ? [text.slice(0, text.length - ending.length)] : text)
export const lengthen = (text: Shortened, ending: string): string => (typeof text === 'string' ? text : text[0] + ending)

const within = (part: string, whole: string): string | number => (whole.endsWith(part) ? whole.length - part.length : part)

/** `tasks.doc` */
export type TaskDoc = [
  /** A number: where it begins in the id. */
  address: string | number, kind: TaskRow['kind'], state: TaskRow['state'], intention: TaskRow['intention'], attempt: number,
  /** 0: that of the lone change that the run is. */
  tx: string | 0 | null, failure: string | null, startedAt: number,
  endedAt: number | null, note: string | null,
]

function packTask(r: TaskRow): string {
  const doc: TaskDoc = [within(r.address, r.id), r.kind, r.state, r.intention, r.attempt, r.tx === undefined ? null : r.tx === loneToken(r.run) ? 0 : r.tx, r.failure ?? null, r.startedAt, r.endedAt ?? null, r.note ?? null]
  return JSON.stringify(doc)
}

export function taskRow(t: { readonly id: string; readonly doc: string }, run: string): TaskRow {
  const [address, kind, state, intention, attempt, tx, failure, startedAt, endedAt, note] = JSON.parse(t.doc) as TaskDoc
  return { run, id: t.id, address: typeof address === 'number' ? t.id.slice(address) : address, kind, state, intention, attempt, tx: tx === 0 ? loneToken(run) : (tx ?? undefined), failure: failure ?? undefined, startedAt, endedAt: endedAt ?? undefined, note: note ?? undefined }
}

/** What most rows have is left out: half of the text is the names of empty fields. */
function packMeta(meta: ResourceMeta): Partial<ResourceMeta> {
  const { deps, claims, protect, retain, tags, ...rest } = meta
  return {
    ...rest, ...(deps.length > 0 && { deps }), ...(claims.length > 0 && { claims }), ...(protect && { protect }), ...(retain && { retain }), ...(Object.keys(tags).length > 0 && { tags }),
  }
}
export const unpackMeta = (meta: Partial<ResourceMeta>): ResourceMeta => ({ deps: NONE, claims: NONE, protect: false, retain: false, tags: NO_TAGS, ...meta }) as unknown as ResourceMeta
const NONE: readonly string[] = Object.freeze([])
const NO_TAGS = Object.freeze({})

/** Who a transaction is about: what its target need not repeat. */
export interface TargetOwner {
  readonly env: string
  readonly uid: string
  readonly address: string
  readonly type: string
}

/**
 * The target of a transaction without its inputs, as a list without names: it is written for every change, and a third of it would be names of fields
 * and what the transaction says already. `0` stands for "as the transaction", `null` for absent.
 */
function packTarget(target: TxTarget, owner?: TargetOwner): string {
  const { row, prior, partial, before, also, change, failed } = target
  const unless = (value: string, known: string | undefined) => (value === known ? 0 : value)
  return JSON.stringify([
    row
      ? [
          unless(row.env, owner?.env), unless(row.uid, owner?.uid), unless(row.address, owner?.address), unless(row.type, owner?.type), row.since, row.until ?? null, row.status, row.ordinal,
          row.fingerprint, unless(row.shape, row.fingerprint), packMeta(row.meta),
        ]
      : null,
    prior ? [prior.inputs, prior.outputs] : null,
    partial ?? null,
    // Most changes are creations, and have neither.
    ...(before || also || change !== undefined || failed !== undefined ? [before ?? null, also ?? null] : []),
    ...(change !== undefined || failed !== undefined ? [change ?? null, failed ?? null] : []),
  ])
}

export function unpackTarget(inputs: string, [r, p, partial, before, also, change, failed]: PackedTarget, owner: TargetOwner): TxTarget {
  return {
    ...(r && {
      row: {
        env: r[0] || owner.env, uid: r[1] || owner.uid, address: r[2] || owner.address, type: r[3] || owner.type, since: r[4], until: r[5] ?? undefined, status: r[6], ordinal: r[7],
        fingerprint: r[8], shape: r[9] === 0 ? r[8] : r[9], meta: unpackMeta(r[10]),
      },
    }),
    inputs,
    ...(p && { prior: { inputs: p[0], outputs: p[1] } }),
    ...(partial !== null && { partial }),
    ...(before && { before }),
    ...(also && { also }),
    ...(typeof change === 'string' && { change }),
    ...(typeof failed === 'string' && { failed }),
  }
}

/** What a transaction said once (`docs.outputs` of its target), with another number in the place of a tag. */
export function retagSaid(said: string, tag: number, to: number): string {
  const [about, [row, prior, partial, before, also, ...rest]] = JSON.parse(said) as [TxAbout, PackedTarget]
  const at = (n: number | null) => (n === tag ? to : n)
  const packed = [
    row && [...row.slice(0, 4), at(row[4]), at(row[5]), ...row.slice(6)], prior, partial,
    ...(before === undefined ? [] : [before && retagEntries(before, tag, to)]), ...(also === undefined ? [] : [also && retagEntries(also, tag, to)]), ...rest,
  ]
  return JSON.stringify([about, packed])
}

export type PackedTarget = [
  row: PackedRow | null, prior: [string, string] | null, partial: string | null, before?: readonly object[] | null, also?: readonly object[] | null,
  change?: string | null, failed?: string | null,
]
type PackedRow = [
  env: string | 0, uid: string | 0, address: string | 0, type: string | 0, since: number, until: number | null, status: ResourceRow['status'], ordinal: number, fingerprint: string,
  shape: string | 0, meta: Partial<ResourceMeta>,
]
