import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { beginRun, makePlan, readOutputs } from '../../src/engine/index.ts'
import { buildGraph, component, sensitive, str } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { how, inputs, makeLab, type Lab } from '../support/world.ts'

const WORD = 'hunter2-in-the-program'

/** Everything that the store holds, as one text. */
async function stored(lab: Lab): Promise<string> {
  let text = ''
  for await (const part of lab.store.export()) text += typeof part === 'string' ? part : JSON.stringify(part)
  return text
}

/** Plans, stores the plan, and applies what is read back from the store. */
async function byStoredPlan(lab: Lab, build: () => unknown) {
  const session = await lab.session()
  try {
    const planned = await lab.plan(build)
    const text = planned.text()
    return { text, doc: await session.apply(await session.load({ text }), how) }
  } finally {
    await session.end()
  }
}

describe('a literal that is given to a sensitive input', () => {
  test('is masked in the plan and in everything that the store keeps, and reaches the provider as it is', async () => {
    const lab = makeLab()
    let word = WORD
    const build = () => void lab.Box('a', { name: 'a', secret: word })
    const { text, doc } = await byStoredPlan(lab, build)
    expect(text).not.toContain(WORD)
    expect(doc.outcome).toBe('applied')
    expect(lab.cloud.byName('a')?.secret).toBe(WORD)
    expect((await lab.plan(build)).empty).toBe(true)
    word = `${WORD}-2`
    const planned = await lab.plan(build)
    expect(planned.document.changes).toMatchObject([{ address: 'a', action: 'update', paths: [{ path: 'secret', secret: true, before: { secret: true }, after: { secret: true } }] }])
    await lab.apply(build)
    expect(lab.cloud.byName('a')?.secret).toBe(word)
    expect(await stored(lab)).toContain('$secret')
    for (const all of [await stored(lab), JSON.stringify(lab.events), JSON.stringify(planned.document)]) expect(all).not.toContain(WORD)
    expect(await lab.destroy()).toMatchObject({ outcome: 'applied' })
  })

  test('is masked in the error of a provider and in the journal of what was taken back', async () => {
    const lab = makeLab()
    const doc = await lab.apply(() => void lab.Box('a', { name: 'a', secret: WORD, fail: true }))
    expect(doc).toMatchObject({ outcome: 'reverted', error: { message: 'a: quota exceeded for [secret]' } })
    expect(JSON.stringify(doc)).not.toContain(WORD)
    expect(await stored(lab)).not.toContain(WORD)
  })

  test('is sealed where it is only a part of what is given, too', async () => {
    const lab = makeLab()
    const build = () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', secret: str`${WORD} of ${a.id}` })
    }
    const { text, doc } = await byStoredPlan(lab, build)
    expect(text).not.toContain(WORD)
    expect(doc.outcome).toBe('applied')
    expect(lab.cloud.byName('b')?.secret).toBe(`${WORD} of o1`)
    expect(await stored(lab)).not.toContain(WORD)
    expect((await lab.plan(build)).empty).toBe(true)
  })

  test('is not said by a message about it', async () => {
    const strict = inputs.extend({ secret: sensitive(z.string().refine((s) => !s.startsWith('hunter2'), { error: (issue) => `${String(issue.input)} is too well known` })) })
    const lab = makeLab({ more: { inputs: strict as never } })
    await expect(lab.plan(() => void lab.Box('a', { name: 'a', secret: WORD }))).rejects.toMatchObject({ code: 'HF1206', message: 'a: secret: [secret] is too well known.' })
    // The line of the program that the error shows may hold it.
    expect(lab.cx.redactor.text(`Box('a', { secret: '${WORD}' })`)).not.toContain(WORD)
  })

  test('is parsed once', async () => {
    const twice = inputs.extend({ secret: sensitive(z.string().transform((s) => `<${s}>`)), zone: sensitive(z.string().transform((s) => s.trim())) })
    const lab = makeLab({ more: { inputs: twice as never, replaceOn: [] } })
    const build = () => void lab.Box('a', { name: 'a', secret: WORD, zone: ' z ' })
    await lab.apply(build)
    expect(lab.cloud.byName('a')?.secret).toBe(`<${WORD}>`)
    expect((await lab.plan(build)).empty).toBe(true)
  })

  test('that is empty, or missing, hides nothing and needs no key', async () => {
    const lab = makeLab()
    const request = { graph: buildGraph(lab.app(() => void lab.Box('a', { name: 'a', secret: '' })), {}) }
    expect(await makePlan({ ...lab.cx, ring: undefined }, request, { save: true })).toMatchObject({ stored: true, empty: false })
  })

  test('without a key is shown masked, and not stored', async () => {
    const lab = makeLab()
    const cx = { ...lab.cx, ring: undefined }
    const request = { graph: buildGraph(lab.app(() => void lab.Box('a', { name: 'a', secret: WORD })), {}) }
    expect(JSON.stringify((await makePlan(cx, request)).document)).not.toContain(WORD)
    await expect(makePlan(cx, request, { save: true })).rejects.toMatchObject({ code: 'HF4301' })
  })

  test('that an earlier version kept in clear is sealed by the next apply, and nothing is called for it', async () => {
    const open = makeLab({ more: { inputs: inputs.extend({ secret: z.string() }) as never, replaceOn: ['secret'] } })
    const build = () => void open.Box('a', { name: 'a', secret: WORD })
    await open.apply(build)
    expect(await stored(open)).toContain(WORD)
    const type = completeType({ ...open.Box.spec, inputs } as never, `program#${open.Box.type}`)
    const sealing = { ...open, cx: { ...open.cx, types: { ...open.cx.types, get: (t: string) => (t === type.type ? type : open.cx.types.get(t)) } } }
    const calls = open.cloud.calls.length
    const session = await beginRun(sealing.cx, { lockTimeoutMs: 0, stop: how.stop })
    const planned = await session.plan({ graph: buildGraph(open.app(build), {}) })
    expect(planned.document.changes).toMatchObject([{ address: 'a', action: 'update' }])
    expect(planned.document.changes[0]?.paths).toBeUndefined()
    await session.apply(planned, how)
    await session.end()
    expect(open.cloud.calls.length).toBe(calls)
    const [row] = await open.store.resources((await open.store.env('lab', 'default'))?.id ?? '', 'current')
    expect((await open.store.docs([row as never]))[0]?.inputs).not.toContain(WORD)
  })
})

describe('a literal that is given to a sensitive input of a component', () => {
  test('is secret wherever the component puts it, and under seal in a stored plan', async () => {
    const lab = makeLab()
    const Db = component('Db', {
      inputs: z.object({ db: z.object({ user: z.string(), password: sensitive(z.string()) }), pin: sensitive(z.string()).default('pin-in-the-schema') }),
      build: ({ inputs: { db, pin } }) => {
        const box = lab.Box('box', { name: 'box', labels: { all: str`${db.user}:${db.password}`, pin } })
        return { id: box.id, all: str`${db.password}!` }
      },
    })
    const build = () => {
      const first = lab.Box('first', { name: 'first' })
      const plain = Db('plain', { db: { user: 'me', password: WORD } })
      return { all: plain.all, first: first.id }
    }
    const { text, doc } = await byStoredPlan(lab, build)
    expect(doc).toMatchObject({ outcome: 'applied', outputs: { all: { secret: true } } })
    expect(await readOutputs(lab.cx, { reveal: true })).toMatchObject({ all: `${WORD}!` })
    expect((await lab.plan(build)).empty).toBe(true)
    for (const all of [text, await stored(lab), JSON.stringify(doc)]) expect(all).not.toMatch(/hunter2|pin-in-the-schema/)
  })

  test('beside a reference is hidden all the same', async () => {
    const lab = makeLab()
    const seen: unknown[] = []
    const Db = component('Db', { inputs: z.object({ db: z.object({ user: z.string(), password: sensitive(z.string()) }) }), build: ({ inputs: { db } }) => {
      seen.push(db.password)
      lab.Box('box', { name: 'box', labels: { user: db.user, password: db.password } })
    } })
    const build = () => {
      const first = lab.Box('first', { name: 'first' })
      Db('d', { db: { user: first.id, password: WORD } })
    }
    const { text } = await byStoredPlan(lab, build)
    expect(seen.map((v) => inspect(v))).toEqual(['<[secret]>', '<[secret]>'])
    for (const all of [text, await stored(lab)]) expect(all).not.toContain(WORD)
    expect((await lab.plan(build)).empty).toBe(true)
  })

  test('cannot be a setting', () => {
    expect(() => component('S', { settings: z.object({ password: sensitive(z.string()) }), build: () => undefined })).toThrow(/what is sensitive belongs to the inputs/)
  })
})
