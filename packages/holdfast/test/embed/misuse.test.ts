import { expect, test } from 'vitest'
import { Value } from '../../src/builtin/value/index.ts'
import { Engine, unpackSnapshot, withOpen } from '../../src/embed/index.ts'
import { app, resource } from '../../src/program/index.ts'
import { boxSpec, Cloud } from '../support/world.ts'
import { folder, ListedTargets, MemorySnapshots, target } from './world.ts'

let serial = 0

const any = (x: unknown) => x as never
const shop = app('shop', { build: () => ({ greeting: Value('greeting', { input: 'hello' }).output }) })

const refused = async (named: string | RegExp, act: () => unknown) => {
  const e = await Promise.resolve().then(act).then(() => undefined, (x: unknown) => x) as { readonly code?: string; readonly message: string } | undefined
  expect([e?.code, e?.message]).toEqual(['HF1306', expect.stringMatching(named)])
}

test('an engine that is made of something else is refused in words (HF1306)', async () => {
  const [targets, snapshots] = [new ListedTargets('prod'), new MemorySnapshots()]
  const wrong: Record<string, readonly unknown[]> = {
    targets: [{}, 5, null], snapshots: [{}, { getSnapshot: () => undefined }], parallelism: [0, 1.5, 'x', Number.NaN], providers: [5, [5], [{ type: 5 }], ['acme:Box']], clock: [5, {}], home: [5, ''], key: ['secret', {}, { kind: 'file' }, { kind: 'env', name: 5 }],
  }
  for (const [part, values] of Object.entries(wrong)) for (const value of values) await refused(part, () => new Engine(any({ targets, snapshots, [part]: value })))
  for (const parts of [undefined, null, 5, {}, { targets }, { snapshots }]) await refused(/An engine/, () => new Engine(any(parts)))
  await refused('paralelism', () => new Engine(any({ targets, snapshots, paralelism: 3 })))
  expect(new Engine(any({ targets, snapshots, key: { kind: 'env', name: 'X' }, providers: [Value], home: undefined }))).toBeDefined()
})

test('a call with a wrong option is refused before anybody is asked for anything (HF1306)', async () => {
  const [targets, snapshots] = [new ListedTargets('prod'), new MemorySnapshots()]
  const engine = new Engine({ targets, snapshots })
  const call = { signal: [5, {}], onEvent: [5, 'x'], nope: [1] }
  const plan = { ...call, targets: ['x', [5], ['']], excludes: ['x', [{}]], replace: ['x', [1]], targetDependents: ['yes'], excludeDependents: [1], allowDeletes: [-1, 1.5, 'x', Number.NaN], refreshed: [5, {}] }
  const change = { ...plan, onFailure: ['explode', true], abort: [5, {}] }
  const calls: readonly (readonly [string, Record<string, readonly unknown[]>, (o: never) => unknown])[] = [
    ['preview', { ...plan, onFailure: ['keep'] }, (o) => engine.preview('prod', shop, o)],
    ['apply', change, (o) => engine.apply('prod', shop, o)],
    ['destroy', change, (o) => engine.destroy('prod', o)],
    ['refresh', { ...call, allowDeletes: [-1, 'x'], targets: [['a']] }, (o) => engine.refresh('prod', o)],
    ['import', { ...call, adoptOther: ['yes'], targets: [['a']] }, (o) => engine.import('prod', { greeting: 'x' }, shop, o)],
    ['settle', call, (o) => engine.settle('prod', 'tx', { kind: 'abandon' }, o)],
  ]
  for (const [what, options, act] of calls) {
    for (const [option, values] of Object.entries(options)) for (const value of values) await refused(new RegExp(`${what}: .*${option}`), () => act(any({ [option]: value })))
    for (const given of [5, null, 'x']) await refused(`${what}: the options`, () => act(any(given)))
  }
  for (const id of [undefined, 5, '']) await refused('settle: id', () => engine.settle('prod', any(id), { kind: 'abandon' }))
  for (const how of [undefined, 5, {}, { kind: 'forget' }, { kind: 'adopt' }, { kind: 'adopt', id: 5 }, { kind: 'to' }, { kind: 'to', state: 'old' }]) await refused('settle: how', () => engine.settle('prod', 'tx', any(how)))
  expect([targets.asked, snapshots.calls]).toEqual([[], []])
})

test('a plan is applied as it is: what restricts one is said when it is made', async () => {
  const snapshots = new MemorySnapshots()
  const engine = new Engine({ targets: new ListedTargets('prod'), snapshots })
  const plan = await engine.preview('prod', shop)
  for (const o of [{ targets: ['greeting'] }, { excludes: ['x'] }, { replace: ['greeting'] }]) await refused(`apply: ${Object.keys(o)[0]}`, () => engine.apply('prod', plan, o))
  expect((await engine.apply('prod', plan, { onFailure: 'keep' })).outcome).toBe('applied')
  // How many deletes somebody permits is said by whoever applies.
  const away = await engine.preview('prod', app('shop', { build: () => ({}) }))
  await expect(engine.apply('prod', away, { allowDeletes: 0 })).rejects.toMatchObject({ code: 'HF2501' })
  expect((await engine.apply('prod', away, { allowDeletes: 1 })).outcome).toBe('applied')
})

test('a provider that gives no target, or one of another name, is told so before a snapshot is read (HF1306)', async () => {
  const snapshots = new MemorySnapshots()
  for (const given of [5, {}, { name: 'prod' }, target('other'), target('prod', { config: any(null) }), target('prod', { tags: any({ team: 5 }) }), target('prod', { secrets: any({}) })]) {
    const engine = new Engine({ targets: { getTarget: async () => given as never }, snapshots })
    await refused('The target prod', () => engine.apply('prod', shop))
  }
  expect(snapshots.calls).toEqual([])
})

test('what a provider of snapshots gives is looked at before anything is marked or called: HF4011 for no snapshot, HF4002 for a newer one', async () => {
  const whole = { v: 1, target: 'prod', revision: 0, at: '2026-01-01T00:00:00.000Z', reliable: false, open: [], digest: '', outputs: {}, head: undefined, resources: async function* () {} }
  const given: readonly (readonly [string, unknown])[] = [
    ['HF4011', 5], ['HF4011', 'x'], ['HF4011', {}], ['HF4011', { v: 1, target: 'prod' }], ['HF4011', { ...whole, open: 5 }], ['HF4011', { ...whole, open: [null] }], ['HF4011', { ...whole, open: [{}] }], ['HF4011', { ...whole, open: [{ id: 'x', record: {} }] }],
    ['HF4011', { ...whole, resources: [] }], ['HF4011', { ...whole, target: 'other' }], ['HF4002', { ...whole, v: 9 }], ['HF4002', { ...whole, open: [{ id: 'x', record: { v: 9 } }] }],
  ]
  for (const [code, snapshot] of given) {
    const begun: string[] = []
    const engine = new Engine({ targets: new ListedTargets('prod'), snapshots: { getSnapshot: async () => snapshot as never, beginMutation: async (name) => { begun.push(name); throw new Error('never') } } })
    for (const act of [() => engine.preview('prod', shop), () => engine.apply('prod', shop), () => engine.destroy('prod')]) {
      await expect(act()).rejects.toMatchObject({ code, message: expect.stringContaining('prod') })
    }
    expect(begun).toEqual([])
  }
  for (const open of [[null], [{}], 5]) expect(() => unpackSnapshot('prod', { ...whole, reliable: undefined, head: {}, resources: [], open })).toThrow(expect.objectContaining({ code: 'HF4011' }))
  expect(() => withOpen('prod', undefined, [{ about: {} as never }])).toThrow(expect.objectContaining({ code: 'HF4011' }))
})

test('a mark that is none: what cannot be ended was never begun, and nothing is called (HF4006)', async () => {
  for (const nothing of [undefined, null, {}, { id: 'x' }]) {
    for (const good of [0, 1]) {
      const cloud = new Cloud()
      const Box = resource(boxSpec(cloud, { type: `misused:Box${++serial}` }))
      const snapshots = new MemorySnapshots()
      const begin = snapshots.beginMutation.bind(snapshots)
      let asked = 0
      snapshots.beginMutation = async (...a) => (asked++ < good ? begin(...a) : nothing as never)
      const run = new Engine({ targets: new ListedTargets('prod'), snapshots, home: folder() }).apply('prod', app('shop', { build: () => void Box('a', { name: 'a' }) }))
      const said = await run.then((r) => r.error as { code?: string } | undefined, (e: unknown) => e as { code?: string })
      expect([nothing, said?.code, cloud.calls]).toEqual([nothing, 'HF4006', []])
    }
  }
})

test('without a place for the key, the way out of a missing one is to name a place, not the folder of a project', async () => {
  const cloud = new Cloud()
  const Box = resource(boxSpec(cloud, { type: `misused:Box${++serial}` }))
  const targets = { getTarget: async (name: string) => target(name, { secrets: { get: async () => 'of-the-target' } }) }
  const engine = () => new Engine({ targets, snapshots: new MemorySnapshots() })
  const declared = app('shop', { secrets: ['token'], build: ({ secrets }) => void Box('a', { name: 'a', secret: secrets.token }) })
  const made = app('shop', { build: () => void Box('a', { name: 'a' }) }) // its output is a secret
  const hints = [
    await engine().preview('prod', declared).then(() => undefined, (e: unknown) => e as { code: string; hint: string }), await engine().apply('prod', declared).then(() => undefined, (e: unknown) => e as { code: string; hint: string }),
    (await engine().apply('prod', made)).error as { code: string; hint: string },
  ]
  expect(hints.map((h) => h?.code)).toEqual(['HF4301', 'HF4301', 'HF4301'])
  for (const h of hints) expect(h?.hint).toMatch(/`home`.*`key`/)
})
