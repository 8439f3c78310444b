import { Heap } from '../heap.ts'
import type { Vertex } from './compile.ts'
import { ends, passive, type Atom } from './motion.ts'

/**
 * Which tasks may start and which may be taken back. Counts what is not done before each vertex and what still stands behind it, so that a change costs what
 * it touches.
 *
 * Always true: what is `done` has opened its way to those behind it, what is `cleared` to those before it; the ends of flows, and what is ignored, are one as
 * soon as all before them are, and the other as soon as all behind them are.
 */
export class Readiness {
  readonly #atoms: readonly Atom[]
  readonly #target: ReadonlySet<Vertex> | undefined
  /** Whether order goes on behind the begin or end of a flow, all before it being done. */
  readonly #passes: (a: Atom) => boolean
  readonly #ready = new Heap<Atom>((a, b) => (a.v.priority === b.v.priority ? a.v.i < b.v.i : a.v.priority > b.v.priority))
  readonly #undoable = new Heap<Atom>((a, b) => (a.v.priority === b.v.priority ? a.completed > b.completed : a.v.priority > b.v.priority))
  /** What stands in the heaps; what it waited for may have changed since, so it is looked at again when its turn comes. */
  readonly #starting = new Set<Atom>()
  readonly #reverting = new Set<Atom>()

  constructor(atoms: readonly Atom[], target: ReadonlySet<Vertex> | undefined, passes: (a: Atom) => boolean) {
    this.#atoms = atoms
    this.#target = target
    this.#passes = passes
  }

  /** Counts from the states as they were loaded. */
  count(order: readonly Vertex[]): void {
    for (const a of this.#atoms) {
      a.missing = a.v.prev.length
      a.standing = a.v.next.length
      a.done = a.cleared = false
    }
    for (const v of order) {
      const a = this.#atom(v)
      a.done = passive(a) ? a.missing === 0 && (a.state === 'IGNORE' || v.deciders.length === 0) : isDone(a)
      if (a.done) for (const n of v.next) this.#atom(n).missing--
    }
    for (const v of [...order].reverse()) {
      const a = this.#atom(v)
      a.cleared = passive(a) ? a.standing === 0 : isCleared(a)
      if (a.cleared) for (const p of v.prev) this.#atom(p).standing--
    }
  }

  /** First look at a vertex, in order, after all was counted. */
  begin(a: Atom): void {
    if (ends(a)) {
      if (!a.done && a.missing === 0 && this.#passes(a)) this.#done(a, true)
      return
    }
    this.#mayStart(a)
    this.#mayUndo(a)
    if (a.state === 'REVERTING') this.#undoable.push(a)
  }

  /** What others see of it, after its state or its intention changed. */
  settle(a: Atom): void {
    this.#done(a, passive(a) ? a.missing === 0 : isDone(a))
    this.#cleared(a, passive(a) ? a.standing === 0 : isCleared(a))
    this.#mayStart(a)
    this.#mayUndo(a)
  }

  /** Gives what starts next, the highest priority first; undefined when nothing may. */
  nextStart(): Atom | undefined {
    for (let a = this.#ready.pop(); a; a = this.#ready.pop()) {
      this.#starting.delete(a)
      if (a.intention === 'EXECUTE' && a.missing === 0 && (a.state === 'PENDING' || a.restarted)) return a
    }
    return undefined
  }

  /** Gives what is taken back next, of those of one priority the last completed first; undefined when nothing may. */
  nextUndo(): Atom | undefined {
    for (let a = this.#undoable.pop(); a; a = this.#undoable.pop()) {
      this.#reverting.delete(a)
      if (a.standing === 0 && (a.intention === 'REVERT' || a.intention === 'RETRY')) return a
    }
    return undefined
  }

  /** It sleeps: nothing takes it back until it is woken. */
  sleep(a: Atom): void {
    this.#reverting.add(a)
  }
  wake(a: Atom): void {
    this.#reverting.delete(a)
  }

  #atom(v: Vertex): Atom {
    return this.#atoms[v.i] as Atom
  }

  #done(first: Atom, to: boolean): void {
    const open: [Atom, boolean][] = [[first, to]]
    for (let next = open.pop(); next; next = open.pop()) {
      const [a, done] = next
      if (a.done === done) continue
      a.done = done
      for (const v of a.v.next) {
        const n = this.#atom(v)
        n.missing += done ? -1 : 1
        if (ends(n) && done && n.missing === 0) {
          if (this.#passes(n)) open.push([n, true])
        } else if (passive(n)) open.push([n, n.missing === 0])
        else if (done) this.#mayStart(n)
      }
    }
  }

  #cleared(first: Atom, to: boolean): void {
    const open: [Atom, boolean][] = [[first, to]]
    for (let next = open.pop(); next; next = open.pop()) {
      const [a, cleared] = next
      if (a.cleared === cleared) continue
      a.cleared = cleared
      for (const v of a.v.prev) {
        const p = this.#atom(v)
        p.standing += cleared ? -1 : 1
        if (passive(p)) open.push([p, p.standing === 0])
        else if (cleared) this.#mayUndo(p)
      }
    }
  }

  #mayStart(a: Atom): void {
    if (a.missing > 0 || a.intention !== 'EXECUTE' || (a.state !== 'PENDING' && !(a.state === 'RUNNING' && a.restarted)) || ends(a) || this.#starting.has(a) || (this.#target && !this.#target.has(a.v))) return
    this.#starting.add(a)
    this.#ready.push(a)
  }

  #mayUndo(a: Atom): void {
    if (a.standing > 0 || (a.intention !== 'REVERT' && a.intention !== 'RETRY') || (a.state !== 'SUCCESS' && a.state !== 'FAILURE') || ends(a) || this.#reverting.has(a)) return
    this.#reverting.add(a)
    this.#undoable.push(a)
  }
}

const isDone = (a: Atom): boolean => a.state === 'SUCCESS' && a.intention === 'EXECUTE'
const isCleared = (a: Atom): boolean => a.state === 'PENDING' || a.state === 'REVERTED'
