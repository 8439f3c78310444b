import { expect } from 'vitest'
import { app, resource } from '../../src/program/index.ts'
import { Engine } from '../../src/embed/index.ts'
import { boxSpec, Cloud, type Class } from '../support/world.ts'
import { folder, ListedTargets, MemorySnapshots, sound } from './world.ts'

let serial = 0
const never = <T>(): Promise<T> => new Promise(() => {})

/** A cloud and snapshots that outlive every engine. `dieAt`: the n-th moment at which the process of the next engine ends. */
export class World {
  readonly cloud = new Cloud()
  readonly snapshots = new MemorySnapshots()
  readonly home = folder()
  readonly Box
  moments = 0
  #dieAt = Number.POSITIVE_INFINITY
  #generation = 0
  #died: (() => void) | undefined

  constructor(cls: Class) {
    const run = this.cloud.run.bind(this.cloud)
    // Before the call happens, and when it has happened and nobody has heard.
    this.cloud.run = async (call, signal, act, partial) => {
      const mine = this.#generation
      await this.#moment(mine)
      const out = await run(call, signal, act, partial)
      await this.#moment(mine)
      return out
    }
    this.Box = resource(boxSpec(this.cloud, { type: `embed:Box${++serial}`, class: cls }))
  }

  async #moment(mine = this.#generation): Promise<void> {
    if (mine !== this.#generation) return never()
    if (++this.moments !== this.#dieAt) return
    this.#generation++
    for (const h of this.snapshots.holders) this.snapshots.dead.add(h.id)
    this.#died?.()
    return never()
  }

  program(build: () => void) {
    return app('shop', { build: () => build() })
  }

  /** Undefined: it died. */
  async apply(build: () => void, o: { dieAt?: number; parallelism?: number } = {}) {
    this.moments = 0
    this.#dieAt = o.dieAt ?? Number.POSITIVE_INFINITY
    const mine = ++this.#generation
    this.snapshots.fault = () => this.#moment(mine)
    const engine = new Engine({ targets: new ListedTargets('prod'), snapshots: this.snapshots, home: this.home, parallelism: o.parallelism ?? 4 })
    return Promise.race([engine.apply('prod', this.program(build)), new Promise<undefined>((resolve) => {
      this.#died = () => resolve(undefined)
    })])
  }
}

export interface Scenario {
  readonly name: string
  /** What is there before; undefined: the target was never deployed. */
  readonly before?: (w: World) => () => void
  readonly during: (w: World) => () => void
  /** What is applied after the crash. */
  readonly after: (w: World) => () => void
  readonly content: readonly string[]
  /** How the run that dies would end. */
  readonly outcome: string
  /** Default: A, B and C. */
  readonly classes?: readonly Class[]
}

const first = (w: World) => () => {
  const a = w.Box('a', { name: 'a' })
  w.Box('b', { name: 'b', size: 2, secret: a.token })
  w.Box('c', { name: 'c' })
}
/** An update, a replacement that is read by nobody, a deletion, a creation. */
const second = (w: World) => () => {
  const a = w.Box('a', { name: 'a', size: 5 })
  w.Box('b', { name: 'b2', size: 2, zone: 'z', secret: a.token })
  w.Box('d', { name: 'd' })
}
const failing = (w: World) => () => {
  const a = w.Box('a', { name: 'a', size: 5 })
  w.Box('b', { name: 'b2', size: 2, zone: 'z', secret: a.token })
  w.Box('d', { name: 'd' })
  w.Box('e', { name: 'e', fail: true, secret: a.token })
}
const FIRST = ['a=1', 'b=2', 'c=1']
const SECOND = ['a=5', 'b2=2', 'd=1']

export const scenarios: readonly Scenario[] = [
  { name: 'a first apply', during: first, after: first, content: FIRST, outcome: 'applied' },
  { name: 'a change', before: first, during: second, after: second, content: SECOND, outcome: 'applied' },
  { name: 'a change that is given up', before: first, during: second, after: first, content: FIRST, outcome: 'applied' },
  {
    name: 'a change that fails and is taken back', before: first, during: failing, after: first, content: FIRST, outcome: 'reverted',
    // With a token alone, a create that was lost and is rejected when it is sent again is a person's to decide.
    classes: ['B', 'C'],
  },
  { name: 'a destroy', before: first, during: () => () => undefined, after: () => () => undefined, content: [], outcome: 'applied' },
]

export interface Tally {
  moments: number
  /** Deaths after which the snapshot said that it was unreliable, and that named what was open. */
  unreliable: number
  open: number
}

/**
 * Lets the process die at moment after moment, and once more while it recovers where `again` says at which moment; then a calm apply must end where it
 * should, make nothing twice, and leave a snapshot that is reliable and sound.
 */
export async function dieEverywhere(s: Scenario, cls: Class, o: { readonly parallelism: number; readonly every?: number; readonly offset?: number; readonly again?: (n: number) => number }): Promise<Tally> {
  const { parallelism, every = 1, offset = 1 } = o
  const calm = new World(cls)
  if (s.before) await calm.apply(s.before(calm), { parallelism })
  expect(await calm.apply(s.during(calm), { parallelism })).toMatchObject({ outcome: s.outcome })
  const tally: Tally = { moments: calm.moments, unreliable: 0, open: 0 }
  for (let n = offset; n <= tally.moments; n += every) {
    const at = `${s.name}, class ${cls}, ${parallelism} at a time, dead at moment ${n}`
    const w = new World(cls)
    if (s.before) await w.apply(s.before(w))
    if ((await w.apply(s.during(w), { dieAt: n, parallelism })) === undefined) {
      const left = await w.snapshots.getSnapshot('prod')
      if (left?.reliable === false) tally.unreliable++
      if (left?.open.length) tally.open++
      await sound(w.snapshots, 'prod')
      if (o.again && (await w.apply(s.after(w), { dieAt: o.again(n), parallelism })) === undefined) await sound(w.snapshots, 'prod')
    }
    const end = await w.apply(s.after(w), { parallelism })
    expect({ at, outcome: end?.outcome, error: end?.error, content: w.cloud.content }).toEqual({ at, outcome: expect.stringMatching(/applied|unchanged/), error: undefined, content: s.content })
    expect((await w.apply(s.after(w)))?.outcome, at).toBe('unchanged')
    expect(await w.snapshots.getSnapshot('prod'), at).toMatchObject({ reliable: true, open: [] })
    await sound(w.snapshots, 'prod')
  }
  return tally
}
