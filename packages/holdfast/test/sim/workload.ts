import type { DesiredGraph, DesiredNode } from '../../src/graph/index.ts'
import { noOptions, type ExprNode } from '../../src/model/index.ts'
import type { Shape } from './draw.ts'
import type { KindName } from './kinds.ts'
import type { Stream } from './random.ts'

/** One node as the author would write it. */
export interface NodeSpec {
  readonly address: string
  readonly kind: KindName
  readonly name: string
  readonly size: number
  readonly zone: string
  readonly slot: number | undefined
  /** Addresses whose ids it carries. */
  readonly refs: readonly string[]
  /** Address whose secret token it carries; a declared secret; or none. */
  readonly secret: { readonly tokenOf: string } | { readonly declared: string } | undefined
  readonly fail: boolean
  readonly protect: boolean
  readonly retries: number
  readonly movedFrom: readonly string[]
  /** Given up, and not deleted, when it leaves the program. */
  readonly retain?: boolean
  /** Looked up: somebody else keeps it. */
  readonly lookup?: boolean
}
export type Program = readonly NodeSpec[]

export interface Workload {
  readonly v1: Program
  readonly v2: Program
  /** As v2, and some of its nodes cannot be made. */
  readonly broken: Program
}

export const APP = 'sim'
export const DECLARED_SECRET = 'password'

const readableKinds: readonly KindName[] = ['A', 'B', 'C', 'D', 'L', 'R']
const kindsByWeight: readonly KindName[] = ['A', 'A', 'A', 'B', 'B', 'B', 'B', 'C', 'C', 'C', 'D', 'E', 'F', 'L', 'L', 'R']

export function drawWorkload(r: Stream, o: { readonly secrets: boolean; readonly persons: boolean; readonly shape: Shape }): Workload {
  const count = o.shape === 'long' ? longCount(r) : r.chance(0.75) ? r.between(1, 3) : r.chance(0.9) ? r.between(3, 6) : r.between(6, 10)
  const chain = r.fraction()
  let slots = 0
  let names = 0
  const kindOf = (): KindName => {
    const k = r.pick(kindsByWeight)
    return !o.persons && (k === 'D' || k === 'E') ? 'A' : k
  }
  const fresh = (address: string, before: Program): NodeSpec => {
    const refs: string[] = []
    // What has a slot may have to go before its successor comes, so nothing refers to it.
    const free = before.filter((n) => n.slot === undefined)
    const last = free.at(-1)
    if (last && r.chance(chain)) refs.push(last.address)
    if (free.length > 0 && r.chance(0.3)) refs.push(r.pick(free).address)
    const kind = kindOf()
    return {
      address, kind, name: `n${++names}`, size: r.between(1, 9), zone: 'a', slot: r.chance(0.2) ? ++slots : undefined,
      refs: [...new Set(refs)], secret: secretFor(before), fail: false, protect: kind !== 'R' && r.chance(0.04), // an R that changes at all is replaced
       retries: r.chance(0.2) ? r.between(1, 2) : 0, movedFrom: [],
    }
  }
  const secretFor = (before: Program): NodeSpec['secret'] => {
    if (!o.secrets || !r.chance(0.35)) return undefined
    const givers = before.filter((n) => readableKinds.includes(n.kind) && n.slot === undefined)
    return givers.length > 0 && r.chance(0.5) ? { tokenOf: r.pick(givers).address } : { declared: DECLARED_SECRET }
  }

  const v1: NodeSpec[] = []
  for (let i = 0; i < count; i++) v1.push(fresh(`w${i}`, v1))

  const renamed = new Map<string, string>()
  const gone = new Set<string>()
  const v2: NodeSpec[] = []
  const change = r.fraction() * 0.8
  for (const n of v1) {
    const at = (a: string) => renamed.get(a) ?? a
    const secret = n.secret && 'tokenOf' in n.secret ? (gone.has(n.secret.tokenOf) ? undefined : { tokenOf: at(n.secret.tokenOf) }) : n.secret
    let m: NodeSpec = { ...n, refs: n.refs.filter((a) => !gone.has(a)).map(at), secret }
    if (r.chance(change)) {
      switch (r.below(9)) {
        case 0: case 1: m = { ...m, size: m.size + 10 }; break
        case 2: m = n.protect ? m : { ...m, zone: 'b' }; break
        case 3: {
          const address = `${n.address}x`
          renamed.set(n.address, address)
          m = { ...m, address, movedFrom: [n.address], size: r.chance(0.3) ? m.size + 10 : m.size }
          break
        }
        case 4:
          if (n.protect) break
          gone.add(n.address)
          continue
        case 5: m = n.protect ? m : { ...m, name: `n${++names}` }; break
        case 6: m = v1.some((x) => x.refs.includes(n.address) || (x.secret && 'tokenOf' in x.secret && x.secret.tokenOf === n.address)) ? m : { ...m, slot: ++slots }; break
        case 7: m = n.protect ? m : { ...m, kind: m.kind === 'A' ? 'R' : m.kind === 'B' ? 'L' : m.kind === 'L' ? 'B' : 'A' }; break
        default: {
          // The same thing under another address, without saying so; perhaps of another type.
          if (n.protect) break
          const address = `${n.address}y`
          renamed.set(n.address, address)
          m = { ...m, address, kind: m.kind === 'B' && r.chance(0.5) ? 'L' : m.kind === 'L' && r.chance(0.5) ? 'B' : m.kind }
        }
      }
    }
    v2.push(m)
  }
  for (let i = 0, more = r.below(3); i < more; i++) v2.push(fresh(`v${i}`, v2))
  if (r.chance(0.3)) handOver(v2, ++slots)

  const broken: NodeSpec[] = [...v2]
  for (let i = 0, bad = r.between(1, 2); i < bad; i++) {
    const at = r.below(broken.length + 1)
    const n = broken[at]
    if (n && r.chance(0.5)) broken[at] = { ...n, fail: true, size: n.size + 100 }
    else broken.push({ ...fresh(`bad${i}`, broken), fail: true })
  }
  return { v1, v2, broken }
}

/** A long tail: few seeds have more than 25 nodes. */
const longCount = (r: Stream): number =>
  r.chance(0.7) ? r.between(1, 6) : r.chance(0.8) ? r.between(5, 12) : r.chance(0.97) ? r.between(10, 25) : r.between(40, 200)

/** A later node takes the slot of an earlier one, which moves to another. (The other way round it might wait for what it depends on.) */
function handOver(nodes: NodeSpec[], other: number): void {
  const placed = nodes.map((n, i) => ({ n, i })).filter(({ n }) => n.slot !== undefined)
  const [giver, taker] = [placed[0], placed[1]]
  if (!giver || !taker) return
  nodes[giver.i] = { ...giver.n, slot: other }
  nodes[taker.i] = { ...taker.n, slot: giver.n.slot }
}

const lit = (v: unknown): ExprNode => ({ k: 'lit', v })
const ref = (node: string, field: string): ExprNode => ({ k: 'ref', node, path: [field] })

/** The graph that the program's evaluation would give. */
export function graphOf(program: Program): DesiredGraph {
  const nodes = new Map<string, DesiredNode>()
  for (const n of program) {
    const keys = ['name', 'size', 'zone', 'refs']
    const args: ExprNode[] = [lit(n.name), lit(n.size), lit(n.zone), { k: 'arr', args: n.refs.map((a) => ref(a, 'id')) }]
    if (n.slot !== undefined) {
      keys.push('slot')
      args.push(lit(n.slot))
    }
    if (n.secret) {
      keys.push('secret')
      args.push('tokenOf' in n.secret ? ref(n.secret.tokenOf, 'token') : { k: 'secret', name: n.secret.declared })
    }
    if (n.fail) {
      keys.push('fail')
      args.push(lit(true))
    }
    const deps = [...new Set([...n.refs, ...(n.secret && 'tokenOf' in n.secret ? [n.secret.tokenOf] : [])])]
    nodes.set(n.address, {
      address: n.address, type: `sim:${n.kind}`, action: n.lookup ? 'read' : 'manage', inputs: { k: 'obj', keys, args }, deps,
      options: { ...noOptions, protect: n.protect, retain: n.retain === true, retries: n.retries, movedFrom: n.movedFrom }, site: undefined,
    })
  }
  const shown = program.filter((_, i) => i % 3 === 0)
  return {
    app: APP, env: 'default', nodes, components: new Map(), secrets: program.some((n) => n.secret && 'declared' in n.secret) ? [DECLARED_SECRET] : [],
    outputs: { k: 'obj', keys: shown.map((n) => n.address), args: shown.map((n) => ref(n.address, 'id')) },
  }
}
