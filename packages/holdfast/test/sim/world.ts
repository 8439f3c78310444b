import { canonical, type Millis } from '../../src/base/index.ts'
import type { Mark } from '../../src/model/index.ts'
import { notOurs, outcomeUnknown, refused } from '../../src/provider/index.ts'
import type { Fate } from './fate.ts'
import type { Kernel, Process } from './kernel.ts'
import type { Kind } from './kinds.ts'
import { Dice } from './random.ts'

export interface Inputs {
  readonly name: string
  readonly size: number
  readonly zone: string
  readonly slot?: number | undefined
  readonly refs: readonly string[]
  readonly secret?: string | undefined
  readonly fail?: boolean | undefined
}
export interface Outputs {
  readonly id: string
  readonly name: string
  readonly size: number
  readonly token: string
}

/** One thing that exists. `mark` is undefined for what somebody else made. */
export interface WorldObject {
  readonly id: string
  readonly kind: Kind
  readonly mark: Mark | undefined
  /** Order of creation. */
  readonly born: number
  readonly token: string
  spec: Inputs
  /** What a read shows until `shownAt`. */
  before: Inputs | undefined
  shownAt: number
  /** A search misses it until then; undefined: none has looked. */
  missedUntil?: number
  /** A change of it broke off. */
  torn: boolean
}

export interface Given {
  readonly process: Process
  readonly kind: Kind
  readonly inputs: Inputs
  readonly outputs: Partial<Outputs> | undefined
  readonly key: string
  readonly mark: Mark
  readonly physicalName: string | undefined
  readonly partial?: ((o: Partial<Outputs>) => Promise<void>) | undefined
  readonly prior?: Inputs | undefined
}

export type Mutation = 'create' | 'update' | 'delete'
/** Looks at every call: when it starts, and when it takes effect. */
export interface Watcher {
  started(op: Mutation, g: Given): void
  /** The caller is told; `rejected`: that nothing of it was done. */
  answered(g: Given, rejected: boolean): void
  landing(op: Mutation, g: Given): void
  /** A deletion was refused because `user` refers to the object. Whether there was another way. */
  avoidable(gone: WorldObject, user: WorldObject): boolean
}

/** What the server says to a call that it understands and does not carry out. */
class Refused extends Error {}

/** The outside. It keeps every promise of its types, and not one more. */
export class World {
  readonly objects = new Map<string, WorldObject>()
  readonly kernel: Kernel
  readonly fate: Fate
  /** Deletions that were refused because something refers to the object; creations that found their name taken. */
  orderRefusals = 0
  nameRefusals = 0
  /** Deletions that were refused, and that no order would have allowed. */
  circles = 0
  /** What took effect, in order; `what` is the mark of the object. */
  readonly effects: { readonly op: Mutation; readonly what: string }[] = []
  watcher: Watcher | undefined
  readonly #tokens = new Map<string, { readonly id: string; readonly at: number }>()
  /** How often a process has called one thing. */
  readonly #calls = new Map<string, number>()
  #born = 0

  constructor(kernel: Kernel, fate: Fate) {
    this.kernel = kernel
    this.fate = fate
  }

  specText(i: Inputs): string {
    return canonical({ name: i.name, size: i.size, zone: i.zone, ...(i.slot === undefined ? {} : { slot: i.slot }), refs: [...i.refs], ...(i.secret === undefined ? {} : { secret: i.secret }) })
  }

  outputsOf(o: WorldObject, spec: Inputs = o.spec): Partial<Outputs> {
    return o.kind.readable ? { id: o.id, name: spec.name, size: spec.size, token: o.token } : { id: o.id }
  }

  /** Somebody else makes something. */
  foreign(kind: Kind, spec: Inputs, id = `name/${spec.name}`): void {
    this.#add(kind, spec, undefined, id)
  }

  ours(mark: { readonly uid: string; readonly ordinal: number }): WorldObject[] {
    return [...this.objects.values()].filter((o) => o.mark?.uid === mark.uid && o.mark.ordinal === mark.ordinal)
  }

  #add(kind: Kind, spec: Inputs, mark: Mark | undefined, id: string): WorldObject {
    const born = ++this.#born
    const o: WorldObject = { id, kind, mark, born, token: `tok-${born}-${this.kernel.seed}-marker`, spec, before: undefined, shownAt: this.kernel.now + this.#lag(kind, id), torn: false }
    this.objects.set(id, o)
    for (const other of this.objects.values()) if (other !== o && spec.slot !== undefined && other.spec.slot === spec.slot) {
      this.kernel.fail('I-CLAIM', `${o.id} was made on slot ${spec.slot}, which ${other.id} has`)
    }
    return o
  }

  #known(g: Given): { readonly id: string } | undefined {
    const known = this.#tokens.get(g.key)
    return g.kind.create === 'A' && known && this.kernel.now - known.at <= g.kind.windowMs ? known : undefined
  }

  #effect(op: Mutation, o: WorldObject): void {
    this.effects.push({ op, what: `${o.mark?.uid} ${o.mark?.ordinal}` })
    this.kernel.count(`${op} ${o.kind.type.slice(4)}`)
  }

  /** When what happened now begins to show. */
  #lag(kind: Kind, id: string): Millis {
    return kind.settleMs === 0 ? 0 : new Dice(this.kernel.seed, `${id} shows ${this.effects.length}`).below(kind.settleMs)
  }

  #set(o: WorldObject, spec: Inputs, torn: boolean): void {
    if (o.shownAt <= this.kernel.now) o.before = o.spec
    o.shownAt = this.kernel.now + this.#lag(o.kind, o.id)
    o.spec = spec
    o.torn = torn
    for (const other of this.objects.values()) if (other !== o && spec.slot !== undefined && other.spec.slot === spec.slot) {
      this.kernel.fail('I-CLAIM', `${o.id} was moved to slot ${spec.slot}, which ${other.id} has`)
    }
  }

  #find(g: Given): WorldObject | undefined {
    if (g.kind.byName) return this.objects.get(`name/${g.inputs.name}`)
    return g.outputs?.id === undefined ? undefined : this.objects.get(g.outputs.id)
  }

  create(g: Given): Promise<Partial<Outputs>> {
    return this.#call('create', g, (torn) => {
      const i = g.inputs
      if (i.fail && g.kind.rejectsFirst) throw new Refused(`quota exceeded for ${i.name} ${i.secret ?? ''}`)
      const known = this.#known(g)
      if (known) {
        this.kernel.count('key known')
        const o = this.objects.get(known.id)
        return o ? this.outputsOf(o) : { id: known.id, name: i.name, size: i.size, token: `tok-gone-${this.kernel.seed}-marker` }
      }
      if (i.fail) throw new Refused(`quota exceeded for ${i.name} ${i.secret ?? ''}`)
      const id = g.kind.byName ? `name/${i.name}` : `o${this.#born + 1}`
      if (g.kind.byName) {
        const there = this.objects.get(id)
        if (there) {
          this.nameRefusals++
          throw new Refused(`${i.name} exists`)
        }
      }
      this.watcher?.landing('create', g)
      const o = this.#add(g.kind, i, g.mark, id)
      o.torn = torn
      if (g.kind.create === 'A') this.#tokens.set(g.key, { id, at: this.kernel.now })
      this.#effect('create', o)
      return this.outputsOf(o)
    }, (out) => ({ id: out.id }) as Partial<Outputs>)
  }

  update(g: Given): Promise<Partial<Outputs>> {
    return this.#call('update', g, (torn) => {
      const i = g.inputs
      if (i.fail) throw new Refused(`update of ${i.name} refused ${i.secret ?? ''}`)
      const o = this.#find(g)
      if (!o) throw new Refused(`${i.name} is gone`)
      this.watcher?.landing('update', g)
      let spec: Inputs = i
      if (g.kind.update === 'patch') {
        const was = g.prior as unknown as Record<string, unknown>
        const now = i as unknown as Record<string, unknown>
        const patched: Record<string, unknown> = { ...o.spec }
        for (const k of new Set([...Object.keys(was), ...Object.keys(now)])) if (JSON.stringify(was[k]) !== JSON.stringify(now[k])) patched[k] = now[k]
        spec = patched as unknown as Inputs
      }
      if (torn) spec = { ...o.spec, size: i.size }
      this.#set(o, spec, torn)
      this.#effect('update', o)
      return this.outputsOf(o)
    }, (out) => out)
  }

  delete(g: Given): Promise<void> {
    const there = this.#find(g)
    // As a careful provider does: look whose it is, then delete by what the world knows it by.
    if (there && g.kind.byName && (there.mark?.uid !== g.mark.uid || there.mark.ordinal !== g.mark.ordinal)) return Promise.reject(notOurs(`${g.inputs.name} is not ours`))
    return this.#call('delete', g, () => {
      const o = this.#find(g)
      if (!o) return
      if (o.kind.strict) for (const other of this.objects.values()) if (other !== o && other.spec.refs.includes(o.id)) {
        if (this.watcher?.avoidable(o, other) !== false) this.orderRefusals++
        else this.circles++
        this.kernel.note('world', `refuses to delete ${o.id}, which ${other.id} uses`)
        throw new Refused(`${o.id} is used by ${other.id}`)
      }
      this.watcher?.landing('delete', g)
      this.objects.delete(o.id)
      this.#effect('delete', o)
    }, undefined)
  }

  read(g: Given): Promise<(Partial<Outputs> & { readonly owner: 'mine' | 'other' }) | undefined> {
    return this.#call('read', g, () => {
      const o = this.#find(g)
      if (!o) return undefined
      const shown = o.shownAt <= this.kernel.now ? o.spec : o.before
      return shown && { ...this.outputsOf(o, shown), owner: o.mark?.uid === g.mark.uid && o.mark.ordinal === g.mark.ordinal ? 'mine' as const : 'other' as const }
    }, undefined)
  }

  /** What carries the mark and shows already. */
  search(g: Given): Promise<Partial<Outputs>[]> {
    return this.#call('read', g, () => [...this.objects.values()].filter((o) => o.kind === g.kind && o.mark?.uid === g.mark.uid && o.mark.ordinal === g.mark.ordinal)
      .flatMap((o) => {
        if (this.#overlooked(o)) return []
        const shown = o.shownAt <= this.kernel.now ? o.spec : o.before
        return shown ? [this.outputsOf(o, shown)] : []
      }), undefined)
  }

  /** A search asks a copy that may be behind: what shows already may be missed, once, for as long as the type says. */
  #overlooked(o: WorldObject): boolean {
    if (o.kind.settleMs === 0 || o.shownAt > this.kernel.now) return false
    o.missedUntil ??= new Dice(this.kernel.seed, `${o.id} missed`).chance(0.3) ? this.kernel.now + o.kind.settleMs : 0
    return this.kernel.now < o.missedUntil
  }

  /** What somebody else keeps under a name. */
  lookup(g: Omit<Given, 'mark'>): Promise<Partial<Outputs>[]> {
    const mark = { store: '', uid: g.inputs.name, ordinal: 0 }
    return this.#call('read', { ...g, mark }, () => [...this.objects.values()].filter((o) => !o.mark && o.kind === g.kind && o.spec.name === g.inputs.name).map((o) => this.outputsOf(o)), undefined)
  }

  /** One call: the way there, the effect, the way back, and what may go wrong with each. */
  #call<T>(op: Mutation | 'read', g: Given, effect: (torn: boolean) => T, partial: ((out: T) => Partial<Outputs>) | undefined): Promise<T> {
    const { kernel } = this
    const { process: p, kind } = g
    const begun = p.begins('call')
    if (p.dead) return new Promise(() => {})
    if (op !== 'read') this.watcher?.started(op, g)
    const label = this.#label(op, g)
    const fault = this.fate.call(label, op, kind)
    kernel.note(p.name, `call ${op} ${kind.type} ${g.inputs.name} ${fault.is}`)
    const land = (torn = false): T => {
      const out = effect(torn)
      kernel.note('world', `${op} ${kind.type} ${g.inputs.name} for ${p.name}`)
      kernel.remark('world', () => `has ${[...this.objects.values()].map((o) => `${o.id}=${o.spec.name}`).join(' ')}`)
      return out
    }
    const ways = new Dice(kernel.seed, `${label} way`)
    const there = ways.between(1, 30)
    const back = ways.between(1, 30)
    const promise = new Promise<T>((resolve, reject) => {
      const answer = (ms: Millis, act: () => void, rejected = false) => void kernel.after(ms, () => p.deliver(() => {
        if (op !== 'read') this.watcher?.answered(g, rejected)
        act()
      }))
      const unknown = (ms: Millis) => {
        if (fault.silent) return
        answer(ms, () => reject(outcomeUnknown(new Error(`connection reset ${g.inputs.secret ?? ''}`))))
      }
      /** A call of a local type is part of its process. */
      const arrive = (ms: Millis, act: () => void) => void kernel.after(ms, () => {
        if (!(kind.local && p.dead)) act()
      })
      switch (fault.is) {
        case 'requestLost': return unknown(there + back)
        case 'late':
          unknown(there + back)
          return arrive(fault.lateMs, () => {
            try {
              land()
            } catch (e) {
              if (!(e instanceof Refused)) throw e
            }
          })
        default: return arrive(there, () => {
          // What turns a request away looks at nothing of it, not at its key either.
          if (fault.is === 'reject') {
            p.happened(begun)
            return answer(back, () => reject(new Error(`${op} ${g.inputs.name} was throttled ${g.inputs.secret ?? ''}`)), true)
          }
          let out: T
          try {
            out = land(fault.is === 'partial')
          } catch (e) {
            if (!(e instanceof Refused)) throw e
            p.happened(begun)
            // A service that looks at the key first says that its refusal is its last word; others only say no.
            return answer(back, () => reject(kind.create === 'A' && !kind.rejectsFirst ? refused(e) : new Error(e.message)), true)
          }
          p.happened(begun)
          if (fault.is === 'replyLost') return unknown(back)
          if (fault.is !== 'partial') return answer(back, () => resolve(out))
          answer(back, () => {
            g.partial?.(partial?.(out) ?? {}).then(() => reject(new Error(`${op} ${g.inputs.name} broke off`)), reject)
          })
        })
      }
    })
    // On its way for good or for longer: the process may die while it waits.
    if (fault.is === 'requestLost' || fault.is === 'late') p.happened(begun)
    return promise
  }

  /** `change.1 create n3 #2`: the second time that this process creates n3. */
  #label(op: Mutation | 'read', g: Given): string {
    const what = `${g.process.name} ${op} ${g.inputs.name}`
    const n = (this.#calls.get(what) ?? 0) + 1
    this.#calls.set(what, n)
    return `${what} #${n}`
  }
}
