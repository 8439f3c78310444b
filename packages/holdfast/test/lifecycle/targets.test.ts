import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readDrift, type PlanRequest } from '../../src/engine/index.ts'
import { buildGraph, component, lookup, resource, str } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { boxes, callsOf, stateOf } from '../support/boxes.ts'
import { type Lab, makeLab, never } from '../support/world.ts'
import { diesBefore } from './holds.ts'

/** Twelve nodes: two roots, a diamond, a chain, a leaf that stands alone. */
const TWELVE = 'a b:a c:a d:b,c e:d f:e g h:g i^g j:h,c k:j l'
const NODES = TWELVE.split(' ').map((w) => w[0] as string)
const READS: Record<string, string[]> = Object.fromEntries(TWELVE.split(' ').map((w) => [w[0], w.slice(2).split(',').filter(Boolean)]))
/** A node and all that depends on it. */
const withDependants = (names: readonly string[]): string[] => {
  const out = new Set(names)
  for (let before = -1; before < out.size;) {
    before = out.size
    for (const n of NODES) if (READS[n]?.some((d) => out.has(d))) out.add(n)
  }
  return NODES.filter((n) => out.has(n))
}
const sized = (names: readonly string[], size: number) => Object.fromEntries(names.map((n) => [n, size]))

async function refused(lab: Lab, act: () => Promise<unknown>, edge: { from: string; to: string }): Promise<void> {
  const before = await stateOf(lab)
  lab.cloud.calls.length = 0
  await expect(act()).rejects.toMatchObject({ code: 'HF2107', details: edge, message: expect.stringContaining(`${edge.from} -> ${edge.to}`) })
  expect(lab.cloud.calls).toEqual([])
  expect(await stateOf(lab)).toEqual(before)
}

describe('targets', () => {
  test('E3#103 one target of a graph of 12 nodes is updated, the rest is the same to the byte; ** is all of them', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, TWELVE))
    const before = await stateOf(lab)
    callsOf(lab)
    const doc = await lab.apply(boxes(lab, TWELVE, { sizes: sized(NODES, 2) }), { request: { targets: ['c'] } })
    expect([doc.outcome, callsOf(lab)]).toEqual(['applied', ['update c']])
    const after = await stateOf(lab)
    expect(after.c).not.toEqual(before.c)
    for (const n of NODES) if (n !== 'c') expect(after[n]).toEqual(before[n])
    await lab.apply(boxes(lab, TWELVE, { sizes: sized(NODES, 2) }), { request: { targets: ['**'] } })
    expect(callsOf(lab).sort()).toEqual(NODES.filter((n) => n !== 'c').map((n) => `update ${n}`))
  })

  test('an object that was made of what goes is not left behind, although the program does not name that any more', async () => {
    const lab = makeLab({ class: 'A', more: { claims: () => [] } })
    await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', on: a.id })
    })
    const next = () => {
      const a = lab.Box('a', { name: 'a', zone: 'y' })
      lab.Box('b', { name: 'b' }, { dependsOn: [a] })
    }
    await refused(lab, () => lab.plan(next, { targets: ['a'] }), { from: 'b', to: 'a' })
    expect(await lab.apply(next, { request: { targets: ['a'], targetDependents: true } })).toMatchObject({ outcome: 'applied' })
  })

  test('nor where a dead run has set aside already what it was made of', async () => {
    const lab = makeLab({ class: 'A', more: { claims: () => [] } })
    const build = (zone: string) => () => {
      const a = lab.Box('a', { name: 'a', zone })
      lab.Box('b', { name: 'b', on: a.id })
    }
    await lab.apply(build('x'))
    await diesBefore(lab, 'update', 'b', build('y'))
    await refused(lab, () => lab.plan(build('y'), { targets: ['a'] }), { from: 'b', to: 'a' })
    expect(await lab.apply(build('y'), { request: { targets: ['a', 'b'] } })).toMatchObject({ outcome: 'applied', pending: [] })
  })

  test('what depends on a node that has another name now is left out with it', async () => {
    const lab = makeLab()
    await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', on: a.id })
      lab.Box('c', { name: 'c' })
    })
    callsOf(lab)
    const next = () => {
      lab.Box('z', { name: 'a', size: 2 }, { movedFrom: ['a'] })
      lab.Box('b', { name: 'b', size: 2 })
      lab.Box('c', { name: 'c', size: 2 })
    }
    await lab.apply(next, { request: { excludes: ['z'], excludeDependents: true } })
    expect(callsOf(lab)).toEqual(['update c'])
  })

  test('E3#104 destroy with dependants: for every choice of up to 3 of 12 exactly they and theirs go; without the flag an edge would break', async () => {
    const first = makeLab()
    await first.apply(boxes(first, TWELVE))
    const choices: string[][] = [NODES]
    NODES.forEach((a, i) => {
      choices.push([a])
      NODES.slice(i + 1).forEach((b, j) => {
        choices.push([a, b])
        for (const c of NODES.slice(i + j + 2)) choices.push([a, b, c])
      })
    })
    expect(choices).toHaveLength(1 + 12 + 66 + 220)
    for (const targets of choices) {
      // Planning alone says what would go; a run is made for some of them.
      const session = await first.session()
      try {
        const planned = await session.plan({ graph: undefined, targets, targetDependents: true })
        expect(planned.document.changes.map((c) => c.address).sort(), targets.join()).toEqual(withDependants(targets))
        const lonely = withDependants(targets).length === targets.length
        const bare = session.plan({ graph: undefined, targets })
        if (lonely) expect((await bare).document.changes).toHaveLength(targets.length)
        else await expect(bare, targets.join()).rejects.toMatchObject({ code: 'HF2107' })
      } finally {
        await session.end()
      }
    }
    for (const targets of [['a'], ['d', 'h'], ['c', 'g', 'l'], NODES]) {
      const lab = makeLab()
      await lab.apply(boxes(lab, TWELVE))
      const before = await stateOf(lab)
      callsOf(lab)
      expect(await lab.destroy({ request: { targets, targetDependents: true } })).toMatchObject({ outcome: 'applied', pending: [] })
      const gone = withDependants(targets)
      expect(callsOf(lab).sort()).toEqual(gone.map((n) => `delete ${n}`))
      expect(await stateOf(lab)).toEqual(Object.fromEntries(Object.entries(before).filter(([n]) => !gone.includes(n))))
    }
  })

  test('E3#105 a create that is not a target is left out and not stored; one that a target needs is an error before any change', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a'))
    callsOf(lab)
    expect(await lab.apply(boxes(lab, 'a b'), { request: { targets: ['a'] } })).toMatchObject({ outcome: 'unchanged' })
    expect(Object.keys(await stateOf(lab))).toEqual(['a'])
    for (const needs of ['a b a2:b', 'a b a2^b', 'a x b:x a2:b']) {
      await refused(lab, () => lab.apply(boxes(lab, needs), { request: { targets: ['a2'] } }), { from: 'a2', to: 'b' })
    }
    const tied = () => {
      lab.Box('a', { name: 'a' })
      lab.Box('a2', { name: 'a2' }, { deletedWith: lab.Box('b', { name: 'b' }) })
    }
    await refused(lab, () => lab.apply(tied, { request: { targets: ['a2'] } }), { from: 'a2', to: 'b' })
    // An existing node that would come to depend on it, too.
    await refused(lab, () => lab.apply(boxes(lab, 'b a:b'), { request: { targets: ['a'] } }), { from: 'a', to: 'b' })
    expect(await lab.apply(boxes(lab, 'a b a2:b'), { request: { targets: ['a2', 'b'] } })).toMatchObject({ outcome: 'applied', summary: { create: 2 } })
  })

  // Holdfast has no provider nodes; what a target cannot do without, and what owns nothing, is a lookup.
  test('E3#106 what a target looks up is looked up with it; lookups of others are not asked', async () => {
    const lab = makeLab()
    const asked: string[] = []
    const Net = resource({
      type: `test:Net${Math.random()}`, inputs: z.object({ name: z.string() }), outputs: z.object({ cidr: z.string() }),
      create: async () => ({ cidr: '' }), delete: async () => undefined,
      find: async ({ inputs }) => {
        asked.push(inputs?.name as string)
        return { cidr: '10.0.0.0/8' }
      },
    })
    lab.cx.types.add(completeType(Net.spec as never, 'program#Net'))
    const build = () => {
      const net = lookup(Net, { name: 'main' }, { name: 'net' })
      const other = lookup(Net, { name: 'other' }, { name: 'other' })
      lab.Box('a', { name: 'a', secret: str`${net.cidr}` })
      lab.Box('b', { name: 'b', secret: str`${other.cidr}` })
    }
    expect(await lab.apply(build, { request: { targets: ['a'] } })).toMatchObject({ outcome: 'applied' })
    expect([[...new Set(asked)], lab.cloud.content]).toEqual([['main'], ['a=1']])
    expect(Object.keys(await stateOf(lab))).toEqual(['a', 'net'])
  })

  test('E3#108 the flag takes along what depends on the target, and no sibling', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a'))
    callsOf(lab)
    const wanted = 'a b:a c:b other sibling:a,other'
    // The sibling depends on the target, too, and on something that is not there.
    await refused(lab, () => lab.apply(boxes(lab, wanted), { request: { targets: ['a'], targetDependents: true } }), { from: 'sibling', to: 'other' })
    const doc = await lab.apply(boxes(lab, `${wanted} far:other`, { sizes: { a: 2 } }), { request: { targets: ['b'], targetDependents: true } })
    expect([doc.outcome, callsOf(lab), Object.keys(await stateOf(lab))]).toEqual(['applied', ['create c'], ['a', 'b', 'c']])
  })

  // A component is a path, not an object: a target below it never waits for it.
  test('E3#109 a node is a target without the component it lies in, and without its neighbours there', async () => {
    const lab = makeLab()
    const build = () => {
      component('Web', {
        build() {
          lab.Box('one', { name: 'one' })
          component('Deep', { build() { lab.Box('in', { name: 'in' }) } })('deep')
        },
      })('web')
      lab.Box('two', { name: 'two' })
    }
    const plan = async (targets: string[]) => {
      const session = await lab.session()
      try {
        return (await session.plan({ graph: buildGraph(lab.app(build), {}), targets })).document.changes.map((c) => c.address).sort()
      } finally {
        await session.end()
      }
    }
    expect(await plan(['web/one'])).toEqual(['web/one'])
    expect(await plan(['web/*'])).toEqual(['web/one'])
    expect(await plan(['web/**'])).toEqual(['web/deep/in', 'web/one'])
    expect(await plan(['w*/o*', 't*'])).toEqual(['two', 'web/one'])
    expect(await plan(['**'])).toEqual(['two', 'web/deep/in', 'web/one'])
    expect(await plan(['*'])).toEqual(['two'])
    await expect(plan(['web'])).rejects.toMatchObject({ code: 'HF6001', hint: expect.stringContaining("'web/**'") })
    await expect(plan(['x*'])).rejects.toMatchObject({ code: 'HF6001' })
  })

  test('E3#110 a target that something depends on is kept; where deleting the dependant fails, the target is not even attempted', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a c'))
    await refused(lab, () => lab.destroy({ request: { targets: ['a'] } }), { from: 'b', to: 'a' })
    for (const request of [{ targets: ['a'], targetDependents: true }, { targets: ['a', 'b'] }]) {
      const each = makeLab()
      await each.apply(boxes(each, 'a b:a c'))
      callsOf(each)
      each.cloud.fault('delete b', 'reject')
      // The removal is committed, and the objects stay until a later run deletes them.
      expect(await each.destroy({ request })).toMatchObject({ outcome: 'applied', pending: ['a', 'b'] })
      expect([callsOf(each), each.cloud.content]).toEqual([['delete b'], ['a=1', 'b=1', 'c=1']])
      expect(await each.apply(boxes(each, 'c'))).toMatchObject({ pending: [] })
      expect([callsOf(each), each.cloud.content]).toEqual([['delete b', 'delete a'], ['c=1']])
    }
    lab.cloud.fault('delete a', 'reject')
    callsOf(lab)
    expect(await lab.destroy({ request: { targets: ['a', 'b'] } })).toMatchObject({ pending: ['a'] })
    expect([callsOf(lab), lab.cloud.content]).toEqual([['delete b', 'delete a'], ['a=1', 'c=1']])
  })

  // What has a version of its own here is the type: its schemas.
  test('E3#111 a target may not read a node that an older version of its type recorded; the untouched row keeps that version', async () => {
    const lab = makeLab()
    const makes = (version: number) => ({
      type: 'test:Old', version, inputs: z.object({ name: z.string(), from: z.string().default('') }), outputs: z.object({ id: z.string() }),
      upgrade: { 1: (d: { inputs: Record<string, unknown>; outputs: Record<string, unknown> }) => d },
      create: async ({ inputs }: { inputs: { name: string } }) => ({ id: inputs.name }), update: async ({ inputs }: { inputs: { name: string } }) => ({ id: inputs.name }), delete: async () => undefined,
    })
    const Old = resource(makes(1) as never)
    lab.cx.types.add(completeType(makes(1) as never, 'program#Old'))
    const build = (from = '') => () => {
      const one = Old('one', { name: 'one' } as never) as unknown as { id: string }
      Old('two', { name: 'two', from: str`${one.id}${from}` } as never)
      Old('three', { name: 'three', from } as never)
    }
    await lab.apply(build())
    lab.cx.types.add(completeType(makes(2) as never, 'program#Old'))
    await refused(lab, () => lab.apply(build('x'), { request: { targets: ['two'] } }), { from: 'two', to: 'one' })
    expect(await lab.apply(build('x'), { request: { targets: ['three'] } })).toMatchObject({ outcome: 'applied' })
    const rows = await stateOf(lab)
    expect(Object.entries(rows).map(([a, r]) => [a, r.row.meta.typeVersion])).toEqual([['one', 1], ['three', 2], ['two', 1]])
  })

  test('E3#112 excludes: for apply, repair and destroy, by pattern, and with what depends on them', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a c:b x1 x2'))
    callsOf(lab)
    const bigger = boxes(lab, 'a b:a c:b x1 x2', { sizes: sized(['a', 'b', 'c', 'x1', 'x2'], 2) })
    const before = await stateOf(lab)
    await lab.apply(bigger, { request: { excludes: ['x*', 'b'] } })
    expect(callsOf(lab)).toEqual(['update a', 'update c'])
    const after = await stateOf(lab)
    for (const n of ['b', 'x1', 'x2']) expect(after[n]).toEqual(before[n])
    await refused(lab, () => lab.destroy({ request: { excludes: ['c'] } }), { from: 'c', to: 'b' })
    await refused(lab, () => lab.apply(boxes(lab, 'a b:a c:b x1 x2 n m:n'), { request: { excludes: ['n'] } }), { from: 'm', to: 'n' })
    expect(await lab.apply(boxes(lab, 'a b:a c:b x1 x2 n m:n k', { sizes: sized(['a', 'c'], 2) }), { request: { excludes: ['n'], excludeDependents: true } })).toMatchObject({ summary: { create: 1 } })
    expect(callsOf(lab)).toEqual(['create k'])
    // Drift of what is left out stays.
    for (const n of ['a', 'x1']) (lab.cloud.byName(n) as { size: number }).size = 9
    const drift = await readDrift(lab.cx)
    await lab.apply(boxes(lab, 'a b:a c:b x1 x2 k', { sizes: sized(['a', 'c'], 2) }), { request: { repair: drift, excludes: ['x1'] } })
    expect(callsOf(lab)).toEqual(['update a'])
    expect(await lab.destroy({ request: { excludes: ['x**'] } })).toMatchObject({ pending: [] })
    expect(lab.cloud.content).toEqual(['x1=9', 'x2=1'])
  })

  test('a node that is named wins over an exclusion, one that a pattern or a dependence brought in does not', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a c:b'))
    const all = sized(['a', 'b', 'c'], 2)
    const updated = async (request: Partial<PlanRequest>) => {
      const session = await lab.session()
      try {
        return (await session.plan({ graph: buildGraph(lab.app(boxes(lab, 'a b:a c:b', { sizes: all })), {}), ...request })).document.changes.map((c) => c.address)
      } finally {
        await session.end()
      }
    }
    expect(await updated({ targets: ['b'], excludes: ['**'] })).toEqual(['b'])
    expect(await updated({ targets: ['*'], excludes: ['b'] })).toEqual(['a', 'c'])
    expect(await updated({ targets: ['a'], targetDependents: true, excludes: ['c'] })).toEqual(['a', 'b'])
  })

  test('E3#114 only what is named is made anew, by a plan that was stored, too', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b c^b'))
    const before = await stateOf(lab)
    callsOf(lab)
    expect(await lab.apply(boxes(lab, 'a b c^b'), { request: { replace: ['b'] } })).toMatchObject({ outcome: 'applied', summary: { create: 1, delete: 1 } })
    expect(callsOf(lab)).toEqual(['delete b', 'create b'])
    const session = await lab.session()
    const planned = await session.plan({ graph: buildGraph(lab.app(boxes(lab, 'a b c^b')), {}), replace: ['a'], targets: ['a'] })
    await session.apply(planned, { onFailure: 'revert', stop: never, abort: never })
    await session.end()
    expect(callsOf(lab)).toEqual(['delete a', 'create a'])
    expect((await stateOf(lab)).c).toEqual(before.c)
    await expect(lab.apply(boxes(lab, 'a b c^b'), { request: { replace: ['a'], targets: ['b'] } })).rejects.toMatchObject({ code: 'HF1001' })
  })
})

describe('an edge that would break', () => {
  test('what stays may not lose what it reads to a new object, nor its name', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a c^a'))
    const anew = { zones: { a: 'b' } }
    await refused(lab, () => lab.apply(boxes(lab, 'a b:a c^a', anew), { request: { targets: ['a'] } }), { from: 'b', to: 'a' })
    await refused(lab, () => lab.apply(() => {
      const a2 = lab.Box('a2', { name: 'a' }, { movedFrom: ['a'] })
      lab.Box('b', { name: 'b', secret: str`${a2.id}` })
      lab.Box('c', { name: 'c' }, { dependsOn: [a2] })
    }, { request: { targets: ['a2'] } }), { from: 'b', to: 'a' })
    // Who only waits for it is content with another one.
    expect(await lab.apply(boxes(lab, 'a b:a c^a', anew), { request: { targets: ['a', 'b'] } })).toMatchObject({ outcome: 'applied' })
  })

  test('what left the program stays while an untouched node has not let go of it', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a'))
    await refused(lab, () => lab.apply(boxes(lab, 'b'), { request: { targets: ['a'] } }), { from: 'b', to: 'a' })
    expect(await lab.apply(boxes(lab, 'b'), { request: { targets: ['a', 'b'] } })).toMatchObject({ outcome: 'applied', pending: [] })
    expect(lab.cloud.content).toEqual(['b=1'])
  })

  test('a run that was not finished and changed an untouched node, or may have, comes first', async () => {
    const lab = makeLab({ class: 'D' })
    await lab.apply(boxes(lab, 'a c'))
    lab.cloud.fault('create b', 'lost')
    const build = boxes(lab, 'a b:a c', { sizes: { a: 2 } })
    expect(await lab.apply(build)).toMatchObject({ outcome: 'incomplete' })
    const next = boxes(lab, 'a b:a c', { sizes: { a: 2, c: 2 } })
    await expect(lab.apply(next, { request: { targets: ['c', 'b'] } })).rejects.toMatchObject({ code: 'HF2107', address: 'a', hint: expect.stringContaining('run resume') })
    await expect(lab.apply(next, { request: { targets: ['c', 'a'] } })).rejects.toMatchObject({ code: 'HF2107', address: 'b', hint: expect.stringContaining('run settle') })
    // With both of them the run is taken over, as always.
    expect(await lab.apply(next, { request: { targets: ['a', 'b'] } })).toMatchObject({ outcome: 'incomplete' })
  })
})

describe('what is left out', () => {
  test('an old object of an earlier run stays where its node is not a target', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b'))
    lab.cloud.fault('delete a', 'reject')
    expect(await lab.apply(boxes(lab, 'b'))).toMatchObject({ pending: ['a'] })
    callsOf(lab)
    expect(await lab.destroy({ request: { targets: ['b'] } })).toMatchObject({ pending: ['a'] })
    expect([callsOf(lab), lab.cloud.content]).toEqual([['delete b'], ['a=1']])
    expect(await lab.destroy({ request: { targets: ['a'] } })).toMatchObject({ pending: [] })
    expect(lab.cloud.content).toEqual([])
  })

  test('outputs of the app that cannot be computed stay as they were', async () => {
    const lab = makeLab()
    const build = (size: number) => () => {
      const a = lab.Box('a', { name: 'a', size })
      return { a: a.size, b: lab.Box('b', { name: 'b', size }).size }
    }
    await lab.apply(build(1))
    expect((await lab.apply(build(2), { request: { targets: ['a'] } })).outputs).toEqual({ a: 2, b: 1 })
    expect((await lab.destroy({ request: { targets: ['a'] } })).outputs).toEqual({ a: 2, b: 1 })
  })

  test('is untouched to the byte and the program can be applied in full afterwards: random programs and targets', async () => {
    const seed = Number(process.env.SEED ?? (Date.now() % 1_000_000))
    console.log(`targets: SEED=${seed}`)
    let x = seed + 1
    const dice = (n: number) => {
      x = (x * 48271) % 2147483647
      return x % n
    }
    let ran = 0
    let denied = 0
    for (let i = 0; i < 60; i++) {
      const lab = makeLab()
      const draw = () => {
        const names = 'abcdefg'.split('').filter(() => dice(4) > 0)
        return names.map((n, at) => `${n}${at > 0 && dice(2) ? `:${names[dice(at)]}` : ''}${at > 1 && dice(4) === 0 ? `^${names[dice(at)]}` : ''}`).join(' ')
      }
      const variety = () => ({ sizes: Object.fromEntries('abcdefg'.split('').map((n) => [n, 1 + dice(2)])), zones: Object.fromEntries('abcdefg'.split('').map((n) => [n, dice(5) ? 'a' : 'b'])) })
      const [p1, v1, p2, v2] = [draw(), variety(), draw(), variety()]
      await lab.apply(boxes(lab, p1, v1))
      const before = await stateOf(lab)
      const known = [...new Set([...Object.keys(before), ...p2.split(' ').filter(Boolean).map((w) => w[0] as string)])]
      if (known.length === 0) continue
      const targets = [...new Set(Array.from({ length: 1 + dice(3) }, () => known[dice(known.length)] as string))]
      const request = dice(3) ? { targets, targetDependents: dice(3) === 0 } : { excludes: targets, excludeDependents: dice(3) === 0 }
      const what = `seed ${seed}, case ${i}: ${p1} | ${p2} | ${JSON.stringify(request)}`
      callsOf(lab)
      const session = await lab.session()
      let keep: string[] = []
      try {
        const planned = await session.plan(dice(4) ? { graph: buildGraph(lab.app(boxes(lab, p2, v2)), {}), ...request } : { graph: undefined, ...request })
        keep = planned.document.changes.map((c) => c.address)
        expect(await session.apply(planned, { onFailure: 'revert', stop: never, abort: never }), what).toMatchObject({ pending: [] })
        ran++
      } catch (e) {
        expect(e, what).toMatchObject({ code: expect.stringMatching(/HF2107|HF6001/) })
        expect(callsOf(lab), what).toEqual([])
        denied++
      } finally {
        await session.end()
      }
      const after = await stateOf(lab)
      for (const [n, was] of Object.entries(before)) if (!keep.includes(n)) expect(after[n], what).toEqual(was)
      for (const { row } of Object.values(after)) for (const d of row.meta.deps) expect(Object.keys(after), what).toContain(d)
      expect((await lab.apply(boxes(lab, p2, v2))).error, what).toBeUndefined()
      expect(await lab.apply(boxes(lab, p2, v2)), what).toMatchObject({ outcome: 'unchanged' })
      expect((await lab.store.doctor()).filter((c) => !c.ok), what).toEqual([])
    }
    expect(ran).toBeGreaterThan(5)
    expect(denied).toBeGreaterThan(5)
  })
})
