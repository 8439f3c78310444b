import { z } from 'zod'
import { makeIds, systemClock, systemRandom, type Clock } from '../../src/base/index.ts'
import { beginRun, makePlan, type EngineContext, type EngineEvent, type OnFailure, type PlanRequest, type RunDocument } from '../../src/engine/index.ts'
import { app, buildGraph, declaredHook, resource, sensitive, type AnyApp } from '../../src/program/index.ts'
import { completeType, makeRegistry, outcomeUnknown, type ResourceSpec } from '../../src/provider/index.ts'
import { makeKeyring, makeRedactor } from '../../src/secret/index.ts'
import { currentHolder, MemoryStore, type Store } from '../../src/store/index.ts'
import { Value } from '../../src/builtin/value/index.ts'

/** What a fault does to one call: reject it, lose the answer after or before it happened, never answer. */
export type Fault = 'reject' | 'lost-applied' | 'lost' | 'hang' | 'partly'

export interface CloudObject {
  readonly id: string
  name: string
  size: number
  secret: string
  /** Id of another object that this one refers to. */
  on?: string | undefined
  /** It lives inside of that one, and goes with it. */
  inside?: boolean
  /** What the type wrote on it, and from when on a search finds it. */
  mark?: string
  shownAt?: number
}

/** A small cloud: named objects, every call counted, faults by `op name`. */
export class Cloud {
  /** Refuses to delete what another object refers to. */
  strict = false
  /** Deletions of objects that others referred to at that moment. */
  readonly broken: string[] = []
  /** Ids of deleted objects, in order. */
  readonly deleted: string[] = []
  readonly objects = new Map<string, CloudObject>()
  readonly calls: string[] = []
  readonly keys: string[] = []
  readonly faults = new Map<string, Fault[]>()
  /** Told of every call as it begins. */
  onCall: ((call: string) => void) | undefined
  /** How long a call takes: what it gives is waited for before anything happens. */
  latency: ((call: string) => Promise<void>) | undefined
  #next = 0

  fault(call: string, ...faults: Fault[]): void {
    this.faults.set(call, faults)
  }

  async run<T>(call: string, signal: AbortSignal, act: () => T, partial?: () => Promise<void>): Promise<T> {
    this.calls.push(call)
    this.onCall?.(call)
    await this.latency?.(call)
    const fault = this.faults.get(call)?.shift()
    switch (fault) {
      case 'reject': throw new Error(`${call} was refused`)
      case 'lost': throw outcomeUnknown(new Error('connection reset'))
      case 'lost-applied': {
        act()
        throw outcomeUnknown(new Error('connection reset'))
      }
      case 'partly':
        act()
        await partial?.()
        throw new Error(`${call} broke off`)
      case 'hang': return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
      default: return act()
    }
  }

  make(name: string, size: number, secret: string): CloudObject {
    const o = { id: `o${++this.#next}`, name, size, secret }
    this.objects.set(o.id, o)
    return o
  }

  /** Deletes an object, and with it what lives inside it. */
  remove(id: string): void {
    const o = this.objects.get(id)
    if (!o) return
    const user = [...this.objects.values()].find((x) => x.on === id && !x.inside)
    if (user) {
      if (this.strict) throw new Error(`${o.name} is used by ${user.name}`)
      this.broken.push(`${o.name} under ${user.name}`)
    }
    this.#vanish(id)
  }

  #vanish(id: string): void {
    this.deleted.push(id)
    this.objects.delete(id)
    for (const x of [...this.objects.values()]) if (x.inside && x.on === id) this.#vanish(x.id)
  }

  byName(name: string): CloudObject | undefined {
    return [...this.objects.values()].find((o) => o.name === name)
  }

  /** What exists, in a form that does not depend on ids. */
  get content(): string[] {
    return [...this.objects.values()].map((o) => `${o.name}=${o.size}`).sort()
  }
}

export const inputs = z.object({ name: z.string(), size: z.number().default(1), secret: sensitive(z.string()).default(''), zone: z.string().default('a'), fail: z.boolean().default(false), on: z.string().optional(), inside: z.boolean().optional(), labels: z.record(z.string(), z.string()).optional(), rules: z.array(z.object({ port: z.number() })).optional() })
export const outputs = z.object({ id: z.string(), name: z.string(), size: z.number(), token: sensitive(z.string()) })

export type Class = 'A' | 'B' | 'C' | 'D'
const marked = (m: { readonly store: string; readonly uid: string; readonly ordinal: number }) => `${m.store} ${m.uid} ${m.ordinal}`

/** `class` chooses how a lost answer can be settled. */
export function boxSpec(cloud: Cloud, o: { readonly type?: string; readonly class?: Class; readonly lagMs?: number; readonly clock?: Clock; readonly more?: Partial<ResourceSpec<typeof inputs, typeof outputs>> } = {}): ResourceSpec<typeof inputs, typeof outputs> {
  const cls = o.class ?? 'B'
  const tokens = new Map<string, CloudObject>()
  const out = (b: CloudObject) => ({ id: b.id, name: b.name, size: b.size, token: `token-of-${b.id}` })
  return {
    type: o.type ?? 'test:Box', inputs, outputs, replaceOn: ['zone'],
    capability: { create: cls === 'A' ? { token: { windowMs: 3_600_000 } } : cls === 'B' ? { name: true } : cls === 'C' ? { find: true } : 'none', update: 'full', maxCallMs: 0 },
    claims: (i) => [`box:${i.name}`],
    create: ({ inputs: i, key, mark, signal, partial }) => cloud.run(`create ${i.name}`, signal, () => {
      cloud.keys.push(`${i.name} ${key}`)
      const known = tokens.get(String(key))
      if (cls === 'A' && known && cloud.objects.has(known.id)) return out(known)
      if (i.fail) throw new Error(`quota exceeded for ${i.secret}`)
      if (cls !== 'A' && cls !== 'C' && cloud.byName(i.name)) throw new Error(`${i.name} exists`)
      const b = cloud.make(i.name, i.size, i.secret)
      Object.assign(b, i.on === undefined ? {} : { on: i.on }, i.inside ? { inside: true } : {})
      tokens.set(String(key), b)
      if (cls === 'C') Object.assign(b, { mark: marked(mark), shownAt: (o.clock ?? systemClock).now() + (o.lagMs ?? 0) })
      return out(b)
    }, () => partial({ id: cloud.byName(i.name)?.id ?? '?' })),
    read: ({ inputs: i, outputs: prior, signal }) => cloud.run(`read ${i.name}`, signal, () => {
      const b = (prior?.id && cloud.objects.get(prior.id)) || cloud.byName(i.name)
      return b && out(b)
    }),
    ...(cls === 'C' ? {
      find: ({ mark, inputs: i, signal }) => cloud.run(`find ${i?.name}`, signal, () =>
        [...cloud.objects.values()].filter((b) => mark && b.mark === marked(mark) && (b.shownAt ?? 0) <= (o.clock ?? systemClock).now()).map(out)),
    } : {}),
    update: ({ inputs: i, outputs: prior, signal, partial }) => cloud.run(`update ${i.name}`, signal, () => {
      if (i.fail) throw new Error('update refused')
      const b = cloud.objects.get(prior.id)
      if (!b) throw new Error('no such box')
      Object.assign(b, { name: i.name, size: i.size, secret: i.secret }, i.on === b.on ? {} : { on: i.on })
      return out(b)
    }, () => partial({ id: prior.id })),
    delete: ({ outputs: prior, inputs: i, signal }) => cloud.run(`delete ${i.name}`, signal, () => {
      if (prior.id) cloud.remove(prior.id)
    }),
    ...o.more,
  }
}

export interface Lab {
  readonly cx: EngineContext
  readonly cloud: Cloud
  readonly store: Store
  readonly events: EngineEvent[]
  readonly Box: ReturnType<typeof resource<typeof inputs, typeof outputs>>
  readonly Value: typeof Value
  plan(build: () => unknown, request?: Partial<PlanRequest>): ReturnType<typeof makePlan>
  apply(build: () => unknown, o?: { onFailure?: OnFailure; request?: Partial<PlanRequest> }): Promise<RunDocument>
  destroy(o?: { onFailure?: OnFailure; request?: Partial<PlanRequest> }): Promise<RunDocument>
  /** `only`: what a restricted command holds. */
  session(only?: PlanRequest): ReturnType<typeof beginRun>
  app(build: () => unknown): AnyApp
  /** The same store and cloud, as a new process would see them. */
  again(): Lab
}

let serial = 0

export function makeLab(o: { readonly class?: Class; readonly lagMs?: number; readonly more?: Partial<ResourceSpec<typeof inputs, typeof outputs>>; readonly store?: Store; readonly cloud?: Cloud; readonly clock?: Clock; readonly Box?: Lab['Box']; readonly parallelism?: number; readonly types?: readonly { readonly type: string; readonly spec: unknown }[] } = {}): Lab {
  const cloud = o.cloud ?? new Cloud()
  const type = `test:Box${++serial}`
  const clock = o.clock ?? systemClock
  const Box = o.Box ?? resource(boxSpec(cloud, { type, clock, ...(o.class ? { class: o.class } : {}), ...(o.lagMs === undefined ? {} : { lagMs: o.lagMs }), ...(o.more ? { more: o.more } : {}) }))
  const store = o.store ?? new MemoryStore({ clock, random: systemRandom, isDead: () => true })
  const events: EngineEvent[] = []
  const ids = makeIds(clock, systemRandom)
  const types = makeRegistry([completeType(Box.spec as never, `program#${Box.type}`), completeType(Value.spec as never, 'holdfast#Value'), ...(o.types ?? []).map((t) => completeType(t.spec as never, `program#${t.type}`))])
  const env = { id: ids.next('e'), app: 'lab', name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined }
  const cx: EngineContext = {
    store, clock, random: systemRandom, ids, types, env,
    host: { root: '/', home: '/', env: { id: env.id, app: env.app, name: env.name }, assetPath: (a) => a.path, redact: (s) => s, secrets: () => [] },
    ring: makeKeyring(new Uint8Array(32).fill(7), 'store', systemRandom), redactor: makeRedactor(), holder: currentHolder(), emit: (e) => events.push(e),
    hook: declaredHook, asset: (path) => ({ path, digest: 'sha256:0' }), keepAssets: async () => undefined, parallelism: o.parallelism ?? 8, serial: false,
  }
  const lab: Lab = {
    cx, cloud, store, events, Box, Value,
    app: (build) => app('lab', { build: build as never }) as never,
    plan: (build, request = {}) => makePlan(cx, { graph: buildGraph(lab.app(build), {}), ...request }),
    session: (only) => beginRun(cx, { lockTimeoutMs: 0, stop: never, only }),
    async apply(build, a = {}) {
      const request = { graph: buildGraph(lab.app(build), {}), ...a.request }
      const session = await lab.session(request)
      try {
        return await session.apply(await session.plan(request), { onFailure: a.onFailure ?? 'revert', stop: never, abort: never })
      } finally {
        await session.end()
      }
    },
    async destroy(a = {}) {
      const request = { graph: undefined, ...a.request }
      const session = await lab.session(request)
      try {
        return await session.apply(await session.plan(request), { onFailure: a.onFailure ?? 'revert', stop: never, abort: never })
      } finally {
        await session.end()
      }
    },
    again: () => makeLab({ ...o, store, cloud, Box }),
  }
  return lab
}

/** Options of a run that nobody stops; what fails is taken back. */
export const never = new AbortController().signal
export const how = { onFailure: 'revert' as const, stop: never, abort: never }

/** Does something as one command would: under the lease, which is given back whatever happens. */
export async function inSession<T>(lab: Lab, act: (session: Awaited<ReturnType<Lab['session']>>) => Promise<T>): Promise<T> {
  const session = await lab.session()
  try {
    return await act(session)
  } finally {
    await session.end()
  }
}

/** What `run revert` and `run resume` do. */
export const revert = (lab: Lab): Promise<RunDocument> => inSession(lab, (s) => s.revert(how))
export const resume = (lab: Lab): Promise<RunDocument> => inSession(lab, (s) => s.resume(how))

/** A cloud that refuses to delete a box whose id stands in the name of another. */
export function strictLab(o: Pick<NonNullable<Parameters<typeof makeLab>[0]>, 'class' | 'more'> = {}): Lab {
  const cloud = new Cloud()
  return makeLab({
    ...o, cloud,
    more: {
      ...o.more,
      delete: ({ outputs: prior, inputs: i, signal }) => cloud.run(`delete ${i.name}`, signal, () => {
        const user = [...cloud.objects.values()].find((o) => prior.id !== undefined && o.id !== prior.id && o.name.endsWith(`of-${prior.id}`))
        if (user) throw new Error(`${i.name} is used by ${user.name}`)
        if (prior.id) cloud.objects.delete(prior.id)
      }),
    },
  })
}
