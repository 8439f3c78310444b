import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { systemClock, type Clock } from '../../src/base/index.ts'
import { showResource } from '../../src/engine/index.ts'
import { resource } from '../../src/program/index.ts'
import { completeType, type ResourceSpec } from '../../src/provider/index.ts'
import { makeLab, never } from '../support/world.ts'

const DAY = 86_400_000
const inputs = z.object({ name: z.string(), days: z.number() })
const outputs = z.object({ serial: z.number(), renewAt: z.string().optional() })
type Spec = ResourceSpec<typeof inputs, typeof outputs>

let types = 0
/** A lab with a clock of its own and a type of passes that are good for some days; what was called stands in `calls`. */
function passes(more: Partial<Spec> = {}) {
  let now = Date.parse('2030-01-01T00:00:00Z')
  const clock: Clock = { ...systemClock, now: () => now }
  const calls: string[] = []
  let serial = 0
  const spec: Spec = {
    type: `test:Pass${++types}`, inputs, outputs, renewAt: 'renewAt', replaceOn: ['name'],
    capability: { create: { token: { windowMs: DAY } }, update: 'full', maxCallMs: 0 },
    async create({ inputs: i }) {
      calls.push(`create ${i.name}`)
      return { serial: ++serial, ...(i.days > 0 ? { renewAt: new Date(now + i.days * DAY).toISOString() } : {}) }
    },
    read: async ({ outputs: o }) => (o?.serial === undefined ? undefined : { serial: o.serial, renewAt: o.renewAt }),
    async update({ inputs: i, outputs: o }) {
      calls.push(`update ${i.name}`)
      return { serial: o.serial, ...(i.days > 0 ? { renewAt: new Date(now + i.days * DAY).toISOString() } : {}) }
    },
    delete: async ({ inputs: i }) => void calls.push(`delete ${i.name}`),
    ...more,
  }
  const Pass = resource(spec)
  const lab = makeLab({ clock, types: [Pass] })
  return { lab, Pass, calls: () => calls.splice(0), wait: (days: number) => void (now += days * DAY) }
}

describe('renewal', () => {
  test('an object that is due is made anew, the new one before the old one goes, and what refers to it follows', async () => {
    const { lab, Pass, calls, wait } = passes()
    const build = () => {
      const pass = Pass('pass', { name: 'pass', days: 30 })
      Pass('forever', { name: 'forever', days: 0 })
      lab.Value('user', { input: pass.serial })
    }
    await lab.apply(build)
    expect(await showResource(lab.cx, 'pass')).toMatchObject({ renewAt: '2030-01-31T00:00:00.000Z' })
    expect(await showResource(lab.cx, 'forever')).not.toHaveProperty('renewAt')
    wait(29.99)
    expect((await lab.plan(build)).empty).toBe(true)
    calls()
    wait(0.01)
    expect((await lab.plan(build)).document.changes).toMatchObject([
      { address: 'pass', action: 'replace', reasons: ['it is to be renewed from 2030-01-31T00:00:00.000Z on'] }, { address: 'user', action: 'maybe' },
    ])
    expect((await lab.apply(build)).outcome).toBe('applied')
    expect(calls()).toEqual(['create pass', 'delete pass'])
    expect((await lab.plan(build)).empty).toBe(true)
    expect(await showResource(lab.cx, 'user')).toMatchObject({ outputs: { output: 3 } })
  })

  test('an update moves the moment; what is only recorded does not', async () => {
    const { lab, Pass, calls, wait } = passes()
    await lab.apply(() => Pass('pass', { name: 'pass', days: 10 }))
    await lab.apply(() => Pass('pass', { name: 'pass', days: 10 }, { tags: { a: 'b' } }))
    expect(await showResource(lab.cx, 'pass')).toMatchObject({ renewAt: '2030-01-11T00:00:00.000Z', tags: { a: 'b' } })
    await lab.apply(() => Pass('pass', { name: 'pass', days: 20 }))
    expect(calls()).toEqual(['create pass', 'update pass'])
    wait(15)
    expect((await lab.plan(() => Pass('pass', { name: 'pass', days: 20 }))).empty).toBe(true)
    await lab.apply(() => Pass('pass', { name: 'pass', days: 0 }))
    expect(await showResource(lab.cx, 'pass')).not.toHaveProperty('renewAt')
  })

  test('a renewal that fails is taken back, and the next plan tries again', async () => {
    const { lab, Pass, calls, wait } = passes()
    const build = (fail: boolean) => () => {
      const pass = Pass('pass', { name: 'pass', days: 30 })
      lab.Box('box', { name: 'box', size: 1, fail, labels: { serial: pass.serial as never } })
    }
    await lab.apply(() => Pass('pass', { name: 'pass', days: 30 }))
    wait(31)
    const run = await lab.apply(build(true))
    expect(run.outcome).toBe('reverted')
    expect(calls()).toEqual(['create pass', 'create pass', 'delete pass'])
    expect((await lab.plan(() => Pass('pass', { name: 'pass', days: 30 }))).document.changes).toMatchObject([{ address: 'pass', action: 'replace' }])
  })

  test('what is seen to have another moment is recorded with it', async () => {
    const { lab, Pass, wait } = passes({ read: async ({ outputs: o }) => (o?.serial === undefined ? undefined : { serial: o.serial, renewAt: '2030-06-01T00:00:00Z' }) })
    const build = () => void Pass('pass', { name: 'pass', days: 30 })
    await lab.apply(build)
    const session = await lab.session()
    await session.refresh({}, { stop: never })
    await session.end()
    expect(await showResource(lab.cx, 'pass')).toMatchObject({ renewAt: '2030-06-01T00:00:00.000Z' })
    wait(40)
    expect((await lab.plan(build)).empty).toBe(true)
  })

  test('a moment that is none is the fault of the provider; a name that is no output is refused when the type is declared', async () => {
    const { lab, Pass } = passes({ create: async () => ({ serial: 1, renewAt: 'next year' }) })
    expect(await lab.apply(() => Pass('pass', { name: 'pass', days: 30 }))).toMatchObject({ outcome: 'reverted', error: { code: 'HF3102' } })
    expect(() => completeType({ type: 'test:Wrong', inputs, outputs, renewAt: 'until', create: async () => ({}), delete: async () => {} } as never, 'x#y')).toThrow(expect.objectContaining({ code: 'HF1107', message: expect.stringContaining('renewAt') }))
  })
})
