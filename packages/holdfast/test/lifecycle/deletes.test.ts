import { describe, expect, test } from 'vitest'
import { str } from '../../src/program/index.ts'
import { resource } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { boxes, callsOf } from '../support/boxes.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { boxSpec, makeLab, type Lab } from '../support/world.ts'

const settled = async () => {
  for (let i = 0; i < 50; i++) await new Promise((r) => setImmediate(r))
}

/** When each deletion began and ended, in virtual time; most of them at one moment. */
function watched(lab: Lab, clock: VirtualClock, ms: (name: string) => number) {
  const span = new Map<string, { readonly from: number; to: number }>()
  const most = new Map<string, number>()
  const now = new Map<string, number>()
  lab.cloud.latency = async (call) => {
    const [op, name] = call.split(' ') as [string, string]
    if (op !== 'delete') return
    const kind = name[0] as string
    span.set(name, { from: clock.now(), to: Number.NaN })
    now.set(kind, (now.get(kind) ?? 0) + 1)
    most.set(kind, Math.max(most.get(kind) ?? 0, now.get(kind) as number))
    await clock.sleep(ms(name))
    now.set(kind, (now.get(kind) as number) - 1)
    ;(span.get(name) as { to: number }).to = clock.now()
  }
  return { span, most }
}

describe('deletes', () => {
  test('are started when their last dependant is gone: a slow one holds up only what it depends on', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'base1 slow:base1 base2 f1:base2 f2:f1 f3:f2 both:base1,base2'))
    callsOf(lab)
    let release = () => {}
    lab.cloud.latency = (call) => (call === 'delete slow' ? new Promise((r) => { release = r }) : Promise.resolve())
    const run = lab.destroy()
    await settled()
    // In layers, f2 would have waited for `slow`, which stands beside f3.
    expect(callsOf(lab)).toEqual(['delete both', 'delete f3', 'delete slow', 'delete f2', 'delete f1', 'delete base2'])
    expect(lab.cloud.content).toEqual(['base1=1', 'slow=1'])
    release()
    expect(await run).toMatchObject({ outcome: 'applied', pending: [] })
    expect(callsOf(lab)).toEqual(['delete base1'])
  })

  test('begin at the very moment at which the last dependant has gone: random graphs, random times', async () => {
    const seed = Number(process.env.SEED ?? (Date.now() % 1_000_000))
    console.log(`deletes: SEED=${seed}`)
    let x = seed + 1
    const dice = (n: number) => {
      x = (x * 48271) % 2147483647
      return x % n
    }
    let layersMs = 0
    let oursMs = 0
    for (let i = 0; i < 4; i++) {
      const clock = new VirtualClock()
      const lab = makeLab({ clock, parallelism: 1000, more: { limit: 1000 } })
      const deps: number[][] = Array.from({ length: 40 }, (_, n) => (n === 0 ? [] : [...new Set(Array.from({ length: dice(3) }, () => dice(n)))]))
      const build = () => {
        const made: ReturnType<Lab['Box']>[] = []
        deps.forEach((of, n) => {
          let secret: unknown = ''
          for (const d of of) secret = str`${secret as string}${(made[d] as ReturnType<Lab['Box']>).id}`
          made.push(lab.Box(`n${n}`, { name: `n${n}`, secret: secret as string }))
        })
      }
      await lab.apply(build)
      const ms = new Map(deps.map((_, n) => [`n${n}`, dice(8) === 0 ? 1_000 : 1 + dice(50)]))
      const { span } = watched(lab, clock, (name) => ms.get(name) as number)
      const began = clock.now()
      await lab.destroy()
      const users = (n: number) => deps.flatMap((of, u) => (of.includes(n) ? [u] : []))
      deps.forEach((_, n) => {
        const last = Math.max(began, ...users(n).map((u) => span.get(`n${u}`)?.to as number))
        expect(span.get(`n${n}`)?.from, `seed ${seed}, graph ${i}, n${n}`).toBe(last)
      })
      // What a barrier after each layer would have taken.
      const depth = new Map<number, number>()
      const depthOf = (n: number): number => {
        const known = depth.get(n)
        if (known !== undefined) return known
        const d = Math.max(0, ...users(n).map((u) => 1 + depthOf(u)))
        depth.set(n, d)
        return d
      }
      const slowest: number[] = []
      deps.forEach((_, n) => { slowest[depthOf(n)] = Math.max(slowest[depthOf(n)] ?? 0, ms.get(`n${n}`) as number) })
      layersMs += slowest.reduce((a, b) => a + b, 0)
      oursMs += Math.max(...[...span.values()].map((s) => s.to)) - began
    }
    expect(oursMs).toBeLessThan(layersMs)
  })

  test('keep the limit of each type, and a full type does not hold up another', async () => {
    const clock = new VirtualClock()
    const lab = makeLab({ clock, parallelism: 100 })
    const narrow = boxSpec(lab.cloud, { type: `test:Narrow${Math.random()}`, clock, more: { limit: 2 } })
    const wide = boxSpec(lab.cloud, { type: `test:Wide${Math.random()}`, clock, more: { limit: 7 } })
    for (const t of [narrow, wide]) lab.cx.types.add(completeType(t as never, `program#${t.type}`))
    const [Narrow, Wide] = [resource(narrow), resource(wide)]
    const build = (zone: string) => () => {
      for (let i = 0; i < 12; i++) Narrow(`n${i}`, { name: `n${i}`, zone })
      for (let i = 0; i < 14; i++) Wide(`w${i}`, { name: `w${i}`, zone })
    }
    await lab.apply(build('a'))
    // Both claim their names: before the commit, the old ones go first.
    for (const act of [() => lab.apply(build('b')), () => lab.destroy()]) {
      const { span, most } = watched(lab, clock, () => 10)
      const began = clock.now()
      expect(await act()).toMatchObject({ outcome: 'applied' })
      expect(Object.fromEntries(most)).toEqual({ n: 2, w: 7 })
      const ends = (kind: string) => Math.max(...[...span].filter(([n]) => n.startsWith(kind)).map(([, s]) => s.to)) - began
      expect([ends('n'), ends('w')]).toEqual([60, 20])
      lab.cloud.latency = undefined
    }
  })

  test('keep the limit of the whole run', async () => {
    const clock = new VirtualClock()
    const lab = makeLab({ clock, parallelism: 3, more: { limit: 100 } })
    await lab.apply(boxes(lab, 'n1 n2 n3 n4 n5 n6 n7'))
    const { most, span } = watched(lab, clock, () => 10)
    const began = clock.now()
    await lab.destroy()
    expect([most.get('n'), Math.max(...[...span.values()].map((s) => s.to)) - began]).toEqual([3, 30])
  })
})
