import { describe, expect, test } from 'vitest'
import { EnvState } from '../../src/resource/index.ts'
import { inSession, makeLab, type Lab } from '../support/world.ts'
import { holds, settles } from './holds.ts'

/** `holdfast state forget`: a node is given up, and what others had to do with it ends with that. */
const forget = (lab: Lab, address: string) => inSession(lab, (s) => s.forget(address))
const depsOf = async (lab: Lab) => Object.fromEntries([...(await EnvState.load(lab.cx)).current.values()].map((r) => [r.address, r.meta.deps]))
const callsOf = (lab: Lab) => lab.cloud.calls.splice(0).filter((c) => !c.startsWith('read'))

describe('a node that is given up', () => {
  test('is no dependency of anything any more, and the doctor finds nothing', async () => {
    const lab = makeLab({ class: 'A' })
    const program = () => {
      const a = lab.Box('a', { name: 'a' })
      const b = lab.Box('b', { name: 'b', on: a.id })
      lab.Box('c', { name: 'c' }, { dependsOn: [a, b] })
    }
    await lab.apply(program)
    await forget(lab, 'a')
    expect(await depsOf(lab)).toEqual({ b: [], c: ['b'] })
    await holds(lab, { retained: ['a'] })
  })

  test('is made anew where the program has it still, is a dependency again, and is deleted after what refers to it', async () => {
    const lab = makeLab({ class: 'A' })
    const program = () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', on: a.id })
      lab.Box('c', { name: 'c' }, { dependsOn: [a] })
    }
    await lab.apply(program)
    await forget(lab, 'a')
    callsOf(lab)
    await lab.apply(program)
    expect(callsOf(lab)).toEqual(['create a', 'update b'])
    expect(await depsOf(lab)).toEqual({ a: [], b: ['a'], c: ['a'] })
    await settles(lab, program, { retained: ['a'] })
    callsOf(lab)
    await lab.destroy()
    expect(callsOf(lab).at(-1)).toBe('delete a')
    expect(lab.cloud.content).toEqual(['a=1'])
    await holds(lab, { retained: ['a'] })
  })
})
