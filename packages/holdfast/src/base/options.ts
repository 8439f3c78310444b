import { failure } from './failure.ts'

/** What an option may be, in words and as a question. */
export interface Kind {
  readonly says: string
  is(value: unknown): boolean
}
/** Option -> what it may be. */
export type Kinds = ReadonlyMap<string, Kind>

const kind = (says: string, is: (value: unknown) => boolean): Kind => ({ says, is })
const isObject = (v: unknown): v is Readonly<Record<string, unknown>> => typeof v === 'object' && v !== null && !Array.isArray(v)

export const optionKind = {
  text: kind('a text that is not empty', (v) => typeof v === 'string' && v !== ''),
  texts: kind('a list of texts', (v) => Array.isArray(v) && v.every((x) => typeof x === 'string' && x !== '')),
  flag: kind('true or false', (v) => typeof v === 'boolean'),
  number: kind('a number', (v) => typeof v === 'number' && !Number.isNaN(v)),
  above: kind('a whole number above zero', (v) => Number.isInteger(v) && (v as number) > 0),
  count: kind('a whole number, zero or more', (v) => Number.isInteger(v) && (v as number) >= 0),
  function: kind('a function', (v) => typeof v === 'function'),
  object: kind('an object', isObject),
  signal: kind('an AbortSignal', (v) => isObject(v) && typeof v.aborted === 'boolean' && typeof v.addEventListener === 'function'),
  anything: kind('anything', () => true),
} as const

/** Arguments of a function that anybody may call, by their names. Fails HF1307 with the first that is wrong. */
export function checkArguments(of: string, given: object, known: Kinds, needed: readonly string[] = [...known.keys()]): void {
  const wrong = misfit(given, known, needed)
  if (wrong !== undefined) throw failure('HF1307', { message: `${of}: ${wrong}.` })
}

/** What somebody gave, for a sentence about it: short, and written whatever it is. What lies in an object is not shown. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value === null || typeof value === 'undefined' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** The text of whatever was thrown or given as a reason: one that has none does not fail who asks. */
export function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return inWords(value)
  }
}

/** An object that has all of these methods. */
export const having = (says: string, ...methods: readonly string[]): Kind => kind(says, (v) => isObject(v) && methods.every((m) => typeof v[m] === 'function'))
export const clockKind: Kind = having('a clock with now, mono and sleep', 'now', 'mono', 'sleep')
/** An object whose members are all of one kind. */
export const allOf = (says: string, one: Kind): Kind => kind(says, (v) => isObject(v) && Object.values(v).every((x) => one.is(x)))
export const oneOf = (...words: readonly string[]): Kind => kind(`one of ${words.join(', ')}`, (v) => words.includes(v as string))

/**
 * The first thing that is wrong with the options that somebody gave: a word that is none, most often one that was misspelt; a value of another kind; one
 * that is needed and missing. Undefined when nothing is. What is undefined counts as left out.
 */
export function misfit(given: unknown, known: Kinds, needed: readonly string[] = []): string | undefined {
  if (!isObject(given)) return 'the options must be an object'
  for (const name in given) if (!known.has(name)) return `there is no option ${name}; there are ${[...known.keys()].join(', ')}`
  for (const name in given) {
    const value = given[name]
    if (value !== undefined && !known.get(name)?.is(value)) return `${name} must be ${known.get(name)?.says}`
  }
  const missing = needed.find((name) => given[name] === undefined)
  return missing === undefined ? undefined : `${missing} is missing: ${known.get(missing)?.says}`
}
