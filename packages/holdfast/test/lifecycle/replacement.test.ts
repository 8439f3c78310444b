import { describe, expect, test } from 'vitest'
import { makePlan } from '../../src/engine/index.ts'
import { buildGraph, str } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { boxSpec, makeLab, type Lab } from '../support/world.ts'
import { calls, holds, said, settles } from './holds.ts'

type Options = NonNullable<Parameters<Lab['Box']>[2]>

/** Names do not collide: the objects of a replacement stand side by side. */
const free = { claims: () => [], capability: { create: 'none' as const, update: 'full' as const, maxCallMs: 0 } }
/** A world in which an object that is referred to cannot be deleted, and what an object refers to cannot be changed. */
function strictLab(more: NonNullable<Parameters<typeof makeLab>[0]>['more'] = {}): Lab {
  const lab = makeLab({ class: 'A', more: { claims: () => [], replaceOn: ['zone', 'on'], ...more } })
  lab.cloud.strict = true
  return lab
}

/** A -> B: B refers to A. */
const two = (lab: Lab, zone: string, options: { readonly a?: Options; readonly b?: Options; readonly size?: number } = {}) => () => {
  const a = lab.Box('a', { name: 'a', zone }, options.a)
  lab.Box('b', { name: 'b', on: a.id, size: options.size ?? 1 }, options.b)
}

describe('order of a replacement', () => {
  test('E3#1 the new object comes before the old one goes', async () => {
    // Here B refers to A: a reference that can be changed in place is updated between the two.
    const lab = strictLab({ replaceOn: ['zone'] })
    await lab.apply(two(lab, 'x'))
    calls(lab)
    expect(said(await lab.plan(two(lab, 'y')))).toEqual(['replace create-first a', 'maybe b'])
    expect(await lab.apply(two(lab, 'y'))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['create a', 'update b', 'delete a'])
    await settles(lab, two(lab, 'y'))
  })

  test('E3#2 with deleteFirst the old object goes first, and before it what refers to it and cannot be changed', async () => {
    const lab = strictLab()
    const options = { a: { deleteFirst: true } }
    await lab.apply(two(lab, 'x', options))
    calls(lab)
    const plan = await lab.plan(two(lab, 'y', options))
    expect(said(plan)).toEqual(['replace delete-first a', 'replace delete-first b'])
    expect(plan.document.changes.map((c) => c.reasons)).toEqual([['zone forces a new object'], ['a goes first, and on is made of it']])
    expect(await lab.apply(two(lab, 'y', options))).toMatchObject({ outcome: 'applied' })
    expect(calls(lab)).toEqual(['delete b', 'delete a', 'create a', 'create b'])
    await settles(lab, two(lab, 'y', options))
  })

  test('E3#3 a leaf is replaced alone', async () => {
    const lab = strictLab({ replaceOn: ['zone', 'on', 'size'] })
    const options = { a: { deleteFirst: true } }
    await lab.apply(two(lab, 'x', options))
    calls(lab)
    await lab.apply(two(lab, 'x', { ...options, size: 2 }))
    expect(calls(lab)).toEqual(['create b', 'delete b'])
    await settles(lab, two(lab, 'x', { ...options, size: 2 }))
  })

  test('E3#4 deleteFirst of the node counts before that of the type', async () => {
    const lab = strictLab({ deleteFirst: true })
    for (const [option, order] of [[undefined, ['delete b', 'delete a', 'create a', 'create b']], [false, ['create a', 'create b', 'delete b', 'delete a']], [true, ['delete b', 'delete a', 'create a', 'create b']]] as const) {
      const a: Options = option === undefined ? {} : { deleteFirst: option }
      await lab.apply(two(lab, `before ${option}`, { a, b: { deleteFirst: false } }))
      calls(lab)
      await lab.apply(two(lab, `after ${option}`, { a, b: { deleteFirst: false } }))
      expect(calls(lab), String(option)).toEqual(order)
      await settles(lab, two(lab, `after ${option}`, { a, b: { deleteFirst: false } }))
    }
  })

  test('E3#4 deleteFirst: false does not let two objects fight over one thing', async () => {
    // Not in the list: a collision of names is a claim here, and a claim counts before a wish.
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a', zone: 'x' }, { deleteFirst: false }))
    const plan = await lab.plan(() => void lab.Box('a', { name: 'a', zone: 'y' }, { deleteFirst: false }))
    expect(plan.document.changes).toMatchObject([{ replace: 'delete-first', reasons: ['zone forces a new object', 'the old object must go first: both claim one thing'] }])
  })

  test('E3#6 what has dropped its reference is changed first, and never deleted', async () => {
    const lab = strictLab({ replaceOn: ['zone'] })
    const options = { a: { deleteFirst: true } }
    await lab.apply(two(lab, 'x', options))
    calls(lab)
    const next = () => {
      lab.Box('b', { name: 'b' })
      lab.Box('a', { name: 'a', zone: 'y' }, options.a)
    }
    // However long that takes: before, A is in use.
    lab.cloud.latency = (call) => new Promise((done) => setTimeout(done, call === 'update b' ? 20 : 0))
    expect(await lab.apply(next)).toMatchObject({ outcome: 'applied' })
    expect(calls(lab)).toEqual(['update b', 'delete a', 'create a'])
    await settles(lab, next)
  })

  test('E3#7 a protected node that would have to go, too, blocks all of it before anything is deleted', async () => {
    const lab = strictLab()
    const options = { a: { deleteFirst: true }, b: { protect: true } }
    await lab.apply(two(lab, 'x', options))
    calls(lab)
    const refused = { code: 'HF5001', address: 'b', message: expect.stringContaining('a goes first, and on is made of it'), hint: expect.stringContaining('--unprotect b') }
    await expect(lab.plan(two(lab, 'y', options))).rejects.toMatchObject(refused)
    await expect(lab.apply(two(lab, 'y', options))).rejects.toMatchObject(refused)
    // Also where deletedWith is why it has to go.
    await expect(lab.apply(() => {
      const a = lab.Box('a', { name: 'a', zone: 'y' }, options.a)
      lab.Box('b', { name: 'b', on: a.id }, { protect: true, deletedWith: a })
    })).rejects.toMatchObject({ code: 'HF5001', address: 'b', message: expect.stringContaining('deletedWith') })
    expect(calls(lab)).toEqual([])
    await settles(lab, two(lab, 'x', options))
  })

  test('E3#7 and where it shows only at apply that the first one goes, nothing is deleted either', async () => {
    const lab = strictLab()
    const build = (size: number) => () => {
      const first = lab.Box('first', { name: 'first', size })
      const a = lab.Box('a', { name: 'a', zone: str`z${first.size}` }, { deleteFirst: true })
      const b = lab.Box('b', { name: 'b', on: a.id }, { protect: true })
      lab.Box('c', { name: 'c', on: b.id })
    }
    await lab.apply(build(1))
    calls(lab)
    expect(said(await lab.plan(build(2)))).toEqual(['update first', 'maybe delete-first a', 'maybe delete-first b', 'maybe delete-first c'])
    expect(await lab.apply(build(2))).toMatchObject({ outcome: 'reverted', error: { code: 'HF5001' } })
    expect(calls(lab).filter((c) => c.startsWith('delete'))).toEqual([])
    await settles(lab, build(1))
  })

  test('E3#8 a path of its own replaceOn pulls a node along, although its type would update it', async () => {
    for (const pulled of [true, false]) {
      const lab = makeLab({ class: 'A', more: { claims: () => [] } })
      const options = { a: { deleteFirst: true }, b: pulled ? { replaceOn: ['on'] } : {} }
      await lab.apply(two(lab, 'x', options))
      calls(lab)
      expect(await lab.apply(two(lab, 'y', options))).toMatchObject({ outcome: 'applied' })
      expect(calls(lab)).toEqual(pulled ? ['delete b', 'delete a', 'create a', 'create b'] : ['delete a', 'create a', 'update b'])
      lab.cloud.broken.length = 0 // without the path the reference is changed afterwards: that is what was asked for
      await settles(lab, two(lab, 'y', options))
    }
  })

  test('E3#8 what is pulled pulls on, in reverse order of dependencies', async () => {
    const lab = strictLab()
    const build = (zone: string) => () => {
      const a = lab.Box('a', { name: 'a', zone }, { deleteFirst: true })
      const b = lab.Box('b', { name: 'b', on: a.id })
      lab.Box('c', { name: 'c', on: b.id })
      lab.Box('aside', { name: str`aside-${a.size}` }, { ignore: ['name'] })
    }
    await lab.apply(build('x'))
    calls(lab)
    await lab.apply(build('y'))
    expect(calls(lab)).toEqual(['delete c', 'delete b', 'delete a', 'create a', 'create b', 'create c'])
    await settles(lab, build('y'))
  })

  test('E3#8 what something that stays refers to is pulled when the node says deleteFirst, and not when only its type does', async () => {
    // A type asks for it because two of its objects cannot stand side by side; then an object would only be deleted under the feet of another one.
    for (const says of [true, false]) {
      const lab = makeLab({ class: 'A', more: { claims: () => [], ...(says ? {} : { deleteFirst: true }) } })
      const build = (zone: string) => () => {
        const a = lab.Box('a', { name: 'a', zone }, says ? { deleteFirst: true } : {})
        const b = lab.Box('b', { name: str`b${a.size}`, zone: a.id }, says ? {} : { deleteFirst: false })
        lab.Box('c', { name: str`c${b.id}` }, says ? {} : { deleteFirst: false })
      }
      await lab.apply(build('x'))
      calls(lab)
      expect(said(await lab.plan(build('y')))).toEqual(['replace delete-first a', says ? 'replace delete-first b' : 'maybe create-first b', 'maybe c'])
      await lab.apply(build('y'))
      expect(calls(lab)).toEqual([...(says ? ['delete b1'] : []), 'delete a', 'create a', 'create b1', expect.stringContaining('update co'), ...(says ? [] : ['delete b1'])])
      await settles(lab, build('y'))
    }
  })

  test('E3#9 an apply that is tried again keeps the order of deletions', async () => {
    // What a failed apply made is taken back, so there are no old objects left over; with `keep` there are.
    for (const onFailure of ['revert', 'keep'] as const) {
      const lab = strictLab()
      await lab.apply(two(lab, 'x'))
      calls(lab)
      lab.cloud.fault('create b', 'reject')
      expect(await lab.apply(two(lab, 'y'), { onFailure })).toMatchObject(onFailure === 'keep' ? { outcome: 'kept', pending: ['a'] } : { outcome: 'reverted' })
      expect(calls(lab)).toEqual(onFailure === 'keep' ? ['create a', 'create b'] : ['create a', 'create b', 'delete a'])
      await holds(lab)
      expect(await lab.apply(two(lab, 'y'))).toMatchObject({ outcome: 'applied', pending: [] })
      expect(calls(lab)).toEqual(onFailure === 'keep' ? ['create b', 'delete b', 'delete a'] : ['create a', 'create b', 'delete b', 'delete a'])
      expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
      await settles(lab, two(lab, 'y'))
    }
  })

  test('E3#10 an old object that could not be deleted goes before what it refers to is replaced delete-first', async () => {
    const lab = strictLab()
    const build = (zone: string, zoneOfB: string) => () => {
      const a = lab.Box('a', { name: 'a', zone }, { deleteFirst: true })
      lab.Box('b', { name: 'b', on: a.id, zone: zoneOfB })
    }
    await lab.apply(build('x', 'x'))
    lab.cloud.fault('delete b', 'reject')
    expect(await lab.apply(build('x', 'y'))).toMatchObject({ outcome: 'applied', pending: ['b'] })
    expect(lab.cloud.content).toEqual(['a=1', 'b=1', 'b=1'])
    await holds(lab)
    calls(lab)
    const plan = await lab.plan(build('y', 'y'))
    expect(said(plan)).toEqual(['replace delete-first a', 'replace delete-first b', 'delete b'])
    expect(plan.document.changes[2]?.reasons).toEqual(['left over from an earlier run; it goes first'])
    expect(await lab.apply(build('y', 'y'))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete b', 'delete b', 'delete a', 'create a', 'create b'])
    expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
    await settles(lab, build('y', 'y'))
  })
})

// There are no separate provider resources: a type's code comes with the program, and what a provider needs to connect is a node like any other.
describe('what a provider is elsewhere', () => {
  test('E3#12 a type gets a new version while a node of it is pulled along: its stored inputs are brought up to date, and no old code is needed', async () => {
    const lab = strictLab()
    const options = { a: { deleteFirst: true } }
    await lab.apply(two(lab, 'x', options))
    calls(lab)
    const seen: unknown[] = []
    lab.cx.types.add(completeType({ ...boxSpec(lab.cloud, { type: lab.Box.type, class: 'A', more: { claims: () => [], replaceOn: ['zone', 'on'], version: 2, upgrade: { 1: (doc) => {
      seen.push(doc.inputs)
      return { ...doc, inputs: { ...doc.inputs, labels: { upgraded: 'yes' } } }
    } } } }) } as never, `program#${lab.Box.type}`))
    expect(await lab.apply(two(lab, 'y', options))).toMatchObject({ outcome: 'applied' })
    expect(seen.length).toBeGreaterThan(0)
    expect(calls(lab)).toEqual(['delete b', 'delete a', 'create a', 'create b'])
    await settles(lab, two(lab, 'y', options))
  })

  test('E3#13 a connection that is replaced: what is made through it comes anew, and it goes last', async () => {
    const lab = strictLab()
    const build = (zone: string) => () => {
      const connection = lab.Box('connection', { name: 'connection', zone })
      for (const n of ['one', 'two']) lab.Box(n, { name: n, on: connection.id })
    }
    await lab.apply(build('x'))
    calls(lab)
    await lab.apply(build('y'))
    const made = calls(lab)
    expect(made[0]).toBe('create connection')
    expect(made.at(-1)).toBe('delete connection')
    expect(made.slice(1, 3).sort()).toEqual(['create one', 'create two'])
    expect(made.slice(3, 5).sort()).toEqual(['delete one', 'delete two'])
    await settles(lab, build('y'))
  })

  test('E3#14 a new version of a type alone replaces nothing and calls nobody', async () => {
    const lab = makeLab()
    await lab.apply(two(lab, 'x'))
    calls(lab)
    lab.cx.types.add(completeType({ ...boxSpec(lab.cloud, { type: lab.Box.type, more: { version: 2 } }) } as never, `program#${lab.Box.type}@2`))
    expect(said(await lab.plan(two(lab, 'x')))).toEqual(['update a', 'update b'])
    expect(await lab.apply(two(lab, 'x'))).toMatchObject({ outcome: 'applied' })
    expect(calls(lab)).toEqual([])
    await settles(lab, two(lab, 'x'))
  })

  test('E3#15 which input is made of which node is read off the program: an order alone pulls nobody along', async () => {
    // Elsewhere a node that only lists its dependencies is taken to use all of them in every input.
    const lab = makeLab({ class: 'A', more: { claims: () => [], replaceOn: ['zone', 'name'] } })
    const build = (zone: string) => () => {
      const a = lab.Box('a', { name: 'a', zone }, { deleteFirst: true })
      lab.Box('c', { name: 'c' }, { dependsOn: [a] })
      lab.Box('d', { name: str`d${a.size}`, size: 2 })
      lab.Box('e', { name: 'e', size: a.size })
    }
    await lab.apply(build('x'))
    calls(lab)
    const plan = await lab.plan(build('y'))
    expect(said(plan)).toEqual(['replace delete-first a', 'replace delete-first d', 'maybe e'])
    await lab.apply(build('y'))
    expect(calls(lab)).toEqual(['delete d1', 'delete a', 'create a', 'create d1'])
    await settles(lab, build('y'))
  })
})

describe('paths of replaceOn', () => {
  const base = { name: 'a', size: 1, zone: 'z', labels: { team: 'x', 'a.b': '1' }, rules: [{ port: 1 }, { port: 2 }] }
  const changed = { size: { size: 2 }, team: { labels: { team: 'y', 'a.b': '1' } }, dotted: { labels: { team: 'x', 'a.b': '2' } }, first: { rules: [{ port: 9 }, { port: 2 }] }, second: { rules: [{ port: 1 }, { port: 9 }] }, more: { rules: [{ port: 1 }, { port: 2 }, { port: 3 }] } }
  const matrix: [paths: readonly string[], replaced: readonly (keyof typeof changed)[]][] = [
    [[], []], [['size'], ['size']], [['labels'], ['team', 'dotted']], [['labels.team'], ['team']], [['labels["a.b"]'], ['dotted']], [['labels[*]'], ['team', 'dotted']],
    [['rules[0]'], ['first']], [['rules[1].port'], ['second']], [['rules[*].port'], ['first', 'second', 'more']], [['rules[2]'], ['more']], [['nothing', 'name.below', 'size[0]'], []],
    [['size', 'labels.team'], ['size', 'team']], [['*'], ['size', 'team', 'dotted', 'first', 'second', 'more']],
  ]
  for (const [paths, replaced] of matrix) {
    test(`E3#120 replaceOn ${JSON.stringify(paths)} replaces when ${replaced.join(', ') || 'nothing'} changes`, async () => {
      const lab = makeLab({ class: 'A', more: free })
      const build = (inputs: object) => () => void lab.Box('a', { ...base, ...inputs }, { replaceOn: paths })
      await lab.apply(build({}))
      for (const [name, inputs] of Object.entries(changed)) {
        const { changes } = (await lab.plan(build(inputs))).document
        expect(changes.map((c) => c.action), name).toEqual([(replaced as readonly string[]).includes(name) ? 'replace' : 'update'])
        if (changes[0]?.action === 'replace') expect(changes[0].reasons[0]).toMatch(/has another value, and the node's replaceOn names it$/)
      }
      expect((await lab.plan(build({}))).empty).toBe(true)
      calls(lab)
      await lab.apply(build(changed.team))
      expect(calls(lab)).toEqual(replaced.includes('team') ? ['create a', 'delete a'] : ['update a'])
      await settles(lab, build(changed.team))
    })
  }

  test('E3#120 a path that is not known yet may replace, and whether it does shows at apply', async () => {
    const lab = makeLab({ class: 'A', more: free })
    const build = (size: number, extra: string) => () => {
      const first = lab.Box('first', { name: 'first', size })
      lab.Box('a', { name: 'a', labels: { team: str`${first.name}${extra}` } }, { replaceOn: ['labels.team'] })
    }
    await lab.apply(build(1, ''))
    calls(lab)
    expect(said(await lab.plan(build(2, '')))).toEqual(['update first', 'maybe create-first a'])
    await lab.apply(build(2, ''))
    expect(calls(lab)).toEqual(['update first'])
    await lab.apply(build(3, '!'))
    expect(calls(lab)).toEqual(['update first', 'create a', 'delete a'])
    await settles(lab, build(3, '!'))
  })

  test('E3#121 the plan names every place that differs, and which of them forces a new object', async () => {
    const lab = makeLab({ class: 'A', more: free })
    await lab.apply(() => void lab.Box('a', base))
    const plan = await lab.plan(() => void lab.Box('a', { ...base, ...changed.team, ...changed.second, zone: 'y' }))
    expect(plan.document.changes).toMatchObject([{ action: 'replace', reasons: ['zone forces a new object'], paths: [{ path: 'labels.team', before: 'x', after: 'y' }, { path: 'rules.1.port', before: 2, after: 9 }, { path: 'zone', before: 'z', after: 'y' }] }])
  })

  test('E3#121 what a provider changes by itself is no difference: inputs are compared with the inputs of the last apply', async () => {
    // Elsewhere a provider that always sees a difference updates at every run.
    let n = 0
    const lab = makeLab({ class: 'A', more: { ...free, read: async ({ outputs }) => ({ id: '', name: '', size: ++n, token: '', ...outputs }) } })
    await lab.apply(() => void lab.Box('a', base))
    calls(lab)
    for (let i = 0; i < 3; i++) expect((await lab.apply(() => void lab.Box('a', base))).outcome).toBe('unchanged')
    expect(calls(lab)).toEqual([])
  })
})

test('E3#126 a run that does one thing at a time plans and does the same', async () => {
  const build = (lab: Lab, zone: string, size: number) => () => {
    const roots = [...'abcd'].map((n) => lab.Box(n, { name: n, zone: n === 'b' ? zone : 'z', size: n === 'c' ? size : 1 }, n === 'b' ? { deleteFirst: true } : {}))
    roots.forEach((r, i) => {
      const mid = lab.Box(`mid${i}`, { name: `mid${i}`, on: r.id }, { replaceOn: i === 1 ? ['on'] : [] })
      lab.Box(`leaf${i}`, { name: str`leaf${mid.size}${i}`, size })
    })
  }
  const outcome = async (serial: boolean) => {
    const lab = makeLab({ class: 'A', more: { claims: () => [] } })
    Object.assign(lab.cx, serial ? { serial: true, parallelism: 1 } : { parallelism: 16 })
    await lab.apply(build(lab, 'x', 1))
    calls(lab)
    const { document } = await makePlan(lab.cx, { graph: buildGraph(lab.app(build(lab, 'y', 2)), {}) })
    const doc = await lab.apply(build(lab, 'y', 2))
    await settles(lab, build(lab, 'y', 2))
    const strip = ({ type: _, ...c }: (typeof document.changes)[number]) => c
    return { changes: document.changes.map(strip), outcome: doc.outcome, content: lab.cloud.content, calls: calls(lab).sort() }
  }
  expect(await outcome(true)).toEqual(await outcome(false))
})
