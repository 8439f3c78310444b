import { textOf } from '../../base/index.ts'
import { failing } from './kinds.ts'
import type { Depth, Flow, FlowType, LinkOptions, Retry } from './port.ts'
import { BuiltTask } from './task.ts'

export type Node = BuiltTask | BuiltFlow
export interface Link {
  readonly u: Node
  readonly v: Node
  readonly decider: LinkOptions['decider'] | undefined
  readonly depth: Depth
}

interface Ends {
  readonly provides: readonly string[]
  readonly requires: readonly string[]
}

const DEPTHS: readonly Depth[] = ['ATOM', 'NEIGHBORS', 'FLOW', 'ALL']

/** A flow under construction. Every change of a graph is checked first and then made as a whole: a refused one leaves the flow as it was. */
export class BuiltFlow implements Flow {
  readonly name: string
  readonly kind: FlowType
  readonly retry: Retry | undefined
  readonly #nodes: Node[] = []
  /** Node -> position in #nodes. */
  readonly #at = new Map<Node, number>()
  readonly #links: Link[] = []
  readonly #after = new Map<Node, Node[]>()
  /** Symbol -> nodes that give it, and those that still lack it. */
  readonly #givers = new Map<string, Node[]>()
  readonly #lacking = new Map<string, Set<Node>>()
  /** It was put into another flow: until then none can hold it. */
  #nested = false
  /** Links from a later node to an earlier one: while there are none, no link that goes forward closes a circle. */
  #backward = 0

  constructor(name: string, kind: FlowType, retry: Retry | undefined) {
    this.name = name
    this.kind = kind
    this.retry = retry
  }

  get nodes(): readonly Node[] {
    return this.#nodes
  }
  get links(): readonly Link[] {
    return this.#links
  }
  get provides(): readonly string[] {
    return this.#symbols().provides
  }
  get requires(): readonly string[] {
    return this.#symbols().requires
  }

  /** Symbols that come out of the flow, and those it needs from outside. Innermost first, so that nesting is bounded by memory and each flow is looked at once. */
  #symbols(): Ends {
    const known = new Map<Node, Ends>()
    const open: BuiltFlow[] = [this]
    for (let f = open.at(-1); f; f = open.at(-1)) {
      const before = open.length
      for (const n of f.#nodes) if (n instanceof BuiltFlow && !known.has(n)) open.push(n)
      if (open.length > before) continue
      open.pop()
      known.set(f, f.#ends((n) => known.get(n) ?? n))
    }
    return known.get(this) as Ends
  }

  #ends(endsOf: (n: Node) => Ends): Ends {
    const inside = this.retry?.provides === undefined ? [] : [this.retry.provides]
    const provides = new Set(inside)
    for (const n of this.#nodes) for (const s of endsOf(n).provides) provides.add(s)
    const own = new Set(this.kind === 'graph' ? provides : inside)
    const requires = new Set(this.retry ? this.retry.requires : [])
    for (const n of this.#nodes) {
      const ends = endsOf(n)
      for (const s of ends.requires) if (!own.has(s)) requires.add(s)
      if (this.kind === 'linear') for (const s of ends.provides) own.add(s)
    }
    return { provides: [...provides], requires: [...requires] }
  }

  add(nodes: readonly Node[]): void {
    const fresh = [...new Set(nodes)].filter((n) => !this.#at.has(n))
    for (const n of fresh) {
      if (n instanceof BuiltFlow && (n === this || (this.#nested && n.#holds(this)))) throw failing('HF3201', { message: `${this.name} would stand in itself.` })
    }
    if (this.kind !== 'graph') {
      for (const n of fresh) this.#place(n)
      return
    }
    // First what would become linked, on copies; then all of it.
    const position = new Map(fresh.map((n, i) => [n, this.#nodes.length + i]))
    const found: (readonly [Node, Node])[] = []
    const lacking = new Map<string, Set<Node>>()
    const lackingNow = (symbol: string): Set<Node> => {
      let set = lacking.get(symbol)
      if (!set) lacking.set(symbol, (set = new Set(this.#lacking.get(symbol))))
      return set
    }
    const givers = new Map<string, Node[]>()
    const giversNow = (symbol: string): Node[] => {
      let list = givers.get(symbol)
      if (!list) givers.set(symbol, (list = [...(this.#givers.get(symbol) ?? [])]))
      return list
    }
    const inside = this.retry?.provides
    for (const n of fresh) {
      const { requires, provides } = n instanceof BuiltFlow ? n.#symbols() : n
      for (const symbol of requires) {
        if (symbol === inside) continue
        const from = giversNow(symbol)
        if (from.length > 1) {
          throw failing('HF3206', { message: `${n.name} needs ${symbol}, and ${from.map((f) => f.name).join(' and ')} give it.`, details: { symbol, providers: from.map((f) => f.name) } })
        }
        if (from[0]) found.push([from[0], n])
        else lackingNow(symbol).add(n)
      }
      for (const symbol of provides) {
        giversNow(symbol).push(n)
        for (const waiting of lackingNow(symbol)) if (waiting !== n) found.push([n, waiting])
        lackingNow(symbol).clear()
      }
    }
    const at = (n: Node): number => this.#at.get(n) ?? position.get(n) as number
    const links = found.map(([u, v]) => ({ u, v, decider: undefined, depth: 'ALL' as const }))
    if (links.some(({ u, v }) => at(u) > at(v))) this.#refuseCircle([...this.#nodes, ...fresh], links)
    for (const n of fresh) this.#place(n)
    for (const [symbol, list] of givers) this.#givers.set(symbol, list)
    for (const [symbol, set] of lacking) this.#lacking.set(symbol, set)
    for (const link of links) this.#connect(link)
  }

  link(u: Node, v: Node, options: LinkOptions): void {
    if (this.kind !== 'graph') throw failing('HF3208', { message: `${this.name} is ${this.kind}: its order cannot be changed by a link.` })
    for (const n of [u, v]) if (!this.#at.has(n)) throw failing('HF3208', { message: `${n.name} is not in the flow ${this.name}.` })
    const depth = options.depth ?? 'ALL'
    if (!DEPTHS.includes(depth)) throw failing('HF3203', { message: `Link ${u.name} to ${v.name}: there is no depth ${textOf(depth)}; there are ${DEPTHS.join(', ')}.` })
    const link: Link = { u, v, decider: options.decider, depth }
    const forward = (this.#at.get(u) as number) < (this.#at.get(v) as number)
    if (u === v || ((this.#backward > 0 || !forward) && this.#reaches(v, u))) throw circle([u.name, v.name])
    this.#connect(link)
  }

  /** By name, nested flows included. */
  search(name: string): BuiltTask | undefined {
    const open: BuiltFlow[] = [this]
    for (let f = open.pop(); f; f = open.pop()) for (const n of f.#nodes) {
      if (n instanceof BuiltFlow) open.push(n)
      else if (n.name === name) return n
    }
    return undefined
  }

  #place(n: Node): void {
    this.#at.set(n, this.#nodes.length)
    this.#nodes.push(n)
    if (n instanceof BuiltFlow) n.#nested = true
  }

  #holds(flow: BuiltFlow): boolean {
    const open: BuiltFlow[] = [this]
    for (let f = open.pop(); f; f = open.pop()) for (const n of f.#nodes) {
      if (n === flow) return true
      if (n instanceof BuiltFlow) open.push(n)
    }
    return false
  }

  #connect(link: Link): void {
    const after = this.#after.get(link.u)
    const known = after?.includes(link.v) === true
    if (known && !link.decider) return
    this.#links.push(link)
    if (known) return
    if (after) after.push(link.v)
    else this.#after.set(link.u, [link.v])
    if ((this.#at.get(link.u) as number) > (this.#at.get(link.v) as number)) this.#backward++
  }

  #reaches(from: Node, to: Node): boolean {
    const seen = new Set<Node>([from])
    const open = [from]
    for (let n = open.pop(); n; n = open.pop()) {
      if (n === to) return true
      for (const next of this.#after.get(n) ?? []) if (!seen.has(next)) {
        seen.add(next)
        open.push(next)
      }
    }
    return false
  }

  #refuseCircle(nodes: readonly Node[], more: readonly Link[]): void {
    const after = new Map<Node, Node[]>(nodes.map((n) => [n, [...(this.#after.get(n) ?? [])]]))
    for (const { u, v } of more) after.get(u)?.push(v)
    const missing = new Map<Node, number>(nodes.map((n) => [n, 0]))
    for (const list of after.values()) for (const v of list) missing.set(v, (missing.get(v) as number) + 1)
    const open = nodes.filter((n) => missing.get(n) === 0)
    let done = 0
    for (let n = open.pop(); n; n = open.pop()) {
      done++
      for (const next of after.get(n) as Node[]) {
        const left = (missing.get(next) as number) - 1
        missing.set(next, left)
        if (left === 0) open.push(next)
      }
    }
    if (done < nodes.length) throw circle(nodes.filter((n) => (missing.get(n) as number) > 0).slice(0, 5).map((n) => n.name))
  }
}

const circle = (tasks: readonly string[]) => failing('HF3207', { message: `${tasks.join(' and ')} would wait for each other.`, details: { tasks } })

export function flowOf(flow: unknown): BuiltFlow {
  if (flow instanceof BuiltFlow) return flow
  throw failing('HF3201', { message: `${flow === null || flow === undefined ? 'Nothing was given' : 'What was given is not a flow of this engine'}: buildFlow makes one.` })
}
export function nodeOf(node: unknown): Node {
  if (node instanceof BuiltFlow || node instanceof BuiltTask) return node
  throw failing('HF3201', { message: 'Only tasks of createTask and flows of buildFlow can stand in a flow.' })
}
