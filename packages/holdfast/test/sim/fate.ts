import type { Millis } from '../../src/base/index.ts'
import type { Kernel } from './kernel.ts'
import type { Kind } from './kinds.ts'
import { Dice } from './random.ts'
import type { CallFault, Fault, Rates } from './scenario.ts'

export type CallEnd = { readonly is: CallFault | 'ok'; readonly silent: boolean; readonly lateMs: Millis }
const OK: CallEnd = { is: 'ok', silent: false, lateMs: 0 }

/**
 * Says what goes wrong with a call or a commit, and keeps a list of it. Every decision has a name and dice of its own: what is drawn for one call does
 * not depend on what else is called.
 */
export class Fate {
  readonly happened: Fault[] = []
  /** Nothing goes wrong while it is off. */
  on = false
  readonly #kernel: Kernel
  readonly #rates: Rates | undefined
  readonly #told = new Map<string, Fault>()
  /** Commits that were refused once: what asks again finds room. */
  readonly #refused = new Set<string>()

  constructor(kernel: Kernel, rates: Rates | undefined, faults: readonly Fault[] | undefined) {
    this.#kernel = kernel
    this.#rates = faults ? undefined : rates
    for (const f of faults ?? []) this.#told.set('call' in f ? f.call : `${f.commit}${'full' in f ? ' full' : ''}`, f)
  }

  /** Named faults that did not come true. */
  get missed(): readonly Fault[] {
    return [...this.#told.values()].filter((f) => !this.happened.includes(f))
  }

  call(label: string, op: string, kind: Kind): CallEnd {
    if (!this.on) return OK
    let f: Extract<Fault, { call: string }> | undefined
    if (this.#rates) f = this.#draw(this.#rates, label, op, kind)
    else f = this.#told.get(label) as typeof f
    if (!f) return OK
    this.happened.push(f)
    this.#kernel.count(`call ${f.is}${f.silent ? ', silent' : ''}`)
    return { is: f.is, silent: f.silent === true, lateMs: f.lateMs ?? 0 }
  }

  #draw(rates: Rates, label: string, op: string, kind: Kind): Extract<Fault, { call: string }> | undefined {
    const r = new Dice(this.#kernel.seed, label)
    const silent = r.chance(0.4)
    if (r.chance(rates.reject)) return { call: label, is: 'reject' }
    if (r.chance(rates.hang)) return { call: label, is: 'requestLost', silent: true }
    if (r.chance(rates.requestLost)) return { call: label, is: 'requestLost', silent }
    if (r.chance(rates.replyLost)) return { call: label, is: 'replyLost', silent }
    if (op !== 'read' && kind.maxCallMs > 0 && r.chance(rates.late)) {
      // What its caller still waits for lands before the caller gives up, or not at all.
      const lateMs = silent ? Math.min(kind.maxCallMs, r.between(kind.timeoutMs, Math.max(kind.timeoutMs, kind.maxCallMs))) : r.between(1, kind.maxCallMs)
      return { call: label, is: 'late', silent, lateMs }
    }
    if ((op === 'create' || op === 'update') && r.chance(rates.partial)) return { call: label, is: 'partial' }
    return undefined
  }

  /** How long the request of a commit is on its way beyond the usual. */
  slow(label: string): Millis {
    if (!this.on) return 0
    let ms = 0
    if (this.#rates) {
      if (this.#rates.slowCommit === 0) return 0
      const r = new Dice(this.#kernel.seed, `${label} slow`)
      if (!r.chance(this.#rates.slowCommit)) return 0
      ms = r.between(1000, 50_000)
      this.happened.push({ commit: label, slowMs: ms })
    } else {
      const f = this.#told.get(label)
      if (!f || !('slowMs' in f)) return 0
      this.happened.push(f)
      ms = f.slowMs
    }
    this.#kernel.count('commit slow')
    return ms
  }

  /** The store takes no outcome: its disk is full. */
  full(label: string): boolean {
    if (!this.on || this.#refused.has(label)) return false
    if (this.#rates) {
      if (this.#rates.full === 0 || !new Dice(this.#kernel.seed, `${label} full`).chance(this.#rates.full)) return false
      this.happened.push({ commit: label, full: true })
    } else {
      const f = this.#told.get(`${label} full`)
      if (!f) return false
      this.happened.push(f)
    }
    this.#refused.add(label)
    this.#kernel.count('commit refused, disk full')
    return true
  }
}
