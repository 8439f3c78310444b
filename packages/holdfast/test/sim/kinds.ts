import { z } from 'zod'
import type { Millis } from '../../src/base/index.ts'
import { completeType, type CallContext, type ResourceSpec, type ResourceType } from '../../src/provider/index.ts'
import type { Process } from './kernel.ts'
import type { Stream } from './random.ts'
import type { Inputs, Outputs, World } from './world.ts'

/**
 * What a resource type promises about its calls, and what the world really does: as the type says, and no better.
 *
 * `byName`  the object is addressed by its name; a late call hits whatever has the name then. Others have an id that is never used again.
 * `strict`  the world refuses to delete an object that another refers to.
 * `local`   a call dies with the process.
 * `search`  `find` answers for the mark; what came into being less than `settleMs` ago may not show yet.
 */
export interface Kind {
  readonly type: string
  readonly create: 'A' | 'B' | 'C' | 'D'
  readonly update: 'full' | 'patch' | 'none'
  readonly readable: boolean
  readonly byName: boolean
  readonly strict: boolean
  readonly local: boolean
  readonly search: boolean
  readonly settleMs: Millis
  readonly maxCallMs: Millis
  readonly timeoutMs: Millis
  readonly windowMs: Millis
  /** It looks at what is asked before it looks at the key: what it refuses, it may have done before. */
  readonly rejectsFirst: boolean
  /** Most calls at one time. */
  readonly limit: number
}

export const kindNames = ['A', 'B', 'C', 'D', 'E', 'F', 'L', 'R'] as const
export type KindName = (typeof kindNames)[number]

type Fixed = Pick<Kind, 'create' | 'update' | 'readable' | 'byName' | 'strict' | 'local' | 'search'>
const fixed: Record<KindName, Fixed> = {
  A: { create: 'A', update: 'full', readable: true, byName: false, strict: true, local: false, search: false },
  B: { create: 'B', update: 'full', readable: true, byName: true, strict: false, local: false, search: false },
  C: { create: 'C', update: 'full', readable: true, byName: false, strict: true, local: false, search: true },
  D: { create: 'D', update: 'patch', readable: true, byName: false, strict: true, local: false, search: false },
  E: { create: 'D', update: 'patch', readable: false, byName: false, strict: true, local: false, search: false },
  F: { create: 'C', update: 'patch', readable: false, byName: false, strict: true, local: false, search: true },
  L: { create: 'B', update: 'full', readable: true, byName: true, strict: false, local: true, search: false },
  R: { create: 'A', update: 'none', readable: true, byName: false, strict: true, local: false, search: true },
}

/** What differs from seed to seed. */
export type Times = Pick<Kind, 'settleMs' | 'maxCallMs' | 'timeoutMs' | 'windowMs' | 'rejectsFirst'>

export function drawTimes(random: Stream): Record<KindName, Times> {
  const out = {} as Record<KindName, Times>
  for (const name of kindNames) {
    const { local } = fixed[name]
    out[name] = {
      maxCallMs: local ? 0 : random.between(5_000, 60_000), settleMs: local || random.chance(0.5) ? 0 : random.between(100, 8_000),
      timeoutMs: random.between(2_000, 15_000), windowMs: random.chance(0.8) ? 3_600_000 : 120_000, rejectsFirst: random.chance(0.5),
    }
  }
  return out
}

export function kindsOf(times: { readonly [k in KindName]: Times }): Record<KindName, Kind> {
  const out = {} as Record<KindName, Kind>
  for (const name of kindNames) out[name] = { ...fixed[name], ...times[name], type: `sim:${name}`, limit: 1 + (times[name].timeoutMs % 3) }
  return out
}

// A plain mark: the schema is the same text for every seed.
const sensitive = <S extends z.ZodType>(s: S): S => s.meta({ sensitive: true }) as S
const inputs = z.object({
  name: z.string(), size: z.number(), zone: z.string(), slot: z.number().optional(), refs: z.array(z.string()), secret: sensitive(z.string()).optional(), fail: z.boolean().optional(),
})
const outputs = z.object({ id: z.string(), name: z.string(), size: z.number(), token: sensitive(z.string()) })
const idOnly = z.object({ id: z.string() })

type Given = CallContext & { readonly inputs: unknown; readonly outputs?: unknown; readonly prior?: unknown }

const specs: Record<KindName, ResourceType> = Object.fromEntries(kindNames.map((name) => {
  const f = fixed[name]
  const missing = (): never => {
    throw new Error('no world')
  }
  const spec: ResourceSpec = {
    type: `sim:${name}`, inputs: inputs as never, outputs: (f.readable ? outputs : idOnly) as never,
    replaceOn: (f.byName ? ['zone', 'name'] : ['zone']) as never, create: missing, delete: missing, ...(f.update === 'none' ? {} : { update: missing }), ...(f.readable ? { read: missing } : {}), ...(f.search ? { find: missing } : {}),
    ...(f.local ? { deleteFirst: true, identity: 'new' as const } : {}), limit: 4,
    claims: ((i: Inputs) => [...(f.byName ? [`name:${i.name}`] : []), ...(i.slot === undefined ? [] : [`slot:${i.slot}`])]) as never,
  }
  return [name, completeType(spec, `sim#${name}`)]
})) as never

/** The types `names` as one process calls them. */
export function typesFor(world: World, process: Process, kinds: Record<KindName, Kind>, names: readonly KindName[]): ResourceType[] {
  return names.map((name): ResourceType => {
    const kind = kinds[name]
    const given = (a: Given) => ({ process, kind, inputs: a.inputs as Inputs, outputs: a.outputs as Partial<Outputs> | undefined, key: String(a.key), mark: a.mark, physicalName: a.physicalName })
    return {
      ...specs[name],
      timeoutMs: kind.timeoutMs,
      limit: kind.limit,
      capability: {
        create: kind.create === 'A' ? { token: { windowMs: kind.windowMs }, ...(kind.search ? { find: true as const } : {}) } : kind.create === 'B' ? { name: true } : kind.create === 'C' ? { find: true } : 'none',
        update: kind.update === 'full' ? 'full' : 'patch', settleMs: kind.settleMs, maxCallMs: kind.maxCallMs,
      },
      create: (a) => world.create({ ...given(a), partial: a.partial as never }) as never,
      delete: (a) => world.delete(given(a)),
      ...(kind.readable ? { read: ((a: Given) => world.read(given(a))) as never } : {}),
      ...(kind.search ? { find: ((a: Given) => a.mark === undefined ? world.lookup(given(a)) : world.search(given(a))) as never } : {}),
      ...(kind.update === 'none' ? {} : { update: ((a: Given & { partial: never }) => world.update({ ...given(a), prior: (a.prior as { inputs: Inputs }).inputs, partial: a.partial })) as never }),
    }
  })
}
