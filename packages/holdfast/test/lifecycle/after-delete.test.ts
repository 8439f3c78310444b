import { describe, expect, test } from 'vitest'
import { readStatus } from '../../src/engine/index.ts'
import { hook } from '../../src/program/index.ts'
import { another, dies } from '../support/deaths.ts'
import { how, makeLab, type Lab } from '../support/world.ts'

let serial = 0

/** A hook that notes whether the object was still there, and fails while it is told to. */
function farewell(lab: Lab) {
  const seen: string[] = []
  let bad = false
  const it = hook(`farewell-${++serial}`, (c) => {
    seen.push(`${c.op} ${c.address} ${c.outputs?.id as string} ${lab.cloud.objects.has(c.outputs?.id as string) ? 'there' : 'gone'} ${c.inputs.secret as string}`)
    if (bad) throw new Error('not now')
  })
  return { it, seen, fail: (is: boolean) => void (bad = is) }
}

const sound = async (lab: Lab) => expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])

describe('the hook after a deletion', () => {
  test('that fails is run again by the next apply, with what the object was; nothing is called again', async () => {
    const lab = makeLab()
    const h = farewell(lab)
    await lab.apply(() => void lab.Box('a', { name: 'a', secret: 'as-it-was' }, { hooks: { afterDelete: h.it } }))
    h.fail(true)
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: ['a'], error: { code: 'HF3120' } })
    expect(lab.cloud.content).toEqual([])
    await sound(lab)
    // The place is free meanwhile.
    expect(await lab.apply(() => void lab.Box('b', { name: 'a' }))).toMatchObject({ pending: ['a'], error: { code: 'HF3120' } })
    h.fail(false)
    const doc = await lab.again().apply(() => void lab.Box('b', { name: 'a' }))
    expect(doc).toMatchObject({ outcome: 'applied', pending: [], tasks: [{ address: 'a', op: 'delete', outcome: 'succeeded' }] })
    expect(h.seen).toEqual(Array(3).fill('delete a o1 gone as-it-was'))
    expect(lab.cloud.calls).toEqual(['create a', 'delete a', 'create a'])
    expect((await lab.plan(() => void lab.Box('b', { name: 'a' }))).empty).toBe(true)
    await sound(lab)
  })

  test('that fails before the commit lets what went first be made again', async () => {
    const lab = makeLab()
    const h = farewell(lab)
    const build = (zone: string) => () => void lab.Box('a', { name: 'a', zone }, { deleteFirst: true, hooks: { afterDelete: h.it } })
    await lab.apply(build('x'))
    h.fail(true)
    expect(await lab.apply(build('y'))).toMatchObject({ outcome: 'reverted', error: { code: 'HF3120' }, reverted: [{ address: 'a', identity: 'new' }] })
    expect([lab.cloud.content, h.seen.length]).toEqual([['a=1'], 1])
    expect((await lab.plan(build('x'))).empty).toBe(true)
    await sound(lab)
    h.fail(false)
    expect(await lab.apply(build('y'))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(h.seen.length).toBe(2)
  })

  const kinds = {
    'after the commit': { before: (lab: Lab, hooks: object) => () => void lab.Box('a', { name: 'a' }, { hooks }), after: () => () => undefined },
    'before the commit': {
      before: (lab: Lab, hooks: object) => () => void lab.Box('a', { name: 'a', zone: 'x' }, { deleteFirst: true, hooks }),
      after: (lab: Lab, hooks: object) => () => void lab.Box('a', { name: 'a', zone: 'y' }, { deleteFirst: true, hooks }),
    },
  }
  for (const [kind, { before, after }] of Object.entries(kinds)) {
    for (const next of ['apply', 'revert'] as const) {
      test(`${kind} is not lost, at whatever commit the process dies; then ${next}`, async () => {
        let deaths = 0
        for (const when of ['before', 'after'] as const) for (let n = 1; ; n++) {
          const lab = makeLab()
          const h = farewell(lab)
          const hooks = { afterDelete: h.it }
          await lab.apply(before(lab, hooks))
          if (!(await dies(lab, after(lab, hooks), n, when))) break
          deaths++
          const at = `${when} commit ${n}`
          const again = another(lab)
          const open = (await readStatus(again.cx)).openRun !== null
          if (next === 'revert' && open) {
            const session = await again.session()
            expect(await session.revert(how), at).toMatchObject({ outcome: 'reverted' })
            await session.end()
            expect([again.cloud.content, (await again.plan(before(lab, hooks))).document.changes], at).toEqual([['a=1'], []])
            await sound(again)
          }
          expect((await again.apply(after(lab, hooks))).outcome, at).toMatch(/^(?:applied|unchanged)$/)
          // At least once for the object that was to go; the hook's own end may be lost, too.
          expect(h.seen.length, at).toBeGreaterThan(0)
          expect(h.seen.every((s) => s.includes(' gone ')), at).toBe(true)
          expect(await again.apply(after(lab, hooks)), at).toMatchObject({ outcome: 'unchanged' })
          expect((await readStatus(again.cx)).pendingDeletes, at).toEqual([])
          await sound(again)
        }
        expect(deaths).toBeGreaterThan(8)
      })
    }
  }
})
