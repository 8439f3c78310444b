import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Value } from '../../src/builtin/value/index.ts'
import { checkTargetName, Engine, openHolder, TargetNotFound, type EngineEvent, type SnapshotDocument, type TargetProvider } from '../../src/embed/index.ts'
import { keyFile } from '../../src/project/index.ts'
import { app, hook, resource } from '../../src/program/index.ts'
import { boxSpec, Cloud } from '../support/world.ts'
import { FileSnapshots, folder, ListedTargets, MemorySnapshots, sound, target } from './world.ts'

let serial = 0

/** An engine over one target `prod`, a cloud, and what the program makes of it. */
function lab(o: { readonly targets?: TargetProvider; readonly snapshots?: MemorySnapshots; readonly home?: string } = {}) {
  const cloud = new Cloud()
  const Box = resource(boxSpec(cloud, { type: `embedded:Box${++serial}` }))
  const snapshots = o.snapshots ?? new MemorySnapshots()
  const targets = o.targets ?? new ListedTargets('prod')
  const home = o.home ?? folder()
  const engine = () => new Engine({ targets, snapshots, home })
  /** Boxes in a row, each made with the token of the one before it. */
  const boxes = (...names: string[]) => app('shop', {
    build: () => {
      let token: unknown = ''
      for (const name of names) token = Box(name, { name, secret: token as never }).token
    },
  })
  return { cloud, Box, snapshots, targets, home, engine, boxes }
}
const greeting = (text: string) => app('shop', { build: () => ({ greeting: Value('greeting', { input: text }).output }) })

test('S003-01 an engine is made of who knows targets and who keeps snapshots, and applies with these two', async () => {
  const engine = new Engine({ targets: new ListedTargets('prod'), snapshots: new MemorySnapshots() })
  expect(await engine.apply('prod', greeting('hello'))).toMatchObject({ outcome: 'applied', outputs: { greeting: 'hello' }, revision: { from: 0, to: 1 } })
})

test('S003-02 S003-03 S003-06 every call asks the one object for the target, once, and the other for the snapshot', async () => {
  const { engine, targets, snapshots, boxes, cloud } = lab()
  const { asked } = targets as ListedTargets
  const e = engine()
  await e.preview('prod', boxes('a'))
  expect(asked).toEqual(['prod'])
  expect(snapshots.calls).toEqual(['get'])
  await e.apply('prod', boxes('a'))
  await e.refresh('prod')
  await e.destroy('prod')
  expect(asked).toEqual(['prod', 'prod', 'prod', 'prod'])
  expect(cloud.content).toEqual([])
})

test('S003-04 two targets of one engine know nothing of each other, one after the other and at the same time', async () => {
  const snapshots = new MemorySnapshots()
  const Name = z.object({ name: z.string() })
  const cloud = new Cloud()
  const Box = resource(boxSpec(cloud, { type: `embedded:Box${++serial}` }))
  const program = app('shop', { config: Name, environments: { default: { name: 'x' } }, build: ({ config }) => ({ name: Box('box', { name: config.name }).name }) })
  const named = (name: string) => target(name, { config: { name: `of ${name}` } })
  const engine = new Engine({ targets: new ListedTargets(named('left'), named('right'), named('third')), snapshots, home: folder() })
  expect(await engine.apply('left', program)).toMatchObject({ outcome: 'applied', outputs: { name: 'of left' } })
  const both = await Promise.all([engine.apply('right', program), engine.apply('third', program), engine.apply('left', program)])
  expect(both).toMatchObject([{ outcome: 'applied', outputs: { name: 'of right' } }, { outcome: 'applied', outputs: { name: 'of third' } }, { outcome: 'unchanged', outputs: { name: 'of left' } }])
  await engine.destroy('right')
  expect(cloud.content).toEqual(['of left=1', 'of third=1'])
  const [left, third] = [await snapshots.getSnapshot('left'), await snapshots.getSnapshot('third')]
  expect(left?.head?.store.storeId).not.toBe(third?.head?.store.storeId)
})

test('S003-05 targets come from wherever their provider has them: here a JSON file', async () => {
  const file = join(folder(), 'targets.json')
  writeFileSync(file, JSON.stringify({ prod: { greeting: 'good day' } }))
  const targets: TargetProvider = {
    async getTarget(name) {
      const all = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>
      if (!all[name]) throw new TargetNotFound(name)
      return target(name, { config: all[name] })
    },
  }
  const program = app('shop', { config: z.object({ greeting: z.string() }), environments: { default: { greeting: '' } }, build: ({ config }) => ({ said: Value('said', { input: config.greeting }).output }) })
  const engine = new Engine({ targets, snapshots: new MemorySnapshots() })
  expect(await engine.apply('prod', program)).toMatchObject({ outputs: { said: 'good day' } })
  await expect(engine.apply('staging', program)).rejects.toMatchObject({ code: 'HF6011' })
})

test('S003-07 a target is named by segments; any other name is refused before anybody is asked', async () => {
  for (const name of ['prod', 'a/b', 'eu-1/prod_2/v1.0', '...', 'x'.repeat(255)]) expect(() => checkTargetName(name), name).not.toThrow()
  const { engine, targets, snapshots, boxes } = lab()
  for (const name of ['', '../x', 'a/..', '.', 'a//b', '/a', 'a/', 'a b', 'a\0b', 'ä', 'x'.repeat(256), undefined as never]) {
    for (const act of [() => engine().preview(name, boxes('a')), () => engine().apply(name, boxes('a')), () => engine().refresh(name), () => engine().destroy(name)]) {
      await expect(act(), String(name)).rejects.toMatchObject({ code: 'HF1305', exitCode: 2 })
    }
  }
  expect((targets as ListedTargets).asked).toEqual([])
  expect(snapshots.calls).toEqual([])
  // A name with several segments is one like any other.
  const deep = lab({ targets: new ListedTargets('eu-1/prod') })
  expect(await deep.engine().apply('eu-1/prod', deep.boxes('a'))).toMatchObject({ outcome: 'applied' })
})

test('S003-08 a target says its name, its configuration, its secrets and its tags, and the program gets them; no secret is kept in clear', async () => {
  const asked: string[] = []
  const prod = target('prod', {
    config: { size: 7 }, tags: { team: 'blue', tier: 'gold' },
    secrets: {
      get: async (name) => {
        asked.push(name)
        return name === 'token' ? 'hunter2-in-clear' : undefined
      },
    },
  })
  const { Box, snapshots, engine, cloud } = lab({ targets: new ListedTargets(prod) })
  const program = app('shop', {
    config: z.object({ size: z.number() }), environments: { staging: { size: 1 }, prod: { size: 2 } }, secrets: ['token'],
    build: ({ config, env, secrets }) => void Box('a', { name: env, size: config.size, secret: secrets.token }, { tags: { tier: 'own' } }),
  })
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'applied' })
  expect(asked).toContain('token')
  expect([...cloud.objects.values()]).toMatchObject([{ name: 'prod', size: 7, secret: 'hunter2-in-clear' }])
  expect(snapshots.ended.at(-1)?.resources).toMatchObject([{ address: 'a', meta: { tags: { team: 'blue', tier: 'own' } } }])
  expect(JSON.stringify([...snapshots.kept.values(), ...snapshots.ended])).not.toContain('hunter2')
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'unchanged' })
  // One that the target does not have is missing as on the command line.
  const other = app('shop', { config: z.object({ size: z.number() }), environments: { prod: { size: 1 } }, secrets: ['other'], build: ({ secrets }) => void Box('a', { name: 'prod', secret: secrets.other }) })
  await expect(engine().apply('prod', other)).rejects.toMatchObject({ code: 'HF2301' })
})

test('S003-09 an unknown target is TargetNotFound with exit code 6, and nothing is written', async () => {
  const { engine, snapshots, boxes } = lab({ targets: { getTarget: async () => undefined as never } })
  for (const act of [engine().preview('prod', boxes('a')), engine().apply('prod', boxes('a')), engine().refresh('prod'), engine().destroy('prod')]) {
    const refused = await act.catch((e: unknown) => e)
    expect(refused).toBeInstanceOf(TargetNotFound)
    expect(refused).toMatchObject({ code: 'HF6011', exitCode: 6 })
  }
  expect(snapshots.calls).toEqual([])
})

test('S003-11 S003-24 S003-25 S003-26 after an end the snapshot is the one that was given, also for whoever opens it anew, and only then it is reliable', async () => {
  const path = folder()
  const snapshots = new FileSnapshots(path)
  const reliable: (boolean | undefined)[] = []
  snapshots.fault = async (call) => {
    if (/^(begun|end|ended) /.test(call)) reliable.push((await new FileSnapshots(path).getSnapshot('prod'))?.reliable)
  }
  const engine = new Engine({ targets: new ListedTargets('prod'), snapshots, home: path })
  expect(await engine.apply('prod', greeting('hello'))).toMatchObject({ outcome: 'applied' })
  expect(reliable).toEqual([...Array.from({ length: reliable.length - 1 }, () => false), true])
  expect(reliable.length).toBe(9) // begun, end, ended of the run, of the change, and of the run after its commit
  const anew = await new FileSnapshots(path).getSnapshot('prod')
  const { resources: _, ...given } = snapshots.ended.at(-1) as SnapshotDocument
  expect(JSON.parse(JSON.stringify(anew))).toEqual(JSON.parse(JSON.stringify(given)))
  expect(anew).toMatchObject({ revision: 1, reliable: true, outputs: { greeting: 'hello' } })
})

test('S003-12 a target that was never deployed has no snapshot, and its plan makes everything', async () => {
  const { engine, snapshots, boxes, cloud } = lab()
  expect(await snapshots.getSnapshot('prod')).toBeUndefined()
  const plan = await engine().preview('prod', boxes('a', 'b'))
  expect(plan.document).toMatchObject({ revision: 0, summary: { create: 2 }, changes: [{ address: 'a', action: 'create' }, { address: 'b', action: 'create' }] })
  expect(await engine().destroy('prod')).toMatchObject({ outcome: 'unchanged' })
  expect(await engine().refresh('prod')).toMatchObject({ drifted: [], revision: { from: 0, to: 0 } })
  expect(await snapshots.getSnapshot('prod')).toBeUndefined()
  expect(cloud.calls).toEqual([])
})

test('a literal that is given to a secret input is no difference the next time, and no snapshot holds it', async () => {
  const { engine, Box, cloud, snapshots } = lab()
  const program = app('shop', { build: () => void Box('box', { name: 'box', secret: 'hunter2-in-the-program' }) })
  await engine().apply('prod', program)
  expect(cloud.byName('box')?.secret).toBe('hunter2-in-the-program')
  expect(snapshots.kept.get('prod')).not.toContain('hunter2')
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'unchanged' })
})

test('S003-13 a snapshot holds all that another engine needs: nothing is changed, and everything can be deleted', async () => {
  const { engine, boxes, cloud, snapshots } = lab()
  await engine().apply('prod', boxes('a', 'b', 'c'))
  const text = snapshots.kept.get('prod') as string
  for (const o of cloud.objects.values()) expect(text).not.toContain(`token-of-${o.id}`) // a secret output, and a secret input of the next
  const calls = cloud.calls.length
  expect(await engine().apply('prod', boxes('a', 'b', 'c'))).toMatchObject({ outcome: 'unchanged' })
  expect(cloud.calls.length).toBe(calls)
  expect(await engine().apply('prod', boxes('a', 'b'))).toMatchObject({ outcome: 'applied', summary: { delete: 1 } })
  expect(await engine().destroy('prod')).toMatchObject({ outcome: 'applied', summary: { delete: 2 } })
  expect(cloud.content).toEqual([])
  expect(snapshots.ended.at(-1)).toMatchObject({ revision: 3, reliable: true, resources: [] })
  await sound(snapshots, 'prod')
})

test('S003-14 a snapshot that was changed, or is of a newer version, is refused with exit code 13, and the file is not touched', async () => {
  const path = folder()
  const snapshots = new FileSnapshots(path)
  const engine = new Engine({ targets: new ListedTargets('prod'), snapshots, home: path })
  await engine.apply('prod', greeting('hello'))
  const good = readFileSync(snapshots.path('prod'), 'utf8')
  const damages: [string, string, (text: string) => string][] = [
    ['HF4011', 'a value', (t) => t.replace('{\\"input\\":\\"hello\\"}', '{\\"input\\":\\"jello\\"}')],
    ['HF4011', 'a revision', (t) => t.replace('"revision":1', '"revision":2')],
    ['HF4011', 'a missing resource', (t) => JSON.stringify({ ...JSON.parse(t), snapshot: { ...JSON.parse(t).snapshot, resources: [] } })],
    ['HF4011', 'another target', (t) => t.replace('"target":"prod"', '"target":"test"')],
    ['HF4011', 'something else', (t) => JSON.stringify({ ...JSON.parse(t), snapshot: { hello: 1 } })],
    ['HF4011', 'half of it', (t) => JSON.stringify({ ...JSON.parse(t), snapshot: { v: 1, target: 'prod' } })],
    ['HF4002', 'a newer version', (t) => t.replace('"snapshot":{"v":1', '"snapshot":{"v":2')],
  ]
  for (const [code, what, damage] of damages) {
    const bad = damage(good)
    expect(bad, what).not.toBe(good)
    writeFileSync(snapshots.path('prod'), bad)
    for (const act of [() => engine.preview('prod', greeting('x')), () => engine.apply('prod', greeting('x')), () => engine.refresh('prod'), () => engine.destroy('prod')]) {
      await expect(act(), what).rejects.toMatchObject({ code, exitCode: 13 })
    }
    expect(readFileSync(snapshots.path('prod'), 'utf8'), what).toBe(bad)
  }
  writeFileSync(snapshots.path('prod'), good)
  expect(await engine.apply('prod', greeting('hello'))).toMatchObject({ outcome: 'unchanged' })
})

test('S003-14 a provider that checks nothing does not get the engine to go on from something else', async () => {
  const { engine, boxes, snapshots } = lab()
  await engine().apply('prod', boxes('a'))
  const given = await snapshots.getSnapshot('prod')
  for (const [code, change] of [['HF4011', { revision: 7 }], ['HF4002', { v: 2 }], ['HF4011', { v: 'x' }]] as const) {
    snapshots.getSnapshot = async () => ({ ...given, ...change }) as never
    await expect(engine().apply('prod', boxes('b'))).rejects.toMatchObject({ code })
  }
})

test('S003-10 S003-16 S003-17 S003-18 S003-20 S003-22 S003-23 around every change: begin, the call, end with the result; around all of them, the run', async () => {
  const { engine, boxes, cloud, snapshots } = lab()
  const order: string[] = []
  snapshots.fault = (call) => void (/^(begun|ended)/.test(call) && order.push(call))
  const run = cloud.run.bind(cloud)
  cloud.run = (call, ...rest) => {
    order.push(call)
    return run(call, ...rest)
  }
  await engine().apply('prod', boxes('a', 'b'))
  expect(order).toEqual([
    'begun run', 'begun a create', 'create a', 'ended a create', 'begun b create', 'create b', 'ended b create',
    'begun run', 'ended run', 'ended run', // the commit of the revision, and the end
  ])
  const [afterA, afterB, commit] = snapshots.ended
  expect(afterA).toMatchObject({ revision: 0, open: [], resources: [{ address: 'a', since: 1 }] })
  expect(afterB).toMatchObject({ revision: 0, resources: [{ address: 'a' }, { address: 'b' }] })
  expect(commit).toMatchObject({ revision: 1, reliable: true })
  order.length = 0
  await engine().apply('prod', boxes('a'))
  expect(order).toEqual(['begun run', 'begun run', 'ended run', 'begun b delete', 'delete b', 'ended b delete', 'ended run'])
  order.length = 0
  expect(await engine().apply('prod', boxes('a'))).toMatchObject({ outcome: 'unchanged' })
  expect(order).toEqual([])
})

test('S003-27 the snapshot that ends a change holds no outcome of a change that ends after it', async () => {
  const { engine, Box, cloud, snapshots } = lab()
  let go = () => {}
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  snapshots.fault = async (call) => {
    if (call !== 'end a create') return
    while (!['create b', 'create c'].every((c) => cloud.calls.includes(c))) await new Promise((r) => setImmediate(r))
    await new Promise((r) => setImmediate(r))
    go()
  }
  const program = app('shop', { build: () => void ['a', 'b', 'c'].map((name) => Box(name, { name })) })
  await engine().apply('prod', program)
  await gate
  const shown = snapshots.ended.slice(0, 3).map((d) => d.resources.map((r) => r.address))
  expect(shown.map((s) => s.length)).toEqual([1, 2, 3])
  // What had begun when it was taken stands in it as open.
  for (const d of snapshots.ended) expect(d.open.every((c) => d.head?.opened.includes(c.id))).toBe(true)
})

test('S003-28 a begin that is rejected: nothing is touched, whether it is the one of the run or the one of a change', async () => {
  for (const [call, code] of [['begin run', 'HF4006'], ['begin a create', 'HF4006']] as const) {
    const { engine, boxes, cloud, snapshots } = lab()
    snapshots.fault = (c) => {
      if (c === call) throw new Error('no room left')
    }
    const doc = await engine().apply('prod', boxes('a')).catch((e: { code: string; message: string; toDocument(): object }) => ({ outcome: 'rejected', error: e.toDocument() }))
    expect(doc, call).toMatchObject({ error: { code, message: expect.stringContaining('no room left') } })
    expect(cloud.calls).toEqual([])
    snapshots.fault = undefined
    expect(await engine().apply('prod', boxes('a')), call).toMatchObject({ outcome: 'applied' })
    expect(cloud.calls).toEqual(['create a'])
    expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 1 })
  }
})

test('S003-29 an end that is rejected: the run fails, the snapshot is unreliable, the outcome is kept beside it and taken over', async () => {
  // Nobody could ask what became of the call: only what was kept beside the snapshots knows.
  const cloud = new Cloud()
  const Box = resource(boxSpec(cloud, { type: `embedded:Box${++serial}`, class: 'D', more: { read: undefined as never } }))
  const snapshots = new MemorySnapshots()
  const engine = () => new Engine({ targets: new ListedTargets('prod'), snapshots, home })
  const home = folder()
  const program = app('shop', { build: () => void Box('a', { name: 'a' }) })
  snapshots.fault = (c) => {
    if (c === 'end a create') throw new Error('the network is gone')
  }
  const events: EngineEvent[] = []
  expect(await engine().apply('prod', program, { onEvent: (e) => events.push(e) })).toMatchObject({ outcome: 'incomplete', revision: { from: 0, to: 0 }, error: { code: 'HF4006', message: expect.stringContaining('the network is gone') } })
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: false, open: [{ address: 'a', op: 'create', status: 'sent' }] })
  expect(events.map((e) => e.message ?? '')).toContainEqual(expect.stringContaining('is kept beside it'))
  snapshots.fault = undefined
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'applied' })
  expect(cloud.calls).toEqual(['create a'])
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 1 })
  const [made] = cloud.objects.values() // whose token is a secret, and was kept beside the snapshots
  expect(JSON.stringify([...snapshots.kept.values(), events, readdirSync(home)])).not.toContain(`token-of-${made?.id}`)
})

test('S003-29 when an end was rejected nothing more is ended: no snapshot holds an outcome whose mutation is open, and every outcome is taken over', async () => {
  const cloud = new Cloud()
  const Box = resource(boxSpec(cloud, { type: `embedded:Box${++serial}`, class: 'D', more: { read: undefined as never } }))
  const snapshots = new MemorySnapshots()
  const home = folder()
  const engine = () => new Engine({ targets: new ListedTargets('prod'), snapshots, home })
  const program = app('shop', { build: () => void ['a', 'b', 'c'].map((name) => Box(name, { name })) })
  snapshots.fault = async (c) => {
    if (c !== 'end a create') return
    while (cloud.calls.length < 3) await new Promise((r) => setImmediate(r)) // the others are at work
    throw new Error('once')
  }
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'incomplete', error: { code: 'HF4006' } })
  expect(snapshots.ended).toEqual([])
  expect((await snapshots.getSnapshot('prod'))?.open.map((c) => c.address).sort()).toEqual(['a', 'b', 'c'])
  snapshots.fault = undefined
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'applied' })
  expect(cloud.calls).toEqual(['create a', 'create b', 'create c'])
  await sound(snapshots, 'prod')
})

test('S003-29 an end of the run that is rejected: the run fails, and the next one goes on', async () => {
  const { engine, boxes, cloud, snapshots } = lab()
  let ends = 0
  snapshots.fault = (c) => {
    if (c === 'end run' && ++ends === 2) throw new Error('the network is gone')
  }
  expect(await engine().apply('prod', boxes('a'))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF4006' } })
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: false, open: [], revision: 1 })
  snapshots.fault = undefined
  expect(await engine().apply('prod', boxes('a'))).toMatchObject({ outcome: 'unchanged' })
  expect(cloud.calls).toEqual(['create a'])
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 1 })
})

test('S003-30 while somebody else is at work a begin is refused with MutationOpen, which names the holder, exit code 10', async () => {
  const { engine, boxes, cloud, snapshots } = lab()
  const other = openHolder()
  const mutation = await snapshots.beginMutation('prod', undefined, other.holder)
  const refused = await engine().apply('prod', boxes('a')).catch((e: unknown) => e)
  expect(refused).toMatchObject({ code: 'HF4204', exitCode: 10, details: { holder: other.holder.id, pid: process.pid } })
  expect(cloud.calls).toEqual([])
  // A mutation that nobody lives for holds nobody up.
  other.close()
  expect(await engine().apply('prod', boxes('a'))).toMatchObject({ outcome: 'applied' })
  expect(mutation.id).not.toBe('')
})

test('S003-15 S003-19 S003-31 what was never ended is visible over any number of restarts, until it is recovered', async () => {
  const path = folder()
  const cloud = new Cloud()
  const Box = resource(boxSpec(cloud, { type: `embedded:Box${++serial}` }))
  const program = app('shop', { build: () => void Box('a', { name: 'a' }) })
  const snapshots = new FileSnapshots(path)
  snapshots.fault = (c) => {
    if (c === 'end a create') throw new Error('gone')
  }
  const engine = (s: FileSnapshots) => new Engine({ targets: new ListedTargets('prod'), snapshots: s, home: path })
  await engine(snapshots).apply('prod', program)
  for (let restart = 0; restart < 3; restart++) {
    const anew = new FileSnapshots(path)
    expect(await anew.getSnapshot('prod')).toMatchObject({ reliable: false, open: [{ address: 'a', op: 'create', by: { pid: process.pid } }] })
    await engine(anew).preview('prod', program) // looking changes nothing
  }
  expect(await engine(new FileSnapshots(path)).apply('prod', program)).toMatchObject({ outcome: 'applied' })
  expect(cloud.calls.filter((c) => c.startsWith('create'))).toEqual(['create a'])
  expect(await new FileSnapshots(path).getSnapshot('prod')).toMatchObject({ reliable: true, open: [] })
})

test('a plan is applied as it was shown, in another process too, once, and only on the snapshot that it was made for', async () => {
  const { engine, boxes, snapshots, cloud } = lab()
  const text = (await engine().preview('prod', boxes('a'))).text()
  const plan = await engine().preview('prod', boxes('a'))
  expect(await engine().apply('prod', plan)).toMatchObject({ outcome: 'applied' })
  await expect(engine().apply('prod', plan)).rejects.toMatchObject({ code: 'HF2401' })
  await expect(engine().apply('prod', { text })).rejects.toMatchObject({ code: expect.stringMatching(/HF240[12]/) })
  const next = (await engine().preview('prod', boxes('a', 'b'))).text()
  expect(await engine().apply('prod', { text: next })).toMatchObject({ outcome: 'applied', summary: { create: 1 } })
  await expect(engine().apply('prod', { text: `${next.slice(0, -5)}xxxx` })).rejects.toMatchObject({ code: 'HF2402' })
  await expect(engine().apply('prod', { text: 'hello' })).rejects.toMatchObject({ code: 'HF2402' })
  expect(cloud.content).toEqual(['a=1', 'b=1'])
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 2 })
  // Of a target that was never deployed.
  const fresh = lab()
  const first = (await fresh.engine().preview('prod', fresh.boxes('a'))).text()
  expect(await fresh.engine().apply('prod', { text: first })).toMatchObject({ outcome: 'applied' })
})

test('a run that fails is taken back, and the snapshot is as before; with `keep` it holds what succeeded', async () => {
  const { engine, boxes, snapshots, cloud, Box } = lab()
  await engine().apply('prod', boxes('a'))
  const failing = app('shop', { build: () => void Box('c', { name: 'c', fail: true, secret: Box('a', { name: 'a', size: 3 }).token }) })
  expect(await engine().apply('prod', failing)).toMatchObject({ outcome: 'reverted', error: { code: 'HF3101' } })
  expect(cloud.content).toEqual(['a=1'])
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 1 })
  expect(await engine().apply('prod', boxes('a'))).toMatchObject({ outcome: 'unchanged' })
  expect(await engine().apply('prod', failing, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', revision: { from: 1, to: 2 } })
  expect(cloud.content).toEqual(['a=3'])
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 2, head: { env: { partial: true } } })
})

test('refresh takes over what was changed and what is gone, and the next plan puts it right', async () => {
  const { engine, boxes, cloud, snapshots } = lab()
  await engine().apply('prod', boxes('a', 'b', 'c'))
  const begins = snapshots.calls.length
  expect(await engine().refresh('prod')).toMatchObject({ drifted: [], revision: { from: 1, to: 1 } })
  expect(snapshots.calls.slice(begins)).toEqual(['get'])
  ;(cloud.byName('a') as { size: number }).size = 9
  cloud.objects.delete((cloud.byName('c') as { id: string }).id)
  await expect(engine().refresh('prod', { allowDeletes: 0 })).rejects.toMatchObject({ code: 'HF2501' })
  const events: EngineEvent[] = []
  const refreshed = await engine().refresh('prod', { onEvent: (e) => events.push(e) })
  expect(refreshed).toMatchObject({ asked: ['a'], drifted: [{ address: 'a', kind: 'changed', paths: ['size'] }, { address: 'c', kind: 'gone', paths: [] }], revision: { from: 1, to: 2 } })
  expect(events.filter((e) => e.type === 'drift.found').map((e) => e.node)).toEqual(['a', 'c'])
  await sound(snapshots, 'prod')
  // The world won: only what is gone is made again, unless what was found is put right, too.
  expect((await engine().preview('prod', boxes('a', 'b', 'c'))).document.changes).toMatchObject([{ address: 'c', action: 'create' }])
  const plan = await engine().preview('prod', boxes('a', 'b', 'c'), { refreshed })
  expect(plan.document.changes.map((c) => `${c.action} ${c.address}`)).toEqual(expect.arrayContaining(['update a', 'create c']))
  expect(await engine().apply('prod', plan)).toMatchObject({ outcome: 'applied' })
  expect(cloud.content).toEqual(['a=1', 'b=1', 'c=1'])
  cloud.fault('read b', 'reject')
  await expect(engine().refresh('prod')).rejects.toMatchObject({ code: 'HF3101' })
})

test('objects that exist are imported by their ids, all of them or none; nothing is made, and the rest is left for the next apply', async () => {
  const { engine, cloud, snapshots, Box } = lab()
  const [one, two] = [cloud.make('a', 1, ''), cloud.make('b', 5, '')]
  const program = app('shop', { build: () => ['a', 'b', 'c'].forEach((name) => void Box(name, { name })) })
  await expect(engine().import('prod', { a: one.id, nobody: 'o9' }, program)).rejects.toMatchObject({ code: 'HF2120', details: { rows: [{ address: 'nobody' }] } })
  await expect(engine().import('prod', { a: 5 as never }, program)).rejects.toMatchObject({ code: 'HF2120' })
  expect(snapshots.kept.size).toBe(0)
  expect(await engine().import('prod', { a: one.id, b: two.id }, program)).toMatchObject({ outcome: 'applied', summary: { adopt: 2 }, revision: { from: 0, to: 1 } })
  expect(cloud.calls.filter((c) => !c.startsWith('read'))).toEqual([])
  expect((await snapshots.getSnapshot('prod'))?.reliable).toBe(true)
  expect(snapshots.ended.at(-1)?.resources).toMatchObject([{ address: 'a', meta: { physicalId: one.id } }, { address: 'b', meta: { physicalId: two.id } }])
  const calls = snapshots.calls.length
  expect(await engine().import('prod', { a: one.id }, program)).toMatchObject({ outcome: 'unchanged' })
  expect(snapshots.calls.slice(calls)).toEqual(['get'])
  expect((await engine().preview('prod', program)).document.changes).toMatchObject([{ address: 'b', action: 'update' }, { address: 'c', action: 'create' }])
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'applied' })
  expect(cloud.content).toEqual(['a=1', 'b=1', 'c=1'])
  await sound(snapshots, 'prod')
})

test('hooks of nodes run in the process that embeds the engine', async () => {
  const { engine, cloud, snapshots, Box } = lab()
  const ran: string[] = []
  const told = hook(`embed-hook-${serial}`, ({ address }) => void ran.push(address))
  const program = app('shop', { build: () => void Box('a', { name: 'a' }, { hooks: { afterCreate: told } }) })
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'applied' })
  expect(ran).toEqual(['a'])
  expect(cloud.content).toEqual(['a=1'])
  await sound(snapshots, 'prod')
})

test('what only a person can decide stays open in the snapshot, and is settled by that person', async () => {
  const cloud = new Cloud()
  const Box = resource(boxSpec(cloud, { type: `embedded:Box${++serial}`, class: 'D', more: { read: undefined as never } }))
  const snapshots = new MemorySnapshots()
  const home = folder()
  const engine = () => new Engine({ targets: new ListedTargets('prod'), snapshots, home })
  const program = app('shop', { build: () => void Box('a', { name: 'a' }) })
  cloud.fault('create a', 'lost-applied')
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
  const left = await snapshots.getSnapshot('prod')
  expect(left).toMatchObject({ reliable: false, open: [{ address: 'a', status: 'unknown', evidence: expect.stringContaining('connection reset') }] })
  await sound(snapshots, 'prod')
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
  await expect(engine().settle('prod', 't-nobody', { kind: 'absent' })).rejects.toMatchObject({ code: 'HF6003' })
  await expect(engine().settle('prod', left?.open[0]?.id as string, { kind: 'to', state: 'new' })).rejects.toMatchObject({ code: 'HF6007' })
  cloud.objects.clear()
  expect(await engine().settle('prod', left?.open[0]?.id as string, { kind: 'absent' })).toMatchObject({ status: 'failed', applied: 'no' })
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, open: [] })
  expect(await engine().apply('prod', program)).toMatchObject({ outcome: 'applied' })
  expect(cloud.calls).toEqual(['create a', 'create a'])
  await expect(engine().settle('prod', left?.open[0]?.id as string, { kind: 'absent' })).rejects.toMatchObject({ code: 'HF6003' })
})

test('what broke off half-way is in the snapshot as far as it went, open, and the next apply takes its place', async () => {
  const { engine, boxes, cloud, snapshots } = lab()
  cloud.fault('create a', 'partly')
  expect(await engine().apply('prod', boxes('a'), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
  // The mark was renewed with what was reported on the way.
  expect(snapshots.calls.filter((c) => c === 'begin a create')).toHaveLength(2)
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: false, open: [{ address: 'a', status: 'failed' }] })
  expect(snapshots.ended.at(-1)?.resources).toMatchObject([{ address: 'a', status: 'partial', outputs: expect.stringContaining('"id":"o1"') }])
  await sound(snapshots, 'prod')
  expect(await engine().apply('prod', boxes('a'))).toMatchObject({ outcome: 'applied' })
  expect(cloud.content).toEqual(['a=1'])
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, open: [] })
  await sound(snapshots, 'prod')
})

test('events are told as they happen, and an abort stops the run and takes it back', async () => {
  const { engine, boxes, cloud, snapshots } = lab()
  const stop = new AbortController()
  const types: string[] = []
  const doc = await engine().apply('prod', boxes('a', 'b', 'c'), {
    signal: stop.signal,
    onEvent: (e) => {
      types.push(e.type)
      if (e.type === 'task.succeeded' && e.node === 'a') stop.abort()
    },
  })
  expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF3106' } })
  expect(types).toEqual(expect.arrayContaining(['run.started', 'task.started', 'task.succeeded', 'task.reverted', 'run.finished']))
  expect(cloud.content).toEqual([])
  expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 0 })
})

test('a run whose signal is aborted already begins no task', async () => {
  for (const abort of [{}, { abort: AbortSignal.abort() }]) {
    const { engine, boxes, cloud, snapshots } = lab()
    await engine().apply('prod', boxes('a'))
    const { calls } = cloud
    expect(await engine().apply('prod', boxes('a', 'b'), { signal: AbortSignal.abort(), ...abort })).toMatchObject({ outcome: 'reverted', error: { code: 'HF3106' }, revision: { from: 1, to: 1 } })
    expect(cloud.calls).toEqual(calls)
    expect(await snapshots.getSnapshot('prod')).toMatchObject({ reliable: true, revision: 1 })
    expect(await engine().apply('prod', boxes('a', 'b'))).toMatchObject({ outcome: 'applied' })
    expect(cloud.content).toEqual(['a=1', 'b=1'])
  }
})

test('a listener that throws harms no run; the process warns of it once', async () => {
  const warned: string[] = []
  const listen = (w: Error) => { if (w.message.startsWith('listener')) warned.push(w.message) }
  process.on('warning', listen)
  try {
    const { engine, boxes, cloud } = lab()
    expect(await engine().apply('prod', boxes('a', 'b'), { onEvent: (e) => { throw new Error(`listener of ${e.type}`) } })).toMatchObject({ outcome: 'applied' })
    expect(cloud.content).toEqual(['a=1', 'b=1'])
    await new Promise((next) => setImmediate(next))
    expect(warned).toHaveLength(1)
  } finally {
    process.off('warning', listen)
  }
})

test('a program of another name does not take over what this one made; what is no program is refused', async () => {
  const { engine, boxes } = lab()
  await engine().apply('prod', boxes('a'))
  await expect(engine().apply('prod', app('other', { build: () => undefined }))).rejects.toMatchObject({ code: 'HF2402', message: expect.stringContaining('shop') })
  for (const what of [undefined, null, {}, 'x', () => undefined, { text: 5 }]) {
    await expect(engine().preview('prod', what as never)).rejects.toMatchObject({ code: 'HF1004' })
    await expect(engine().apply('prod', what as never)).rejects.toMatchObject({ code: 'HF1004' })
  }
})

test('the key: made in its file when it is needed, the one of the target alone opens it, and without one a secret is refused', async () => {
  const { boxes, snapshots, home, cloud, Box } = lab()
  const targets = new ListedTargets('prod')
  await new Engine({ targets, snapshots, home }).apply('prod', boxes('a'))
  expect(readFileSync(join(home, 'key'), 'utf8').length).toBeGreaterThan(30)
  expect(await new Engine({ targets, snapshots, key: keyFile(join(home, 'other')) }).apply('prod', boxes('a', 'b'))).toMatchObject({ outcome: 'reverted', error: { code: 'HF4301' } })
  await new Engine({ targets, snapshots: new MemorySnapshots(), key: keyFile(join(home, 'other')) }).apply('prod', app('shop', { build: () => void Box('z', { name: 'z' }) }))
  await expect(new Engine({ targets, snapshots, key: keyFile(join(home, 'other')) }).apply('prod', boxes('a', 'b'))).rejects.toMatchObject({ code: 'HF4302' })
  expect(await new Engine({ targets, snapshots, home }).apply('prod', boxes('a', 'b'))).toMatchObject({ outcome: 'applied' })
  expect(await new Engine({ targets, snapshots: new MemorySnapshots() }).apply('prod', boxes('y')).catch((e: unknown) => e)).toMatchObject({ error: { code: 'HF4301' } })
  expect(cloud.byName('b')).toBeDefined()
})

test('a plan of a program with declared secrets is applied, by the engine that made it and by another process; a secret that was changed since makes it stale', async () => {
  let value = 'first-secret'
  const { Box, engine, cloud, snapshots } = lab({ targets: new ListedTargets(target('prod', { secrets: { get: async (name) => (name === 'token' ? value : undefined) } })) })
  const program = (...names: string[]) => app('shop', { secrets: ['token'], build: ({ secrets }) => { for (const name of names) Box(name, { name, secret: secrets.token }) } })
  expect((await engine().apply('prod', await engine().preview('prod', program('a')))).outcome).toBe('applied')
  const text = (await engine().preview('prod', program('a', 'b'))).text()
  expect(text).not.toContain(value)
  expect((await engine().apply('prod', { text })).outcome).toBe('applied')
  expect([...cloud.objects.values()].map((o) => o.secret)).toEqual([value, value])
  const old = await engine().preview('prod', program('a', 'b', 'c'))
  value = 'second-secret'
  await expect(engine().apply('prod', old)).rejects.toMatchObject({ code: 'HF2401' })
  expect(JSON.stringify([...snapshots.kept.values()])).not.toMatch(/first-secret|second-secret/)
})
