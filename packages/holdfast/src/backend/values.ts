import { canonical, setOwn, sha256hex, type Plain } from '../base/index.ts'
import { hasSecret, isSecret, masked, reveal, SecretValue, type Value } from '../model/index.ts'
import { decodeDoc, encodeDoc, type Keyring } from '../secret/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { InvalidDifference, StoreCorrupt } from './errors.ts'
import type { ResourceModel } from './models.ts'
import { nameIn } from './names.ts'

export type Fields = Readonly<Record<string, Value | undefined>>
type Field = 'inputs' | 'outputs' | 'failed' | 'resolved'

/** JSON of a row. Fails StoreCorrupt. */
export function stored(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new StoreCorrupt('A row of the state holds a text that cannot be read.') // which is not shown: it may be anybody's data
  }
}

/** Marks a value as a secret wherever it stands in attributes, outputs, resolved values or a failed state: it is sealed before it is stored, and shown as `{ secret: true }`. */
export const secret = (plain: Plain): unknown => new SecretValue('', () => plain)

export const decode = (uid: string, type: string, field: Field, text: string, ring: Keyring | undefined): Value => decodeDoc(text, { table: 'resource', row: uid, field, type }, ring)

/** Canonical text with secrets sealed for the resource. `ring` is asked only where there is one to seal. */
export function encode(value: unknown, at: { readonly uid: string; readonly type: string; readonly field: Field; readonly token: string }, ring: () => Keyring | undefined): string {
  const v = value as Value
  return encodeDoc(v, { table: 'resource', row: at.uid, field: at.field, tx: at.token, type: at.type }, sealed(v) ? ring() : undefined)
}

/** A circle is refused where the text is made, with its path. */
function sealed(v: Value): boolean {
  try {
    return hasSecret(v)
  } catch (e) {
    if (e instanceof RangeError) return false
    throw e
  }
}

/** A tree as it may be given out. `closed`: for comparing, secrets as they are. */
export const shown = (v: Value, clear: boolean | 'closed'): unknown => (clear === 'closed' ? v : clear && hasSecret(v) ? reveal(v) : masked(v))

export const isMask = (v: unknown): boolean => typeof v === 'object' && v !== null && (v as { secret?: unknown }).secret === true && Object.keys(v).length === 1

/** What was read masked and comes back unchanged means the secret that is stored: `{ secret: true }` in the place of one is that one. */
export function keepSecrets(given: unknown, stored: Value | undefined): unknown {
  if (stored === undefined || typeof given !== 'object' || given === null || isSecret(given)) return given
  if (isMask(given)) return isSecret(stored) ? stored : given
  if (typeof stored !== 'object' || stored === null || isSecret(stored) || given instanceof Date || given instanceof Uint8Array) return given
  if (Array.isArray(given)) return Array.isArray(stored) ? given.map((x, i) => keepSecrets(x, stored[i] as Value)) : given
  if (Array.isArray(stored)) return given
  const out: Record<string, unknown> = {}
  for (const [k, x] of Object.entries(given)) setOwn(out, k, keepSecrets(x, Object.hasOwn(stored, k) ? (stored as Record<string, Value>)[k] : undefined))
  return out
}

const NAMED = ['name', 'ruuid', 'hash']

/** The attributes of a model: what is stored as inputs. */
export function attributesOf(model: ResourceModel): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [k, v] of Object.entries(model)) if (!NAMED.includes(k) && v !== undefined) setOwn(out, k, v)
  return out
}

const hasAny = (o: object): boolean => {
  for (const _ in o) return true
  return false
}

/** A row and its inputs as a model. */
export function modelOf(row: Pick<ResourceRow, 'address' | 'type' | 'fingerprint' | 'meta'>, inputs: Value, clear: boolean | 'closed'): ResourceModel {
  const attributes = (shown(inputs, clear) ?? {}) as Record<string, unknown>
  const model: Record<string, unknown> = { ruuid: row.type, name: nameIn(row.address), hash: row.fingerprint }
  for (const k in attributes) if (!NAMED.includes(k)) setOwn(model, k, attributes[k])
  if (model.tags === undefined && hasAny(row.meta.tags)) model.tags = { ...row.meta.tags }
  return model as ResourceModel
}

export const keyOfRow = (row: Pick<ResourceRow, 'address' | 'type'>): string => `${row.type};${nameIn(row.address)}`

const TAGS_MAX = 50
const TAG_KEY_CHARS_MAX = 128
const TAG_VALUE_CHARS_MAX = 256

/** The tags of a model, checked. Fails InvalidDifference. */
export function tagsOf(model: ResourceModel): Readonly<Record<string, string>> {
  const { tags } = model as { readonly tags?: unknown }
  if (tags === undefined || tags === null) return {}
  const bad = (why: string) => new InvalidDifference(`The tags of ${model.ruuid} ${model.name} are not valid: ${why}.`)
  if (typeof tags !== 'object' || Array.isArray(tags)) return {} // an attribute that is called so, and none of ours
  const entries = Object.entries(tags)
  if (entries.some(([, v]) => typeof v !== 'string')) return {}
  if (entries.length > TAGS_MAX) throw bad(`there are more than ${TAGS_MAX}`)
  for (const [k, v] of entries as [string, string][]) {
    if (k.length < 1 || k.length > TAG_KEY_CHARS_MAX) throw bad(`a key has 1 to ${TAG_KEY_CHARS_MAX} characters`)
    if (k.toLowerCase().startsWith('aws')) throw bad(`the key ${k} begins with aws`)
    if (v.length > TAG_VALUE_CHARS_MAX) throw bad(`the value of ${k} has more than ${TAG_VALUE_CHARS_MAX} characters`)
  }
  return Object.fromEntries(entries) as Record<string, string>
}

/** Digest of a tree in which secrets count by their keyed fingerprint. */
export function digestOf(value: unknown, ring: () => Keyring): string {
  return sha256hex(canonical(value, (leaf, path) => (isSecret(leaf) ? canonical(leaf.fp || ring().fingerprint(SecretValue.reveal(leaf), { type: 'holdfast:request', field: path.join('.') })) : undefined)))
}
