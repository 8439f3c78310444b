import { failure, mutant, type EpochMs, type Site } from '../base/index.ts'
import { compare, decide, match, withStored, type Cause, type Decision, type PathDiff } from '../diff/index.ts'
import { topologicalOrder, type DesiredGraph, type DesiredNode } from '../graph/index.ts'
import { firstUnknown, refsOf, UnknownValue, type Address, type ResolvedOptions, type Scope, type Value } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import type { Restriction } from '../plan/index.ts'
import type { ResourceRow, SecretRow } from '../state/index.ts'
import { asked, wrong } from './asked.ts'
import { claimsOf, idIn, predictOutputs, resolveInputs, rulesOf, shapeOf, type Fields } from './facts.ts'
import { lookToAdopt, Owners, type Adoption, type AdoptOptions, type AdoptProblem } from './adopt.ts'
import { lookup } from './call.ts'
import { hide, learnTexts } from './hide.ts'
import { GoesFirst } from './goes-first.ts'
import { refuseLost, refuseMissing, restrictTo } from './restrict.ts'
import { asksOf, tied, tiesOf, triggerOf } from './rules.ts'
import type { EnvState } from './state.ts'
import { declaredSecrets } from './secrets.ts'

/** One node of the program that is not as it should be. */
export interface NodeDiff {
  readonly node: DesiredNode
  readonly type: ResourceType
  readonly row: ResourceRow | undefined
  readonly decision: Decision | { readonly action: 'read' }
  readonly paths: readonly PathDiff[]
  readonly inputs: Fields
  /** Inputs and outputs as recorded, where there is a row of the same type. */
  readonly before: { readonly inputs: Fields; readonly outputs: Fields } | undefined
  readonly movedFrom: Address | undefined
  readonly moveReason: string | undefined
  /** Keys the node will own; undefined while they are not known. */
  readonly claims: readonly string[] | undefined
  /** A change that cannot be planned: an earlier one of it is not settled. */
  readonly blockedBy: string | undefined
  readonly adopt?: Adoption
  /** For a look-up at the address of an object of ours: it finds that very object, so it is given up and not deleted. */
  readonly givenUp?: boolean
  /** Its old object must go before that of these nodes does, which is replaced delete-first: they are what this begins with. */
  readonly pulledBy?: readonly Address[] | undefined
  /** Its old object goes with another that goes first. */
  readonly goneWith?: boolean
  /** A person, or a node that it is replaced with, asks for a new object, whatever differs. */
  readonly askedFirst: 'certain' | 'maybe' | undefined
  /** Uids of the nodes that it is replaced with, before this run. */
  readonly ties?: Readonly<Record<Address, string>> | undefined
}

export interface EnvDiff {
  readonly changed: readonly NodeDiff[]
  readonly unchanged: number
  /** Rows no node stands for. */
  readonly left: readonly ResourceRow[]
  readonly scope: Scope
  /** Address of every node, in dependency order. */
  readonly order: readonly Address[]
  /** Objects that cannot be taken over: the plan is refused, with all of them. */
  readonly problems: readonly AdoptProblem[]
  /** Where the plan is restricted: the nodes and rows that it may touch. */
  readonly keep?: ReadonlySet<Address> | undefined
  /** Nodes, and rows without one, that it may not. */
  readonly untouched?: number
}

export interface DiffOptions {
  readonly replace: ReadonlySet<Address>
  /** Found by drift: what stands in the world differs from the record, or is gone. */
  readonly gone: ReadonlySet<Address>
  readonly drifted: ReadonlySet<Address>
  readonly adopt?: AdoptOptions
  readonly restriction?: Restriction | undefined
  /** Nodes and components whose protection is lifted for this plan. */
  readonly unprotect: readonly Address[]
  /** Nodes that do not go first although what they refer to does (goes-first.ts). */
  readonly notPulled?: ReadonlySet<Address>
  /** Nodes whose object goes with one that goes first, before it could be changed: of what (gone-with.ts). */
  readonly goneWith?: ReadonlyMap<Address, Address>
  /** Uids of what is left over, and does not go first although what it refers to does (gone-with.ts). */
  readonly goesLast?: ReadonlySet<string>
}

/**
 * Compares a program with an environment, in dependency order, so that what is known of a node's outputs is known to the nodes behind it.
 * Cost: one shape (canonical text and a SHA-256) per node; documents are read for changed nodes and for those that others refer to.
 */
export async function diffResources(state: EnvState, graph: DesiredGraph | undefined, options: DiffOptions): Promise<EnvDiff> {
  const standing: ResourceRow[] = []
  for (const r of state.current.values()) if (r.status !== 'deleting') standing.push(r as ResourceRow)
  const matches = match(graph, standing)
  // Those that are found by what they claim come to it.
  const rowOf = new Map(matches.rowOf)
  const keep = options.restriction && restrictTo(state, graph, matches, options.restriction, options.replace)
  const left = keep ? matches.left.filter((r) => keep.has(r.address)) : matches.left
  if (keep) {
    if (graph) refuseMissing(state, graph, rowOf, keep)
    else refuseLost(state, graph, matches, left, [], keep)
  }
  let untouched = matches.left.length - left.length
  if (!graph) return { changed: [], unchanged: 0, left, scope: makeScope(state, new Map(), []), order: [], problems: [], keep, untouched }
  const goesFirst = new GoesFirst(rowOf, options.notPulled ?? new Set())
  /** Nodes that get a new object, so far: whether that is certain. */
  const replaced = new Map<Address, 'certain' | 'maybe'>()

  const order = topologicalOrder(graph.nodes.keys(), (a) => (graph.nodes.get(a) as DesiredNode).deps)
  const referred = new Set<Address>()
  for (const n of graph.nodes.values()) {
    if (n.deps.length === 0) continue
    refsOf(n.inputs, referred)
    if (n.options.replaceWhen) refsOf(n.options.replaceWhen, referred)
  }
  refsOf(graph.outputs, referred)
  await state.preload([...referred].map((a) => rowOf.get(a)?.address ?? a))

  const outputs = new Map<Address, Value>()
  const scope = makeScope(state, outputs, await state.cx.store.secrets(state.env.id))
  const leftByClaim = new Map<string, ResourceRow>()
  for (const r of left) for (const c of r.meta.claims) leftByClaim.set(c, r)
  const stillLeft = new Set(left)
  const changed: NodeDiff[] = []
  let unchanged = 0
  const problems: AdoptProblem[] = []
  const now = state.cx.clock.now()
  let owners: Owners | undefined

  for (const address of order) {
    const node = graph.nodes.get(address) as DesiredNode
    if (keep && !keep.has(address)) {
      untouched++
      const standing = rowOf.get(address)
      if (standing && referred.has(address)) outputs.set(address, await state.outputsOf(standing) as Value)
      continue
    }
    const type = state.cx.types.get(node.type)
    if (!type) throw failure('HF3114', { address, site: node.site, message: `${address} is a ${node.type}, and no such type is declared or installed.` })
    let inputs = inputsNow(state, type, node, scope)
    const { options: own } = node
    let row = rowOf.get(address)
    // Nothing of ours stands behind a look-up: a node that is to own something begins anew.
    if (row?.meta.lookup && node.action === 'manage') row = undefined
    let moveReason = row && row.address !== address ? 'movedFrom' : undefined
    let claims: readonly string[] | undefined
    if (!row && type.claims && node.action === 'manage') {
      claims = claimsOf(type, inputs, state.cx.host, node)
      const owner = claims?.map((c) => leftByClaim.get(c)).find((r) => r && stillLeft.has(r))
      // A create that claims what a delete of the same plan holds is the same thing under a new name.
      if (owner && owner.type === node.type) {
        row = owner
        rowOf.set(address, owner)
        stillLeft.delete(owner)
        moveReason = `it claims ${claims?.find((c) => owner.meta.claims.includes(c))}, which ${owner.address} gives up`
      }
    }
    const typeChanged = row !== undefined && row.type !== node.type
    if (own.ignore && row && !typeChanged) {
      inputs = withStored(inputs, (await upgraded(state, type, row)).inputs, own.ignore)
      claims = undefined
    }
    const trigger = own.replaceWhen && inFailure(node, () => triggerOf(state, type.type, node, scope))
    const blockedBy = state.unknown.get(address)?.token ?? (row && state.unknown.get(row.address)?.token)
    const hasUnknown = firstUnknown(inputs as Value) !== undefined || trigger?.unknown !== undefined
    const shape = hasUnknown ? undefined : shapeOf(type, inputs, own, node.deps, trigger?.digest)
    const ties = row && (own.replaceWith || own.deletedWith !== undefined) ? tied(own, (a) => row.meta.tied?.[a] ?? row.meta.tied?.[rowOf.get(a)?.address ?? a] ?? rowOf.get(a)?.uid) : undefined
    const host = row && options.goneWith?.get(address)
    const first = host !== undefined ? { because: `${host} goes first, and it goes with that (deletedWith)`, maybe: false } : row && (options.replace.has(address) || row.meta.tainted || ties || isDue(row, now)) ? firstCause(row, own, options.replace.has(address), now, ties, rowOf, replaced) : undefined
    const pulled = row && !typeChanged && goesFirst.size > 0 ? goesFirst.pulls(node, type, row) : undefined
    // Drift is of what is recorded: the node may have another address by now.
    const gone = row !== undefined && options.gone.has(row.address)
    const drifted = row !== undefined && options.drifted.has(row.address)
    const adoptId = node.action === 'read' ? undefined : options.adopt?.rows.get(address) ?? (options.adopt?.only ? undefined : node.options.adopt)
    const adopting = adoptId !== undefined && blockedBy === undefined && (!row || typeChanged || row.meta.physicalId !== adoptId)
    const owed = row?.meta.due !== undefined && node.options.hooks?.[row.meta.due] !== undefined
    const settled = row && !adopting && !owed && row.status === 'ready' && row.shape === shape && row.address === address && !first && !pulled && !gone && !drifted

    if (node.action === 'read') {
      const d = await readNode(state, node, type, row?.meta.lookup ? row : undefined, inputs, hasUnknown, shape)
      const givenUp = row && !row.meta.lookup && !hasUnknown && row.type === node.type && row.meta.physicalId !== undefined && idIn(d.outputs) === row.meta.physicalId
      if (referred.has(address)) outputs.set(address, d.outputs as Value)
      if (d.changed) changed.push({ node, type, row, decision: { action: 'read' }, paths: d.paths, inputs, before: undefined, movedFrom: undefined, moveReason: undefined, claims: [], blockedBy, askedFirst: undefined, ...(givenUp ? { givenUp } : {}) })
      else unchanged++
      continue
    }
    if (settled && blockedBy === undefined) {
      unchanged++
      if (referred.has(address)) outputs.set(address, await state.outputsOf(row as ResourceRow) as Value)
      continue
    }
    let adopt: Adoption | undefined
    if (adopting) {
      const asked = options.adopt ?? { rows: noRows, other: false, only: false }
      const found = row && asked.only ? { address, id: adoptId, code: 'HF2120' as const, message: `it has the object ${row.meta.physicalId ?? row.meta.physicalName ?? row.uid} already` }
        : (owners ??= new Owners(state)).problem(node, row, adoptId) ?? await lookToAdopt(state, node, type, adoptId, own.ignore ? inputsNow(state, type, node, scope) : inputs, asked)
      if ('code' in found) {
        problems.push(found)
        if (referred.has(address)) outputs.set(address, predictOutputs(type, inputs, state.cx.host, address, undefined) as Value)
        continue
      }
      adopt = found
    }
    const before = row && !typeChanged && !adopt ? await upgraded(state, type, row) : undefined
    const paths = adopt?.paths ?? (before ? compare(before.inputs as Value, inputs as Value) : [])
    // Of another type, what is gone is not made again: it is replaced, and deleting what is not there is nothing.
    let decision: Decision = adopt && row ? { action: 'replace', maybe: false, order: 'create-first', because: [`it is to be ${adopt.id}`] } : !row || (gone && !typeChanged) ? { action: 'create' }
      : typeChanged ? { action: 'replace', maybe: false, order: own.deleteFirst ? 'delete-first' : 'create-first', because: [`the type was ${row.type}`] }
        : decide(row, paths, rulesOf(type, own), asksOf(own, row, first, before?.inputs, inputs, trigger))
    if (decision.action === 'record' && drifted) decision = type.update ? { action: 'update', maybe: false } : { action: 'replace', maybe: false, order: 'create-first', because: ['it was changed from outside'] }
    let pulledBy: readonly Address[] | undefined
    if (row) [decision, pulledBy] = goesFirst.decided(node, row, decision, pulled, rulesOf(type, own).deleteFirst)
    if (host !== undefined && decision.action === 'replace') decision = { ...decision, order: 'delete-first' }
    if (adoptId !== undefined && !adopt && row && decision.action === 'replace') {
      problems.push({ address, id: adoptId, code: 'HF2120', message: `it would need a new object (${decision.because.join(', ')}), and its adopt says which one it has: take that out first` })
      continue
    }
    claims ??= claimsOf(type, inputs, state.cx.host, node)
    if (adopt && claims) claims = [...new Set([...claims, ...adopt.claims])].sort()
    if (row && (decision.action === 'replace' || decision.action === 'create')) replaced.set(address, isMaybeDecision(decision) ? 'maybe' : 'certain')
    changed.push({ node, type, row, decision, paths, inputs, before, ...(adopt ? { adopt } : {}), movedFrom: row && row.address !== address ? row.address : undefined, moveReason, claims, blockedBy, pulledBy, ...(host === undefined ? {} : { goneWith: true }), ties, askedFirst: first && (first.maybe ? 'maybe' : 'certain') })
    if (referred.has(address)) {
      const kept = adopt && (adopt.only || adopt.paths.length === 0) ? adopt.outputs : decision.action === 'record' ? before?.outputs : undefined
      outputs.set(address, (kept ?? predictOutputs(type, inputs, state.cx.host, address, adopt?.outputs ?? (decision.action === 'update' ? before?.outputs : undefined))) as Value)
    }
  }
  const going = left.filter((r) => stillLeft.has(r))
  if (keep) refuseLost(state, graph, matches, going, changed, keep)
  return { changed, unchanged, left: going, scope, order, problems, keep, untouched }
}

const noRows: ReadonlyMap<Address, string> = new Map()

/** Stored documents in the schema version of today. */
export async function upgraded(state: EnvState, type: ResourceType, row: ResourceRow): Promise<{ readonly inputs: Fields; readonly outputs: Fields }> {
  let doc = { inputs: { ...(await state.inputsOf(row)) } as Record<string, unknown>, outputs: { ...(await state.outputsOf(row)) } as Record<string, unknown> }
  for (let v = row.meta.typeVersion; v < type.version; v++) {
    const up = type.upgrade?.[v]
    if (!up) continue
    const before = doc
    const about = { type, method: 'upgrade', at: row, told: [before.inputs as Fields, before.outputs as Fields] } as const
    doc = asked(about, () => up(before))
    for (const part of ['inputs', 'outputs'] as const) if (typeof (doc as typeof doc | null | undefined)?.[part] !== 'object' || doc[part] === null) throw wrong(about, `from version ${v} gave no ${part}`)
  }
  return doc as { inputs: Fields; outputs: Fields }
}

async function readNode(state: EnvState, node: DesiredNode, type: ResourceType, row: ResourceRow | undefined, inputs: Fields, hasUnknown: boolean, shape: string | undefined) {
  if (hasUnknown || shape === undefined) {
    const out: Record<string, Value> = {}
    for (const k of Object.keys(type.outputs.shape)) out[k] = new UnknownValue(`${node.address}.${k}`)
    return { changed: true, outputs: out, paths: [] as PathDiff[] }
  }
  if (row?.shape === shape && mutant('lookup-not-refreshed')) return { changed: false, outputs: await state.outputsOf(row), paths: [] as PathDiff[] }
  const found = await lookup(state, type, inputs, node)
  const before = row ? await state.outputsOf(row) : undefined
  const paths = before ? compare(before as Value, found as Value) : []
  return { changed: !row || paths.length > 0 || row.shape !== shape, outputs: found, paths }
}

/** What expressions may ask for during a diff: outputs as far as they are known. */
export function makeScope(state: EnvState, outputs: ReadonlyMap<Address, Value>, secrets: readonly SecretRow[]): Scope {
  const declared = declaredSecrets(state, secrets)
  return {
    output: (node) => outputs.get(node) ?? state.outputsNow(node),
    secret: declared,
    asset: (path, ignore, at) => locate(at, () => state.cx.asset(path, ignore)),
    hide: (value, type, field) => hide(value, state.cx.ring, type, field),
  }
}

function locate<T>(site: Site | undefined, f: () => T): T {
  try {
    return f()
  } catch (e) {
    if (e instanceof Error && e.name === 'HoldfastError') (e as { site?: Site | undefined }).site ??= site
    throw e
  }
}

/** What a failure shows of the program is redacted. */
function inputsNow(state: EnvState, type: ResourceType, node: DesiredNode, scope: Scope): Fields {
  try {
    return inFailure(node, () => resolveInputs(type, node.inputs, scope, node))
  } catch (e) {
    learnTexts(type, node.inputs, state.cx.redactor)
    throw e
  }
}

function inFailure<T>(node: DesiredNode, f: () => T): T {
  try {
    return f()
  } catch (e) {
    if (e instanceof Error && e.name === 'HoldfastError') {
      const h = e as { site?: Site | undefined; address?: string | undefined }
      h.site ??= node.site
      h.address ??= node.address
    }
    throw e
  }
}

const isMaybeDecision = (d: Decision): boolean => 'maybe' in d && d.maybe

const isDue = (row: ResourceRow, now: EpochMs): boolean => row.meta.renewAt !== undefined && row.meta.renewAt <= now && !mutant('renewal-forgotten')

/** What a person, the time, or a node that it is tied to asks for. */
function firstCause(row: ResourceRow, own: ResolvedOptions, forced: boolean, now: EpochMs, ties: NodeDiff['ties'], rowOf: ReadonlyMap<Address, ResourceRow>, replaced: ReadonlyMap<Address, 'certain' | 'maybe'>): Cause | undefined {
  if (forced) return { because: 'asked for with --replace', maybe: false }
  if (row.meta.tainted && !mutant('taint-forgotten')) return { because: 'it is tainted', maybe: false }
  if (isDue(row, now)) return { because: `it is to be renewed from ${new Date(row.meta.renewAt as EpochMs).toISOString()} on`, maybe: false }
  let perhaps: Cause | undefined
  for (const a of ties && !mutant('tie-forgotten') ? tiesOf(own) : []) {
    const option = a === own.deletedWith ? 'deletedWith' : 'replaceWith'
    const now = replaced.get(a)
    // Replaced by an earlier run that did not get as far as this node.
    const before = ties?.[a] !== undefined && rowOf.get(a)?.uid !== ties[a]
    if (now === 'certain' || before) return { because: `${a} ${before ? 'has become' : 'becomes'} a new object, and ${option} names it`, maybe: false }
    if (now === 'maybe') perhaps ??= { because: `${a} may become a new object, and ${option} names it`, maybe: true }
  }
  return perhaps
}
