import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { failure, HoldfastError, isFailure } from '../../src/base/index.ts'
import { Engine } from '../../src/embed/index.ts'
import { app, buildGraph, lookup, policy, resource, sensitive } from '../../src/program/index.ts'
import { completeType, outcomeUnknown, type ResourceSpec } from '../../src/provider/index.ts'
import { boxSpec, inputs as boxInputs, outputs as boxOutputs, makeLab, type Lab } from '../support/world.ts'
import { ListedTargets, MemorySnapshots, target } from '../embed/world.ts'

/**
 * The engine calls functions that somebody else wrote. Whatever they throw or give: the user hears it with a code, the address and the name of what
 * failed, and without a secret.
 */
const SECRET = 'correct-horse-battery'
const bare = (): object => Object.create(null) as object
type More = Partial<ResourceSpec<typeof boxInputs, typeof boxOutputs>>

/** Ways in which a function may go wrong. `secret`: what it was told, and may tell on. */
const failing: Readonly<Record<string, (secret: string) => never>> = {
  error: (secret) => { throw new Error(`cannot do it with ${secret}`) },
  text: (secret) => { throw secret },
  nothing: () => { throw undefined },
  bare: () => { throw bare() },
  symbol: () => { throw Symbol('s') },
}

function expectCoded(e: unknown, code: string, named: RegExp, address = 'a'): void {
  expect(isFailure(e), inspect(e)).toBe(true)
  const f = e as HoldfastError
  expect([f.code, f.address, f.message]).toEqual([code, address, expect.stringMatching(named)])
  expect(JSON.stringify(f.toDocument())).not.toContain(SECRET)
}
const caught = (act: () => Promise<unknown>): Promise<unknown> => Promise.resolve().then(act).then((v) => { throw new Error(`it was taken: ${inspect(v)}`) }, (e: unknown) => e)
const one = (lab: Lab, more: object = {}) => () => void lab.Box('a', { name: 'a', secret: SECRET, ...more } as never)

describe('what decides without a call', () => {
  test.each(Object.entries(failing))('claims that fail (%s) are HF1121 at the node', async (_, fail) => {
    const lab = makeLab({ more: { claims: (i) => fail(i.secret) } })
    expectCoded(await caught(() => lab.plan(one(lab))), 'HF1121', /^a: claims of test:Box\d+ failed: /)
    expect([lab.cloud.calls, await lab.store.claims(['box:a'])]).toEqual([[], [undefined]])
  })

  test('claims that give something else are HF1121; a failure with a code of its own keeps it', async () => {
    for (const given of [undefined, null, 5, 'box:a', [5], [''], [undefined], {}, Promise.reject(new Error('late'))]) {
      const lab = makeLab({ more: { claims: () => given as never } })
      expectCoded(await caught(() => lab.plan(one(lab))), 'HF1121', /^a: claims of test:Box\d+ gave something that is no list of texts\.$/)
    }
    const lab = makeLab({ more: { claims: () => { throw failure('HF3109', { message: 'no such folder.' }) } } })
    expect(await caught(() => lab.plan(one(lab)))).toMatchObject({ code: 'HF3109' })
  })

  test('upgrade that fails, or gives no document, is HF1121 before anything is sent', async () => {
    const lab = makeLab()
    await lab.apply(one(lab))
    const calls = [...lab.cloud.calls]
    const ways: readonly (readonly [(doc: never) => unknown, RegExp])[] = [
      ...Object.values(failing).map((fail) => [() => fail(SECRET), /failed: /] as const), [() => undefined, /from version 1 gave no inputs/], [() => ({ inputs: {} }), /from version 1 gave no outputs/],
      [() => Promise.reject(new Error('late')), /gave a promise/],
    ]
    for (const [up, why] of ways) {
      const next = lab.again()
      next.cx.types.add(completeType({ ...boxSpec(lab.cloud, { type: lab.Box.type, more: { version: 2, upgrade: { 1: up as never } } }) } as never, `program#${lab.Box.type}`))
      expectCoded(await caught(() => next.plan(one(lab))), 'HF1121', new RegExp(`^a: upgrade of test:Box\\d+ .*${why.source}`))
    }
    expect(lab.cloud.calls).toEqual(calls)
  })

  test.each(['holdsData', 'boundTo'] as const)('%s that fails is HF1121 of the step, and the object stays', async (method) => {
    for (const fail of [...Object.values(failing), () => Promise.reject(new Error('late'))]) {
      let broken = true
      const lab = makeLab({ more: { [method]: (i: { secret: string }) => (broken ? fail(i.secret) : undefined) } as More })
      const first = await lab.apply(one(lab))
      expect(first, inspect(first)).toMatchObject({ outcome: 'reverted', error: { code: 'HF1121', address: 'a' } })
      expect(JSON.stringify([first, lab.events])).not.toContain(SECRET)
      expect(lab.cloud.content).toEqual([])
      broken = false
      expect(await lab.apply(one(lab))).toMatchObject({ outcome: 'applied' })
      broken = true
      const doc = await lab.apply(() => undefined)
      expect(doc.error, inspect(doc)).toMatchObject({ code: 'HF1121', address: 'a', message: expect.stringMatching(new RegExp(`^a: ${method} of test:Box\\d+ (failed: |gave a promise)`)) })
      expect(JSON.stringify([doc, lab.events])).not.toContain(SECRET)
      expect(lab.cloud.content).toEqual(['a=1'])
    }
  })

  test('describe and predict are guesses: where they fail, nothing is said', async () => {
    for (const fail of [...Object.values(failing), () => Promise.reject(new Error('late')), () => 5]) {
      const lab = makeLab({ more: { predict: () => fail(SECRET) as never, describe: () => fail(SECRET) as never } })
      expect(await lab.apply(one(lab))).toMatchObject({ outcome: 'applied' })
      expect((await lab.plan(one(lab, { size: 2 }))).document.changes.map((c) => c.action)).toEqual(['update'])
      expect(await lab.apply(one(lab, { size: 2 }))).toMatchObject({ outcome: 'applied' })
    }
  })

  test('a charset that allows too little is HF1107 at the node', async () => {
    const lab = makeLab({ more: { naming: { maxLength: 40, charset: 'z-a' } } })
    const doc = await lab.apply(one(lab)).catch((e: unknown) => ({ error: e }))
    expect(doc.error).toMatchObject({ code: 'HF1107', address: 'a', message: expect.stringMatching(/^a: naming.charset/) })
  })
})

describe('checks of a schema', () => {
  const broken = (fail: (secret: string) => never) => z.string().refine((v) => (v === 'fine' ? true : fail(v)))

  test.each(Object.entries(failing))('one of inputs that fails (%s) is HF1206', async (_, fail) => {
    const lab = makeLab({ more: { inputs: boxInputs.extend({ secret: sensitive(broken(fail)) }) as never } })
    expectCoded(await caught(() => lab.plan(one(lab))), 'HF1206', /^a: (secret|inputs): the check of the schema failed: /)
    const asynchronous = makeLab({ more: { inputs: boxInputs.extend({ name: z.string().refine(async () => true) }) as never } })
    expectCoded(await caught(() => asynchronous.plan(one(asynchronous))), 'HF1206', /^a: (name|inputs): the check of the schema failed: /)
  })

  test('one of outputs that fails is HF3102 of the step; what was made is not lost', async () => {
    for (const fail of Object.values(failing)) {
      const lab = makeLab({ more: { outputs: boxOutputs.extend({ token: sensitive(broken(fail)) }) as never, create: ({ inputs: i, signal }) => lab.cloud.run('create', signal, () => ({ ...lab.cloud.make(i.name, i.size, i.secret), token: SECRET })) as never } })
      const doc = await lab.apply(one(lab))
      expect(doc.error).toMatchObject({ code: 'HF3102', address: 'a', message: expect.stringMatching(/token|outputs: the check of the schema failed/) })
      expect(JSON.stringify([doc, lab.events])).not.toContain(SECRET)
      expect([doc.outcome, lab.cloud.content]).toEqual(['reverted', []])
    }
  })

  test('what a create says early of outputs that are checked as a whole is kept', async () => {
    const whole = boxOutputs.refine((o) => o.id !== o.name)
    const lab = makeLab({ more: { outputs: whole as never, create: async ({ inputs: i, partial }) => {
      const { id } = lab.cloud.make(i.name, i.size, i.secret)
      await partial({ id })
      throw new Error('quota exceeded')
    } } })
    expect(await lab.apply(one(lab))).toMatchObject({ outcome: 'reverted', error: { code: 'HF3101', message: 'a: quota exceeded' } })
    expect([lab.cloud.content, lab.cloud.calls]).toEqual([[], ['delete a']])
    const wrong = makeLab({ more: { outputs: whole as never, create: async ({ partial }) => partial({ id: 5 } as never) as never } })
    expect((await wrong.apply(one(wrong))).error).toMatchObject({ code: 'HF3102', message: expect.stringMatching(/outputs that do not fit its schema: id: /) })
  })

  test('one of the configuration, of settings and of inputs of a component is a failure with a code', () => {
    const coded = (act: () => unknown, code: string) => expect(act).toThrow(expect.objectContaining({ code, message: expect.stringContaining('the check of the schema failed') }))
    const fails = z.string().refine(() => failing.error?.('x'))
    coded(() => buildGraph(app('shop', { config: z.object({ word: fails }), environments: { default: { word: 'x' } }, build: () => ({}) } as never), {}), 'HF1301')
  })
})

describe('calls', () => {
  test('whatever a create throws, the step has failed with a code', async () => {
    const circle: Record<string, unknown> = { at: SECRET }
    circle.me = circle
    const strange = [
      ...Object.values(failing).map((fail) => () => fail(SECRET)), () => { throw failure('HF3109', { message: SECRET, details: circle }) }, () => { throw failure('HF3109', { message: 'no', details: { n: 5n } }) },
      () => { throw Object.assign(new Error('of a newer copy'), { name: 'HoldfastError', code: 'HF7777' }) }, () => { throw Object.assign(new Error('no code'), { name: 'HoldfastError', code: '' }) },
    ]
    for (const create of strange) {
      const lab = makeLab({ more: { create: async () => create() } })
      const doc = await lab.apply(one(lab))
      expect(doc, inspect(doc)).toMatchObject({ outcome: 'reverted', error: { code: expect.stringMatching(/^HF3101|HF3109$/), address: 'a' } })
      expect(JSON.stringify([doc, lab.events])).not.toContain(SECRET)
    }
  })

  test('a lookup whose answer was lost says so, and not that it found nothing', async () => {
    for (const [find, said] of [
      [() => { throw outcomeUnknown(new Error(`connection reset ${SECRET}`)) }, /could not be looked up: connection reset/], [() => failing.error?.(SECRET), /cannot do it with/], [() => undefined, /found nothing that fits/],
      [() => failing.bare?.(''), /an object/], [() => [5], /outputs/],
    ] as const) {
      const Found = resource({ type: `test:Found${++serial}`, inputs: z.object({ name: z.string(), secret: sensitive(z.string()) }), outputs: z.object({ id: z.string() }), create: async () => ({ id: 'x' }), delete: async () => undefined, find: async () => find() as never })
      const lab = makeLab({ types: [Found] as never })
      const e = await caught(() => lab.plan(() => void lookup(Found, { name: 'x', secret: SECRET }, { name: 'a' })))
      expect(e).toMatchObject({ code: expect.stringMatching(/^HF310[12]$/), address: 'a', message: expect.stringMatching(said) })
      expect(JSON.stringify((e as HoldfastError).toDocument())).not.toContain(SECRET)
    }
  })

  test('a policy that throws something without a text is HF5102', async () => {
    const lab = makeLab()
    Object.assign(lab.cx, { policies: [policy('strict', () => failing.bare?.(''))] })
    expect(await caught(() => lab.plan(one(lab)))).toMatchObject({ code: 'HF5102', message: expect.stringContaining('strict') })
  })
})
let serial = 0

describe('providers of targets and snapshots', () => {
  const shop = app('shop', { secrets: ['token'], build: () => ({}) })
  const reset = new Error('connection reset')

  test('what they throw when they are asked is HF4012 with the name of what was asked; a code of their own stays', async () => {
    const snapshots = new MemorySnapshots()
    const fails = () => Promise.reject(reset)
    const good = new ListedTargets('prod')
    const engines: readonly (readonly [string, Engine])[] = [
      ['getTarget("prod") failed: connection reset.', new Engine({ targets: { getTarget: fails }, snapshots })],
      ['getTarget("prod") failed: an object.', new Engine({ targets: { getTarget: () => Promise.reject(bare()) }, snapshots })],
      ['getSnapshot("prod") failed: connection reset.', new Engine({ targets: good, snapshots: { getSnapshot: fails, beginMutation: (...a) => snapshots.beginMutation(...a) } })],
    ]
    for (const [message, engine] of engines) {
      for (const act of [() => engine.preview('prod', shop), () => engine.apply('prod', shop), () => engine.destroy('prod'), () => engine.refresh('prod')]) expect(await caught(act), message).toMatchObject({ code: 'HF4012', message })
    }
    const own = new Engine({ targets: { getTarget: () => Promise.reject(failure('HF6011', { message: 'gone.' })) }, snapshots })
    expect(await caught(() => own.preview('prod', shop))).toMatchObject({ code: 'HF6011' })
  })

  test('records that cannot be read are HF4012', async () => {
    const snapshots = new MemorySnapshots()
    const engine = new Engine({ targets: new ListedTargets('prod'), snapshots })
    await engine.apply('prod', app('shop', { build: () => ({}) }))
    await engine.apply('prod', app('shop', { build: () => ({ out: 'x' }) }))
    const reading = (resources: unknown) => new Engine({ targets: new ListedTargets('prod'), snapshots: { getSnapshot: async (name) => ({ ...(await snapshots.getSnapshot(name)), resources } as never), beginMutation: (...a) => snapshots.beginMutation(...a) } })
    for (const resources of [() => 5, () => { throw reset }, async function* () { yield await Promise.reject(reset) }]) {
      expect(await caught(() => reading(resources).preview('prod', shop))).toMatchObject({ code: 'HF4012', message: expect.stringMatching(/^resources\(\) of the snapshot of prod failed: /) })
    }
  })

  test('a reader of secrets that fails is HF4012 without what it said', async () => {
    const reading = (get: () => Promise<unknown>) => new Engine({ targets: { getTarget: async () => target('prod', { secrets: { get: get as never } }) }, snapshots: new MemorySnapshots() })
    const e = await caught(() => reading(() => Promise.reject(new Error(SECRET))).apply('prod', shop))
    expect(e).toMatchObject({ code: 'HF4012', message: 'The reader of secrets of prod, asked for token, failed.' })
    expect(inspect(e)).not.toContain(SECRET)
    expect(await caught(() => reading(async () => 5).apply('prod', shop))).toMatchObject({ code: 'HF1306', message: expect.stringContaining('token') })
  })
})
