import { canonical } from '../../src/base/index.ts'
import type { Lab } from './lab.ts'
import type { Stream } from './random.ts'
import { opened } from './watch.ts'
import type { NodeSpec, Program, Workload } from './workload.ts'

/** Ids of what somebody else keeps and programs look up. */
export const SHARED = 'shared/'
const LOOK = 'look'

/** Some programs retain what they drop, and some look up what somebody else keeps; one of their nodes refers to it. */
export function withExtras(r: Stream, w: Workload): Workload {
  let { v1, v2, broken } = w
  if (r.chance(0.5)) {
    const kept = v1.find((n) => !v2.some((m) => m.address === n.address || m.movedFrom.includes(n.address) || m.name === n.name) && n.refs.length === 0 && !n.secret && n.slot === undefined && !'BLDE'.includes(n.kind))
    if (kept) v1 = v1.map((n) => (n === kept ? { ...n, retain: true, protect: false } : n))
  }
  if (r.chance(0.15)) {
    const user = r.pick(v1).address
    const look: NodeSpec = { address: LOOK, kind: 'C', name: LOOK, size: 0, zone: 's', slot: undefined, refs: [], secret: undefined, fail: false, protect: false, retries: 0, movedFrom: [], lookup: true }
    const more = (p: Program): Program => [look, ...p.map((n) => (n.address === user && n.slot === undefined && n.kind !== 'R' ? { ...n, refs: [...n.refs, LOOK] } : n))]
    v1 = more(v1)
    v2 = more(v2)
    broken = more(broken)
  }
  return { v1, v2, broken }
}

/** What somebody else keeps, and replaces now and then, while nobody is at work. */
export class Shared {
  readonly #lab: Lab
  #n = 0

  constructor(lab: Lab) {
    this.#lab = lab
  }

  put(): void {
    if (!Object.values(this.#lab.scenario.programs).some((p) => p.some((n) => n.lookup))) return
    this.#lab.world.foreign(this.#lab.kinds.C, { name: LOOK, size: ++this.#n, zone: 's', refs: [] }, `${SHARED}${this.#n}`)
  }

  replace(): void {
    if (this.#n === 0) return
    this.#lab.world.objects.delete(`${SHARED}${this.#n}`)
    this.put()
  }

  /** What was looked up is what is there. */
  check(when: string): void {
    const { kernel, tables, world } = this.#lab
    for (const rows of tables.resources.values()) for (const { row, docs } of rows.values()) {
      if (row.until !== undefined || row.meta.lookup !== true) continue
      const o = world.objects.get(`${SHARED}${this.#n}`)
      const known = canonical(opened(this.#lab, row, 'outputs', docs.outputs))
      kernel.check(o !== undefined && canonical(world.outputsOf(o)) === known, 'I-OUT', () => `${when}: ${row.address} is recorded as ${known}, and somebody has replaced it`)
    }
  }
}
