import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { forgetBound, readOutputs } from '../../src/engine/index.ts'
import { resource, sensitive } from '../../src/program/index.ts'
import { makeLab } from '../support/world.ts'

let serial = 0

/** Folders that hold data, and keys that open them. What a folder holds is kept when it is deleted, as the trash on disk keeps it. */
function lab() {
  const n = ++serial
  const disk = new Map<string, string>()
  const bin = new Map<string, string[]>()
  const made: string[] = []
  const Store = resource({
    type: `test:Store${n}`, inputs: z.object({ path: z.string(), data: z.boolean().default(true) }), outputs: z.object({ path: z.string(), cluster: z.string() }), replaceOn: ['path'],
    capability: { create: { name: true }, update: 'full', maxCallMs: 0 },
    claims: (i) => [`path:/${i.path}`], holdsData: (i) => i.data,
    create: async ({ inputs: { path } }) => {
      const cluster = bin.get(path)?.pop() ?? `cluster-${made.push(path)}`
      disk.set(path, cluster)
      return { path, cluster }
    },
    read: async ({ inputs: { path } }) => (disk.has(path) ? { path, cluster: disk.get(path) as string } : undefined),
    update: async ({ outputs }) => outputs,
    delete: async ({ inputs: { path } }) => {
      const cluster = disk.get(path)
      if (cluster === undefined) return
      bin.set(path, [...(bin.get(path) ?? []), cluster])
      disk.delete(path)
    },
  })
  let keys = 0
  let refusals = 0
  const Key = resource({
    type: `test:Key${n}`, inputs: z.object({ boundTo: z.string().optional(), length: z.number().default(8), note: z.string().default('') }), outputs: z.object({ value: sensitive(z.string()) }), replaceOn: ['length'],
    capability: { create: { token: { windowMs: 3_600_000 } }, update: 'full', maxCallMs: 0 },
    boundTo: (i) => i.boundTo,
    create: async () => ({ value: `key-number-${++keys}` }),
    read: async ({ outputs }) => (outputs?.value === undefined ? undefined : { value: outputs.value }),
    update: async ({ outputs }) => outputs,
    delete: async () => {
      if (refusals > 0 && refusals--) throw new Error('not now')
    },
  })
  const l = makeLab({ types: [Store, Key] })
  const { Box } = l
  interface Wanted { readonly length?: number; readonly note?: string; readonly bound?: boolean; readonly fail?: boolean; readonly tags?: Record<string, string>; readonly path?: string; readonly literal?: boolean }
  const program = (w: Wanted = {}) => () => {
    const path = w.path ?? 'data'
    const data = Store('data', { path })
    const key = Key('key', { ...(w.bound === false ? {} : { boundTo: w.literal ? path : data.path }), ...(w.length ? { length: w.length } : {}), ...(w.note ? { note: w.note } : {}) }, w.tags ? { tags: w.tags } : {})
    if (w.fail) Box('fails', { name: 'fails', fail: true }, { dependsOn: [key] })
    return { key: key.value, cluster: data.cluster }
  }
  return {
    ...l, disk, bin, program, Store, Key,
    refuse: (times: number) => {
      refusals = times
    },
    up: (w?: Wanted) => l.apply(program(w)),
    now: async () => (await readOutputs(l.cx, { reveal: true })) as { key: string; cluster: string },
    rows: async () => (await l.store.trash((await l.store.env('lab', 'default'))?.id as string)).map((t) => t.address).sort(),
    emptied: async (path: string, uid: string) => {
      bin.delete(path)
      await forgetBound(l.cx, [{ uid, env: (await l.store.env('lab', 'default'))?.id as string, path: `/${path}` }])
    },
    uidOf: async (address: string) => (await l.store.resources((await l.store.env('lab', 'default'))?.id as string, 'committed')).find((r) => r.address === address)?.uid as string,
  }
}

describe('a secret that is bound to data', () => {
  test('is kept when it is taken back, and comes back with the next apply, however often that fails', async () => {
    const l = lab()
    for (let i = 0; i < 3; i++) {
      expect((await l.up({ fail: true })).outcome).toBe('reverted')
      expect(await l.rows()).toEqual(['data', 'key'])
      expect(l.disk.size).toBe(0)
    }
    expect((await l.up()).outcome).toBe('applied')
    expect(await l.now()).toEqual({ key: 'key-number-1', cluster: 'cluster-1' })
    expect(await l.rows()).toEqual([])
  })

  test('that was destroyed comes back with the data, also under other options and other inputs that would have kept it', async () => {
    const l = lab()
    await l.up()
    for (const wanted of [{ note: 'changed' }, { tags: { team: 'a' } }, { note: 'changed again', tags: { team: 'b' } }, {}]) {
      await l.destroy()
      expect((await l.up(wanted)).outcome).toBe('applied')
      expect(await l.now()).toEqual({ key: 'key-number-1', cluster: 'cluster-1' })
      expect((await l.plan(l.program(wanted))).empty).toBe(true)
    }
  })

  test('does not come back when the program asks for another one meanwhile', async () => {
    const l = lab()
    await l.up()
    await l.destroy()
    await l.up({ length: 12 })
    expect(await l.now()).toEqual({ key: 'key-number-2', cluster: 'cluster-1' })
  })

  test('is new each time it is replaced, and the newest one comes back', async () => {
    const l = lab()
    await l.up()
    for (const [i, length] of [12, 8, 12].entries()) {
      await l.up({ length })
      expect((await l.now()).key).toBe(`key-number-${i + 2}`)
      expect(await l.rows()).toEqual([])
    }
    const replaced = await l.apply(l.program({ length: 12 }), { request: { replace: ['key'] } })
    expect(replaced.error).toBeUndefined()
    expect((await l.now()).key).toBe('key-number-5')
    await l.destroy()
    await l.up({ length: 12 })
    expect((await l.now()).key).toBe('key-number-5')
  })

  test('that lies in the trash does not come back in the place of a live one', async () => {
    const l = lab()
    await l.up()
    await l.apply(() => void l.Store('data', { path: 'data' }))
    await l.up({ length: 12 })
    expect(await l.rows()).toEqual(['key'])
    await l.destroy()
    expect(await l.rows()).toEqual(['data', 'key', 'key'])
    await l.up({ length: 12 })
    expect((await l.now()).key).toBe('key-number-2') // the newest of the two
    expect(await l.rows()).toEqual(['key'])
    await l.up()
    expect((await l.now()).key).toBe('key-number-3')
  })

  test('of a replacement that is taken back is forgotten; the one before it is kept', async () => {
    const l = lab()
    await l.up()
    expect((await l.up({ length: 12, fail: true })).outcome).toBe('reverted')
    expect(await l.rows()).toEqual([])
    expect((await l.now()).key).toBe('key-number-1')
    await l.destroy()
    await l.up()
    expect((await l.now()).key).toBe('key-number-1')
  })

  for (const literal of [false, true]) {
    test(`is forgotten with its data when that is deleted for good${literal ? ', when it names the data by a path of its own' : ''}`, async () => {
      const l = lab()
      await l.up({ literal })
      const uid = await l.uidOf('data')
      await l.destroy()
      expect(await l.rows()).toEqual(['data', 'key'])
      await l.emptied('elsewhere', 'u-another')
      expect(await l.rows()).toEqual(['data', 'key'])
      await l.emptied('data', uid)
      expect(await l.rows()).toEqual([])
      await l.up({ literal })
      expect(await l.now()).toEqual({ key: 'key-number-2', cluster: 'cluster-2' })
    })
  }

  test('stays when its data is live and the program has left it out for a while', async () => {
    const l = lab()
    await l.up()
    const data = await l.uidOf('data')
    await l.apply(() => void l.Store('data', { path: 'data' }))
    expect(await l.rows()).toEqual(['key'])
    await l.emptied('data', 'u-an-older-one')
    expect(await l.rows()).toEqual(['key'])
    await l.up()
    expect((await l.now()).key).toBe('key-number-1')
    expect(await l.uidOf('data')).toBe(data)
  })

  test('that is bound to nothing is made anew', async () => {
    const l = lab()
    await l.up({ bound: false })
    await l.destroy()
    expect(await l.rows()).toEqual(['data'])
    await l.up({ bound: false })
    expect(await l.now()).toEqual({ key: 'key-number-2', cluster: 'cluster-1' })
  })

  test('comes back with the data of its place, not with that of another', async () => {
    const l = lab()
    await l.up()
    await l.destroy()
    await l.up({ path: 'other' })
    expect(await l.now()).toEqual({ key: 'key-number-2', cluster: 'cluster-2' })
    await l.destroy()
    await l.up()
    expect(await l.now()).toEqual({ key: 'key-number-1', cluster: 'cluster-1' })
    await l.destroy()
    await l.up({ path: 'other' })
    expect(await l.now()).toEqual({ key: 'key-number-2', cluster: 'cluster-2' })
  })

  test('comes back also when its deletion, or that of the data, was still pending', async () => {
    const l = lab()
    await l.up()
    for (let i = 0; i < 2; i++) {
      l.refuse(1)
      expect((await l.destroy()).pending).toContain('key')
      const up = await l.up(i === 0 ? {} : { fail: true })
      expect(up.outcome).toBe(i === 0 ? 'applied' : 'reverted')
      expect(up.pending).toEqual([])
      if (i === 0) expect(await l.now()).toEqual({ key: 'key-number-1', cluster: 'cluster-1' })
    }
    await l.up()
    expect(await l.now()).toEqual({ key: 'key-number-1', cluster: 'cluster-1' })
    expect(await l.rows()).toEqual([])
  })

  test('that was replaced, and whose deletion is still pending, does not come back', async () => {
    const l = lab()
    await l.up()
    l.refuse(2)
    expect((await l.up({ length: 12 })).pending).toEqual(['key'])
    expect((await l.destroy()).outcome).toBe('applied')
    await l.up({ length: 12 })
    expect((await l.now()).key).toBe('key-number-2')
  })

  test('is sealed in the trash', async () => {
    const l = lab()
    await l.up()
    await l.destroy()
    expect(JSON.stringify(await l.store.trash((await l.store.env('lab', 'default'))?.id as string))).not.toContain('key-number')
  })
})
