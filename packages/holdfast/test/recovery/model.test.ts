import { expect, test } from 'vitest'
import { probeDrain } from '../sim/drain.ts'
import { judge, nameOf, points, type Case } from './life.ts'
import { classes, ops, outcomes } from './service.ts'

/** Acts in a macrotask: inside a microtask the kernel could drain nothing. */
const inMacrotask = <T>(act: () => T): Promise<T> => new Promise((resolve, reject) => setImmediate(() => {
  try {
    resolve(act())
  } catch (e) {
    reject(e as Error)
  }
}))

const all: Case[] = classes.flatMap((cls) => ops.flatMap((op) => points.flatMap((point) => outcomes.map((outcome): Case => ({ class: cls, op, point, outcome })))))

test('every crash of every change of every class: nothing is doubled, lost or forgotten, and only class D asks a person, always', async () => {
  const wrong: string[] = []
  let unknown = 0
  const n = await inMacrotask(() => {
    expect(probeDrain()).toBe(true)
    let cases = 0
    for (const c of all) {
      const v = judge(c)
      cases++
      if (v.unknown) unknown++
      for (const w of v.wrong) wrong.push(`${nameOf(c)}: ${w}`)
    }
    return cases
  })
  console.log(`${n} cases, ${wrong.length} wrong, ${unknown} questions for a person (class D)`)
  expect(wrong).toEqual([])
  expect(n).toBe(504)
  expect(unknown).toBeGreaterThan(0)
}, 120_000)
