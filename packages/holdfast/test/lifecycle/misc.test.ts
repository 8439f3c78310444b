import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { listResources, readDrift, readOutputs, readStatus, showResource } from '../../src/engine/index.ts'
import { app, buildGraph, component, lookup, resource, sensitive, str } from '../../src/program/index.ts'
import { completeType, type ResourceSpec } from '../../src/provider/index.ts'
import { openRing } from '../../src/project/key.ts'
import { boxSpec, type Lab, makeLab, never } from '../support/world.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** Options, secrets and the rest: spec/engine.md 3.12. */
const rowsOf = async (lab: Lab) => lab.store.resources((await lab.store.env('lab', 'default'))?.id as string, 'committed')
let serial = 0
/** Another type in the same lab. */
function withType<I extends z.ZodObject, O extends z.ZodObject>(lab: Lab, spec: ResourceSpec<I, O>) {
  const made = resource<I, O>({ ...spec, type: `test:Misc${++serial}` })
  lab.cx.types.add(completeType(made.spec as never, `program#${made.type}`))
  return made
}

describe('deadlines', () => {
  const each = { create: '60s', update: '240s', delete: '50s', read: '30s' } as const

  // Peers hand them to the provider. Here the engine keeps them: after the deadline the outcome is unknown, and is found out.
  test('E3#122 each kind of call has its own, kept by the engine; they stand in the record, and hold for a deletion after the node has left', async () => {
    const clock = new VirtualClock()
    const lab = makeLab({ clock, class: 'D', more: { capability: { create: 'none', update: 'patch', maxCallMs: 0 }, timeout: '1000s' } })
    const build = (size: number) => () => void lab.Box('a', { name: 'a', size }, { timeout: each })
    const took = async (act: () => Promise<unknown>) => {
      const began = clock.now()
      await act()
      return (clock.now() - began) / 1000
    }
    lab.cloud.fault('create a', 'hang')
    expect(await took(async () => expect(await lab.apply(build(1))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } }))).toBe(60)
    const [open] = (await readStatus(lab.cx)).open
    const session = await lab.session()
    await session.settle(open?.tx as string, { kind: 'absent' })
    await session.end()
    expect(await lab.apply(build(1))).toMatchObject({ outcome: 'applied' })
    expect((await rowsOf(lab))[0]?.meta.timeouts).toEqual({ create: 60_000, update: 240_000, delete: 50_000, read: 30_000 })
    lab.cloud.fault('update a', 'hang')
    expect(await took(() => lab.apply(build(2)))).toBe(240)
    lab.cloud.fault('read a', 'hang')
    expect(await took(() => expect(readDrift(lab.cx)).rejects.toMatchObject({ code: 'HF3105', address: 'a' }))).toBe(30)
    lab.cloud.fault('delete a', 'hang', 'hang')
    expect(await took(async () => expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied' }))).toBe(100)
  })

  test('one for all is the same as one for each; what is none is refused', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }, { timeout: '5m' }))
    expect((await rowsOf(lab))[0]?.meta.timeouts).toEqual({ create: 300_000, update: 300_000, delete: 300_000, read: 300_000 })
    expect((await lab.plan(() => void lab.Box('a', { name: 'a' }, { timeout: { create: '5m', update: '5m', delete: '5m', read: '5m' } }))).empty).toBe(true)
    expect((await lab.plan(() => void lab.Box('a', { name: 'a' }, { timeout: { delete: '6m' } }))).document.changes).toMatchObject([{ action: 'update', reasons: ['only its options or dependencies differ'] }])
    for (const timeout of ['0s', {}, { create: 5 }, { replace: '5s' }]) {
      const built = () => buildGraph(lab.app(() => void lab.Box('a', { name: 'a' }, { timeout: timeout as never })), {})
      if (JSON.stringify(timeout) === '{}') expect(built).not.toThrow()
      else expect(built, JSON.stringify(timeout)).toThrow(expect.objectContaining({ code: 'HF1208' }))
    }
  })
})

test('E3#123 an object has the time it was made and the time it was changed, in UTC: a creation sets both, a change the second, nothing neither', async () => {
  const clock = new VirtualClock()
  const lab = makeLab({ clock })
  const times = async () => (await listResources(lab.cx)).map((r) => [r.created, r.modified])[0] as [string, string]
  const at = () => new Date(clock.now()).toISOString()
  const build = (size: number, more: object = {}) => () => void lab.Box('a', { name: 'a', size, ...more })
  const made = at()
  await lab.apply(build(1))
  expect(await times()).toEqual([made, made])
  clock.pass(60_000)
  await lab.apply(build(1))
  await lab.apply(() => void lab.Box('a', { name: 'a' }, { tags: { k: 'v' } })) // only the record
  expect(await times()).toEqual([made, made])
  clock.pass(60_000)
  const changed = at()
  await lab.apply(build(2))
  expect(await times()).toEqual([made, changed])
  clock.pass(60_000)
  const failing = () => {
    const a = lab.Box('a', { name: 'a', size: 3 })
    lab.Box('b', { name: str`b-${a.size}`, fail: true })
  }
  expect(await lab.apply(failing)).toMatchObject({ outcome: 'reverted' })
  expect(await times()).toEqual([made, changed])
  const anew = at()
  await lab.apply(build(2, { zone: 'z' }))
  expect(await times()).toEqual([anew, anew])
  expect(await showResource(lab.cx, 'a')).toMatchObject({ created: anew, modified: anew })
})

describe('secrets', () => {
  test('E3#124 what goes in secret comes out secret, and so does what a type calls sensitive; nothing that is told holds them; a key that does not fit fails before any change', async () => {
    const lab = makeLab()
    const build = () => {
      const a = lab.Box('a', { name: 'a' })
      const b = lab.Box('b', { name: 'b', secret: a.token })
      return { token: a.token, text: str`is ${a.token}`, id: b.id }
    }
    const doc = await lab.apply(build)
    expect(doc.outputs).toEqual({ token: { secret: true }, text: { secret: true }, id: 'o2' })
    expect(await showResource(lab.cx, 'b')).toMatchObject({ inputs: { secret: { secret: true } }, outputs: { token: { secret: true } } })
    const plan = await lab.plan(build)
    expect(JSON.stringify([doc, plan.text(), lab.events, await rowsOf(lab), await listResources(lab.cx, { withOutputs: true })])).not.toContain('token-of-o1')
    expect(lab.cloud.byName('b')?.secret).toBe('token-of-o1')

    // Secrets of config are declared and set apart; without one, nothing is done.
    const secretly = buildGraph(app('lab', { secrets: ['pin'], build: ({ secrets }) => void lab.Box('c', { name: 'c', secret: secrets.pin }) }) as never, {})
    lab.cloud.calls.length = 0
    const session = await lab.session()
    await expect(session.plan({ graph: secretly })).rejects.toMatchObject({ code: 'HF2301' })
    await session.end()
    expect(lab.cloud.calls).toEqual([])
    // The key is checked when the state is opened, before there is an engine.
    const meta = await lab.store.meta()
    expect(() => openRing({ kind: 'text', text: '08'.repeat(32) }, meta, false)).toThrow(expect.objectContaining({ code: 'HF4302' }))
  })

  test('an object that is taken over and then given a secret value is not made anew', async () => {
    const lab = makeLab()
    lab.cloud.make('there', 1, '')
    const build = (secretly: boolean) => () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('it', { name: 'there', secret: secretly ? a.token : '' }, { adopt: 'o1' })
    }
    await lab.apply(build(false))
    expect((await lab.plan(build(true))).document.changes).toMatchObject([{ address: 'it', action: 'update', paths: [{ path: 'secret', secret: true }] }])
    expect(await lab.apply(build(true))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.byName('there')?.secret).toBe('token-of-o2')
  })
})

describe('components and look-ups', () => {
  const pair = (lab: Lab) => component('Pair', { inputs: z.object({ size: z.number(), pass: sensitive(z.string()) }), build: ({ inputs }) => {
    const a = lab.Box('a', { name: 'a', size: inputs.size })
    const b = lab.Box('b', { name: str`${a.id}-b`, secret: inputs.pass })
    return { id: b.id, where: str`at ${a.id}`, pass: inputs.pass }
  } })

  // A component has no record of its own: what it gives is stored as far as the app gives it on.
  test('E3#127 what a component gives is stored with the outputs of the app', async () => {
    const lab = makeLab()
    const Pair = pair(lab)
    await lab.apply(() => {
      const p = Pair('p', { size: 3, pass: 'word-of-pass' })
      return { id: p.id, where: p.where }
    })
    expect(await readOutputs(lab.cx, { reveal: false })).toEqual({ id: 'o2', where: 'at o1' })
  })

  // Components are not called over a wire: their build runs in the program, and its values are expressions.
  test('E3#128 through a component values stay secret, unknown, and what they depend on', async () => {
    const lab = makeLab()
    const Pair = pair(lab)
    let size = 1
    const build = () => {
      const first = lab.Box('first', { name: 'first', size })
      const p = Pair('p', { size: first.size, pass: first.token })
      const last = lab.Box('last', { name: str`last-${p.id}` })
      return { pass: p.pass, last: last.id }
    }
    const graph = buildGraph(lab.app(build), {})
    expect([graph.nodes.get('p/a')?.deps, graph.nodes.get('p/b')?.deps, graph.nodes.get('last')?.deps]).toEqual([['first'], ['p/a', 'first'], ['p/b']])
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied', outputs: { pass: { secret: true }, last: 'o4' } })
    expect(lab.cloud.byName('o2-b')?.secret).toBe('token-of-o1')
    size = 2
    expect((await lab.plan(build)).document.changes).toMatchObject([
      { address: 'first', action: 'update' }, { address: 'p/a', action: 'maybe', paths: [{ path: 'size', after: { unknown: 'first.size' } }] },
      { address: 'p/b', action: 'maybe', paths: [{ path: 'name', after: { unknown: 'p/a.id' } }, { path: 'secret', after: { unknown: 'first.token' } }] }, { address: 'last', action: 'maybe' },
    ])
  })

  test('E3#129 a look-up waits for what its inputs depend on, and is unknown until then', async () => {
    const lab = makeLab()
    const asked: unknown[] = []
    const Found = withType(lab, boxSpec(lab.cloud, { more: { find: async ({ inputs: i }) => {
      asked.push(i?.name)
      return [...lab.cloud.objects.values()].filter((o) => o.name === i?.name).map((o) => ({ id: o.id, name: o.name, size: o.size, token: 't' }))
    } } }))
    const waits = () => {
      const a = lab.Box('a', { name: 'a' })
      const found = lookup(Found, { name: str`${a.id}-of` }, { name: 'found' })
      lab.Box('b', { name: 'b', size: found.size })
    }
    lab.cloud.make('other', 1, '')
    lab.cloud.make('o3-of', 6, '')
    expect((await lab.plan(waits)).document.changes.map((c) => `${c.action} ${c.address}`)).toEqual(['create a', 'read found', 'create b'])
    expect(asked).toEqual([])
    expect(await lab.apply(waits)).toMatchObject({ outcome: 'applied' })
    expect(asked).toEqual(['o3-of'])
    expect(lab.cloud.byName('b')?.size).toBe(6)
  })
})

// A destroy does not run the program; what it needs stands in the state.
test('E3#130 destroy deletes what the state has, also what the program no longer names, and with targets only those', async () => {
  const lab = makeLab()
  await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('b', { name: str`${a.name}-b` })
    lab.Box('c', { name: 'c' })
  })
  const destroy = async (targets: readonly string[]) => {
    const session = await lab.session()
    const doc = await session.apply(await session.plan({ graph: undefined, targets }), { onFailure: 'revert', stop: never, abort: never })
    await session.end()
    return doc
  }
  lab.cloud.calls.length = 0
  expect(await destroy(['c'])).toMatchObject({ outcome: 'applied', pending: [] })
  expect([lab.cloud.calls, (await listResources(lab.cx)).map((r) => r.address)]).toEqual([['delete c'], ['a', 'b']])
  expect(await lab.destroy()).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls).toEqual(['delete c', 'delete a-b', 'delete a'])
  expect(await listResources(lab.cx)).toEqual([])
})

// There are no virtual children: a type that makes several objects keeps them in one row, each under a key of its own.
test('E3#132 further objects of one call follow its node through creation, change, drift and deletion', async () => {
  const lab = makeLab()
  const parts = new Map<string, { key: string; size: number }>()
  const out = (name: string) => ({ id: name, parts: [...parts.keys()].filter((k) => k.startsWith(`${name}.`)).sort() })
  const keys = new Set<string>()
  const Many = withType(lab, {
    type: 'x', inputs: z.object({ name: z.string(), size: z.number() }), outputs: z.object({ id: z.string(), parts: z.array(z.string()) }),
    capability: { create: { token: { windowMs: 3_600_000 } }, update: 'full', maxCallMs: 0 },
    create: async ({ inputs: i, key, partial }) => {
      for (const part of ['disk', 'net']) {
        keys.add(String(key.step(part)))
        parts.set(`${i.name}.${part}`, { key: String(key.step(part)), size: i.size })
        await partial(out(i.name))
        if (i.size > 8) throw new Error('too large')
      }
      return out(i.name)
    },
    update: async ({ inputs: i }) => {
      for (const [k, p] of parts) if (k.startsWith(`${i.name}.`)) p.size = i.size
      return out(i.name)
    },
    read: async ({ inputs: i }) => (out(i.name).parts.length ? out(i.name) : undefined),
    delete: async ({ outputs: o }) => {
      for (const p of o.parts ?? []) parts.delete(p)
    },
  })
  const build = (size: number) => () => void Many('m', { name: 'm', size })
  expect(await lab.apply(build(9))).toMatchObject({ outcome: 'reverted' })
  expect(parts.size).toBe(0)
  await lab.apply(build(1))
  expect([...parts.keys()].sort()).toEqual(['m.disk', 'm.net'])
  expect(keys.size).toBeGreaterThanOrEqual(3) // no two parts share one
  await lab.apply(build(2))
  expect([...parts.values()].map((p) => p.size)).toEqual([2, 2])
  parts.delete('m.net')
  expect(await readDrift(lab.cx)).toEqual({ drifted: [{ address: 'm', kind: 'changed', paths: ['parts.1'] }] })
  await lab.destroy()
  expect(parts.size).toBe(0)
})

// No file is renamed, copied or compressed by hand here: schema copies and exports have tests of their own (test/store, test/cli).
test('E3#133 what a dead holder left is taken over without anybody\'s word, and renaming everything keeps every identity and the state sound', async () => {
  const lab = makeLab()
  await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('b', { name: str`${a.name}-b` })
  })
  const uids = (await listResources(lab.cx)).map((r) => r.uid)
  const dead = await lab.session() // never ends: its process is gone
  expect(dead.tookOver).toBeUndefined()
  const Home = component('Home', { inputs: z.object({}), build: () => {
    const a = lab.Box('a', { name: 'a' }, { movedFrom: ['a'] })
    lab.Box('b', { name: str`${a.name}-b` }, { movedFrom: ['b'] })
    return {}
  } })
  const again = lab.again()
  lab.cloud.calls.length = 0
  expect(await again.apply(() => void Home('home', {}))).toMatchObject({ outcome: 'applied' })
  const rows = await listResources(again.cx)
  expect(rows.map((r) => [r.address, r.uid, r.dependsOn])).toEqual([['home/a', uids[0], []], ['home/b', uids[1], ['home/a']]])
  expect(lab.cloud.calls).toEqual([])
  expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
  // The one that was taken for dead can write nothing any more.
  await expect(dead.refresh({}, { stop: never })).rejects.toMatchObject({ code: 'HF4203' })
})
