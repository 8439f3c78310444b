import { mutant } from '../base/index.ts'
import { isPromise } from './asked.ts'
import { firstUnknown, hasSecret, masked, type Address, type ExprNode, type HookNames, type ResolvedOptions, type Scope, type Value } from '../model/index.ts'
import { classOf } from '../journal/index.ts'
import type { PathDiff } from '../diff/index.ts'
import { afterUsers, deleteTask, orderByClaims, pendingTask, refuseCircles, type ChangeAction, type ChangeDocument, type Going, type Owner, type PathChange, type PlannedChange, type Wanting } from '../plan/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import type { ResourceType } from '../provider/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { DiffOptions, EnvDiff, NodeDiff } from './diff.ts'
import { writesSecrets } from './hide.ts'
import type { EnvState } from './state.ts'
import { orderDeletions, tiedTo, type Deletion, type DeletionOrder } from './together.ts'
import { boundComeBack } from './trash.ts'

export interface Compiled {
  readonly changes: readonly PlannedChange[]
  readonly through: readonly { readonly id: string; readonly after: readonly string[] }[]
}

/**
 * Turns differences into frozen changes: order by dependencies and by claims, deletes last unless their place is wanted.
 * Cost follows the changes; nodes that do not change are passed over unless they stand between two that do.
 */
export async function compile(state: EnvState, graph: DesiredGraph | undefined, diff: EnvDiff, options: DiffOptions): Promise<Compiled> {
  const ofNode = new Map(diff.changed.map((d) => [d.node.address, d]))
  const left = diff.left.filter((r) => !r.meta.retain)
  const going: Going[] = left.map((r) => ({ uid: r.uid, address: r.address, pending: false }))
  for (const r of state.current.values()) if (r.status === 'deleting') going.push({ uid: r.uid, address: r.address, pending: true })
  const owners = await ownersOf(state, diff.changed)
  const order = orderByClaims(state.env.id, diff.changed.filter((d) => d.decision.action !== 'read').map((d) => wanting(state, d)), going, (key) => owners.get(key))
  const comeBack = boundComeBack(state, diff.changed.filter((d) => d.decision.action === 'create' && !d.row && !d.adopt).map((d) => ({ address: d.node.address, type: d.type })))
  const replacedFirst = diff.changed.flatMap((d) => (d.row && d.decision.action === 'replace' && d.decision.order === 'delete-first' && !retained(d) ? [d.row.uid] : []))
  const first = withDependants(state, withTied(diff, left, [...order.deleteFirst, ...comeBack.values(), ...replacedFirst]), left, options.goesLast)
  const before = orderDeletions(deletionsBefore(state, diff, first))
  const afterCommit = orderDeletions(deletionsAfter(state, diff, first))

  // What the open run has taken from the base belongs to that again when both are taken back.
  const ofBase = new Set([...state.base.values()].flatMap((r) => r.meta.claims))
  const changes: PlannedChange[] = []
  const through: { id: string; after: string[] }[] = []
  const included = new Set<Address>(ofNode.keys())
  for (const address of diff.order) {
    const deps = graph?.nodes.get(address)?.deps ?? []
    const after = deps.filter((d) => included.has(d))
    const d = ofNode.get(address)
    if (!d) {
      if (after.length) {
        included.add(address)
        through.push({ id: address, after })
      }
      continue
    }
    const deleteFirst = d.row !== undefined && first.has(d.row.uid)
    for (const b of order.before.get(address) ?? []) {
      if (b.address !== undefined) after.push(b.address)
      // The object of this very node goes inside its own task.
      else if (b.uid !== undefined && b.uid !== d.row?.uid) after.push(taskOfUid(state, diff, b.uid))
    }
    const back = comeBack.get(address)
    if (back !== undefined) after.push(pendingTask(address, back))
    const taken = d.claims?.filter((k) => ofBase.has(k)) ?? []
    changes.push({ ...planned(state, d, diff.scope, after, deleteFirst && order.deleteFirst, options), ...(taken.length > 0 ? { claims: taken } : {}), ...(deleteFirst ? goneFirst(d, before, ofNode) : {}) })
  }
  for (const r of diff.left) changes.push(removal(state, r, graph ? 'not in the program any more' : 'everything is destroyed', first.has(r.uid) ? before : undefined, afterCommit, options))
  for (const uid of first) {
    const r = state.current.get(uid)
    if (r?.status === 'deleting') changes.push(removal(state, r as ResourceRow, '', before, afterCommit, options))
  }
  refuseCircles(changes, through)
  return { changes: afterUsers(changes, usersIn(state, diff)), through }
}

/** Nodes that change and whose objects refer to what goes, or to what goes along. One that is replaced and still depended on is updated after, or was pulled along. */
const usersIn = (state: EnvState, diff: EnvDiff) => (gone: PlannedChange): readonly Address[] => {
  const deleted = gone.doc.action === 'delete'
  const own = deleted ? gone.doc.address : (diff.changed.find((d) => d.node.address === gone.doc.address)?.row?.address ?? gone.doc.address)
  const along = (gone.takes ?? []).flatMap((uid) => state.current.get(uid)?.address ?? [])
  return diff.changed.filter((d) => d.row && ((d.row.meta.deps.includes(own) && (deleted || !d.node.deps.includes(gone.doc.address)))
    || (!gone.takes?.includes(d.row.uid) && along.some((a) => d.row?.meta.deps.includes(a) && !d.node.deps.includes(a))))).map((d) => d.node.address)
}

const retained = (d: NodeDiff): boolean => d.row !== undefined && (d.row.meta.retain || d.node.options.retain)

/** What the deletion of an old object that goes first waits for, and what goes along. */
function goneFirst(d: NodeDiff, order: DeletionOrder, ofNode: ReadonlyMap<Address, NodeDiff>): Partial<PlannedChange> {
  const uid = (d.row as ResourceRow).uid
  // Whether a replacement that is not certain goes first shows when what it depends on is done.
  const roots = (d.pulledBy ?? []).flatMap((a) => {
    const root = ofNode.get(a)
    return root && root.decision.action === 'replace' && root.decision.maybe ? root.node.deps.filter((x) => ofNode.has(x)) : []
  })
  const after = [...new Set([...roots, ...(order.after.get(uid) ?? [])])]
  const takes = order.takes.get(uid)
  return { ...(after.length > 0 ? { goneAfter: after } : {}), ...(d.pulledBy ? { pulledBy: d.pulledBy } : {}), ...(takes ? { takes } : {}) }
}

/** Objects that go before the commit. */
function deletionsBefore(state: EnvState, diff: EnvDiff, first: ReadonlySet<string>): Deletion[] {
  if (first.size === 0) return []
  const nodeOf = new Map(diff.changed.map((d) => [d.row?.uid, d]))
  return [...first].flatMap((uid): Deletion[] => {
    const row = state.current.get(uid)
    if (!row) return []
    const d = nodeOf.get(uid)
    if (d) return [{ row: withTies(state, row as ResourceRow, d), task: deleteTask(d.node.address), early: d.pulledBy !== undefined || d.goneWith === true }]
    return [{ row: row as ResourceRow, task: row.status === 'deleting' ? pendingTask(row.address, uid) : deleteTask(row.address), early: true }]
  })
}

/** Objects that go after the commit: only what goes along with what matters here. */
function deletionsAfter(state: EnvState, diff: EnvDiff, first: ReadonlySet<string>): Deletion[] {
  const rows: ResourceRow[] = diff.left.filter((r) => !first.has(r.uid))
  if (!rows.some((r) => r.meta.rules?.deletedWith !== undefined)) return []
  for (const d of diff.changed) if (d.row && d.decision.action === 'replace' && !d.decision.maybe && !first.has(d.row.uid) && !retained(d)) rows.push(withTies(state, d.row, d))
  for (const r of state.current.values()) if (r.status === 'deleting' && !first.has(r.uid)) rows.push(r as ResourceRow)
  return rows.map((row) => ({ row, task: row.uid, early: true }))
}

/**
 * What an object goes with when the program says something else than its row: that it has a delete of its own counts at once. That it goes with another
 * counts where its row names none, and it has had to do with that other; else it lies where it was made.
 */
export function withTies(state: EnvState, row: ResourceRow, d: { readonly node: { readonly options: ResolvedOptions }; readonly ties?: NodeDiff['ties'] }): ResourceRow {
  const { deletedWith: before, ...rules } = row.meta.rules ?? {}
  const { deletedWith } = d.node.options
  if (before === undefined && deletedWith === undefined) return row
  if (deletedWith === undefined) return { ...row, meta: { ...row.meta, rules } }
  const host = d.ties?.[deletedWith]
  const was = host === undefined ? undefined : (state.base.get(host) ?? state.current.get(host))?.address
  const liesIn = before === undefined ? was !== undefined && row.meta.deps.includes(was) : tiedTo(row) === host
  return liesIn && d.ties ? { ...row, meta: { ...row.meta, rules: { ...rules, deletedWith }, tied: d.ties } } : row
}

/**
 * An object that must go first takes with it, before it, what depends on it and goes, too; but not what something that stays may still refer to:
 * that is deleted last, as always.
 */
function withDependants(state: EnvState, uids: ReadonlySet<string>, left: readonly ResourceRow[], goesLast: ReadonlySet<string> = new Set()): Set<string> {
  const out = new Set(uids)
  if (out.size === 0) return out
  const going = new Map(left.map((r) => [r.uid, r]))
  const used = new Set<Address>()
  const todo = [...state.current.values()].filter((r) => r.status !== 'deleting' && !going.has(r.uid)).flatMap((r) => r.meta.deps)
  for (let a = todo.pop(); a !== undefined; a = todo.pop()) {
    if (used.has(a)) continue
    used.add(a)
    for (const r of left) if (r.address === a) todo.push(...r.meta.deps)
  }
  const byAddress = new Map(left.map((r) => [r.address, r]))
  // What is still to be deleted since an earlier run may refer to it, too.
  const pending = [...state.current.values()].filter((r) => r.status === 'deleting' && !r.meta.retain) as ResourceRow[]
  const replaced = new Set([...uids].map((uid) => state.current.get(uid)).filter((r) => r !== undefined && r.status !== 'deleting' && !going.has(r.uid)).map((r) => r?.address as Address))
  // Rows name what they use by address: what was written after the old object there was set aside means the one that took its place.
  const refersTo = (r: ResourceRow, gone: ResourceRow) => r.status === 'deleting' || r.seq < gone.seq || !state.at.has(gone.address)
  // What was not written since an old object there was set aside means that one, not the one that is replaced now.
  const means = (r: ResourceRow, a: Address) => r.status === 'deleting' || !pending.some((p) => p.address === a && p.seq > r.seq)
  const goes = (r: ResourceRow, a: Address) => (replaced.has(a) && means(r, a)) || out.has(byAddress.get(a)?.uid ?? '') || pending.some((p) => p.address === a && p.uid !== r.uid && out.has(p.uid) && refersTo(r, p))
  for (let grew = true; grew;) {
    grew = false
    for (const r of pending.length > 0 ? [...left, ...pending] : left) if (!out.has(r.uid) && (r.status === 'deleting' ? !goesLast.has(r.uid) : !used.has(r.address)) && r.meta.deps.some((a) => goes(r, a))) {
      out.add(r.uid)
      grew = true
    }
  }
  return out
}

function taskOfUid(state: EnvState, diff: EnvDiff, uid: string): string {
  const replaced = diff.changed.find((d) => d.row?.uid === uid)
  if (replaced) return deleteTask(replaced.node.address)
  const row = state.current.get(uid)
  return row?.status === 'deleting' ? pendingTask(row.address, uid) : deleteTask(row?.address ?? uid)
}

async function ownersOf(state: EnvState, changed: readonly NodeDiff[]): Promise<Map<string, Owner>> {
  const keys = [...new Set(changed.flatMap((d) => d.claims ?? []))]
  const out = new Map<string, Owner>()
  if (keys.length === 0 || state.env.seq === 0 && !state.cx.store.traits.durable) return out
  const rows = await state.cx.store.claims(keys)
  const unknown = new Map([...state.making.values(), ...state.unknown.values()].map((t) => [t.uid, t]))
  const { id } = state.env
  const elsewhere = new Map<string, Awaited<ReturnType<typeof namesOf>>>()
  for (const [i, row] of rows.entries()) {
    if (!row || row.until !== undefined) continue
    const unsettled = unknown.get(row.uid)
    if (row.env !== id) {
      const names = elsewhere.get(row.env) ?? await namesOf(state, row.env)
      elsewhere.set(row.env, names)
      out.set(keys[i] as string, { uid: row.uid, env: row.env, address: names.addresses.get(row.uid), of: names.of })
    } else out.set(keys[i] as string, { uid: row.uid, env: row.env, address: state.current.get(row.uid)?.address ?? unsettled?.address, unsettled: unsettled?.token })
  }
  return out
}

/** What is called how in another environment: a plan that wants what one of its nodes owns is refused, and says whose it is. */
async function namesOf({ cx }: EnvState, env: string): Promise<{ readonly of: string | undefined; readonly addresses: ReadonlyMap<string, Address> }> {
  const [row, rows] = await Promise.all([cx.store.envById(env), cx.store.resources(env, 'current')])
  return { of: row && `${row.app}/${row.name}`, addresses: new Map(rows.map((r) => [r.uid, r.address])) }
}

/** A create of which nobody knows (yet) whether it happened owns what it claims: its node waits for it, and does not fight it. */
const wanting = (state: EnvState, d: NodeDiff): Wanting => ({
  address: d.node.address, site: d.node.site, uid: d.row?.uid ?? state.unknown.get(d.node.address)?.uid ?? state.making.get(d.node.address)?.uid, wants: d.claims,
  replaced: d.decision.action === 'replace' && !retained(d),
  retained: d.decision.action !== 'replace' || !retained(d) ? 'no' : d.decision.maybe ? 'maybe' : 'certain',
  // What is gone and made again keeps no more than one that is updated.
  gives: (d.decision.action === 'update' || d.decision.action === 'create') && d.row && d.claims ? d.row.meta.claims.filter((c) => !d.claims?.includes(c)) : [],
})

/** `goesFirst`: what goes first for what it claims, where the old object of the node goes first, too. */
function planned(state: EnvState, d: NodeDiff, scope: Scope, after: readonly string[], goesFirst: ReadonlySet<string> | false, options: DiffOptions): PlannedChange {
  const { node } = d
  const replaces = d.decision.action === 'replace'
  const was = d.row?.address ?? ''
  const asked = options.replace.has(node.address) || d.row?.meta.tainted || d.askedFirst === 'certain'
  const force = options.gone.has(was) ? 'gone' : asked ? 'replace' : options.drifted.has(was) ? 'repair' : 'none'
  const { replaceWhen } = node.options
  return {
    doc: document(state, d, goesFirst, options),
    phase: 'expand', uid: d.row?.uid, inputs: freeze(node.inputs, scope), deps: node.deps, options: replaceWhen ? { ...node.options, replaceWhen: freeze(replaceWhen, scope) } : node.options, site: node.site, lookup: node.action === 'read',
    after: [...new Set(after)], force, deleteFirst: goesFirst !== false,
    // Where it shows only then whether anything differs, what failed half-way may have to be made anew; the plan says `maybe`.
    mayReplace: replaces || (d.row?.status === 'partial' && 'maybe' in d.decision && d.decision.maybe),
    blockedBy: d.blockedBy,
    ...(d.adopt ? { adopt: { id: d.adopt.id, other: d.adopt.other, only: d.adopt.only, claims: d.adopt.claims } } : {}),
    ...(d.ties ? { ties: d.ties } : {}),
    ...(writesSecrets(d.type, node.inputs) ? { sealed: true } : {}),
  }
}

/** Why nothing is done about a node until a change of it is settled. */
function waitsFor(state: EnvState, token: string): string {
  const tx = [...state.unknown.values()].find((t) => t.token === token)
  if (tx?.target.change === undefined) return `waits for ${token} to be settled`
  if (tx.status === 'failed') return `blocked: failed transaction ${token}`
  if (tx.status === 'unknown' || state.ownerless.has(token)) return `needs recovery: ${token}`
  return `busy: ${token} is open`
}

function document(state: EnvState, d: NodeDiff, goesFirst: ReadonlySet<string> | false, options: DiffOptions): ChangeDocument {
  const { decision, type, node, row } = d
  const action: ChangeAction = d.adopt ? 'adopt' : decision.action === 'read' ? 'read' : 'maybe' in decision && decision.maybe ? 'maybe'
    : decision.action === 'record' ? (d.movedFrom !== undefined && d.paths.length === 0 ? 'move' : 'update')
      : decision.action === 'unchanged' ? 'update' : decision.action
  const reasons: string[] = []
  if (d.movedFrom !== undefined) reasons.push(d.moveReason === 'movedFrom' ? `moved from ${d.movedFrom}` : `moved from ${d.movedFrom}: ${d.moveReason}`)
  if (d.blockedBy !== undefined) reasons.push(waitsFor(state, d.blockedBy))
  if (decision.action === 'replace') reasons.push(...decision.because.map((b) => (d.paths.some((p) => top(p.path) === b) ? `${b} forces a new object` : b)))
  if (d.adopt) reasons.push(...adoptReasons(d.adopt))
  const owned = decision.action === 'read' && row && !row.meta.lookup
  if (owned) reasons.push(d.givenUp ? 'what it finds was ours: it is given up' : row.meta.retain ? 'retain: the object it had stays' : 'the object it had is deleted')
  if (decision.action === 'create' && row) reasons.push('it is gone')
  const owed = row?.meta.due && node.options.hooks?.[row.meta.due]
  if (owed) reasons.push(`its hook ${owed} (${row.meta.due}) has not ended well yet`)
  else if (decision.action === 'record' && d.movedFrom === undefined) reasons.push('only its options or dependencies differ')
  if (row?.status === 'partial') reasons.push('the last change of it failed half-way')
  if (decision.action === 'replace' && retained(d)) reasons.push('retain: the old object stays')
  if (goesFirst && decision.action === 'replace' && decision.order !== 'delete-first') reasons.push(row && goesFirst.has(row.uid) ? 'the old object must go first: both claim one thing' : 'the old object must go first: it lies in one that does (deletedWith)')
  const hooks = plannedHooks(node.options.hooks, d)
  const irreversible = !d.adopt && type.irreversible?.some((s) => s === decision.action || (decision.action === 'replace' && (s === 'create' || s === 'delete')))
  const verb = decision.action === 'update' && row ? safely(() => describe(type, d)) : undefined
  return {
    address: node.address, type: type.type, action, reasons,
    ...(decision.action === 'replace' ? { replace: goesFirst ? 'delete-first' as const : 'create-first' as const } : {}),
    ...(owned && !d.givenUp ? { replace: 'create-first' as const } : {}),
    ...(d.paths.length ? { paths: d.paths.map((p) => pathChange(state, p)) } : {}),
    ...(verb ? { verb } : {}),
    ...(irreversible ? { irreversible: true } : {}),
    ...(type.identity === 'new' && decision.action !== 'read' && row ? { identity: 'new' as const } : {}),
    ...(d.adopt ? { adopts: d.adopt.id, owner: d.adopt.owner } : {}),
    ...(hooks ? { hooks } : {}),
    ...(decision.action === 'create' && !d.adopt && classOf('create', type.capability ?? {}, type.read !== undefined, type.find !== undefined) === 'D' ? { recovery: 'D' as const } : {}),
    // Of what failed half-way the program's word counts: it can only be changed together with the repair.
    ...protection(node.options.protect || (row?.meta.protect === true && row.status !== 'partial'), node.address, options),
  }
}

function adoptReasons(a: NonNullable<NodeDiff['adopt']>): string[] {
  if (!a.outputs) return ['it is looked at when its inputs are known']
  const lost = a.paths.filter((p) => p.before === undefined && !p.path.includes('.')).map((p) => p.path)
  return [
    ...(a.paths.length > 0 ? [a.only ? 'what differs is left for the next apply' : 'then updated'] : []),
    ...(lost.length > 0 && !a.only ? [`what it has now cannot be brought back: ${lost.join(', ')}`] : []),
    ...(a.unseen.length > 0 ? [`taken to be as the program says: ${a.unseen.join(', ')}`] : []),
  ]
}

/** The hooks that the steps of a change will run. */
function plannedHooks(names: HookNames | undefined, d: NodeDiff): HookNames | undefined {
  const { action } = d.decision
  const steps = d.adopt ? (d.adopt.only || (d.adopt.outputs && d.paths.length === 0) ? [] : ['Update']) : action === 'create' ? ['Create'] : action === 'update' ? ['Update'] : action === 'replace' ? ['Create', 'Delete'] : []
  if (d.adopt && action === 'replace') steps.push('Delete')
  const due = d.row?.meta.due
  const planned = hooksOf(names, steps)
  return due && names?.[due] ? { [due]: names[due], ...planned } : planned
}

function hooksOf(names: HookNames | undefined, steps: readonly string[]): HookNames | undefined {
  if (!names || steps.length === 0) return undefined
  const out = Object.fromEntries(Object.entries(names).filter(([point]) => point === 'onError' || steps.some((s) => point.endsWith(s))))
  return Object.keys(out).length > 0 ? out : undefined
}

function protection(is: boolean, address: Address, options: DiffOptions): Pick<ChangeDocument, 'protected' | 'unprotected'> {
  if (!is) return {}
  return options.unprotect.some((p) => p === address || address.startsWith(`${p}/`)) ? { unprotected: true } : { protected: true }
}

function describe(type: ResourceType, d: NodeDiff): string | undefined {
  if (!type.describe) return undefined
  const known: Record<string, unknown> = {}
  for (const [k, v] of Object.entries(d.inputs)) if (v !== undefined && !firstUnknown(v)) known[k] = masked(v)
  const prior = { inputs: masked((d.before?.inputs ?? {}) as Value), outputs: masked((d.before?.outputs ?? {}) as Value) }
  const word: unknown = type.describe({ inputs: known as never, prior: prior as never, paths: d.paths.map((p) => p.path) })
  if (isPromise(word)) word.catch(() => undefined)
  return typeof word === 'string' ? word : undefined
}

function safely<T>(f: () => T): T | undefined {
  try {
    return f()
  } catch {
    return undefined // a description is a courtesy: what cannot be described is called by its action
  }
}

function pathChange(state: EnvState, p: PathDiff): PathChange {
  const secret = hasSecret(p.before) || hasSecret(p.after)
  const files = p.path.endsWith('digest') && typeof p.before === 'string' && typeof p.after === 'string' ? state.cx.assetChanges?.(p.before, p.after) : undefined
  return {
    path: p.path,
    ...(p.before === undefined ? {} : { before: masked(p.before) }),
    ...(p.after === undefined ? {} : { after: masked(p.after) }),
    ...(secret ? { secret: true } : {}),
    ...(files ? { files } : {}),
  }
}

function removal(state: EnvState, r: ResourceRow, why: string, first: DeletionOrder | undefined, last: DeletionOrder, options: DiffOptions): PlannedChange {
  const type = state.cx.types.get(r.type)
  const forget = (r.meta.retain && !mutant('retained-deleted')) || r.meta.lookup === true
  const hooks = forget ? undefined : hooksOf(r.meta.hooks, ['Delete'])
  const pending = r.status === 'deleting'
  const takes = first?.takes.get(r.uid)
  const by = (first ?? last).with.get(r.uid)
  return {
    doc: {
      address: r.address, type: r.type, action: forget ? 'forget' : 'delete',
      reasons: [
        r.meta.retain ? 'retain: the object stays' : pending ? `left over from an earlier run; ${first ? 'it goes first' : 'its place is wanted'}` : why,
        ...(first && !pending ? ['goes first: its place is wanted'] : []), ...(by === undefined || forget ? [] : [`deletedWith: it goes with ${by}, without a call of its own`]),
      ],
      ...(type?.irreversible?.includes('delete') ? { irreversible: true } : {}),
      ...protection(r.meta.protect, r.address, options),
      ...(hooks ? { hooks } : {}),
      ...(type?.identity === 'new' && first ? { identity: 'new' as const } : {}),
    },
    phase: first ? 'expand' : 'contract', uid: r.uid, inputs: undefined, deps: r.meta.deps, options: undefined, site: undefined, lookup: false,
    // Within expand, what depends on the object goes before it.
    after: first?.after.get(r.uid) ?? [], force: 'none', deleteFirst: first !== undefined, mayReplace: false, blockedBy: state.unknown.get(r.address)?.token,
    ...(takes ? { takes } : {}), ...(pending ? { pending: true } : {}),
  }
}

/** Those that go first, and what is deleted or replaced and goes with one of them (deletedWith): its object is gone then, and not at its own turn. */
function withTied(diff: EnvDiff, left: readonly ResourceRow[], uids: readonly string[]): Set<string> {
  const out = new Set(uids)
  const tied = [...left, ...diff.changed.flatMap((d) => (d.row && d.decision.action === 'replace' && !retained(d) ? [d.row] : []))].flatMap((row) => {
    const top = tiedTo(row)
    return top === undefined ? [] : [{ uid: row.uid, top }]
  })
  for (let before = -1; before < out.size;) {
    before = out.size
    for (const { uid, top } of tied) if (out.has(top)) out.add(uid)
  }
  return out
}

/** Assets are taken at plan: their value, path and digest, stands in the plan instead of the path. */
export function freeze(e: ExprNode, scope: Scope): ExprNode {
  switch (e.k) {
    case 'asset': return { k: 'lit', v: scope.asset(e.path, e.ignore, e.at) }
    case 'ref': return e.at ? { k: 'ref', node: e.node, path: e.path } : e
    case 'str': case 'arr': case 'obj': case 'call': {
      const args = e.args.map((a) => freeze(a, scope))
      return args.every((a, i) => a === e.args[i]) ? e : { ...e, args }
    }
    case 'hide': return { ...e, of: freeze(e.of, scope) }
    case 'each': return { ...e, list: freeze(e.list, scope), body: freeze(e.body, scope) }
    default: return e
  }
}

const top = (path: string): string => path.split('.')[0] as string
