import { canonical, failure, isFailure, mutant } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import { isSecret, mapLeaves, type Address, type ExprNode, type ResolvedOptions, type Value } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import { physicalName } from '../secret/index.ts'
import type { ResourceMeta } from '../state/index.ts'
import { fingerprintOf, shapeOf, timeoutsOf, type Fields } from './facts.ts'
import type { RowDraft } from './change.ts'
import { rulesKept, tied } from './rules.ts'
import type { EnvState } from './state.ts'
import { wiresOf } from './wires.ts'

export interface RowParts {
  readonly address: Address
  readonly type: ResourceType
  readonly uid: string
  readonly ordinal: number
  readonly inputs: Fields
  /** What the program says the inputs are. */
  readonly expr?: ExprNode | undefined
  readonly options: ResolvedOptions
  readonly deps: readonly Address[]
  readonly claims: readonly string[]
  readonly lookup: boolean
  readonly storeId: string
  /** Chosen at creation; never recomputed. */
  readonly physicalName: string | undefined
  /** Digest of the value of `replaceWhen`. */
  readonly trigger: string | undefined
  /** Where it was computed already. */
  readonly shape?: string
  /** Of the row whose object this goes on with. */
  readonly kept?: ResourceMeta
  readonly adopted?: boolean
  /** A hook runs after the step. */
  readonly due?: ResourceMeta['due']
}

/** The row of a node as the open run will write it. */
/** Fails HF1107 at the node. */
function named(type: ResourceType, p: RowParts): string | undefined {
  if (!type.naming) return undefined
  try {
    return physicalName(type.naming, p.address.replaceAll('/', '-'), { store: p.storeId, uid: p.uid, ordinal: p.ordinal })
  } catch (e) {
    if (isFailure(e)) throw failure(e.code, { address: p.address, message: `${p.address}: ${e.message}`, cause: e })
    throw e
  }
}

export function draftRow(state: EnvState, p: RowParts): RowDraft {
  const { type } = p
  const assets = assetDigests(p.inputs as Value)
  const rules = rulesKept(p.options, p.trigger)
  const wires = p.expr && p.deps.length > 0 ? wiresOf(state, type, p.uid, p.expr) : undefined
  const ties = tied(p.options, (a) => state.rowAt(a)?.uid)
  const name = p.physicalName ?? named(type, p)
  const timeouts = timeoutsOf(p.options)
  return {
    env: state.env.id, uid: p.uid, address: p.address, type: type.type, since: state.next, until: undefined, status: 'ready', ordinal: p.ordinal,
    fingerprint: fingerprintOf(type, p.inputs, p.options.tags, state.cx.ring, p.trigger), shape: p.shape ?? shapeOf(type, p.inputs, p.options, p.deps, p.trigger),
    meta: {
      typeVersion: type.version, provider: type.provider, deps: p.deps, claims: p.claims, protect: p.options.protect, retain: p.options.retain, tags: p.options.tags,
      ...(name === undefined ? {} : { physicalName: name }), ...(assets.length ? { assets } : {}), ...(p.lookup ? { lookup: true } : {}),
      ...(p.adopted || p.kept?.adopted ? { adopted: true } : {}), ...(p.options.hooks ? { hooks: p.options.hooks } : {}), ...(timeouts ? { timeouts } : {}), ...(p.due ? { due: p.due } : {}), ...keptOf(p.kept),
      ...(rules ? { rules } : {}), ...(ties ? { tied: ties } : {}), ...(wires === undefined ? {} : { wires }),
    },
  }
}

/** What a change of an object does not change. */
const keptOf = (kept: ResourceMeta | undefined) => ({
  ...(kept?.physicalId === undefined ? {} : { physicalId: kept.physicalId }),
  ...(kept?.renewAt === undefined ? {} : { renewAt: kept.renewAt }),
  ...(kept?.createdAt === undefined ? {} : { createdAt: kept.createdAt }), ...(kept?.modifiedAt === undefined ? {} : { modifiedAt: kept.modifiedAt }),
})

/** Digests of the assets and files that inputs name: `{ path, digest }` anywhere in them. */
export function assetsIn(v: Value): { readonly path: string; readonly digest: string }[] {
  const out: { path: string; digest: string }[] = []
  const walk = (x: unknown): void => {
    if (typeof x !== 'object' || x === null || isSecret(x) || x instanceof Uint8Array || x instanceof Date) return
    if (Array.isArray(x)) return x.forEach(walk)
    const o = x as { path?: unknown; digest?: unknown }
    if (typeof o.path === 'string' && typeof o.digest === 'string') out.push({ path: o.path, digest: o.digest })
    else Object.values(x).forEach(walk)
  }
  walk(v)
  return out
}

const assetDigests = (v: Value): string[] => [...new Set(assetsIn(v).map((a) => a.digest))]

/** Entries that close what a new row of the same uid replaces. */
export function closing(state: EnvState, uid: string): Entry[] {
  const old = state.current.get(uid)
  return old && !state.provisional(old as RowDraft) ? [{ t: 'resource.until', uid, since: old.since, until: state.next }] : []
}

/** Claims a change takes on, and gives up once the new revision is committed; those that the open run itself took on, at once: the base does not want them back. */
export function claimEntries(state: EnvState, uid: string, wants: readonly string[], has: readonly string[]): { readonly opening: Entry[]; readonly also: Entry[] } {
  const env = state.env.id
  const standing = state.current.get(uid)
  const ofBase = (standing && !state.provisional(standing as RowDraft) ? standing : state.base.get(uid))?.meta.claims ?? []
  return {
    opening: wants.filter((k) => !has.includes(k)).map((key) => ({ t: 'claim.put', row: { key, env, uid, until: undefined } })),
    also: has.filter((k) => !wants.includes(k)).map((key) => (!ofBase.includes(key) || mutant('claims-given-up-at-once') ? { t: 'claim.drop', uid, key } : { t: 'claim.put', row: { key, env, uid, until: state.next } })),
  }
}

/** Equal documents, secrets by their `fp`. */
export const sameDoc = (a: Fields, b: Fields): boolean => {
  const text = (v: Fields) => canonical(mapLeaves(v as Value, (l) => (isSecret(l) ? { $fp: l.fp } : null)))
  return text(a) === text(b)
}
