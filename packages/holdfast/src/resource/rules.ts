import { canonical, failure, mutant, sha256hex, type Site } from '../base/index.ts'
import { differentAt, type Asks, type Cause } from '../diff/index.ts'
import { evaluate, firstUnknown, hasSecret, isSecret, SecretValue, type Address, type ResolvedOptions, type Scope, type UnknownValue, type Value } from '../model/index.ts'
import type { ResourceMeta, ResourceRow, StoredRules } from '../state/index.ts'
import type { Fields } from './facts.ts'
import type { EnvState } from './state.ts'

/** What is known of the value of `replaceWhen`. */
export interface Trigger {
  /** Digest that the row keeps: a HMAC where the value holds a secret, so it tells nothing of it. Undefined while the value is not known. */
  readonly digest: string | undefined
  /** The other kind of digest, to compare with a value that was not secret, or was. */
  readonly other?: string
  /** Where the value will come from. */
  readonly unknown?: UnknownValue
}

/** Fails HF4301 when the value holds a secret and there is no key. */
export function triggerOf(state: EnvState, type: string, node: { readonly address: Address; readonly site?: Site | undefined; readonly options: ResolvedOptions }, scope: Scope): Trigger | undefined {
  const e = node.options.replaceWhen
  if (!e) return undefined
  const value = evaluate(e, scope)
  const unknown = firstUnknown(value)
  if (unknown) return { digest: undefined, unknown }
  const secret = hasSecret(value)
  const { ring } = state.cx
  if (secret && !ring) throw failure('HF4301', { address: node.address, site: node.site })
  const text = canonical(value, (leaf) => (isSecret(leaf) ? canonical(SecretValue.reveal(leaf)) : undefined))
  const plain = `w1:${sha256hex(`holdfast:when\0${text}`)}`
  const keyed = ring && `w2:${ring.fingerprint(text, { type, field: 'replaceWhen' })}`
  return secret ? { digest: keyed, other: plain } : { digest: plain, ...(keyed === undefined ? {} : { other: keyed }) }
}

/** Options that few nodes have, as the row keeps them; undefined for the others. */
export function rulesKept(o: ResolvedOptions, trigger: string | undefined): StoredRules | undefined {
  if (trigger === undefined && o.ignore === undefined && o.replaceOn === undefined && o.replaceWith === undefined && o.deletedWith === undefined && o.deleteFirst === undefined) return undefined
  return {
    ...(o.ignore && { ignore: o.ignore }), ...(o.replaceOn && { replaceOn: o.replaceOn }), ...(trigger !== undefined && { replaceWhen: trigger }),
    ...(o.replaceWith && { replaceWith: o.replaceWith }), ...(o.deletedWith !== undefined && { deletedWith: o.deletedWith }), ...(o.deleteFirst !== undefined && { deleteFirst: o.deleteFirst }),
  }
}

/** Nodes with which it is replaced. */
export function tiesOf(o: ResolvedOptions): readonly Address[] {
  if (o.replaceWith === undefined) return o.deletedWith === undefined ? none : [o.deletedWith]
  return o.deletedWith === undefined ? o.replaceWith : [...new Set([...o.replaceWith, o.deletedWith])]
}
const none: readonly Address[] = Object.freeze([])

/** Their uids, as far as `uidAt` knows them. What the node was tied to under a name that the program does not give any more is none of them. */
export function tied(o: ResolvedOptions, uidAt: (address: Address) => string | undefined): ResourceMeta['tied'] {
  const found = tiesOf(o).flatMap((a): [Address, string][] => {
    const uid = uidAt(a)
    return uid === undefined ? [] : [[a, uid]]
  })
  return found.length > 0 ? Object.fromEntries(found) : undefined
}

/** What the options of a node ask for, given its row and its inputs before and now. */
export function asksOf(o: ResolvedOptions, row: Pick<ResourceRow, 'meta'> | undefined, first: Cause | undefined, before: Fields | undefined, inputs: Fields, trigger: Trigger | undefined): Asks {
  const paths = o.replaceOn && before && !mutant('own-replace-on-unheard') ? differentAt(before as Record<string, Value>, inputs as Record<string, Value>, o.replaceOn).map((d): Cause => ({ because: `${d.path} has another value, and the node's replaceOn names it`, maybe: d.unknown })) : undefined
  return { first, paths, when: whenOf(row?.meta.rules?.replaceWhen, trigger) }
}

/** Absent on either side: not compared. */
function whenOf(stored: string | undefined, now: Trigger | undefined): Cause | undefined {
  if (stored === undefined || now === undefined || mutant('own-replace-when-unheard')) return undefined
  if (now.unknown) return { because: `replaceWhen is made of ${now.unknown.source}, which is not known yet`, maybe: true }
  return stored === now.digest || stored === now.other ? undefined : { because: 'replaceWhen has another value', maybe: false }
}
