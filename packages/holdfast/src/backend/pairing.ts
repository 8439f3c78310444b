import { canonical } from '../base/index.ts'
import { equal } from '../diff/index.ts'
import { isSecret, type Value } from '../model/index.ts'
import { isMask, keepSecrets } from './values.ts'
import type { ResourceModel, ResourceReferenceModel } from './models.ts'

/** What of a component takes part in a difference. */
export interface Content {
  readonly name: string
  readonly resources: readonly ResourceModel[]
  readonly references?: readonly ResourceReferenceModel[]
  readonly aliases?: readonly string[]
}

/** Which old thing each new one was. What is in neither side of it was created or deleted. */
export interface Pairing<O, N> {
  readonly oldOf: Map<N, O>
  readonly newOf: Map<O, N>
}

interface Named { readonly name: string; readonly aliases?: unknown }
interface PairRules<O, N> {
  readonly key: (x: O | N, name: string) => string
  readonly same: (old: O, fresh: N) => boolean
}

const NUL = '\u0000'
export const keyOf = ({ ruuid }: { readonly ruuid: string }, name: string): string => `${ruuid}${NUL}${name}`
const aliasesOf = (x: Named): readonly string[] => (Array.isArray(x.aliases) ? x.aliases.filter((a): a is string => typeof a === 'string') : [])
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The desired configuration and the hash: everything but the name, and what says how names changed. */
function contentOf(resource: ResourceModel): Value {
  const { name: _name, aliases: _aliases, ...content } = resource
  return content as Value
}

const beside = (attribute: string): boolean => attribute === 'name' || attribute === 'aliases'

/** The same configuration, whatever the names. Secrets are compared; a mask in the new one stands for the secret of the old. */
export const sameContent = (a: ResourceModel, b: ResourceModel): boolean => {
  if (a.hash !== b.hash || a.ruuid !== b.ruuid) return false
  let attributes = 0
  for (const k in a) {
    if (beside(k) || a[k] === undefined) continue
    attributes++
    if (!identical(a[k], b[k]) && !equal(a[k] as Value, keepSecrets(b[k], a[k] as Value) as Value | undefined)) return false
  }
  for (const k in b) if (!beside(k) && b[k] !== undefined) attributes--
  return attributes === 0
}

/** Equal for certain, at a glance: plain values with the same members. What is not may still be equal. */
function identical(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    for (let i = 0; i < a.length; i++) if (!identical(a[i], b[i])) return false
    return true
  }
  if (Object.getPrototypeOf(a) !== Object.prototype || Object.getPrototypeOf(b) !== Object.prototype) return false
  let members = 0
  for (const k in a) {
    members++
    if (!identical((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k])) return false
  }
  for (const _ in b) members--
  return members === 0
}

/** A text that is equal for equal configurations, and for those that differ in secrets alone: these stand masked in it. */
export const contentText = (r: ResourceModel): string => canonical(contentOf(r), (x) => (isSecret(x) || isMask(x) ? MASK : undefined))
const MASK = canonical({ secret: true })

/**
 * Pairs by name, in this order: what stands unchanged under its name; what says that it had another name (`aliases`, the latest first);
 * what stands changed under its name. A name of one's own is stronger than an alias that was left in the program, unless another one claims
 * the old thing of that name, or the old thing of the alias has just this content (two that changed names).
 */
export function pairByName<O extends Named, N extends Named>(olds: readonly O[], news: readonly N[], { key, same }: PairRules<O, N>): Pairing<O, N> {
  const oldOf = new Map<N, O>()
  const newOf = new Map<O, N>()
  const pair = (o: O, n: N) => {
    oldOf.set(n, o)
    newOf.set(o, n)
  }
  const oldAt = new Map(olds.map((o) => [key(o, o.name), o]))
  const moved = news.filter((n) => aliasesOf(n).length > 0).sort((a, b) => byText(key(a, a.name), key(b, b.name)))
  if (moved.length > 0) {
    const claimed = new Map<string, N[]>()
    for (const n of moved) for (const alias of aliasesOf(n)) claimed.set(key(n, alias), [...(claimed.get(key(n, alias)) ?? []), n])
    for (const n of news) {
      const own = oldAt.get(key(n, n.name))
      if (own && (claimed.has(key(n, n.name)) || aliasesOf(n).length > 0) && same(own, n)) pair(own, n)
    }
    for (const n of moved) {
      if (oldOf.has(n)) continue
      const own = oldAt.get(key(n, n.name))
      const wanted = (claimed.get(key(n, n.name)) ?? []).some((other) => other !== n && !oldAt.has(key(other, other.name)))
      for (const alias of aliasesOf(n)) {
        const past = oldAt.get(key(n, alias))
        if (!past || newOf.has(past) || past === own) continue
        if (own && !newOf.has(own) && !wanted && !same(past, n)) continue
        pair(past, n)
        break
      }
    }
  }
  for (const n of news) {
    const own = oldOf.has(n) ? undefined : oldAt.get(key(n, n.name))
    if (own && !newOf.has(own)) pair(own, n)
  }
  return { oldOf, newOf }
}

/** Groups of what is left on both sides, by a text that is equal for equal content; only groups with something on both sides. */
export function leftAlike<O, N>(olds: readonly O[], news: readonly N[], { oldOf, newOf }: Pairing<O, N>, text: (x: O | N, side: 'old' | 'new') => string): { readonly olds: O[]; readonly news: N[] }[] {
  const freeNews = news.filter((n) => !oldOf.has(n))
  const freeOlds = olds.filter((o) => !newOf.has(o))
  if (freeNews.length === 0 || freeOlds.length === 0) return []
  const groups = new Map<string, { olds: O[]; news: N[] }>()
  const groupOf = (t: string) => {
    const known = groups.get(t) ?? { olds: [], news: [] }
    groups.set(t, known)
    return known
  }
  for (const o of freeOlds) groupOf(text(o, 'old')).olds.push(o)
  for (const n of freeNews) groupOf(text(n, 'new')).news.push(n)
  return [...groups.values()].filter((g) => g.olds.length > 0 && g.news.length > 0)
}
