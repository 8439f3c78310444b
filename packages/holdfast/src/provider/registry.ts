import { failure, limits, parseDuration } from '../base/index.ts'
import type { ResourceSpec, ResourceType } from './port.ts'

/** Types by name. A program's own types register while it is loaded; built-in types are there from the start. */
export interface TypeRegistry {
  get(type: string): ResourceType | undefined
  has(type: string): boolean
  add(type: ResourceType): void
  all(): readonly ResourceType[]
}

export function makeRegistry(types: readonly ResourceType[] = []): TypeRegistry {
  const byName = new Map(types.map((t) => [t.type, t]))
  return {
    get: (name) => byName.get(name),
    has: (name) => byName.has(name),
    add: (t) => void byName.set(t.type, t),
    all: () => [...byName.values()],
  }
}

/** Checks a declaration (HF1107) and fills its defaults. */
export function completeType(spec: ResourceSpec, provider: string): ResourceType {
  const wrong = (what: string) => failure('HF1107', { message: `resource({ type: ${JSON.stringify((spec as { type?: unknown } | undefined)?.type)} }): ${what}.` })
  if (typeof spec !== 'object' || spec === null) throw wrong('an object is needed')
  if (typeof spec.type !== 'string' || !/^[A-Za-z0-9_@.:/-]{1,128}$/.test(spec.type)) throw wrong('type must be a name such as acme:fs/Link')
  if (spec.version !== undefined && !(Number.isInteger(spec.version) && spec.version > 0)) throw wrong('version must be a whole number above 0')
  for (const k of ['inputs', 'outputs'] as const) if (typeof spec[k] !== 'object' || (spec[k] as { _zod?: { def?: { type?: string } } })?._zod?.def?.type !== 'object') throw wrong(`${k} must be a zod object`)
  for (const k of ['create', 'delete'] as const) if (typeof spec[k] !== 'function') throw wrong(`${k} must be a function`)
  for (const k of ['read', 'update', 'find', 'predict', 'claims'] as const) if (spec[k] !== undefined && typeof spec[k] !== 'function') throw wrong(`${k} must be a function`)
  for (const k of spec.replaceOn ?? []) if (!(k in spec.inputs.shape)) throw wrong(`replaceOn names ${JSON.stringify(k)}, which is not an input`)
  if (spec.renewAt !== undefined && !(spec.renewAt in spec.outputs.shape)) throw wrong(`renewAt names ${JSON.stringify(spec.renewAt)}, which is not an output`)
  const how = spec.capability?.create
  if (typeof how === 'object' && how !== null && 'find' in how && how.find && !spec.find) throw wrong('capability.create says find, and there is no find to ask')
  const timeoutMs = spec.timeout === undefined ? limits.callTimeoutMs : parseDuration(spec.timeout)
  if (timeoutMs === undefined) throw wrong(`timeout ${JSON.stringify(spec.timeout)} is not a duration such as 30s or 5m`)
  return { ...spec, version: spec.version ?? 1, provider, timeoutMs, limit: spec.limit ?? limits.parallelRemote }
}
