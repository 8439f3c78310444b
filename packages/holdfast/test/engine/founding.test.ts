import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { listResources, readStatus } from '../../src/engine/index.ts'
import { outcomeUnknown, type CallContext } from '../../src/provider/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { resource, str } from '../../src/program/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { asFailure } from '../../src/cli/report.ts'
import { pickSqlite } from '../../src/store/sqlite/driver.ts'
import { refusePlatform } from '../../src/project/open.ts'
import type { TxRow } from '../../src/state/index.ts'
import { repository } from '../guards/tree.ts'
import { makeLab } from '../support/world.ts'

/** A type that notes what it is given, and whether its own transaction stands in the store while it is called. */
function noting(lab: ReturnType<typeof makeLab>, behave: (call: CallContext, n: number) => void = () => undefined) {
  const place = { store: lab.store }
  const seen: { key: string; step: string; other: string; namespace: string; size: number; open: readonly TxRow[] }[] = []
  const Noting = resource({
    type: `test:Noting${Math.random()}`, inputs: z.object({ size: z.number() }), outputs: z.object({ size: z.number() }),
    capability: { create: { token: { windowMs: 3_600_000 } }, update: 'full', maxCallMs: 0 },
    create: async (call) => {
      const env = await place.store.env('lab', 'default')
      seen.push({
        key: String(call.key), step: call.key.step('bucket'), other: call.key.step('policy'), namespace: call.namespace, size: call.inputs.size,
        open: await place.store.txs({ env: env?.id as string, unresolved: true }),
      })
      behave(call, seen.length)
      return { size: call.inputs.size }
    },
    update: async ({ inputs }) => ({ size: inputs.size }),
    delete: async () => undefined,
  })
  lab.cx.types.add(completeType(Noting.spec as never, 'program#Noting'))
  return { Noting, seen, place }
}

describe('the backbone of the founding contracts', () => {
  test('S000-49 S003-18 S003-20 the desire to change is durable before the provider is called', async () => {
    const lab = makeLab()
    const { Noting, seen } = noting(lab)
    await lab.apply(() => void Noting('a', { size: 1 }))
    expect(seen[0]?.open).toMatchObject([{ address: 'a', status: 'sent', op: 'create' }])
  })

  test('S003-19 S003-21 after a crash in the middle the status names what is open, and the next apply settles it first', async () => {
    const lab = makeLab()
    const { Noting, place } = noting(lab, (_call, n) => {
      if (n === 1) (lab.store as MemoryStore).crash()
    })
    void lab.apply(() => void Noting('a', { size: 1 })) // never ends: its process is dead
    await new Promise((r) => setTimeout(r, 50))
    const next = makeLab({ store: new MemoryStore({ clock: lab.cx.clock, random: lab.cx.random, tables: (lab.store as MemoryStore).tables, isDead: () => true }), cloud: lab.cloud, Box: lab.Box })
    place.store = next.store
    next.cx.types.add(completeType(Noting.spec as never, 'program#Noting'))
    expect(await readStatus(next.cx)).toMatchObject({ open: [{ address: 'a', status: 'sent', actions: expect.any(Array) }], openRun: expect.any(String) })
    expect(await next.apply(() => void Noting('a', { size: 1 }))).toMatchObject({ outcome: 'applied' })
    expect(await readStatus(next.cx)).toMatchObject({ open: [], openRun: null })
  })

  test('S000-52 S000-53 a provider gets one key per change, the same on a retry, and further keys for further objects', async () => {
    const lab = makeLab()
    const { Noting, seen } = noting(lab, (_call, n) => {
      if (n === 1) throw outcomeUnknown()
    })
    await lab.apply(() => void Noting('a', { size: 1 }))
    expect(seen).toHaveLength(2)
    const [first, again] = seen as [(typeof seen)[number], (typeof seen)[number]]
    expect([again.key, again.step, again.other]).toEqual([first.key, first.step, first.other])
    expect(new Set([first.key, first.step, first.other]).size).toBe(3)
  })

  test('S000-54 S000-58 a provider gets a namespace that stays over runs and renames, and the inputs of each change', async () => {
    const lab = makeLab()
    const { Noting, seen } = noting(lab)
    await lab.apply(() => void Noting('a', { size: 1 }))
    await lab.apply(() => void Noting('b', { size: 2 }))
    expect(seen.map((s) => s.size)).toEqual([1, 2])
    expect(seen[0]?.namespace).toBe(seen[1]?.namespace)
  })

  test('S000-108 resources carry tags, and are found by them', async () => {
    const lab = makeLab()
    await lab.apply(() => {
      lab.Box('a', { name: 'a' }, { tags: { team: 'blue' } })
      lab.Box('b', { name: 'b' }, { tags: { team: 'red' } })
    })
    expect((await listResources(lab.cx, { tag: 'team=blue' })).map((r) => r.address)).toEqual(['a'])
    expect((await listResources(lab.cx, { tag: 'team' })).map((r) => r.address)).toEqual(['a', 'b'])
  })

  test('S000-138 no link of the documentation leads nowhere', () => {
    for (const file of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/guide.md', 'docs/internals/journal.md', 'examples/quickstart/README.md']) {
      const text = readFileSync(join(repository, file), 'utf8')
      for (const [, link] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        if (/^[a-z]+:/.test(link as string)) continue
        expect(existsSync(join(repository, dirname(file), link as string)), `${file}: ${link}`).toBe(true)
      }
    }
  })
})

describe('what cannot go on is refused', () => {
  test('a step that was declared irreversible is not taken back: the run is incomplete and says why (HF3113)', async () => {
    const lab = makeLab({ more: { irreversible: ['create'] } })
    const build = () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: str`b${a.size}`, fail: true })
    }
    expect((await lab.plan(build)).irreversible).toEqual(['a', 'b'])
    const doc = await lab.apply(build)
    expect(doc.outcome).toBe('incomplete')
    expect(doc.tasks.find((t) => t.address === 'a')).toMatchObject({ outcome: 'revertFailed', error: { code: 'HF3113' } })
  })

  test('a resource whose last change is not settled takes no second one (HF4101)', async () => {
    const lab = makeLab({ class: 'D' })
    lab.cloud.fault('create x', 'lost')
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    const [tx] = await lab.store.txs({ unresolved: true })
    await expect(lab.store.commit([{ t: 'tx.open', row: { ...(tx as TxRow), token: 't-second', status: 'sent' } }], { env: (tx as TxRow).env })).rejects.toMatchObject({ code: 'HF4101' })
  })

  test('what is thrown without a code is a bug of ours, and says so (HF9001)', () => {
    expect(asFailure(new TypeError('x is undefined'))).toMatchObject({ code: 'HF9001', exitCode: 1 })
  })

  test('an SQLite that can damage files is not used (HF4007)', () => {
    expect(() => pickSqlite([{ from: 'node:sqlite', version: '3.45.1' }, { from: '@photostructure/sqlite', version: '3.51.2' }])).toThrow(expect.objectContaining({ code: 'HF4007' }))
  })

  test('a platform that is not supported is named (HF1007)', () => {
    expect(() => refusePlatform('win32')).toThrow(expect.objectContaining({ code: 'HF1007' }))
    expect(() => refusePlatform('linux')).not.toThrow()
  })
})
