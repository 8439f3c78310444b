import { z } from 'zod'
import { completeType, type CallContext, type ResourceSpec, type ResourceType } from '../../src/provider/index.ts'
import type { Caller, World } from './world.ts'

/**
 * What a resource type promises about its calls; the world does as the type says, and no better.
 *
 * `byName`  the object is addressed by its name. Others have an id that is never used again.
 * `strict`  the world refuses to delete an object that another refers to.
 * `stable`  an update never changes the id, and the type says so.
 */
export interface Kind {
  readonly type: string
  readonly create: 'A' | 'B' | 'C' | 'D'
  readonly update: 'full' | 'patch' | 'none'
  readonly readable: boolean
  readonly byName: boolean
  readonly strict: boolean
  readonly search: boolean
  readonly deleteFirst: boolean
  readonly stable: boolean
}

export const kindNames = ['A', 'B', 'C', 'D', 'F', 'L', 'P', 'R', 'X'] as const
export type KindName = (typeof kindNames)[number]

const base = { readable: true, byName: false, strict: true, search: false, deleteFirst: false, stable: true }
export const kinds: Readonly<Record<KindName, Kind>> = {
  A: { ...base, type: 'fuzz:A', create: 'A', update: 'full' },
  B: { ...base, type: 'fuzz:B', create: 'B', update: 'full', byName: true, strict: false },
  C: { ...base, type: 'fuzz:C', create: 'C', update: 'full', search: true, stable: false },
  D: { ...base, type: 'fuzz:D', create: 'D', update: 'patch' },
  F: { ...base, type: 'fuzz:F', create: 'C', update: 'patch', readable: false, search: true },
  L: { ...base, type: 'fuzz:L', create: 'B', update: 'full', byName: true, strict: false, deleteFirst: true },
  P: { ...base, type: 'fuzz:P', create: 'A', update: 'patch', stable: false },
  R: { ...base, type: 'fuzz:R', create: 'A', update: 'none' },
  X: { ...base, type: 'fuzz:X', create: 'A', update: 'full', strict: false, deleteFirst: true },
}
export const kindOf = (type: string): Kind => kinds[type.slice('fuzz:'.length) as KindName]

export interface Inputs {
  readonly name: string
  readonly size: number
  readonly zone: string
  readonly slot?: number | undefined
  readonly refs: readonly string[]
  readonly note?: number | undefined
  readonly fail?: boolean | undefined
  /** Id of the object that it lies in. */
  readonly within?: string | undefined
  readonly ttl?: number | undefined
}
export interface Outputs {
  readonly id: string
  readonly name: string
  readonly size: number
  /** When another is to take its place. */
  readonly due?: string | undefined
}

const inputs = z.object({ name: z.string(), size: z.number(), zone: z.string(), slot: z.number().optional(), refs: z.array(z.string()), note: z.number().optional(), fail: z.boolean().optional(), within: z.string().optional(), ttl: z.number().optional() })
const outputs = z.object({ id: z.string(), name: z.string(), size: z.number(), due: z.string().optional() })
const idOnly = z.object({ id: z.string() })

const missing = (): never => {
  throw new Error('no world')
}
const specs = kindNames.map((name): ResourceType => {
  const k = kinds[name]
  const spec: ResourceSpec = {
    type: k.type, inputs: inputs as never, outputs: (k.readable ? outputs : idOnly) as never, replaceOn: (k.byName ? ['zone', 'name'] : ['zone']) as never,
    create: missing, delete: missing, ...(k.update === 'none' ? {} : { update: missing }), ...(k.readable ? { read: missing } : {}), ...(k.search ? { find: missing } : {}),
    ...(k.deleteFirst ? { deleteFirst: true, identity: 'new' as const } : {}), ...(k.stable ? { stable: ['id'] as never } : {}), ...(k.readable ? { renewAt: 'due' as never } : {}), limit: 4, timeout: '5s',
    capability: {
      create: k.create === 'A' ? { token: { windowMs: 86_400_000 } } : k.create === 'B' ? { name: true } : k.create === 'C' ? { find: true } : 'none',
      update: k.update === 'full' ? 'full' : 'patch', maxCallMs: 0,
    },
    claims: ((i: Inputs) => [...(k.byName ? [`name:${i.name}`] : []), ...(i.slot === undefined ? [] : [`slot:${i.slot}`])]) as never,
  }
  return completeType(spec, `fuzz#${name}`)
})

type Given = CallContext & { readonly inputs: unknown; readonly outputs?: unknown; readonly prior?: unknown; readonly partial?: unknown }

/** The types as one process calls them. */
export const typesFor = (world: World, by: Caller): ResourceType[] => specs.map((spec): ResourceType => {
  const kind = kindOf(spec.type)
  const given = (a: Given) => ({ by, kind, inputs: a.inputs as Inputs, outputs: a.outputs as Partial<Outputs> | undefined, key: String(a.key), mark: a.mark, prior: (a.prior as { inputs: Inputs } | undefined)?.inputs, partial: a.partial as never, signal: a.signal })
  return {
    ...spec,
    create: (a) => world.create(given(a)) as never,
    delete: (a) => world.delete(given(a)),
    ...(kind.readable ? { read: ((a: Given) => world.read(given(a))) as never } : {}),
    ...(kind.search ? { find: ((a: Given) => world.search(given(a))) as never } : {}),
    ...(kind.update === 'none' ? {} : { update: ((a: Given) => world.update(given(a))) as never }),
  }
})
