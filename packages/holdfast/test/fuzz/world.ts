import { canonical } from '../../src/base/index.ts'
import type { Mark } from '../../src/model/index.ts'
import { notOurs, outcomeUnknown, refused } from '../../src/provider/index.ts'
import type { Fault } from './case.ts'
import type { Inputs, Kind, Outputs } from './kinds.ts'

/**
 * What a fault does to one call. `reject`: turned away. `lost`: it never arrives, `lost-applied`: only the answer is lost.
 * `partly`: it breaks off half-way, and says so. `hang`, `hang-applied`: no answer ever.
 */
export const faultNames = ['reject', 'lost', 'lost-applied', 'partly', 'hang', 'hang-applied'] as const
export type FaultName = (typeof faultNames)[number]

export interface WorldObject {
  readonly id: string
  readonly kind: Kind
  /** Of what somebody else has made: nobody's, until it is taken over. */
  mark: Mark
  /** The mark that it was found with, and the revision in which it was taken over. */
  found?: { readonly mark: Mark; readonly revision: number | undefined; readonly spec: string }
  readonly born: number
  spec: Inputs
  readonly due?: string
  /** Somebody else changed it. */
  drifted: boolean
  /** And that was recorded. */
  accepted?: boolean
}

/** The process that calls. */
export interface Caller {
  readonly dead: boolean
  /** Waits a few turns. */
  pause(): Promise<void> | undefined
}

export type Mutation = 'create' | 'update' | 'delete'

export interface Given {
  readonly by: Caller
  readonly kind: Kind
  readonly inputs: Inputs
  readonly outputs: Partial<Outputs> | undefined
  readonly key: string
  readonly mark: Mark
  readonly prior: Inputs | undefined
  readonly partial: ((o: Partial<Outputs>) => Promise<void>) | undefined
  readonly signal: AbortSignal
}

export interface Effect {
  readonly op: Mutation
  readonly uid: string
  readonly ordinal: number
}

/** Looks at every call: when it starts, and when it takes effect. */
export interface Watcher {
  started(op: Mutation, g: Given): void
  landing(op: Mutation, g: Given, o: WorldObject | undefined): void
  /** A call that was never answered is told to end, so long after it began. */
  cutOff(op: Mutation | 'read', g: Given, elapsedMs: number): void
  /** A deletion is refused: `user` refers to the object. */
  refusedDelete(gone: WorldObject, user: WorldObject): void
}

const never: Promise<never> = new Promise(() => {})

export const markText = (m: { readonly uid: string; readonly ordinal: number }): string => `${m.uid} ${m.ordinal}`

export const specText = (i: Inputs): string =>
  canonical({ name: i.name, size: i.size, zone: i.zone, ...(i.slot === undefined ? {} : { slot: i.slot }), refs: [...i.refs], ...(i.note === undefined ? {} : { note: i.note }), ...(i.within === undefined ? {} : { within: i.within }) })

const NOBODY = 'nobody'
export const isFree = (o: WorldObject): boolean => o.mark.uid === NOBODY

/** The outside. It keeps every promise of its types, and not one more. */
export class World {
  readonly objects = new Map<string, WorldObject>()
  readonly effects: Effect[] = []
  /** Calls so far, reads included; those that change something. */
  calls = 0
  mutations = 0
  faults: Fault[] = []
  watcher: Watcher | undefined
  now: () => number = () => 0
  note: (line: () => string) => void = () => undefined
  /** When what was ever made was due. */
  readonly dueAt = new Map<string, number>()
  readonly #tokens = new Map<string, string>()
  #born = 0

  /** Somebody else has made it. */
  place(id: string, kind: Kind, spec: Inputs): void {
    const mark = { store: NOBODY, uid: NOBODY, ordinal: this.objects.size }
    this.objects.set(id, { id, kind, mark, born: 0, spec, drifted: false, found: { mark, revision: undefined, spec: specText(spec) } })
  }

  /** What a person takes away when its node is given up: it has nothing to do with anything here any more. */
  takeAway(mark: { readonly uid: string; readonly ordinal: number }): void {
    for (const o of this.ours(mark)) {
      this.objects.delete(o.id)
      const { slot: _, within: _within, ...spec } = o.spec
      // What refers to it, or lies in it, goes on doing so; what has an id of its own keeps it.
      const id = o.kind.byName ? `taken/${this.objects.size}/${o.spec.name}` : o.id
      const free = { ...spec, refs: [] }
      const nobodys = { store: NOBODY, uid: NOBODY, ordinal: -1 - o.born }
      this.objects.set(id, { ...o, id, mark: nobodys, spec: free, drifted: false, found: { mark: nobodys, revision: undefined, spec: specText(free) } })
    }
  }

  ours(mark: { readonly uid: string; readonly ordinal: number }): WorldObject[] {
    const out: WorldObject[] = []
    for (const o of this.objects.values()) if (o.mark.uid === mark.uid && o.mark.ordinal === mark.ordinal) out.push(o)
    return out
  }

  /** What lies in an object, directly or in another. */
  inside(o: WorldObject): WorldObject[] {
    const out: WorldObject[] = []
    for (const x of this.objects.values()) if (x.spec.within === o.id && x !== o) out.push(x, ...this.inside(x))
    return out
  }

  outputsOf(o: WorldObject): Partial<Outputs> {
    return o.kind.readable ? { id: o.id, name: o.spec.name, size: o.spec.size, ...(o.due === undefined ? {} : { due: o.due }) } : { id: o.id }
  }

  /** Somebody else changes something. */
  drift(name: string, what: 'gone' | 'changed', settled: (o: WorldObject) => boolean): WorldObject | undefined {
    for (const o of this.objects.values()) {
      if (o.spec.name !== name || !settled(o) || (what === 'gone' && this.inside(o).length > 0)) continue
      if (what === 'gone') this.objects.delete(o.id)
      else {
        o.spec = { ...o.spec, size: o.spec.size + 100 }
        o.drifted = true
        o.accepted = false
      }
      return o
    }
    return undefined
  }

  #find(g: Given): WorldObject | undefined {
    if (g.kind.byName) return this.objects.get(`name/${g.inputs.name}`)
    return g.outputs?.id === undefined ? undefined : this.objects.get(g.outputs.id)
  }

  create(g: Given): Promise<Partial<Outputs>> {
    return this.#call('create', g, () => {
      const known = g.kind.create === 'A' ? this.#tokens.get(g.key) : undefined
      if (known !== undefined) {
        const o = this.objects.get(known)
        return o ? this.outputsOf(o) : { id: known, name: g.inputs.name, size: g.inputs.size }
      }
      if (g.inputs.fail) throw new Refused(`quota exceeded for ${g.inputs.name}`)
      const id = g.kind.byName ? `name/${g.inputs.name}` : `o${this.#born + 1}`
      if (g.kind.byName && this.objects.has(id)) throw new Refused(`${g.inputs.name} exists`)
      this.watcher?.landing('create', g, undefined)
      const o: WorldObject = { id, kind: g.kind, mark: g.mark, born: ++this.#born, spec: g.inputs, drifted: false, ...this.#dueOf(g) }
      this.objects.set(id, o)
      if (g.kind.create === 'A') this.#tokens.set(g.key, id)
      this.#effect('create', o)
      return this.outputsOf(o)
    })
  }

  update(g: Given): Promise<Partial<Outputs>> {
    return this.#call('update', g, (torn) => {
      if (g.inputs.fail) throw new Refused(`update of ${g.inputs.name} refused`)
      const o = this.#find(g)
      if (!o) throw new Refused(`${g.inputs.name} is gone`)
      this.watcher?.landing('update', g, o)
      let spec: Inputs = g.inputs
      if (g.kind.update === 'patch') {
        const was = (g.prior ?? {}) as unknown as Record<string, unknown>
        const now = g.inputs as unknown as Record<string, unknown>
        const patched: Record<string, unknown> = { ...o.spec }
        for (const k of new Set([...Object.keys(was), ...Object.keys(now)])) if (JSON.stringify(was[k]) !== JSON.stringify(now[k])) patched[k] = now[k]
        spec = patched as unknown as Inputs
      }
      o.spec = torn ? { ...o.spec, size: g.inputs.size } : spec
      if (g.kind.update === 'full' && !torn) o.drifted = false
      this.#effect('update', o)
      return this.outputsOf(o)
    })
  }

  delete(g: Given): Promise<void> {
    const there = this.#find(g)
    // As a careful provider does: look whose it is, then delete by what the world knows it by.
    if (there && g.kind.byName && markText(there.mark) !== markText(g.mark)) return Promise.reject(notOurs(`${g.inputs.name} is not ours`))
    return this.#call('delete', g, () => {
      const o = this.#find(g)
      if (!o) return
      const along = this.inside(o)
      const going = new Set([o, ...along])
      for (const each of going) if (each.kind.strict) for (const other of this.objects.values()) if (!going.has(other) && other.spec.refs.includes(each.id)) {
        this.watcher?.refusedDelete(each, other)
        throw new Refused(`${each.id} is used by ${other.id}`)
      }
      this.watcher?.landing('delete', g, o)
      for (const each of going) {
        this.objects.delete(each.id)
        this.#effect('delete', each)
      }
    })
  }

  read(g: Given): Promise<(Partial<Outputs> & { readonly owner?: 'mine' | 'other' }) | undefined> {
    return this.#call('read', g, () => {
      const o = this.#find(g)
      return o && { ...this.outputsOf(o), ...(isFree(o) ? {} : { owner: markText(o.mark) === markText(g.mark) ? 'mine' as const : 'other' as const }) }
    })
  }

  search(g: Given): Promise<Partial<Outputs>[]> {
    return this.#call('read', g, () => this.ours(g.mark).filter((o) => o.kind === g.kind).map((o) => this.outputsOf(o)))
  }

  #dueOf({ inputs: { ttl }, mark }: Given): { readonly due?: string } {
    if (ttl === undefined) return {}
    const at = this.now() + ttl * 1000
    this.dueAt.set(markText(mark), at)
    return { due: new Date(at).toISOString() }
  }

  #effect(op: Mutation, o: WorldObject): void {
    this.effects.push({ op, uid: o.mark.uid, ordinal: o.mark.ordinal })
  }

  fault(call: Fault['call'], name: string): FaultName | undefined {
    const at = this.faults.findIndex((f) => f.call === call && f.name === name)
    return at < 0 ? undefined : this.faults.splice(at, 1)[0]?.what
  }

  async #call<T>(op: Mutation | 'read', g: Given, effect: (torn: boolean) => T): Promise<T> {
    if (g.by.dead) return never
    this.calls++
    if (op !== 'read') {
      this.mutations++
      this.watcher?.started(op, g)
    }
    const { name } = g.inputs
    const fault = this.fault(op, name)
    this.note(() => `call ${op} ${g.kind.type} ${name} ${markText(g.mark).slice(-8)} ${fault ?? ''}`)
    if (fault?.startsWith('hang')) {
      const began = this.now()
      g.signal.addEventListener('abort', () => g.by.dead || this.watcher?.cutOff(op, g, this.now() - began), { once: true })
    }
    const lost = () => outcomeUnknown(new Error(`connection reset for ${name}`))
    const way = g.by.pause()
    if (way) await way
    // A call dies with its process: what had not arrived does not arrive.
    if (g.by.dead) return never
    switch (fault) {
      case 'reject': throw new Error(`${op} ${name} was throttled`)
      case 'lost': throw lost()
      case 'hang': return never
    }
    // Half of a deletion, or of a look, is none.
    if (fault === 'partly' && op !== 'create' && op !== 'update') throw new Error(`${op} ${name} broke off`)
    let out: T
    try {
      out = effect(fault === 'partly')
    } catch (e) {
      if (!(e instanceof Refused)) throw e
      this.note(() => `refused: ${e.message}`)
      // A service that knows keys says so when it refuses; others only say no.
      throw g.kind.create === 'A' ? refused(e) : new Error(e.message)
    }
    const back = g.by.pause()
    if (back) await back
    switch (fault) {
      case 'lost-applied': throw lost()
      case 'hang-applied': return never
      case 'partly':
        await g.partial?.(op === 'create' ? { id: (out as Partial<Outputs>).id as string } : out as Partial<Outputs>)
        throw new Error(`${op} ${name} broke off`)
      default: return out
    }
  }
}

/** What the server says to a call that it understands and does not carry out. */
class Refused extends Error {}
