import { assert, failure, mutant } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import { isWhole, type Restriction } from '../plan/index.ts'
import { EnvState, reachOf, type EngineContext, type Part } from '../resource/index.ts'
import { PART_TAGS, type EnvRow, type LeaseMode, type LeaseRow, type OpenPart } from '../state/index.ts'
import { conflict, covers, holderAlive } from '../store/index.ts'
import { restrictionOf, type PlanRequest } from './api.ts'
import type { PartDocument } from './documents.ts'
import { envScope } from './lease.ts'
import { endedNow, newRun } from './run-row.ts'

/** A scope, and how it is held: changed (X), or only depended on (S). */
export interface Wish {
  readonly scope: string
  readonly mode: LeaseMode
}

/** Takes one lease and keeps it, or fails; gives them back. */
export interface Leasing {
  take(wish: Wish): Promise<LeaseRow>
  giveBack(leases: readonly LeaseRow[]): Promise<void>
}

/** Instead of more leases than this, fewer are taken on what lies around: components, those around them, and at last the whole environment. */
const SCOPES_MAX = 16
/** Times that a program may turn out to reach further than it did a moment ago. */
const TRIES = 3

/** The scope of one node; those outside of every component lie in the component `.`. */
const scopeOfNode = (cx: EngineContext, address: Address): string => `${envScope(cx)}:${address.includes('/') ? address : `./${address}`}`

/**
 * Holds the part of an environment that a restricted command touches: the nodes it may change, so that nobody else does, and those they depend on, so that
 * nobody changes these. Commands whose parts do not meet run at the same time (spec/backend.md 11.2; scenario 138 of spec/engine.md).
 *
 * Gives    the state as such a run sees it; undefined where the whole is to be held: nothing was ever applied, a run of the whole is open, or there is too much of it.
 * Fails    as `take`; HF2107 where an unfinished run holds more than this one.
 * Durable  on return: what a dead run has done in this part belongs to this one.
 */
export async function holdPart(cx: EngineContext, request: PlanRequest, leasing: Leasing): Promise<{ readonly state: EnvState; readonly leases: readonly LeaseRow[] } | undefined> {
  const restriction = restrictionOf(request)
  if (isWhole(restriction) || request.adopt || request.repair) return undefined
  for (let n = 0; n < TRIES; n++) {
    const seen = await EnvState.load(cx)
    if (seen.env.seq === 0 || seen.env.openRun !== undefined) return undefined
    const reach = reachIn(cx, seen, request, restriction)
    const wishes = reach && wishesFor(reach)
    if (!wishes) return undefined
    const leases = await takeAll(wishes, leasing)
    try {
      const state = await under(cx, wishes, leases, reach.reads)
      if (!state) return (await leasing.giveBack(leases), undefined)
      const now = reachIn(cx, state, request, restriction)
      if (now && [...now.changed].every((s) => within(s, state.part?.scopes ?? [])) && [...now.reads].every((a) => reach.reads.has(a))) return { state, leases }
    } catch (e) {
      await leasing.giveBack(leases)
      throw e
    }
    await leasing.giveBack(leases)
  }
  return undefined
}

/** What a command touches: scopes that it changes, and nodes that it reads, with their scopes. */
interface Reach {
  readonly changed: ReadonlySet<string>
  readonly reads: ReadonlySet<Address>
  readonly read: ReadonlySet<string>
}

/**
 * A pattern also means what a run of a part, unfinished or at work, may have made there, although nobody else sees it: its scopes are taken like nodes.
 */
function reachIn(cx: EngineContext, state: EnvState, request: PlanRequest, restriction: Restriction): Reach | undefined {
  const scopes = new Map<Address, string>()
  for (const p of state.parts) for (const scope of p.scopes) for (const a of namesOf(scope)) scopes.set(a, scope)
  const reach = reachOf(state, request.graph, restriction, [...scopes.keys()])
  if (!reach) return undefined
  const changed = new Set([...reach.writes].map((a) => scopes.get(a) ?? scopeOfNode(cx, a)))
  return { changed, reads: reach.reads, read: new Set([...reach.reads].map((a) => scopeOfNode(cx, a))) }
}

/** A scope as patterns find it: as a node, and as something that lies in it as in a component. */
function namesOf(scope: string): readonly Address[] {
  const path = scope.slice(scope.indexOf(':') + 1)
  if (path === '.') return ['*']
  return path.startsWith('./') ? [path.slice(2)] : [path, `${path}/*`]
}

/** The leases, in an order in which no two commands wait for each other: everything inside a scope comes right after it. */
function wishesFor(reach: Reach): readonly Wish[] | undefined {
  for (let changed = outermost([...reach.changed]), read = outermost([...reach.read]); ; ) {
    const rest = mutant('part-reads-free') ? [] : read.filter((s) => !within(s, changed))
    // A scope that is read around one that is changed would be in this command's own way.
    if (changed.length > 0 && changed.length + rest.length <= SCOPES_MAX && !rest.some((r) => changed.some((c) => covers(r, c)))) {
      const wishes: Wish[] = [...changed.map((scope) => ({ scope, mode: 'X' as const })), ...rest.map((scope) => ({ scope, mode: 'S' as const }))]
      return wishes.sort((a, b) => compareScopes(a.scope, b.scope))
    }
    const around = (scopes: readonly string[]) => outermost(scopes.map(scopeAround))
    if ([...changed, ...read].every((s) => scopeAround(s) === s)) return undefined
    changed = around(changed)
    read = around(read)
  }
}

/** The component that a scope lies in; a component that lies in none is its own. */
const scopeAround = (scope: string): string => (scope.lastIndexOf('/') > scope.indexOf(':') ? scope.slice(0, scope.lastIndexOf('/')) : scope)

const within = (scope: string, scopes: readonly string[]): boolean => scopes.some((s) => s === scope || covers(s, scope))
const outermost = (scopes: readonly string[]): string[] => [...new Set(scopes)].filter((s, _, all) => !all.some((other) => covers(other, s)))

function compareScopes(a: string, b: string): number {
  const [x, y] = [a.split(/[:/]/), b.split(/[:/]/)]
  const at = x.findIndex((part, i) => part !== y[i])
  if (at < 0) return x.length - y.length
  return y[at] === undefined || (x[at] as string) > y[at] ? 1 : -1
}

async function takeAll(wishes: readonly Wish[], leasing: Leasing): Promise<readonly LeaseRow[]> {
  const leases: LeaseRow[] = []
  try {
    for (const wish of wishes) leases.push(await leasing.take(wish))
  } catch (e) {
    await leasing.giveBack(leases)
    throw e
  }
  return leases
}

async function under(cx: EngineContext, wishes: readonly Wish[], leases: readonly LeaseRow[], reads: ReadonlySet<Address>): Promise<EnvState | undefined> {
  const changing = leases.filter((l) => l.mode === 'X')
  const [first, ...also] = changing.map(({ scope, fence }) => ({ scope, fence }))
  assert(first, 'a run of a part changes something')
  const scopes = changing.map((l) => l.scope)
  const inside = (a: Address) => within(scopeOfNode(cx, a), scopes)
  const part: Part = { tag: PART_TAGS + first.fence, scopes, holds: inside, reads }
  const fence = { ...first, ...(also.length > 0 ? { also } : {}) }
  const state = await EnvState.load(cx, fence, part)
  if (!state.part) return undefined
  const left = state.parts.filter((p) => p.scopes.some((s) => wishes.some((w) => conflict(w, { scope: s, mode: 'X' }))))
  if (left.length === 0 || mutant('part-left-behind')) return state
  const beyond = left.find((p) => !p.scopes.every((s) => within(s, scopes)))
  if (beyond) {
    throw failure('HF2107', {
      run: beyond.run, message: `The plan cannot be restricted: an unfinished run (${beyond.run}) has changed more than is to be touched: ${beyond.scopes.join(', ')}. Nothing was changed.`,
      hint: 'Finish it first with `holdfast run resume`, or take it back with `holdfast run revert`.',
    })
  }
  const run = await mergedRun(state, left)
  await state.commit([...(await endedNow(cx, left.map((p) => p.run))), ...run.entries, ...left.map((p) => ({ t: 'part.close' as const, env: state.env.id, tag: p.tag, to: part.tag })), ...state.opens(run.id), tookOver(cx, run.id, left)])
  return EnvState.load(cx, fence, part)
}

/**
 * A run of the whole takes over what runs of parts have left: they are gone, for it has the lease of everything. From then on that is the one open run.
 * Does nothing where there is none.
 */
export async function takeOverParts(cx: EngineContext, lease: Pick<LeaseRow, 'scope' | 'fence'>): Promise<void> {
  const env = await cx.store.env(cx.env.app, cx.env.name)
  if (!env?.parts || mutant('parts-left-beside-whole')) return
  const state = new EnvState(cx, { scope: lease.scope, fence: lease.fence })
  state.env = env
  const run = env.openRun === undefined ? await mergedRun(state, env.parts) : undefined
  await state.commit([
    ...(await endedNow(cx, env.parts.map((p) => p.run))), ...(run?.entries ?? []),
    ...env.parts.map((p) => ({ t: 'part.close' as const, env: env.id, tag: p.tag, to: env.revision + 1 })), ...(run ? [{ t: 'env.open' as const, env: env.id, run: run.id }] : []),
    tookOver(cx, run?.id ?? env.openRun, env.parts),
  ])
}

const tookOver = (cx: EngineContext, run: string | undefined, parts: readonly OpenPart[]): Entry =>
  ({ t: 'event', at: cx.clock.now(), kind: 'run.tookOver', data: JSON.stringify({ run, parts: parts.map((p) => p.run) }) })

/** The run that stands for all of them: one that is alone can be resumed, several have no plan in common. */
async function mergedRun(state: EnvState, parts: readonly OpenPart[]): Promise<{ readonly id: string; readonly entries: readonly Entry[] }> {
  const [only] = parts
  if (only && parts.length === 1) return { id: only.run, entries: [] }
  const begun = newRun(state, 'apply', '')
  return { id: begun.id, entries: [{ t: 'run.put', row: { ...begun, status: 'incomplete', endedAt: begun.startedAt } }] }
}

/** Runs of parts that are neither committed nor taken back, for those who read, and whether somebody is at work on each. */
export function openParts(env: Pick<EnvRow, 'parts'>, leases: readonly LeaseRow[]): readonly PartDocument[] {
  return (env.parts ?? []).map(({ run, scopes, tag }) => ({ run, scopes, alive: leases.some((l) => l.fence === tag - PART_TAGS && holderAlive(l.holder) !== false) }))
}

/**
 * Addresses of objects that are still to be deleted. Of those that a run of a part does not hold, the ones that are left over: what somebody else is at work
 * on is his to tell.
 */
export async function stillToDelete(state: EnvState): Promise<Address[]> {
  const { cx, env } = state
  const going = [...state.current.values()].filter((r) => r.status === 'deleting')
  const mine = going.filter((r) => state.holds(r.address)).map((r) => r.address)
  if (mine.length === going.length) return mine
  const leases = (await cx.store.leases()).filter((l) => l.mode === 'X' && holderAlive(l.holder) !== false && !state.part?.scopes.includes(l.scope))
  for (const r of going) {
    if (state.holds(r.address) || leases.some((l) => within(scopeOfNode(cx, r.address), [l.scope]))) continue
    if ((await cx.store.find(env.id, 'current', { address: r.address })).some((now) => now.uid === r.uid)) mine.push(r.address)
  }
  return mine
}

/** Fails HF2107 where a plan would change what the run of a part does not hold: a deletion that is left over elsewhere, and in the way. */
export function refuseBeyond(state: EnvState, changes: readonly { readonly uid?: string | undefined; readonly doc: { readonly address: Address } }[]): void {
  for (const c of changes) {
    const beyond = [c.doc.address, c.uid === undefined ? c.doc.address : (state.current.get(c.uid)?.address ?? c.doc.address)].find((a) => !state.holds(a))
    if (beyond !== undefined) throw failure('HF2107', { address: beyond, message: `The plan cannot be restricted: ${beyond} stands in the way, and is not to be touched. Nothing was changed.`, hint: `Name ${beyond} as a target, too, or apply the whole.` })
  }
}

