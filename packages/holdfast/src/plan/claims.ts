import { failure, isFailure, mutant, type Site } from '../base/index.ts'
import { withoutCircles, type Edge } from '../flow/index.ts'
import { topologicalOrder } from '../graph/index.ts'
import type { Address } from '../model/index.ts'
import { goneTask, goneTaskAfter, type PlannedChange } from './plan.ts'

/** A node that will own keys, and what it owns now. */
export interface Wanting {
  readonly address: Address
  readonly site: Site | undefined
  readonly uid: string | undefined
  /** Keys it will own; undefined: not known yet, checked when they are. */
  readonly wants: readonly string[] | undefined
  /** The object it has now goes (a replacement), so its keys come free. */
  readonly replaced: boolean
  /** The object it has now is replaced and stays (retain): its keys do not come free. */
  readonly retained: 'certain' | 'maybe' | 'no'
  /** Keys the object has now and gives up in place. */
  readonly gives: readonly string[]
}

/** A row that goes. */
export interface Going {
  readonly uid: string
  readonly address: Address
  /** Left over from an earlier run. */
  readonly pending: boolean
}

export interface Owner {
  readonly uid: string
  readonly env: string
  readonly address: Address | undefined
  /** App and environment, when it is another one. */
  readonly of?: string | undefined
  /** Its change that is not settled: nobody knows whether it owns the key. */
  readonly unsettled?: string | undefined
}

export interface ClaimOrder {
  /** Uids whose objects must be deleted before what takes their place is made. */
  readonly deleteFirst: ReadonlySet<string>
  /** Address -> uids (deleted first) and addresses (updated first) that must come before it. */
  readonly before: ReadonlyMap<Address, readonly { readonly uid?: string; readonly address?: Address }[]>
}

/**
 * Two nodes must never fight over one physical thing (decisions 2): deletes come last, so what takes the place of something must wait for it.
 *
 * Fails    HF2104 when two nodes of the program want one key, HF2105 when a node that stays, here or in another environment, owns it.
 */
export function orderByClaims(env: string, wanting: readonly Wanting[], going: readonly Going[], ownerOf: (key: string) => Owner | undefined): ClaimOrder {
  const deleteFirst = new Set<string>()
  const before = new Map<Address, { uid?: string; address?: Address }[]>()
  if (mutant('claims-ignored')) return { deleteFirst, before }
  const goes = new Map(going.map((g) => [g.uid, g]))
  const byUid = new Map(wanting.filter((w) => w.uid !== undefined).map((w) => [w.uid as string, w]))
  const wantedBy = new Map<string, Wanting>()
  const wait = (w: Wanting, on: { uid?: string; address?: Address }) => {
    const list = before.get(w.address)
    if (list) list.push(on)
    else before.set(w.address, [on])
  }
  for (const w of wanting) for (const key of w.wants ?? []) {
    const rival = wantedBy.get(key)
    if (rival) throw failure('HF2104', { address: w.address, site: w.site, message: `${rival.address} and ${w.address} both claim ${key}.`, details: { claim: key, nodes: [rival.address, w.address] } })
    wantedBy.set(key, w)
    const owner = ownerOf(key)
    if (!owner) continue
    if (owner.uid === w.uid) {
      if (w.retained === 'certain') throw failure('HF2105', { address: w.address, site: w.site, message: `${w.address} needs a new object, and its old one is retained and keeps ${key}.`, hint: 'Give the new one another name or place, or take `retain` away first, with an apply between.', details: { claim: key } })
      if (w.replaced) {
        deleteFirst.add(owner.uid)
        wait(w, { uid: owner.uid })
      }
      continue
    }
    const holder = byUid.get(owner.uid)
    if (owner.env === env && goes.has(owner.uid)) {
      deleteFirst.add(owner.uid)
      wait(w, { uid: owner.uid })
    } else if (owner.env === env && holder?.replaced) {
      deleteFirst.add(owner.uid)
      wait(w, { uid: owner.uid })
    } else if (owner.env === env && holder?.gives.includes(key)) {
      if (!mutant('taker-does-not-wait')) wait(w, { address: holder.address })
    } else {
      const name = owner.address ?? owner.uid
      throw owner.env === env
        ? failure('HF2104', {
          address: w.address, site: w.site, message: `${name} and ${w.address} both claim ${key}.`, details: { claim: key, nodes: [name, w.address] },
          ...(owner.unsettled === undefined ? {} : { hint: `Whether ${name} has it is not settled: holdfast run settle ${owner.unsettled}` }),
        })
        : failure('HF2105', { address: w.address, site: w.site, message: `${w.address} claims ${key}, which ${name} of ${owner.of ?? 'another environment or app'} owns.`, details: { claim: key, owner: name, ...(owner.of === undefined ? {} : { of: owner.of }) } })
    }
  }
  return { deleteFirst, before }
}

/** The tasks of the expand phase, and what each waits for. */
function tasksOf(changes: readonly PlannedChange[]): Map<string, readonly string[]> {
  const after = new Map<string, readonly string[]>()
  for (const c of changes) {
    const gone = goneTask(c)
    if (c.doc.action === 'delete' || c.doc.action === 'forget') {
      if (c.phase === 'expand') after.set(gone, c.after)
    } else if (c.deleteFirst && c.uid !== undefined) {
      after.set(gone, goneTaskAfter(c))
      after.set(c.doc.address, [...c.after, gone])
    } else after.set(c.doc.address, c.after)
  }
  return after
}

/** Tasks of the expand phase that have ended before a task begins, directly or through others. */
export function tasksBefore(changes: readonly PlannedChange[], through: Through, task: string): ReadonlySet<string> {
  const after = tasksOf(changes)
  for (const t of through) after.set(t.id, t.after)
  const out = new Set<string>()
  const todo = [...(after.get(task) ?? [])]
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    if (out.has(id)) continue
    out.add(id)
    todo.push(...(after.get(id) ?? []))
  }
  return out
}

type Through = readonly { readonly id: string; readonly after: readonly string[] }[]

/**
 * An object that goes first is deleted when those that refer to it now, and will not any more, have been changed; as far as that closes no circle.
 *
 * Takes    `users`: what goes -> nodes that change and whose object refers to it, and will not.
 */
export function afterUsers(changes: readonly PlannedChange[], users: (gone: PlannedChange) => readonly Address[]): readonly PlannedChange[] {
  const goesFirst = (c: PlannedChange) => c.phase === 'expand' && (c.doc.action === 'delete' || (c.deleteFirst && c.uid !== undefined))
  if (!changes.some(goesFirst) || mutant('deleted-before-users')) return changes
  const tasks = tasksOf(changes)
  const ids = [...tasks.keys()]
  const at = new Map(ids.map((id, i) => [id, i]))
  const edge = (from: string, to: string): Edge[] => {
    const [a, b] = [at.get(from), at.get(to)]
    return a === undefined || b === undefined ? [] : [{ from: a, to: b }]
  }
  const fixed = ids.flatMap((id) => (tasks.get(id) as readonly string[]).flatMap((a) => edge(a, id)))
  const wanted = changes.filter(goesFirst).flatMap((c) => users(c).flatMap((u) => edge(u, goneTask(c))))
  const waits = new Map<string, string[]>()
  for (const e of withoutCircles(ids.length, fixed, wanted)) waits.set(ids[e.to] as string, [...(waits.get(ids[e.to] as string) ?? []), ids[e.from] as string])
  return changes.map((c) => {
    const more = goesFirst(c) ? waits.get(goneTask(c)) : undefined
    if (!more) return c
    return c.doc.action === 'delete' ? { ...c, after: [...new Set([...c.after, ...more])] } : { ...c, goneAfter: [...new Set([...(c.goneAfter ?? []), ...more])] }
  })
}

/**
 * Two nodes that are to take over what the other has cannot both go second: such a plan would wait for itself. Fails HF2104 naming them.
 *
 * Takes    `through`: unchanged nodes between two that change; the second waits for the first through them.
 */
export function refuseCircles(changes: readonly PlannedChange[], through: Through): void {
  const after = tasksOf(changes)
  for (const t of through) after.set(t.id, t.after)
  try {
    topologicalOrder(after.keys(), (id) => after.get(id) ?? [])
  } catch (e) {
    if (!isFailure(e) || e.code !== 'HF2101') throw e
    const circle = (e.details?.circle as readonly string[]).map((id) => id.replace(/#delete$/, ''))
    const nodes = [...new Set(circle)]
    throw failure('HF2104', { address: nodes[0] as string, message: `${nodes.join(' and ')} are to take over what the other has now, so none of them can go first.`, hint: 'Do it in two steps, with an apply between them.', details: { nodes } })
  }
}
