import { limits, parseDuration } from '../base/index.ts'
import { callOps, hookPoints, noOptions, parsePath, type Address, type CallOp, type HookNames, type HookPoint, type NodeOptions, type ResolvedOptions } from '../model/index.ts'
import { isExpr } from './expr.ts'
import { isHook } from './hook.ts'
import { isNode } from './reference.ts'
import type { Inherited } from './scope.ts'
import { failureAt } from './site.ts'
import { collectRefs, toNode } from './to-node.ts'

/** What a component passes on to every node under it. */
const ofComponents: readonly (keyof NodeOptions)[] = ['protect', 'retain', 'movedFrom', 'dependsOn', 'tags', 'timeout', 'retries', 'hooks', 'replaceWhen', 'replaceWith', 'deletedWith', 'deleteFirst']
/** Paths lead into the inputs of one type, and a component is no object that could be taken over. */
const ofNodes: readonly (keyof NodeOptions)[] = [...ofComponents, 'ignore', 'replaceOn', 'adopt']

/** Options of a node or a component, checked. `refs` are the addresses of nodes and components that they name. */
export interface ReadOptions {
  readonly options: Partial<ResolvedOptions>
  readonly refs: readonly Address[]
}
const nothing: ReadOptions = Object.freeze({ options: Object.freeze({}), refs: Object.freeze([]) as readonly Address[] })

/** Fails HF1208 naming the option. */
export function readOptions(options: unknown, address: Address, above: Function, of: 'node' | 'component' | readonly string[]): ReadOptions {
  if (options === undefined) return nothing
  const wrong = (what: string, hint?: string) => failureAt('HF1208', above, { address, message: `${address}: ${what}.`, ...(hint !== undefined && { hint }) })
  if (typeof options !== 'object' || options === null || Array.isArray(options) || isExpr(options)) throw wrong('the options must be an object')
  const allowed = of === 'node' ? ofNodes : of === 'component' ? ofComponents : of
  const out: { -readonly [K in keyof ResolvedOptions]?: ResolvedOptions[K] } = {}
  const refs: Address[] = []
  const addressesIn = (list: unknown): Address[] | undefined => (Array.isArray(list) && list.every(hasPath) ? list.map((v: { $path: string }) => v.$path) : undefined)
  for (const [name, value] of Object.entries(options)) {
    if (!allowed.includes(name)) {
      const nodesOnly = (ofNodes as readonly string[]).includes(name) && of === 'component'
      throw wrong(nodesOnly ? `${name} is an option of nodes: its paths lead into the inputs of one type` : `there is no option ${JSON.stringify(name)}`, `Options: ${allowed.join(', ')}.`)
    }
    if (value === undefined) continue
    if (isExpr(value) && name !== 'replaceWhen' && name !== 'deletedWith') throw wrong(`${name} must be known before apply, and a reference is not`, 'Options are plain values: take them from config or settings.')
    switch (name as keyof NodeOptions) {
      case 'protect': case 'retain': case 'deleteFirst':
        if (typeof value !== 'boolean') throw wrong(`${name} must be true or false`)
        out[name as 'protect' | 'retain' | 'deleteFirst'] = value
        break
      case 'ignore': case 'replaceOn':
        out[name as 'ignore' | 'replaceOn'] = readPaths(name, value, wrong)
        break
      case 'replaceWhen': {
        if (isNode(value)) throw wrong(`replaceWhen is the whole node ${value.$path}`, 'Pass one of its outputs.')
        const e = toNode(value, { address, path: ['replaceWhen'], above })
        const found = new Set<Address>()
        collectRefs(e, found, { address, above })
        refs.push(...found)
        out.replaceWhen = e
        break
      }
      case 'replaceWith': {
        const list = addressesIn(value)
        if (!list) throw wrong('replaceWith must be a list of nodes and components')
        refs.push(...list)
        out.replaceWith = list
        break
      }
      case 'deletedWith':
        if (!hasPath(value)) throw wrong('deletedWith must be a node')
        refs.push(value.$path)
        out.deletedWith = value.$path
        break
      case 'movedFrom':
        if (!Array.isArray(value) || !value.every((a) => typeof a === 'string' && a !== '' && !a.startsWith('/') && !a.endsWith('/'))) throw wrong("movedFrom must be a list of earlier addresses, such as ['old/name']")
        out.movedFrom = value.map((a: string) => a.normalize('NFC'))
        break
      case 'dependsOn': {
        const list = addressesIn(value)
        if (!list) throw wrong('dependsOn must be a list of nodes and components')
        refs.push(...list)
        break
      }
      case 'tags': out.tags = readTags(value, wrong); break
      case 'timeout':
        if (typeof value === 'object' && value !== null) out.timeouts = readTimeouts(value as Record<string, unknown>, wrong)
        else out.timeoutMs = readDuration('timeout', value, wrong)
        break
      case 'retries':
        if (!Number.isInteger(value) || value < 0) throw wrong('retries must be a whole number, 0 or more')
        out.retries = value
        break
      case 'adopt':
        if (typeof value !== 'string' || value === '' || value.length > limits.physicalIdChars) throw wrong(`adopt must be the id of an object, a text of 1 to ${limits.physicalIdChars} characters`)
        out.adopt = value
        break
      case 'hooks': out.hooks = readHooks(value, wrong); break
    }
  }
  return { options: out, refs }
}

/** `'$path' in ref` would ask the schema of an output; only nodes and components answer here. */
function hasPath(v: unknown): v is { readonly $path: string } {
  return typeof v === 'object' && v !== null && '$path' in v && typeof v.$path === 'string'
}

type Wrong = (what: string) => Error

function readDuration(name: string, value: unknown, wrong: Wrong): number {
  const ms = typeof value === 'string' ? parseDuration(value) : undefined
  if (ms === undefined || ms <= 0) throw wrong(`${name} must be a duration such as 30s or 5m`)
  return ms
}

function readTimeouts(value: Record<string, unknown>, wrong: Wrong): NonNullable<ResolvedOptions['timeouts']> {
  const out: { [K in CallOp]?: number } = {}
  for (const [op, each] of Object.entries(value)) {
    if (!(callOps as readonly string[]).includes(op)) throw wrong(`timeout.${op}: deadlines are set for ${callOps.join(', ')}`)
    if (each !== undefined) out[op as CallOp] = readDuration(`timeout.${op}`, each, wrong)
  }
  return out
}

function readHooks(value: unknown, wrong: Wrong): HookNames {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('hooks must be an object that names when each runs')
  const out: { [K in HookPoint]?: string } = {}
  for (const [point, hook] of Object.entries(value)) {
    if (!(hookPoints as readonly string[]).includes(point)) throw wrong(`hooks.${point}: hooks run at ${hookPoints.join(', ')}`)
    if (hook === undefined) continue
    if (!isHook(hook)) throw wrong(`hooks.${point} must be what hook(name, function) gave, at the top level of a module`)
    out[point as HookPoint] = hook.$hook
  }
  return out
}

function readPaths(name: string, value: unknown, wrong: (what: string, hint?: string) => Error): readonly string[] {
  const hint = 'A path names an input and what is below it: size, labels.team, rules[0].port, rules[*].port, labels["a.b"]; * alone is every input.'
  if (!Array.isArray(value)) throw wrong(`${name} must be a list of paths`, hint)
  for (const p of value) {
    if (isExpr(p)) throw wrong(`a path of ${name} must be known before apply, and a reference is not`, hint)
    if (typeof p !== 'string' || !parsePath(p)) throw wrong(`${typeof p === 'string' ? JSON.stringify(p) : `a ${typeof p}`} in ${name} is no path`, hint)
  }
  return [...value]
}

function readTags(value: unknown, wrong: (what: string) => Error): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('tags must be an object of texts')
  const entries = Object.entries(value).filter(([, v]) => v !== undefined)
  if (entries.length > limits.tagsMax) throw wrong(`at most ${limits.tagsMax} tags are possible, and there are ${entries.length}`)
  for (const [k, v] of entries) {
    if (k.length < 1 || k.length > limits.tagKeyChars) throw wrong(`the key of a tag has 1 to ${limits.tagKeyChars} characters`)
    if (typeof v !== 'string') throw wrong(`tags.${k} must be a text that is known before apply`)
    if (v.length > limits.tagValueChars) throw wrong(`tags.${k} has more than ${limits.tagValueChars} characters`)
  }
  return Object.fromEntries(entries) as Record<string, string>
}

/** A node's own options over those of its components. Tags are united; a component that moved moves everything under it. */
export function inherit(inherited: Inherited, own: ReadOptions, rest: string): Inherited {
  const from = inherited.options
  if (own === nothing && inherited === nothingInherited) return inherited
  const movedFrom = [...(own.options.movedFrom ?? []), ...(from.movedFrom ?? []).map((a) => `${a}/${rest}`)]
  return {
    options: { ...from, ...own.options, ...(from.hooks && own.options.hooks && { hooks: { ...from.hooks, ...own.options.hooks } }), ...((from.tags || own.options.tags) && { tags: { ...from.tags, ...own.options.tags } }), ...(movedFrom.length > 0 ? { movedFrom } : {}) },
    refs: own.refs.length === 0 ? inherited.refs : [...inherited.refs, ...own.refs],
  }
}
export const nothingInherited: Inherited = Object.freeze({ options: Object.freeze({}), refs: Object.freeze([]) as readonly Address[] })

export const complete = (options: Partial<ResolvedOptions>): ResolvedOptions => (options === nothingInherited.options || options === nothing.options ? noOptions : { ...noOptions, ...options })

/** Options without those that say when a new object is made and how an old one goes. */
export function withoutRules(o: ResolvedOptions): ResolvedOptions {
  const { protect, retain, movedFrom, tags, timeoutMs, retries } = o
  return { protect, retain, movedFrom, tags, timeoutMs, retries }
}
