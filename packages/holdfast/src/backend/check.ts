import { clockKind, misfit, oneOf, optionKind, type Kind, type Kinds } from '../base/index.ts'
import type { RequestContext } from './contract.ts'
import { InvalidArgument, InvalidDifference } from './errors.ts'
import type { ResourceReferenceDifference } from './models.ts'

/** What callers without types give: looked at before anything is read or written. Pure. */

const { flag, object } = optionKind
/** What a column can carry: no half of a surrogate pair, and no NUL, where a text in the store would end. */
export const storable = (v: string): boolean => !v.includes('\0') && !/\p{Cs}/u.test(v)
const isText = (v: unknown): v is string => typeof v === 'string' && v !== '' && storable(v)
const text: Kind = { says: 'a text that is not empty, without NUL and without half characters', is: isText }
const texts: Kind = { says: 'a list of texts', is: (v) => Array.isArray(v) && v.every(isText) }
const fail = (message: string): never => {
  throw new InvalidArgument(`${message}.`)
}

const PARTS: Kinds = new Map<string, Kind>([
  ['capabilities', { says: 'an object with the name of the backend', is: (v) => object.is(v) && text.is((v as { readonly name?: unknown }).name) }], ['connect', optionKind.function],
  ['permit', optionKind.function], ['requiredOutputs', object], ['clock', clockKind], ['random', object],
])
/** What a backend over a store is made of. Fails InvalidArgument. */
export function checkParts(options: unknown): void {
  const wrong = misfit(options, PARTS, ['capabilities', 'connect'])
  if (wrong !== undefined) fail(`A backend over a store: ${wrong}`)
}

const FENCE: Kinds = new Map<string, Kind>([['scope', text], ['fence', optionKind.count]])
const CONTEXT: Kinds = new Map<string, Kind>([
  ['requestId', text], ['principal', { says: 'a text', is: (v) => typeof v === 'string' && storable(v) }], ['fence', { says: '{ scope, fence } of a lease', is: (v) => misfit(v, FENCE, ['scope', 'fence']) === undefined }],
  ['expectedRevision', optionKind.count], ['reveal', flag],
])
/** Fails InvalidArgument. */
export function checkContext(ctx: RequestContext | undefined): void {
  if (ctx === undefined || ctx === null) return
  const wrong = misfit(ctx, CONTEXT)
  if (wrong !== undefined) fail(`ctx: ${wrong}`)
}

/** Arguments by their names. What is undefined and may be left out is not among them. Fails InvalidArgument. */
export function checkTexts(given: Readonly<Record<string, unknown>>): void {
  for (const name in given) {
    const v = given[name]
    if (typeof v !== 'string' || !storable(v)) fail(`${name} must be a text, without NUL and without half characters`)
  }
}

const FILTER: Kinds = new Map<string, Kind>([['status', oneOf('open', 'failed', 'unknown', 'completed', 'abandoned')], ['stateUuid', text]])
/** A name in the form in which names are kept. What is no text is left as it is, to be refused. */
export const kept = <T>(name: T): T => (typeof name === 'string' ? (name.normalize('NFC') as T & string) : name)
export const keptNames = <T extends { readonly component?: string; readonly name?: string }>(about: T): T =>
  ({ ...about, ...('component' in about ? { component: kept(about.component) } : {}), ...('name' in about ? { name: kept(about.name) } : {}) })

/** Fails InvalidArgument. */
export function checkToPrevious(toPrevious: unknown): void {
  if (!flag.is(toPrevious)) fail(`toPreviousState must be ${flag.says}`)
}

/** Fails InvalidArgument. */
export function checkResolved(resolved: unknown): void {
  if (resolved !== undefined && resolved !== null && !object.is(resolved)) fail('What was resolved for a resource must be an object of data')
}

/** Fails InvalidArgument. */
export function checkFilter(filter: unknown): void {
  const wrong = misfit(filter, FILTER)
  if (wrong !== undefined) fail(`The filter of changes: ${wrong}`)
}

/** Fails InvalidArgument. */
export function checkOutput(output: unknown): void {
  if (output !== undefined && output !== null && !object.is(output)) fail('The output of a resource must be an object of data')
}

/** Whatever else it says. Fails InvalidDifference. */
export function checkDifference(what: string, diff: unknown): void {
  if (!object.is(diff)) throw new InvalidDifference(`The difference of a ${what} is not well formed: it is no object.`)
}

const REFERENCE = ['componentName', 'ruuid', 'name'] as const
/** What is wrong with a reference. */
function badReference(given: unknown): string | undefined {
  if (!object.is(given)) return 'it must be an object'
  const r = given as Readonly<Record<string, unknown>>
  const missing = REFERENCE.find((field) => !text.is(r[field]))
  if (missing !== undefined) return `${missing} must be ${text.says}`
  const parent = r.isInParentResourceState
  return parent === undefined || parent === null || flag.is(parent) ? undefined : `isInParentResourceState must be ${flag.says}`
}
/** Fails InvalidDifference. */
export function checkReference({ resourceReference }: ResourceReferenceDifference): void {
  const wrong = badReference(resourceReference)
  if (wrong !== undefined) throw new InvalidDifference(`The difference of a reference is not well formed: resourceReference: ${wrong}.`)
}

const RESOURCE = ['name', 'ruuid', 'hash'] as const
/** Components as somebody gives them: what one has none of may be left out. Fails InvalidArgument. Costs a look at every resource. */
export function checkedContents<T extends { readonly resources: readonly unknown[] }>(which: 'new' | 'old', components: readonly T[]): readonly T[] {
  const what = `The ${which} components`
  if (!Array.isArray(components)) fail(`${what} must be a list`)
  for (const given of components as readonly unknown[]) {
    if (!object.is(given) || !text.is((given as { readonly name?: unknown }).name)) fail(`${what} must be objects, each with a name`)
    const { name, resources, references, aliases } = given as Readonly<Record<string, unknown>>
    const where = `${what}: ${String(name)}`
    for (const [field, list] of [['resources', resources], ['references', references]] as const) if (list !== undefined && list !== null && !Array.isArray(list)) fail(`${where}: ${field} must be a list`)
    if (aliases !== undefined && aliases !== null && !texts.is(aliases)) fail(`${where}: aliases must be a list of names`)
    for (const r of (resources ?? []) as readonly unknown[]) {
      const wrong = object.is(r) ? RESOURCE.find((field) => !text.is((r as Readonly<Record<string, unknown>>)[field])) : 'each of them'
      if (wrong !== undefined) fail(`${where}: resources: ${wrong} must be ${wrong === 'each of them' ? 'an object' : text.says}`)
    }
    for (const r of (references ?? []) as readonly unknown[]) {
      const wrong = badReference(r)
      if (wrong !== undefined) fail(`${where}: references: ${wrong}`)
    }
  }
  return components.map(asKept)
}

/** What the identity of a component is made of. Fails InvalidArgument. */
export function checkHashed(content: unknown): void {
  const given = (object.is(content) ? content : fail('componentHash: content must be an object')) as { readonly resources?: unknown; readonly references?: unknown }
  const { resources, references } = given
  const hashed = (r: unknown): boolean => typeof (r as { readonly ruuid?: unknown } | null)?.ruuid === 'string' && typeof (r as { readonly hash?: unknown }).hash === 'string'
  if (!Array.isArray(resources) || !resources.every(hashed)) fail('componentHash: resources must be a list of resources, each with the texts ruuid and hash')
  if (references === undefined || references === null) return
  const wrong = Array.isArray(references) ? references.map(badReference).find((w) => w !== undefined) : 'they must be a list'
  if (wrong !== undefined) fail(`componentHash: references: ${wrong}`)
}

interface Names { readonly name: string; readonly componentName?: string; readonly aliases?: readonly string[] | null }
/** Names as they are kept; what has them already is left as it is. */
function named<T extends Names>(x: T): T {
  const { name, componentName, aliases } = x
  const list = Array.isArray(aliases) ? aliases as readonly unknown[] : []
  if (kept(name) === name && kept(componentName) === componentName && list.every((a) => kept(a) === a)) return x
  return { ...x, name: kept(name), ...(componentName === undefined ? {} : { componentName: kept(componentName) }), ...(list.length === 0 ? {} : { aliases: list.map(kept) }) } as T
}

function asKept<T extends { readonly resources: readonly unknown[] }>(c: T): T {
  const { references } = c as { readonly references?: readonly Names[] | null }
  const resources = ((c.resources as unknown) ? c.resources : []) as readonly Names[]
  const of = named(c as T & Names)
  const changed = <X extends Names>(list: readonly X[]): readonly X[] => {
    const out = list.map(named)
    return out.every((x, i) => x === list[i]) ? list : out
  }
  const [r, refs] = [changed(resources), references && changed(references)]
  return r === c.resources && refs === references ? of : { ...of, resources: r, ...(refs ? { references: refs } : {}) }
}

/** Gives them as names are kept. Fails InvalidArgument. */
export function checkedNames(names: unknown): readonly string[] {
  if (!texts.is(names)) fail('oldComponents must be a list of names')
  return (names as readonly string[]).map((n) => n.normalize('NFC'))
}

const WATCH: Kinds = new Map<string, Kind>([['from', { says: "the revision that was seen last, or 'now'", is: (v) => v === 'now' || optionKind.count.is(v) }], ['signal', optionKind.signal]])
/** Fails InvalidArgument. */
export function checkWatch(options: unknown): void {
  const wrong = misfit(options, WATCH)
  if (wrong !== undefined) fail(`watch: ${wrong}`)
}

const EXPORT: Kinds = new Map<string, Kind>([['resources', text], ['to', text]])
/** Fails InvalidArgument. */
export function checkExports(exports: unknown): void {
  if (exports === null) return
  if (!Array.isArray(exports)) fail('The exports of a component must be a list, or null for everything')
  for (const each of exports as readonly unknown[]) {
    const wrong = misfit(each, EXPORT, ['resources'])
    if (wrong !== undefined) fail(`The exports of a component: ${wrong}`)
  }
}

/** Fails InvalidArgument. */
export function checkTransform(transform: unknown): void {
  if (transform !== undefined && transform !== null && !optionKind.function.is(transform)) fail('transform must be a function')
}
