import { optionKind, parseDuration, textOf, type Kind, type Kinds, type Millis } from '../../base/index.ts'
import { checkOptions, failing, retryKind } from './kinds.ts'
import type { Inputs, Outcome, Rebind, RemoteOptions, Retry, Task, TaskContext, TaskOptions, UndoContext } from './port.ts'

/** Argument -> symbol. */
export type Binding = ReadonlyMap<string, string>
/** How a symbol is read out of a result. */
export type Slot = { readonly how: 'whole' } | { readonly how: 'index'; readonly index: number } | { readonly how: 'key' }

/** What both halves of a task need, and how the arguments are called. */
export interface Needs {
  readonly required: Binding
  readonly optional: Binding
}

/** A task, declared: everything is checked and copied when it is made, so that nothing that is changed afterwards changes it. */
export class BuiltTask implements Task {
  readonly name: string
  readonly requires: readonly string[]
  readonly optional: readonly string[]
  readonly provides: readonly string[]
  readonly slots: ReadonlyMap<string, Slot>
  readonly needs: Needs
  readonly undoNeeds: Needs
  readonly inject: Readonly<Record<string, unknown>>
  readonly run: ((ctx: TaskContext, inputs: Inputs) => unknown) | undefined
  readonly undo: ((ctx: UndoContext, inputs: Inputs & Outcome, outcome: Outcome) => unknown) | undefined
  readonly hooks: Pick<TaskOptions, 'preExecute' | 'postExecute' | 'preUndo' | 'postUndo'>
  readonly timeoutMs: Millis | undefined
  readonly retry: Retry | undefined
  readonly key: string
  readonly version: string
  readonly priority: number
  readonly remote: { readonly type: string; readonly undo: boolean; readonly claimWithinMs: Millis } | undefined

  constructor(name: string, run: ((ctx: TaskContext, inputs: Inputs) => unknown) | undefined, o: TaskOptions & Partial<Pick<RemoteOptions, 'type' | 'claimWithin'>>) {
    const bad = (message: string): never => {
      throw failing('HF3203', { message: `Task ${name}: ${message}` })
    }
    if (typeof name !== 'string' || name === '') throw failing('HF3203', { message: `Task ${textOf(name)}: name must be ${optionKind.text.says}.` })
    checkOptions(o, run ? OPTIONS : REMOTE_OPTIONS, `Task ${name}`)
    this.name = name
    this.run = run
    this.inject = o.inject === undefined ? EMPTY : frozen(o.inject)
    this.slots = slotsOf(o.provides, bad)
    this.provides = this.slots.size === 0 ? NONE : Object.freeze([...this.slots.keys()])
    const requires = names(o.requires, 'requires', bad)
    const optional = names(o.optional, 'optional', bad)
    this.needs = bind(requires, optional, o.rebind, this.inject, bad)
    const undoRequires = o.undoRequires === undefined ? requires : names(o.undoRequires, 'undoRequires', bad)
    const remoteUndo = o.type !== undefined && (o as { undo?: unknown }).undo === true
    const undoOwn = o.undoRequires !== undefined || o.undoRebind !== undefined
    this.undoNeeds = !o.undo && !remoteUndo ? NOTHING : !undoOwn ? this.needs : bind(undoRequires, optional, o.undoRebind, this.inject, bad)
    for (const arg of RESERVED) if (this.undoNeeds.required.has(arg) || this.undoNeeds.optional.has(arg)) bad(`an undo receives its own \`${arg}\`; bind the symbol to another argument with undoRebind.`)
    this.requires = symbolsOf(this.needs.required, undoOwn ? this.undoNeeds.required : NOTHING.required)
    this.optional = symbolsOf(this.needs.optional, NOTHING.optional)
    this.undo = typeof o.undo === 'function' ? o.undo : undefined
    this.hooks = o
    this.timeoutMs = duration(o.timeout, 'timeout', bad)
    this.retry = o.retry
    this.key = o.key ?? name
    this.version = o.version ?? '1.0'
    this.priority = o.priority ?? 0
    this.remote = o.type === undefined ? undefined : {
      type: o.type, undo: remoteUndo, claimWithinMs: duration(o.claimWithin, 'claimWithin', bad) ?? 60_000,
    }
    Object.freeze(this)
  }
}

const { anything, function: fn, text } = optionKind
/** What the constructor looks at more closely is anything here. */
const SHARED: readonly (readonly [string, Kind])[] = [
  ['name', text], ['requires', anything], ['optional', anything], ['provides', anything], ['inject', optionKind.object], ['rebind', anything], ['undoRequires', anything], ['undoRebind', anything], ['timeout', anything],
  ['retry', retryKind], ['key', text], ['version', text], ['priority', optionKind.number],
]
const OPTIONS: Kinds = new Map([...SHARED, ['undo', fn], ['preExecute', fn], ['postExecute', fn], ['preUndo', fn], ['postUndo', fn]])
const REMOTE_OPTIONS: Kinds = new Map([...SHARED, ['undo', optionKind.flag], ['type', text], ['claimWithin', anything]])
const NOTHING: Needs = { required: new Map(), optional: new Map() }
const EMPTY = Object.freeze({})
const NONE: readonly string[] = Object.freeze([])
const RESERVED = ['result', 'flowFailures']
const symbolsOf = (a: Binding, b: Binding): readonly string[] => (a.size + b.size === 0 ? NONE : Object.freeze([...new Set([...a.values(), ...b.values()])]))
type Bad = (message: string) => never

export function names(given: readonly string[] | undefined, what: string, bad: Bad): readonly string[] {
  if (given === undefined) return NONE
  if (!Array.isArray(given) || given.some((n) => typeof n !== 'string' || n === '')) bad(`${what} must be a list of names.`)
  return [...new Set(given)]
}

/** The algorithm of flow declarations: arguments stand for themselves, `rebind` gives them another symbol, what is injected asks for nothing. */
export function bind(requires: readonly string[], optional: readonly string[], rebind: Rebind | undefined, inject: Readonly<Record<string, unknown>>, bad: Bad): Needs {
  if (requires.length === 0 && optional.length === 0 && rebind === undefined) return NOTHING
  const required = new Map(requires.map((a) => [a, a]))
  const maybe = new Map(optional.filter((a) => !required.has(a)).map((a) => [a, a]))
  if (Array.isArray(rebind)) {
    if (rebind.length > requires.length) bad(`rebind names ${rebind.length} symbols for ${requires.length} required inputs.`)
    rebind.forEach((symbol: string, i) => required.set(requires[i] as string, symbol))
  } else if (rebind !== undefined) {
    if (typeof rebind !== 'object' || rebind === null) bad('rebind must be a list or a map of names.')
    for (const [arg, symbol] of Object.entries(rebind as Readonly<Record<string, string>>)) (maybe.has(arg) ? maybe : required).set(arg, symbol)
  }
  for (const symbol of [...required.values(), ...maybe.values()]) if (typeof symbol !== 'string' || symbol === '') bad('rebind must give names.')
  for (const arg of Object.keys(inject)) {
    required.delete(arg)
    maybe.delete(arg)
  }
  return { required, optional: maybe }
}

function slotsOf(provides: TaskOptions['provides'], bad: Bad): ReadonlyMap<string, Slot> {
  if (provides === undefined) return new Map()
  if (typeof provides === 'string') return new Map([[provides, { how: 'whole' }]])
  const list = Array.isArray(provides) || provides instanceof Set ? [...provides as Iterable<unknown>] : bad('provides must be a name, a list or a set of names.')
  if (list.some((n) => typeof n !== 'string' || n === '') || new Set(list).size !== list.length) bad('provides must hold every name once.')
  return new Map((list as string[]).map((n, index) => [n, Array.isArray(provides) ? { how: 'index', index } : { how: 'key' }]))
}

export function duration(given: Millis | string | undefined, what: string, bad: Bad): Millis | undefined {
  const ms = typeof given === 'string' ? parseDuration(given) : given
  if (given !== undefined && !(typeof ms === 'number' && ms >= 0)) bad(`${what} must be milliseconds or a duration such as '2m'.`)
  return ms
}

/** Names that the result lacks. */
export function missingOutputs(slots: ReadonlyMap<string, Slot>, result: unknown): readonly string[] {
  let missing: string[] | undefined
  for (const [symbol, slot] of slots) if (!holds(slot, symbol, result)) (missing ??= []).push(symbol)
  return missing ?? NONE
}
const holds = (slot: Slot, symbol: string, result: unknown): boolean =>
  slot.how === 'whole' || (slot.how === 'index' ? Array.isArray(result) && slot.index < result.length : typeof result === 'object' && result !== null && Object.hasOwn(result, symbol))

export const readSlot = (slot: Slot, symbol: string, result: any): unknown => (slot.how === 'whole' ? result : slot.how === 'index' ? result[slot.index] : result[symbol])

/** A copy that nothing given by the caller reaches into. Objects of classes stay what they are. */
function frozen<T>(value: T): T {
  if (Array.isArray(value)) return Object.freeze(value.map(frozen)) as T
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([k, v]) => [k, frozen(v)]))) as T
}
