import { clockKind, failure, having, misfit, oneOf, optionKind, type Kind, type Kinds } from '../base/index.ts'
import type { SettleHow } from '../engine/index.ts'
import type { Target } from './ports.ts'

const { count, flag, function: fn, object, signal, text, texts } = optionKind

const wrong = (message: string) => failure('HF1306', { message: `${message}.` })

/** Fails HF1306 with the first thing that is wrong. */
function check(given: unknown, known: Kinds, what: string, needed?: readonly string[]): void {
  const found = misfit(given, known, needed)
  if (found !== undefined) throw wrong(`${what}: ${found}`)
}

const isType = (v: unknown): boolean => typeof v === 'function' && typeof (v as { readonly type?: unknown }).type === 'string'
const keyWords: Readonly<Record<string, string>> = { file: 'path', env: 'name' }
const isKey = (v: unknown): boolean => {
  if (!object.is(v)) return false
  const key = v as Readonly<Record<string, unknown>>
  const word = keyWords[String(key.kind)]
  return word !== undefined && text.is(key[word])
}
const PARTS: Kinds = new Map<string, Kind>([
  ['targets', having('a provider of targets, with getTarget', 'getTarget')], ['snapshots', having('a provider of snapshots, with getSnapshot and beginMutation', 'getSnapshot', 'beginMutation')],
  ['providers', { says: 'a list of resource types, as resource() gives them', is: (v) => Array.isArray(v) && v.every(isType) }],
  ['clock', clockKind], ['parallelism', optionKind.above], ['home', text], ['key', { says: 'what keyFile() or keyEnv() gives', is: isKey }],
])

/** What an engine is made of. Fails HF1306. */
export const checkParts = (parts: unknown): void => check(parts, PARTS, 'An engine', ['targets', 'snapshots'])

const CALL: readonly (readonly [string, Kind])[] = [['onEvent', fn], ['signal', signal]]
const PLAN: readonly (readonly [string, Kind])[] = [
  ...CALL, ['targets', texts], ['targetDependents', flag], ['excludes', texts], ['excludeDependents', flag], ['replace', texts], ['allowDeletes', count], ['refreshed', { says: 'what refresh() gave', is: (v) => object.is(v) && Array.isArray((v as { asked?: unknown }).asked) && Array.isArray((v as { drifted?: unknown }).drifted) }],
]
const CHANGE: readonly (readonly [string, Kind])[] = [...PLAN, ['onFailure', oneOf('revert', 'keep', 'continue')], ['abort', signal]]
const OPTIONS: Readonly<Record<string, Kinds>> = {
  preview: new Map(PLAN), apply: new Map(CHANGE), destroy: new Map(CHANGE), refresh: new Map([...CALL, ['allowDeletes', count]]), import: new Map([...CALL, ['adoptOther', flag]]), settle: new Map(CALL),
}
/** Options of one call. Fails HF1306. */
export const checkCall = (call: 'preview' | 'apply' | 'destroy' | 'refresh' | 'import' | 'settle', options: unknown): void => check(options, OPTIONS[call] as Kinds, call)

/** What restricts a plan stands in it already: said once more, it would change nothing. Fails HF1306. */
export function checkForPlan(options: Readonly<Record<string, unknown>>): void {
  const said = ['targets', 'targetDependents', 'excludes', 'excludeDependents', 'replace', 'refreshed'].find((name) => options[name] !== undefined)
  if (said !== undefined) throw wrong(`apply: ${said} is said when the plan is made; a plan is applied as it is`)
}

const waysOfSettling: Readonly<Record<SettleHow['kind'], (how: Readonly<Record<string, unknown>>) => boolean>> = {
  retry: () => true, absent: () => true, abandon: () => true, adopt: (how) => text.is(how.id), to: (how) => how.state === 'previous' || how.state === 'new',
}
/** Fails HF1306. */
export function checkSettle(id: unknown, how: unknown): void {
  if (!text.is(id)) throw wrong('settle: id must be that of an open change')
  const given = how as Readonly<Record<string, unknown>> | null | undefined
  const kind = String(given?.kind) as SettleHow['kind']
  if (!given || !Object.hasOwn(waysOfSettling, kind) || !waysOfSettling[kind](given)) {
    throw wrong("settle: how must be { kind: 'retry' }, { kind: 'adopt', id }, { kind: 'absent' }, { kind: 'to', state: 'previous' or 'new' } or { kind: 'abandon' }")
  }
}

const aText: Kind = { says: 'a text', is: (v) => typeof v === 'string' }
const HOLDER: Kinds = new Map<string, Kind>([['id', aText], ['pid', count], ['host', aText], ['bootId', aText], ['startedAt', aText]])
/** Fails HF1306. */
export function checkHolder(by: unknown): void {
  check(picked(by, HOLDER), HOLDER, 'A holder', ['id', 'pid', 'host'])
}

const SNAPSHOT: Kinds = new Map([['resources', fn]])
/** What is to be written down. It may have more. Fails HF1306. */
export const checkAsSnapshot = (given: unknown): void => check(picked(given, SNAPSHOT), SNAPSHOT, 'A snapshot', ['resources'])

/** Fails HF1306. */
export function checkMutations(mutations: unknown): void {
  if (!Array.isArray(mutations) || !mutations.every((m) => object.is(m))) throw wrong('withOpen: mutations must be a list of open mutations, each an object')
}

/** Only what is asked for: whoever gives something may have more in it. */
const picked = (given: unknown, kinds: Kinds): unknown => (object.is(given) ? Object.fromEntries([...kinds.keys()].map((k) => [k, (given as Readonly<Record<string, unknown>>)[k]])) : given)

const TARGET: Kinds = new Map<string, Kind>([
  ['name', text], ['config', object], ['secrets', having('a reader, with get', 'get')], ['tags', { says: 'an object of texts', is: (v) => object.is(v) && Object.values(v as object).every((x) => typeof x === 'string') }],
])
/** What a provider of targets gave for a name. It may have more than is needed. Fails HF1306. */
export function checkTarget(name: string, given: unknown): Target {
  check(picked(given, TARGET), TARGET, `The target ${name} that its provider gave`, [...TARGET.keys()])
  const target = given as Target
  if (target.name !== name) throw wrong(`The target ${name} that its provider gave is called ${target.name}`)
  return target
}
