import { canonical, failure, isFailure, limits, mutant, sha256hex, type EpochMs, type Plain, type Site } from '../base/index.ts'
import type { Rules } from '../diff/index.ts'
import { evaluate, firstUnknown, hasSecret, isSecret, isUnknown, mayHoldSecrets, reveal, SecretValue, UnknownValue, wrapSensitive, type Address, type ExprNode, type ResolvedOptions, type Scope, type Value } from '../model/index.ts'
import type { Host, ResourceType } from '../provider/index.ts'
import { parseSafely, type Keyring } from '../secret/index.ts'
import { broken, isPromise, predictedBy, wrong } from './asked.ts'
import { secretOf, withHidden, withoutTexts } from './hide.ts'
import { rulesKept } from './rules.ts'
import { secretTexts } from './texts.ts'

export type Fields = Readonly<Record<string, Value | undefined>>

/** The word of the node counts before that of the type. */
export const rulesOf = (type: ResourceType, options?: Pick<ResolvedOptions, 'deleteFirst'>): Rules => ({
  replaceOn: type.replaceOn ?? [],
  updatable: type.update !== undefined,
  deleteFirst: (mutant('own-delete-first-unheard') ? undefined : options?.deleteFirst) ?? type.deleteFirst === true,
  fullUpdate: type.capability?.update === 'full',
})

/**
 * Inputs as the type sees them: defaults filled, known fields parsed. A field that holds a secret or an unknown is left as it is until the call.
 *
 * Fails    HF1206 naming the field.
 */
function normalise(type: ResourceType, inputs: Value, at: { readonly address: Address; readonly site: Site | undefined }): Fields {
  const given = inputs as Fields
  if (!hasSecret(inputs) && !firstUnknown(inputs)) return parseAll(type, given, at)
  const out: Record<string, Value | undefined> = {}
  for (const key of Object.keys(type.inputs.shape)) {
    const v = given[key]
    if (v !== undefined && (hasSecret(v) || firstUnknown(v))) {
      out[key] = v
      continue
    }
    const parsed = parseSafely(type.inputs.shape[key] as Parsing, v)
    if (!parsed.success) throw invalid(at, key, parsed.error?.issues ?? [])
    if (parsed.data !== undefined) out[key] = parsed.data as Value
  }
  return out
}

const literals = new WeakMap<object, Fields>()

/**
 * Inputs of a node from its expression, normalised. Those that hold no reference are computed once for the plan and the task that carries it out;
 * the task, which asks last, takes them out of memory. What stands at a `sensitive()` place is secret, wherever it came from.
 */
export function resolveInputs(type: ResourceType, e: ExprNode, scope: Scope, at: { readonly address: Address; readonly site: Site | undefined }, last = false): Fields {
  if (!mayHoldSecrets(type.inputs)) return resolved(type, e, scope, at, last)
  try {
    return resolved(type, e, scope, at, last)
  } catch (x) {
    if (isFailure(x)) x.message = withoutTexts(type, x.message, e)
    throw x
  }
}

function resolved(type: ResourceType, e: ExprNode, scope: Scope, at: { readonly address: Address; readonly site: Site | undefined }, last: boolean): Fields {
  if (e.k !== 'lit') {
    const given = evaluate(e, scope)
    return withHidden(type, given as Fields, normalise(type, given, at), scope)
  }
  const known = literals.get(e)
  if (known) {
    if (last) literals.delete(e)
    return known
  }
  const fields = withHidden(type, e.v as Fields, normalise(type, e.v as Value, at), scope)
  // A secret belongs to the key it was made with, and a plan may be made again with another.
  if (!last && !(mayHoldSecrets(type.inputs) && hasSecret(fields as Value))) literals.set(e, fields)
  return fields
}

/** Everything is known now: the inputs of a call, secrets opened. */
export function callInputs(type: ResourceType, inputs: Fields, at: { readonly address: Address; readonly site: Site | undefined }): Record<string, unknown> {
  return hasSecret(inputs as Value) ? parseAll(type, reveal(inputs as Value) as Fields, at) as Record<string, unknown> : { ...inputs }
}

interface Issue { readonly path: readonly PropertyKey[]; readonly message: string }

function parseAll(type: ResourceType, given: Fields, at: { readonly address: Address; readonly site: Site | undefined }): Fields {
  const parsed = parseSafely(type.inputs, given)
  if (!parsed.success) throw invalid(at, '', parsed.error.issues)
  return parsed.data as Fields
}

function invalid(at: { readonly address: Address; readonly site: Site | undefined }, key: string, issues: readonly Issue[]) {
  const first = issues[0]
  const path = [key, ...(first?.path.map(String) ?? [])].filter(Boolean).join('.')
  return failure('HF1206', { address: at.address, site: at.site, message: `${at.address}: ${path || 'inputs'}: ${first?.message ?? 'not valid'}.`, details: { field: path } })
}

const bodies = new WeakMap<Fields, { readonly text: string; readonly secret: boolean }>()

/** Canonical text of inputs, secrets by their `fp`; made once per object. Without a secret it is the document that is stored, too. */
export function bodyOf(inputs: Fields): { readonly text: string; readonly secret: boolean } {
  const known = bodies.get(inputs)
  if (known) return known
  let secret = false
  const text = canonical(inputs, (v) => {
    if (!isSecret(v)) return undefined
    secret = true
    return `{"$s":${JSON.stringify(v.fp)}}`
  })
  const body = { text, secret }
  bodies.set(inputs, body)
  return body
}

/** Deadlines of single kinds of calls, as the node's row keeps them. */
export function timeoutsOf(options: Pick<ResolvedOptions, 'timeoutMs' | 'timeouts'>): ResolvedOptions['timeouts'] {
  const { timeoutMs: all, timeouts } = options
  if (all === undefined) return timeouts && Object.keys(timeouts).length > 0 ? timeouts : undefined
  return { create: all, update: all, delete: all, read: all, ...timeouts }
}

/** Output that names the object: what `physicalId` of its row is taken from. Undefined: the type has none. */
export const idField = (type: Pick<ResourceType, 'outputs'>): string | undefined => ID_FIELDS.find((f) => f in type.outputs.shape)
const ID_FIELDS = ['id', 'arn', 'path'] as const

/** The id of an object, from its outputs. */
export function idIn(outputs: Fields): string | undefined {
  const id = outputs.id ?? outputs.arn ?? outputs.path
  return typeof id === 'string' && id.length <= limits.physicalIdChars ? id : undefined
}

/** When an object is to be made anew, in ms; undefined when its type does not say, or not yet. `NaN`: what stands there is no moment. */
export function renewalIn(type: ResourceType | undefined, outputs: Fields): EpochMs | undefined {
  const at = type?.renewAt === undefined ? undefined : outputs[type.renewAt]
  if (at === undefined || at === null) return undefined
  return typeof at === 'string' ? Date.parse(at) : at instanceof Date ? at.getTime() : Number.NaN
}

/**
 * Identity of what the node asks for, without opening a secret: inputs, tags, the options the store keeps, dependencies, schema version.
 * Equal shape: nothing to do, and nothing to write.
 */
export function shapeOf(type: ResourceType, inputs: Fields, options: ResolvedOptions, deps: readonly Address[], trigger: string | undefined): string {
  const body = bodyOf(inputs).text
  const more = options.hooks || options.timeouts || options.timeoutMs !== undefined ? `\0${canonical({ h: options.hooks ?? {}, o: timeoutsOf(options) ?? {} })}` : ''
  const rules = rulesKept(options, trigger)
  const rest = options.protect || options.retain || Object.keys(options.tags).length ? canonical({ p: options.protect, r: options.retain, t: options.tags }) : ''
  return `h1:${sha256hex(`holdfast:shape\0${type.type}\0${type.version}\0${body}\0${rest}\0${deps.length ? deps.join('\n') : ''}${more}${rules ? `\0${canonical(rules)}` : ''}`)}`
}

/** Identity of the inputs (decisions 5). Secrets enter as HMAC under a key of the store. */
export function fingerprintOf(type: ResourceType, inputs: Fields, tags: Readonly<Record<string, string>>, ring: Keyring | undefined, trigger?: string): string {
  const leaf = (v: object, path: readonly string[]) => {
    if (!isSecret(v)) return undefined
    if (!ring) throw failure('HF4301')
    return `{"$s":${JSON.stringify(ring.fingerprint(SecretValue.reveal(v), { type: type.type, field: `inputs.${path.join('.')}` }))}}`
  }
  const plain = bodyOf(inputs)
  const body = `${plain.secret ? canonical(inputs, leaf) : plain.text}${Object.keys(tags).length ? canonical(tags) : ''}${trigger === undefined ? '' : `\0${trigger}`}`
  return `f1:${sha256hex(`holdfast:inputs\0${type.type}\0${type.version}\0${body}`)}`
}

/** Outputs that are known before the call; every other output of the type is unknown with its address. */
export function predictOutputs(type: ResourceType, inputs: Fields, host: Host, address: Address, kept: Fields | undefined): Fields {
  const known: Record<string, unknown> = {}
  for (const [k, v] of Object.entries(inputs)) if (v !== undefined && !firstUnknown(v) && !hasSecret(v)) known[k] = v
  const predicted = predictedBy(type, known, host)
  const out: Record<string, Value> = {}
  for (const key of Object.keys(type.outputs.shape)) {
    const stable = kept && type.stable?.includes(key as never) ? kept[key] : undefined
    const p = predicted[key]
    out[key] = stable ?? (p === undefined || (derivesFromUnknown(type, key, inputs)) ? new UnknownValue(`${address}.${key}`) : (p as Value))
  }
  return out
}

/** A prediction of an output that tells a secret or unknown input is not made. */
const derivesFromUnknown = (type: ResourceType, key: string, inputs: Fields): boolean =>
  Object.entries(type.derived ?? {}).some(([path, from]) => topOf(path) === key && from.some((f) => inputs[f] !== undefined && (hasSecret(inputs[f]) || firstUnknown(inputs[f]) !== undefined)))

const topOf = (path: string): string => path.split('.')[0] as string

class NotKnown extends Error {}

/**
 * Keys of the physical things the node owns; undefined while an input that decides it is unknown.
 *
 * Fails    HF1204 when a secret would stand in a key: keys are stored and shown in clear. HF1121 when the type's own function fails.
 */
export function claimsOf(type: ResourceType, inputs: Fields, host: Host, at: { readonly address: Address; readonly site: Site | undefined }): readonly string[] | undefined {
  if (!type.claims) return []
  const opened: string[] = []
  const view = new Proxy(inputs as Record<string, Value | undefined>, {
    get(target, key) {
      const v = target[key as string]
      if (v === undefined || typeof v !== 'object' || v === null) return v
      if (firstUnknown(v)) throw new NotKnown()
      if (!hasSecret(v)) return v
      opened.push(...secretTexts(v))
      return reveal(v)
    },
  })
  try {
    const given: unknown = type.claims(view as never, host)
    if (isPromise(given)) given.catch(() => undefined) // nobody waits for it
    if (!Array.isArray(given) || !given.every((k) => typeof k === 'string' && k !== '')) throw wrong({ type, method: 'claims', at, told: [] }, 'gave something that is no list of texts')
    const keys = [...new Set(given as readonly string[])].sort()
    if (keys.some((k) => opened.some((text) => k.includes(text)))) {
      throw failure('HF1204', { address: at.address, site: at.site, message: `${at.address}: a secret cannot be part of what names the object: names are stored and shown in clear.`, hint: 'Name the object by a plain value, and keep the secret in its content.' })
    }
    return keys
  } catch (e) {
    if (e instanceof NotKnown) return undefined
    throw broken({ type, method: 'claims', at, told: [inputs] }, e)
  }
}

interface Parsing {
  safeParse(v: unknown): { readonly success: boolean; readonly data?: unknown; readonly error?: { readonly issues: readonly Issue[] } }
}

/** The same fields, none of them needed. A check of the whole cannot be asked about a part: of such a schema every field is asked by itself. */
export function partOf(outputs: ResourceType['outputs']): Parsing {
  try {
    return outputs.partial()
  } catch {
    return { safeParse: (v) => fieldByField(outputs.shape as Readonly<Record<string, Parsing>>, v) }
  }
}

function fieldByField(shape: Readonly<Record<string, Parsing>>, v: unknown): ReturnType<Parsing['safeParse']> {
  if (typeof v !== 'object' || v === null) return { success: false, error: { issues: [{ path: [], message: 'an object is needed' }] } }
  const data: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(shape)) {
    const given = (v as Readonly<Record<string, unknown>>)[key]
    if (given === undefined) continue
    const parsed = field.safeParse(given)
    if (!parsed.success) return { success: false, error: { issues: (parsed.error?.issues ?? []).map((i) => ({ ...i, path: [key, ...i.path] })) } }
    data[key] = parsed.data
  }
  return { success: true, data }
}

/**
 * Outputs of a provider as values: checked against the schema, sensitive ones secret, and secret wherever the text of a secret input appears in them.
 *
 * Fails    HF3102 when the shape is wrong.
 */
export function receiveOutputs(type: ResourceType, raw: unknown, inputs: Fields, ring: Keyring | undefined, address: Address, partial: boolean): Fields {
  const parsed = parseSafely(partial ? partOf(type.outputs) : type.outputs, raw)
  if (!parsed.success) {
    const issue = parsed.error?.issues[0]
    throw failure('HF3102', { address, message: `${address}: ${type.type} answered with outputs that do not fit its schema: ${issue?.path.map(String).join('.') || 'outputs'}: ${issue?.message}.` })
  }
  const make = (plain: Plain, path: string) => {
    if (!ring) throw failure('HF4301', { address, message: `${address} gives a secret output, and there is no key to seal it with.` })
    return secretOf(ring, plain, type.type, `outputs.${path}`)
  }
  let value = wrapSensitive(type.outputs, parsed.data as Value, (v, path) => make(v as Plain, path.join('.'))) as Fields
  if (Number.isNaN(renewalIn(type, value))) throw failure('HF3102', { address, message: `${address}: ${type.type} answered with no moment in ${type.renewAt}, which says when a new object is to be made. A moment is a text such as 2030-01-31T12:00:00Z, and no secret.` })
  if (hasSecret(inputs as Value)) {
    value = taintByText(value, secretTexts(inputs as Value), make) as Fields
    for (const [path, from] of Object.entries(type.derived ?? {})) if (from.some((f) => hasSecret(inputs[f]))) value = taintPath(value as Value, path.split('.'), [], make) as Fields
  }
  return value
}

function taintPath(v: Value, path: readonly string[], at: readonly string[], make: (plain: Plain, path: string) => Value): Value {
  if (v === null || v === undefined || isSecret(v)) return v
  const [head, ...rest] = path
  if (head === undefined) return make(reveal(v), at.join('.'))
  if (typeof v !== 'object' || !(head in v)) return v
  return { ...(v as Record<string, Value>), [head]: taintPath((v as Record<string, Value>)[head] as Value, rest, [...at, head], make) }
}

const MIN_TEXT = 4

function taintByText(v: Value, texts: readonly string[], make: (plain: Plain, path: string) => Value, path = ''): Value {
  if (isSecret(v) || isUnknown(v) || v === null || v === undefined) return v
  if (typeof v === 'string' || typeof v === 'number') {
    const s = String(v)
    return texts.some((t) => s === t || (t.length >= MIN_TEXT && s.includes(t))) ? make(v, path) : v
  }
  if (v instanceof Uint8Array) {
    const s = Buffer.from(v).toString('utf8')
    return texts.some((t) => t.length >= MIN_TEXT && s.includes(t)) ? make(v, path) : v
  }
  if (typeof v !== 'object' || v instanceof Date) return v
  if (Array.isArray(v)) return v.map((x, i) => taintByText(x as Value, texts, make, path ? `${path}.${i}` : String(i)))
  const out: Record<string, Value> = {}
  for (const [k, x] of Object.entries(v as Record<string, Value>)) if (x !== undefined) out[k] = taintByText(x, texts, make, path ? `${path}.${k}` : k)
  return out
}
