import { z } from 'zod'
import type { Mark } from '../../src/model/index.ts'
import { completeType, outcomeUnknown, refused, type CallContext, type ResourceSpec, type ResourceType } from '../../src/provider/index.ts'
import type { Kernel, Process } from '../sim/kernel.ts'

/** Times of the model: a look shows a change after 10 s at most, a lost request may land 40 s later, a token is honoured for 100 s. */
export const SETTLE_MS = 10_000
export const LATE_MS = 40_000
export const MAX_CALL_MS = 50_000
export const WINDOW_MS = 100_000
const TIMEOUT_MS = 130_000
const WAY_MS = 20

export const classes = ['A', 'B', 'C', 'D'] as const
export type ModelClass = (typeof classes)[number]
export const ops = ['create', 'update', 'delete'] as const
export type ModelOp = (typeof ops)[number]
/** What becomes of the call that is watched. Those after it are answered, except that what was rejected once is rejected always. */
export const outcomes = ['applied', 'rejected', 'applied, answer lost', 'not applied, answer lost', 'lands late', 'applied, window expired'] as const
export type Outcome = (typeof outcomes)[number]

export interface ModelObject {
  readonly id: string
  readonly mark: Mark
  size: number
  before: number | undefined
  shownAt: number
  goneAt: number | undefined
}

interface Given {
  readonly key: string
  readonly mark: Mark
  readonly name: string
  readonly size: number
  readonly id: string | undefined
}

/** One type of a service whose looks lag behind. Counts calls; `onCall` stands between a process and its request. */
export class Service {
  readonly kernel: Kernel
  readonly class: ModelClass
  readonly objects: ModelObject[] = []
  readonly calls: string[] = []
  /** The next call of this kind is the one that is watched. */
  watched: { readonly op: ModelOp; readonly outcome: Outcome } | undefined
  /** What it has rejected, and rejects from then on. */
  rejects: ModelOp | undefined
  /** Calls of this kind that are turned away at the door, once the watched one has been made: "too many requests". */
  turnsAway: { readonly op: ModelOp; left: number } | undefined
  readonly #tokens = new Map<string, { readonly object: ModelObject; readonly at: number }>()
  #made = 0

  constructor(kernel: Kernel, cls: ModelClass) {
    this.kernel = kernel
    this.class = cls
  }

  alive(): ModelObject[] {
    return this.objects.filter((o) => o.goneAt === undefined)
  }

  #shown(o: ModelObject): number | undefined {
    const { now } = this.kernel
    if (o.goneAt !== undefined && now >= o.goneAt + SETTLE_MS) return undefined
    return now >= o.shownAt ? o.size : o.before
  }

  #create(g: Given): { id: string; size: number } {
    const known = this.#tokens.get(g.key)
    if (this.class === 'A' && known && this.kernel.now <= known.at + WINDOW_MS) return { id: known.object.id, size: known.object.size }
    if (this.class === 'B' && this.alive().length > 0) throw new Error(`${g.name} exists`)
    const object: ModelObject = { id: `o${++this.#made}`, mark: g.mark, size: g.size, before: undefined, shownAt: this.kernel.now + SETTLE_MS, goneAt: undefined }
    this.objects.push(object)
    this.#tokens.set(g.key, { object, at: this.kernel.now })
    return { id: object.id, size: object.size }
  }

  #update(g: Given): { id: string; size: number } {
    const o = this.alive().find((x) => x.id === g.id)
    if (!o) throw new Error('no such object')
    o.before = this.#shown(o)
    o.size = g.size
    o.shownAt = this.kernel.now + SETTLE_MS
    return { id: o.id, size: o.size }
  }

  #delete(g: Given): void {
    const o = this.alive().find((x) => x.id === g.id)
    if (o) o.goneAt = this.kernel.now
  }

  #look(by: (o: ModelObject) => boolean): { id: string; size: number }[] {
    return this.objects.filter(by).flatMap((o) => {
      const size = this.#shown(o)
      return size === undefined ? [] : [{ id: o.id, size }]
    })
  }

  /** The types of one process. `onCall` may end or stop it: before its request leaves, or when that has taken effect. */
  type(process: Process, onCall: (op: string, phase: 'before' | 'after') => Promise<void> | undefined): ResourceType {
    const call = async <T>(op: ModelOp | 'look', act: () => T): Promise<T> => {
      const stopped = onCall(op, 'before')
      if (stopped) await stopped
      this.calls.push(op)
      const watched = this.watched?.op === op ? this.watched : undefined
      if (watched) this.watched = undefined
      if (watched?.outcome === 'rejected') this.rejects = watched.op
      return new Promise<T>((resolve, reject) => {
        const answer = (ms: number, tell: () => void) => void this.kernel.after(ms, () => process.deliver(tell))
        const lost = () => reject(outcomeUnknown(new Error('connection reset')))
        const land = (tell: (out: T) => void) => {
          try {
            if (!watched && !this.watched && this.turnsAway?.op === op && this.turnsAway.left-- > 0) throw new Error('too many requests')
            if (this.rejects === op) throw refused(`${op} is not allowed`)
            const out = act()
            tell(out)
          } catch (e) {
            answer(WAY_MS, () => reject(e))
          }
          void onCall(op, 'after')
        }
        this.kernel.after(watched?.outcome === 'lands late' ? LATE_MS : WAY_MS, () => {
          switch (watched?.outcome) {
            case 'not applied, answer lost':
              void onCall(op, 'after')
              return answer(WAY_MS, lost)
            case 'lands late':
              try {
                act()
              } catch {
                // It was refused, and nobody hears of it.
              }
              return
            case 'applied, answer lost': return land(() => answer(WAY_MS, lost))
            case 'applied, window expired': return land(() => answer(WINDOW_MS + 20_000, lost))
            default: return land((out) => answer(WAY_MS, () => resolve(out)))
          }
        })
        if (watched?.outcome === 'lands late') {
          answer(2 * WAY_MS, lost)
          void onCall(op, 'after')
        }
      })
    }
    const given = (a: CallContext & { readonly inputs: unknown; readonly outputs?: unknown }): Given => {
      const i = a.inputs as { name: string; size: number }
      return { key: String(a.key), mark: a.mark, name: i.name, size: i.size, id: (a.outputs as { id?: string } | undefined)?.id }
    }
    const ours = (mark: Mark | undefined) => (o: ModelObject) => mark !== undefined && o.mark.uid === mark.uid && o.mark.ordinal === mark.ordinal
    const inputs = z.object({ name: z.string(), size: z.number() })
    const outputs = z.object({ id: z.string(), size: z.number() })
    const { class: cls } = this
    const spec: ResourceSpec<typeof inputs, typeof outputs> = {
      type: `model:${cls}`, inputs, outputs, timeout: `${TIMEOUT_MS}ms`,
      capability: {
        create: cls === 'A' ? { token: { windowMs: WINDOW_MS }, find: true } : cls === 'B' ? { name: true } : cls === 'C' ? { find: true } : 'none',
        update: cls === 'A' ? 'full' : 'patch', settleMs: SETTLE_MS, maxCallMs: MAX_CALL_MS,
      },
      create: (a) => call('create', () => this.#create(given(a))),
      update: (a) => call('update', () => this.#update(given(a))),
      delete: (a) => call('delete', () => this.#delete(given(a))),
      ...(cls === 'B' ? { read: (a) => call('look', () => this.#look((o) => o.goneAt === undefined || o === this.objects.at(-1))[0]) } : {}),
      ...(cls === 'A' || cls === 'C' ? { find: (a) => call('look', () => this.#look(ours(a.mark))) } : {}),
    }
    return completeType(spec as never, `model#${cls}`)
  }
}
