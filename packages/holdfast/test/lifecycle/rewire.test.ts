import { describe, expect, test } from 'vitest'
import { str } from '../../src/program/index.ts'
import { makeLab, type Lab } from '../support/world.ts'

/** `a` is replaced delete-first, so that the way back makes it again; `b` refers to it in several ways, and holds texts that say the same by chance. */
const program = (lab: Lab, zone: string, more: { readonly size?: number; readonly fails?: boolean; readonly word?: string } = {}) => () => {
  const a = lab.Box('a', { name: 'a', zone }, { deleteFirst: true })
  const b = lab.Box('b', {
    name: 'b', size: more.size ?? 1, on: a.id, secret: str`${more.word ?? 'o1'} of ${a.id}`,
    labels: { chance: 'o1', inside: 'go1ng', made: str`o1-${a.id}` }, rules: [{ port: 1 }],
  })
  if (more.fails) lab.Box('c', { name: 'c', fail: true }, { dependsOn: [b] })
}

/** The inputs with which `b` was called last. */
function watched() {
  const seen: { readonly op: string; readonly inputs: Record<string, unknown> }[] = []
  const lab = makeLab()
  const type = lab.cx.types.get(lab.Box.type) as unknown as Record<'create' | 'update', (a: { inputs: Record<string, unknown> }) => unknown>
  for (const op of ['create', 'update'] as const) {
    const call = type[op]
    type[op] = (a) => {
      if (a.inputs.name === 'b') seen.push({ op, inputs: a.inputs })
      return call(a)
    }
  }
  return { lab, seen }
}

describe('what refers to an object that the way back made again', () => {
  test('is restored to refer to the new one, where the program refers to it and nowhere else', async () => {
    const { lab, seen } = watched()
    await lab.apply(program(lab, 'x'))
    const before = seen.at(-1)?.inputs
    expect(before).toMatchObject({ on: 'o1', secret: 'o1 of o1', labels: { chance: 'o1', inside: 'go1ng', made: 'o1-o1' } })
    const doc = await lab.apply(program(lab, 'y', { size: 2, fails: true }))
    expect(doc).toMatchObject({ outcome: 'reverted' })
    expect(doc.reverted).toContainEqual({ address: 'a', identity: 'new' })
    const id = lab.cloud.byName('a')?.id as string
    expect(id).not.toBe('o1')
    expect(seen.at(-1)).toMatchObject({ inputs: { on: id, size: 1, secret: `o1 of ${id}`, labels: { chance: 'o1', inside: 'go1ng', made: `o1-${id}` } } })
    expect((await lab.plan(program(lab, 'x'))).empty).toBe(true)
  })

  test('is restored so a second time', async () => {
    const { lab, seen } = watched()
    await lab.apply(program(lab, 'x'))
    for (let i = 0; i < 2; i++) {
      await lab.apply(program(lab, 'y', { size: 2, fails: true }))
      const id = lab.cloud.byName('a')?.id as string
      expect(seen.at(-1)?.inputs).toMatchObject({ on: id, secret: `o1 of ${id}`, labels: { chance: 'o1', made: `o1-${id}` } })
      expect((await lab.plan(program(lab, 'x'))).empty).toBe(true)
    }
  })

  test('keeps its expressions under seal where the program wrote a secret into them', async () => {
    const { lab, seen } = watched()
    const word = 'hunter2-in-the-program'
    await lab.apply(program(lab, 'x', { word }))
    await lab.apply(program(lab, 'y', { word, size: 2, fails: true }))
    expect(seen.at(-1)?.inputs.secret).toBe(`${word} of ${lab.cloud.byName('a')?.id}`)
    let text = ''
    for await (const line of lab.store.export()) text += line
    expect(text).toContain('wires')
    expect(text).not.toContain(word)
  })

  test('of a row that does not say where its references stand is restored by its text', async () => {
    const { lab, seen } = watched()
    await lab.apply(program(lab, 'x'))
    const env = (await lab.store.env('lab', 'default')) as { id: string }
    for (const row of await lab.store.resources(env.id, 'current')) delete (row.meta as { wires?: string }).wires
    await lab.apply(program(lab, 'y', { size: 2, fails: true }))
    const id = lab.cloud.byName('a')?.id
    expect(seen.at(-1)?.inputs).toMatchObject({ on: id, labels: { chance: id, inside: 'go1ng' } })
  })
})
