import { describe, expect, test } from 'vitest'
import { exitCodeOf, readStatus, showResource } from '../../src/engine/index.ts'
import { str } from '../../src/program/index.ts'
import { makeLab } from '../support/world.ts'
import { calls, freeLab, holds, said, settles } from './holds.ts'

describe('ignore', () => {
  test('what is ignored stands as it stood, whatever the program says, and the rest is changed', async () => {
    const lab = freeLab()
    const build = (size: number, team: string, zone = 'x', deleteFirst = false) => () => void lab.Box('a', { name: 'a', size, zone, labels: { team, other: team } }, { ignore: ['size', 'labels.team', 'nothing[3].at.all'], deleteFirst })
    await lab.apply(build(1, 'one'))
    calls(lab)
    const plan = await lab.plan(build(2, 'two'))
    expect(plan.document.changes).toMatchObject([{ action: 'update', paths: [{ path: 'labels.other', before: 'one', after: 'two' }] }])
    await lab.apply(build(2, 'two'))
    expect(lab.cloud.content).toEqual(['a=1'])
    expect(await showResource(lab.cx, 'a')).toMatchObject({ inputs: { size: 1, labels: { team: 'one', other: 'two' } }, options: { ignore: ['size', 'labels.team', 'nothing[3].at.all'] } })
    await settles(lab, build(9, 'two'))
    // A new object gets what stood, too, whichever goes first.
    for (const deleteFirst of [false, true]) {
      await lab.apply(build(7, 'two', `z${deleteFirst}`, deleteFirst))
      expect(lab.cloud.content).toEqual(['a=1'])
      await settles(lab, build(8, 'two', `z${deleteFirst}`, deleteFirst))
    }
  })

  test('* leaves everything, and a value that is not known does not make the node wait', async () => {
    const lab = freeLab()
    const build = (size: number) => () => {
      const first = lab.Box('first', { name: 'first', size })
      lab.Box('a', { name: 'a', size: first.size, zone: str`z${first.size}` }, { ignore: ['*'] })
    }
    await lab.apply(build(1))
    calls(lab)
    expect(said(await lab.plan(build(2)))).toEqual(['update first'])
    await lab.apply(build(2))
    expect(calls(lab)).toEqual(['update first'])
    expect(lab.cloud.content).toEqual(['a=1', 'first=2'])
    await settles(lab, build(2))
  })

  test('a secret that is ignored is neither opened nor changed', async () => {
    const lab = freeLab()
    const build = (secret: string) => () => void lab.Box('a', { name: 'a', secret }, { ignore: ['secret'] })
    await lab.apply(build('first-secret'))
    expect((await lab.apply(build('second-secret'))).outcome).toBe('unchanged')
    expect([...lab.cloud.objects.values()].map((o) => o.secret)).toEqual(['first-secret'])
    await settles(lab, build('third-secret'))
  })
})

test('what a record of options changed is taken back without a call, also where a type cannot update', async () => {
  const lab = makeLab({ class: 'A', more: { claims: () => [], update: undefined as never } })
  await lab.apply(() => void lab.Box('a', { name: 'a' }))
  calls(lab)
  expect(await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' }, { tags: { team: 'x' }, replaceWhen: 'v1', retain: true })
    lab.Box('bad', { name: str`bad${a.size}`, fail: true })
  })).toMatchObject({ outcome: 'reverted' })
  expect(calls(lab)).toEqual(['create bad1'])
  expect(exitCodeOf(await lab.apply(() => void lab.Box('a', { name: 'a' })))).toBe(0)
  expect((await readStatus(lab.cx)).openRun).toBeNull()
  await holds(lab)
})
