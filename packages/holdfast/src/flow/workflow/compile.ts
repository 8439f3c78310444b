import { BuiltFlow, type Node } from './flow.ts'
import { failing } from './kinds.ts'
import type { Depth, Flow, LinkOptions, Retry, Task } from './port.ts'
import { bind, type BuiltTask, type Needs, type Slot } from './task.ts'

/** One place in the compiled flow. Flows become two: their begin and their end only carry order. */
export interface Vertex {
  readonly i: number
  readonly kind: 'begin' | 'end' | 'task' | 'retry'
  /** Of a task or controller: its name, unique. Of the ends of a flow: the flow's. */
  readonly name: string
  readonly task: BuiltTask | undefined
  readonly retry: Retry | undefined
  readonly needs: Needs
  readonly slots: ReadonlyMap<string, Slot>
  /** The controller that decides about its failures: the nearest one around it. */
  readonly owner: Vertex | undefined
  readonly place: Place
  readonly priority: number
  readonly next: Vertex[]
  readonly prev: Vertex[]
  /** Links into it that have a say. */
  readonly deciders: { readonly from: readonly Vertex[]; readonly decide: NonNullable<LinkOptions['decider']>; readonly depth: Depth }[]
}

/** A flow as it stands in the tree: where symbols are looked for. */
export interface Level {
  readonly flow: BuiltFlow
  readonly begin: Vertex
  readonly end: Vertex
  /** In an order that follows the links. */
  readonly children: Child[]
  readonly parent: Place | undefined
  readonly retry: Vertex | undefined
  /** Symbol -> positions of children that give it, in order. */
  readonly givers: Map<string, number[]>
  /** Position -> positions right before it; graphs only. */
  readonly before: number[][]
}
export interface Place { readonly level: Level; readonly position: number }
export type Child = { readonly vertex: Vertex; readonly retry: Vertex | undefined } | { readonly level: Level }

export interface Compiled {
  readonly flow: BuiltFlow
  readonly root: Level
  readonly vertices: readonly Vertex[]
  /** Tasks and controllers by name. */
  readonly atoms: ReadonlyMap<string, Vertex>
  /** Every vertex after those it waits for. */
  readonly order: readonly Vertex[]
}

interface Frame { readonly level: Level; readonly nodes: readonly Node[]; readonly owner: Vertex | undefined; i: number }

/**
 * One execution graph out of nested flows. Iterative: nesting is bounded by memory, not by the stack.
 * Fails HF3204 on a name that stands twice, HF3201 when one object stands in two places.
 */
export function compile(flow: BuiltFlow): Compiled {
  const vertices: Vertex[] = []
  const atoms = new Map<string, Vertex>()
  const seen = new Set<Node>([flow])
  const ends = new Map<Node, { readonly first: Vertex; readonly last: Vertex }>()

  const vertex = (v: Pick<Vertex, 'kind' | 'name' | 'owner' | 'place'> & Partial<Vertex>): Vertex => {
    const made: Vertex = {
      i: vertices.length, kind: v.kind, name: v.name, task: v.task, retry: v.retry, needs: v.needs ?? NO_NEEDS, slots: v.slots ?? NO_SLOTS, owner: v.owner, place: v.place, priority: v.task?.priority ?? 0, next: [], prev: [], deciders: [],
    }
    vertices.push(made)
    if (made.kind === 'task' || made.kind === 'retry') {
      if (atoms.has(made.name)) throw failing('HF3204', { message: `Two tasks of ${flow.name} are called ${made.name}.`, details: { name: made.name } })
      atoms.set(made.name, made)
    }
    return made
  }
  const controller = (retry: Retry, name: string, place: Place, owner: Vertex | undefined): Vertex => {
    const given = retry.name ?? `${name}_retry`
    const bad = (message: string): never => {
      throw failing('HF3203', { message: `Retry ${given}: ${message}` })
    }
    const needs = bind(retry.requires, [], retry.rebind, {}, bad)
    return vertex({ kind: 'retry', name: given, retry, owner, place, needs, slots: retry.provides === undefined ? NO_SLOTS : new Map([[retry.provides, { how: 'whole' }]]) })
  }
  const open = (f: BuiltFlow, parent: Place | undefined, owner: Vertex | undefined): Frame => {
    const level = { flow: f, children: [], parent, givers: new Map(), before: [] } as unknown as { -readonly [K in keyof Level]: Level[K] }
    const place: Place = { level, position: -1 }
    level.begin = vertex({ kind: 'begin', name: f.name, owner, place })
    level.retry = f.retry && controller(f.retry, f.name, place, owner)
    if (level.retry) edge(level.begin, level.retry)
    return { level, nodes: ordered(f), owner: level.retry ?? owner, i: 0 }
  }

  const root = open(flow, undefined, undefined)
  const stack = [root]
  while (stack.length > 0) {
    const frame = stack[stack.length - 1] as Frame
    const { level, nodes, owner } = frame
    const node = nodes[frame.i]
    if (node === undefined) {
      close(frame, vertex, ends)
      stack.pop()
      continue
    }
    const position = frame.i++
    if (seen.has(node)) throw failing('HF3201', { message: `${node.name} stands in two places of ${flow.name}.` })
    seen.add(node)
    const place: Place = { level, position }
    if (node instanceof BuiltFlow) {
      const inner = open(node, place, owner)
      level.children.push({ level: inner.level })
      stack.push(inner)
      continue
    }
    const retry = node.retry && controller(node.retry, node.name, place, owner)
    const made = vertex({ kind: 'task', name: node.name, task: node, owner: retry ?? owner, place, needs: node.needs, slots: node.slots })
    if (retry) edge(retry, made)
    level.children.push({ vertex: made, retry })
    gives(place, node.provides)
    ends.set(node, { first: retry ?? made, last: made })
  }
  return { flow, root: root.level, vertices, atoms, order: inOrder(vertices) }
}

/** The children are compiled: they are joined to each other and to the ends of their flow. */
function close({ level, nodes, owner }: Frame, vertex: (v: Pick<Vertex, 'kind' | 'name' | 'owner' | 'place'>) => Vertex, ends: Map<Node, { readonly first: Vertex; readonly last: Vertex }>): void {
  const { flow } = level
  if (level.parent) gives(level.parent, new Set([...level.givers.keys(), ...(level.retry ? level.retry.slots.keys() : [])]))
  const start = level.retry ?? level.begin
  const end = vertex({ kind: 'end', name: flow.name, owner, place: { level, position: nodes.length } })
  ;(level as { end: Vertex }).end = end
  const of = (n: Node) => ends.get(n) as { readonly first: Vertex; readonly last: Vertex }
  if (flow.kind === 'linear') {
    let last = start
    for (const n of nodes) {
      edge(last, of(n).first)
      last = of(n).last
    }
    edge(last, end)
  } else {
    const at = new Map(nodes.map((n, i) => [n, i]))
    for (let i = 0; i < nodes.length; i++) level.before.push([])
    const leads = new Set<Node>()
    const joined = new Set<number>()
    for (const { u, v, decider, depth } of flow.links) {
      const [i, j] = [at.get(u) as number, at.get(v) as number]
      const pair = i * nodes.length + j
      if (!joined.has(pair)) {
        joined.add(pair)
        edge(of(u).last, of(v).first)
        leads.add(u)
        level.before[j]?.push(i)
      }
      if (decider) {
        // A flow votes with what its last tasks gave.
        const from = u instanceof BuiltFlow ? lastTasks(of(u).last) : [of(u).last]
        of(v).first.deciders.push({ from, decide: decider, depth })
      }
    }
    nodes.forEach((n, i) => {
      if ((level.before[i] as number[]).length === 0) edge(start, of(n).first)
      if (!leads.has(n)) edge(of(n).last, end)
    })
    if (nodes.length === 0) edge(start, end)
  }
  ends.set(flow, { first: level.begin, last: end })
}

function gives({ level, position }: Place, symbols: Iterable<string>): void {
  for (const s of symbols) {
    const list = level.givers.get(s)
    if (list) list.push(position)
    else level.givers.set(s, [position])
  }
}

const edge = (u: Vertex, v: Vertex): void => {
  u.next.push(v)
  v.prev.push(u)
}

function lastTasks(end: Vertex): Vertex[] {
  const out: Vertex[] = []
  const open = [...end.prev]
  for (let v = open.pop(); v; v = open.pop()) {
    if (v.kind === 'task') out.push(v)
    else open.push(...v.prev)
  }
  return out
}

/** The nodes of a flow so that links go forward; of those that may stand next, the one added first. */
function ordered(flow: BuiltFlow): readonly Node[] {
  const { nodes, links } = flow
  if (flow.kind !== 'graph') return nodes
  const at = new Map(nodes.map((n, i) => [n, i]))
  if (links.every(({ u, v }) => (at.get(u) as number) < (at.get(v) as number))) return nodes
  const missing = new Map<Node, number>(nodes.map((n) => [n, 0]))
  const after = new Map<Node, Node[]>(nodes.map((n) => [n, []]))
  for (const { u, v } of links) {
    after.get(u)?.push(v)
    missing.set(v, (missing.get(v) as number) + 1)
  }
  const out: Node[] = []
  let ready = nodes.filter((n) => missing.get(n) === 0)
  while (ready.length > 0) {
    const later: Node[] = []
    for (const n of ready) {
      out.push(n)
      for (const next of after.get(n) as Node[]) {
        const left = (missing.get(next) as number) - 1
        missing.set(next, left)
        if (left === 0) later.push(next)
      }
    }
    ready = later.sort((a, b) => (at.get(a) as number) - (at.get(b) as number))
  }
  return out
}

function inOrder(vertices: readonly Vertex[]): Vertex[] {
  const missing = new Int32Array(vertices.length)
  for (const v of vertices) missing[v.i] = v.prev.length
  const out = vertices.filter((v) => v.prev.length === 0)
  for (let i = 0; i < out.length; i++) for (const next of (out[i] as Vertex).next) if (--(missing[next.i] as number) === 0) out.push(next)
  return out
}

const NO_NEEDS: Needs = { required: new Map(), optional: new Map() }
const NO_SLOTS: ReadonlyMap<string, Slot> = new Map()
/** Vertices behind `v`, as far as the graph goes. */
export function behind(v: Vertex): Vertex[] {
  const seen = new Set<Vertex>()
  const out: Vertex[] = []
  const open = [...v.next]
  for (let n = open.pop(); n; n = open.pop()) {
    if (seen.has(n)) continue
    seen.add(n)
    out.push(n)
    for (const next of n.next) open.push(next)
  }
  return out
}

/** The vertices of a target and of everything it depends on. */
export function targeted(compiled: Compiled, target: Task | Flow | string): ReadonlySet<Vertex> {
  const v = compiled.atoms.get(typeof target === 'string' ? target : target.name)
  if (v?.kind !== 'task' || (typeof target !== 'string' && v.task !== target)) throw failing('HF3210', { message: `There is no task ${typeof target === 'string' ? target : target.name} in ${compiled.flow.name}.` })
  const out = new Set<Vertex>([v])
  for (const n of out) for (const p of n.prev) out.add(p)
  return out
}

/**
 * Who may give `symbol` to a vertex, the nearest first: what stands before it in its own flow, backwards, then in the flow around it, and so on.
 * Only what the vertex waits for counts: unlinked siblings do not see each other.
 */
export function givers(v: Vertex, symbol: string): Vertex[] {
  const out: Vertex[] = []
  let place: Place | undefined = v.place
  const own = v.kind === 'task' ? place.level.children[place.position] : undefined
  if (own && 'vertex' in own && own.retry?.slots.has(symbol)) out.push(own.retry)
  while (place) {
    const { level, position }: Place = place
    const list = level.givers.get(symbol)
    if (list && level.flow.kind !== 'unordered') {
      const reaches = level.flow.kind === 'linear' ? undefined : ancestors(level, position)
      for (let i = list.length - 1; i >= 0; i--) {
        const at = list[i] as number
        if (at < position && (!reaches || reaches(at))) inside(level.children[at] as Child, symbol, out)
        // In a linear flow the nearest one has always given it: nothing farther is ever asked.
        if (out.length > 0 && !reaches && at < position && !mayBeEmpty(level.children[at] as Child)) return out
      }
    }
    if (position >= 0 && level.retry?.slots.has(symbol)) out.push(level.retry)
    place = level.parent
  }
  return out
}

/** A nested flow may have been ignored, and what is in it, too. */
const mayBeEmpty = (child: Child): boolean => !('vertex' in child)

function ancestors(level: Level, position: number): (at: number) => boolean {
  const direct = level.before[position]
  if (!direct || position < 0) return () => false
  let all: Set<number> | undefined
  return (at) => {
    if (direct.includes(at)) return true
    if (!all) {
      all = new Set(direct)
      for (const p of all) for (const q of level.before[p] as number[]) all.add(q)
    }
    return all.has(at)
  }
}

function inside(child: Child, symbol: string, out: Vertex[]): void {
  const open: Child[] = [child]
  for (let c = open.pop(); c; c = open.pop()) {
    if ('vertex' in c) {
      if (c.vertex.slots.has(symbol)) out.push(c.vertex)
      continue
    }
    if (c.level.retry?.slots.has(symbol)) open.push({ vertex: c.level.retry, retry: undefined })
    for (const at of c.level.givers.get(symbol) ?? []) open.push(c.level.children[at] as Child)
  }
}
