import type { z } from 'zod'
import { whenIdle, type Clock, type EpochMs, type Millis } from '../base/index.ts'
import { sampleOf } from '../model/index.ts'
import type { Host, ResourceType } from '../provider/index.ts'
import { predictedBy } from '../resource/index.ts'
import { parseSafely } from '../secret/index.ts'

/** Time of a world that is only imagined: it passes when nothing else can happen, to the next one who sleeps. */
export class ImaginedClock implements Clock {
  #now: EpochMs
  readonly #sleepers = new Set<{ readonly at: EpochMs; readonly wake: () => void }>()
  #turning = false

  constructor(now: EpochMs) {
    this.#now = now
  }

  now = (): EpochMs => this.#now
  mono = (): Millis => this.#now

  sleep = (ms: Millis, signal?: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = () => {
      this.#sleepers.delete(sleeper)
      reject(signal?.reason)
    }
    const sleeper = {
      at: this.#now + Math.max(0, ms),
      wake: () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      },
    }
    signal?.addEventListener('abort', stop, { once: true })
    this.#sleepers.add(sleeper)
    this.#turn()
  })

  /** The first who is due wakes when nothing else can happen; what that leads to comes before the next. At most as many sleep as tasks run at once. */
  #turn(): void {
    if (this.#turning) return
    this.#turning = true
    void whenIdle().then(() => {
      this.#turning = false
      let first: { readonly at: EpochMs; readonly wake: () => void } | undefined
      for (const s of this.#sleepers) if (!first || s.at < first.at) first = s
      if (!first) return
      this.#sleepers.delete(first)
      this.#now = Math.max(this.#now, first.at)
      first.wake()
      if (this.#sleepers.size > 0) this.#turn()
    })
  }
}

/** One call that a type would make: waits as long as it takes, and throws where it is to fail. */
export type Imagine = (op: 'create' | 'update' | 'delete' | 'read', uid: string | undefined) => Promise<void>

type Given = Readonly<Record<string, unknown>>

/**
 * A type that calls nobody: outputs are predicted where the type can, taken from inputs of the same name or from what was there, else made up from the schema.
 * Schemas do not refuse what is made up.
 */
export function imagined(type: ResourceType, host: Host, imagine: Imagine): ResourceType {
  const made = (inputs: Given, before: Given | undefined): Given => madeUp(type, host, inputs, before)
  const out: ResourceType = {
    ...type, inputs: lenient(type.inputs), outputs: lenient(type.outputs),
    create: async ({ inputs, mark }) => {
      await imagine('create', mark.uid)
      return made(inputs as Given, undefined) as never
    },
    delete: async ({ mark }) => imagine('delete', mark.uid),
    ...(type.update ? {
      update: async ({ inputs, outputs, mark }) => {
        await imagine('update', mark.uid)
        return made(inputs as Given, outputs as Given) as never
      },
    } : {}),
    ...(type.read ? { read: async ({ inputs, outputs, mark }) => {
      await imagine('read', mark.uid)
      return made(inputs as Given, outputs as Given | undefined) as never
    } } : {}),
    ...(type.find ? {
      find: async ({ inputs }) => {
        await imagine('read', undefined)
        return [made((inputs ?? {}) as Given, undefined)] as never
      },
    } : {}),
  }
  return out
}

function madeUp(type: ResourceType, host: Host, inputs: Given, before: Given | undefined): Given {
  const predicted = predictedBy(type, inputs, host) // what it needs may be made up: then this is made up, too
  const out: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(type.outputs.shape)) {
    const fits = (v: unknown) => v !== undefined && parseSafely(schema as z.ZodType, v).success
    const value = predicted[key] !== undefined ? predicted[key] : fits(inputs[key]) ? inputs[key] : before?.[key] !== undefined ? before[key] : sampleOf(schema as z.ZodType, `${type.type}.${key}`)
    if (value !== undefined) out[key] = value
  }
  return out
}

/** The schema, as it is, but what it would refuse passes: key by key, so that defaults are still filled. */
function lenient<S extends z.ZodObject>(schema: S): S {
  const shape = Object.fromEntries(Object.entries(schema.shape).map(([k, s]) => [k, passing(s as z.ZodType)]))
  const safeParse = (v: unknown) => {
    const whole = parseSafely(schema, v)
    if (whole.success) return whole
    const out: Record<string, unknown> = {}
    for (const [k, s] of Object.entries(shape)) {
      const parsed = parseSafely(s, (v as Given | undefined)?.[k])
      if (parsed.data !== undefined) out[k] = parsed.data
    }
    return { success: true, data: out }
  }
  const out = Object.create(schema, { safeParse: { value: safeParse }, shape: { value: shape }, partial: { value: () => out } }) as S
  return out
}

function passing(schema: z.ZodType): z.ZodType {
  const safeParse = (v: unknown) => {
    const parsed = parseSafely(schema, v)
    return parsed.success ? parsed : { success: true, data: v }
  }
  return Object.create(schema, { safeParse: { value: safeParse } }) as z.ZodType
}
