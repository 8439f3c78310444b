import type { z } from 'zod'
import { failure, type Plain } from '../base/index.ts'
import { compare } from '../diff/index.ts'
import { firstUnknown, hasSecret, isSecret, isUnknown, mayHoldSecrets, SecretValue, wrapSensitive, type ExprNode, type Scope, type Value } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import { makeRedactor, parseSafely, type Keyring, type Redactor } from '../secret/index.ts'
import type { Fields } from './facts.ts'

/**
 * Normalised inputs in which what stands at a `sensitive()` place has become a secret. A field that holds one is parsed again at the call: where parsing
 * it twice would give something else than parsing it once, it stays as it was given.
 */
export function withHidden(type: ResourceType, given: Fields, parsed: Fields, scope: Scope): Fields {
  if (!mayHoldSecrets(type.inputs)) return parsed
  const out: Record<string, Value | undefined> = { ...parsed }
  for (const key of Object.keys(out)) {
    const field = type.inputs.shape[key] as z.ZodType | undefined
    const [before, now] = [given[key], out[key]]
    if (!field || before === undefined || before === now || !mayHoldSecrets(field)) continue
    const again = parseSafely(field, now)
    if (!again.success || compare(again.data as Value, now).length > 0) out[key] = before
  }
  return hideInputs(type, out, (v, field) => scope.hide(v, type.type, field))
}

/** Inputs in which everything at a `sensitive()` place is secret; they themselves, where it is already. */
export const hideInputs = (type: ResourceType, inputs: Fields, hidden: (v: Value, field: string) => Value): Fields =>
  wrapSensitive(type.inputs, inputs as Value, (v, path) => hidden(v, `inputs.${path.join('.')}`)) as Fields

let unkeyed = 0

/**
 * A value as a secret of a type's field; an empty text hides nothing. Of a tree in which a secret or an unknown stands already, every other leaf becomes one.
 * Without a key it is one that equals no other: it can be shown, and not be stored (HF4301).
 */
export function hide(value: Value, ring: Keyring | undefined, type: string, field: string): Value {
  if (value === null || value === undefined || value === '' || isSecret(value) || isUnknown(value)) return value
  if (hasSecret(value) || firstUnknown(value)) {
    if (Array.isArray(value)) return value.map((x, i) => hide(x as Value, ring, type, `${field}.${i}`))
    return Object.fromEntries(Object.entries(value as Record<string, Value>).map(([k, x]) => [k, hide(x, ring, type, `${field}.${k}`)]))
  }
  const plain = value as Plain
  return ring ? secretOf(ring, plain, type, field) : new SecretValue(`n:${++unkeyed}`, () => plain)
}

/** A value as a secret of a type's field. Fails HF4301 without a key. */
export function secretOf(ring: Keyring | undefined, plain: Plain, type: string, field: string): SecretValue {
  if (!ring) throw failure('HF4301')
  return new SecretValue(ring.fingerprint(plain, { type, field }), () => plain)
}

/** Whether the program itself wrote something into an input that is secret: then a stored plan holds what it wrote under seal. */
export function writesSecrets(type: ResourceType, e: ExprNode): boolean {
  if (!mayHoldSecrets(type.inputs)) return false
  let some = false
  written(type, e, (v) => (some ||= v !== '' && v !== null && v !== undefined))
  return some
}

/** A message about the inputs of a node, without what the program wrote in those that hold something secret. */
export function withoutTexts(type: ResourceType, message: string, e: ExprNode): string {
  const redactor = makeRedactor()
  learnTexts(type, e, redactor)
  return redactor.text(message)
}

/** What the program wrote in inputs that hold something secret is redacted from now on: the line of the program that an error shows may hold it. */
export function learnTexts(type: ResourceType, e: ExprNode, redactor: Pick<Redactor, 'add'>): void {
  if (mayHoldSecrets(type.inputs)) written(type, e, (v) => typeof v === 'string' && redactor.add(v))
}

/** Tells of every plain value that the program wrote into inputs in which something is secret. */
function written(type: ResourceType, e: ExprNode, tell: (v: unknown) => void): void {
  const isOpen = (key: string): boolean => {
    const field = type.inputs.shape[key] as z.ZodType | undefined
    return !field || !mayHoldSecrets(field)
  }
  const each = (v: unknown): void => (typeof v === 'object' && v !== null && !(v instanceof Uint8Array) && !(v instanceof Date) ? Object.values(v).forEach(each) : tell(v))
  const walk = (x: ExprNode): void => {
    if (x.k === 'lit') each(x.v)
    if (x.k === 'str') each(x.parts)
    if ('args' in x) x.args.forEach(walk)
    if (x.k === 'hide') walk(x.of)
    if (x.k === 'each') [x.list, x.body].forEach(walk)
  }
  if (e.k === 'obj') e.keys.forEach((k, i) => isOpen(k) || walk(e.args[i] as ExprNode))
  if (e.k === 'lit') for (const [k, v] of Object.entries(e.v as object)) if (!isOpen(k)) each(v)
}
