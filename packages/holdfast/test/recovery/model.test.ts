import { expect, test } from 'vitest'
import { probeDrain } from '../sim/drain.ts'
import { add, allCases, inMacrotask, judge, newTally, points, type Point } from './life.ts'
import { classes, ops, type ModelOp, type Outcome } from './service.ts'

test('B8.9#145 killed at each of six points: every crash of every change of every class: nothing is doubled, lost or forgotten, and only class D asks a person, always', async () => {
  const tally = newTally()
  await inMacrotask(() => {
    expect(probeDrain()).toBe(true)
    for (const c of allCases) add(tally, c)
  })
  console.log(`${tally.cases} cases, ${tally.wrong.length} wrong, ${tally.unknown} questions for a person (class D only)`)
  expect(tally.wrong).toEqual([])
  expect(tally.cases).toBe(504)
  expect(tally.unknown).toBeGreaterThan(20)
}, 240_000)

/** Rows of the matrix in spec section 12.3: where the record ends, what became of the call, and what the recovery asks of the service, for the classes A, B, C, D; `?`: a person is asked. */
const matrix: readonly (readonly [row: number, Point, Outcome, Readonly<Record<ModelOp, readonly string[]>>])[] = [
  [1, 'before R1', 'applied', { create: ['', '', '', ''], update: ['', '', '', ''], delete: ['', '', '', ''] }],
  [2, 'after R1', 'applied', { create: ['', '', '', ''], update: ['', '', '', ''], delete: ['', '', '', ''] }],
  [3, 'after R2', 'applied', { create: ['create', 'look create', 'look look create', '?'], update: ['update', 'look update', 'look update', '?'], delete: ['delete', 'delete', 'delete', 'delete'] }],
  // What is rejected is not believed to have been rejected before: a look says that nothing is there.
  [4, 'after send', 'rejected', { create: ['create look look', 'look create look', 'look look create look look', '?'], update: ['update look', 'look update look', 'look update look', '?'], delete: ['delete look', 'delete look', 'delete look', '? delete delete delete delete delete'] }],
  [5, 'after send', 'applied, answer lost', { create: ['create', 'look', 'look', '?'], update: ['update', 'look', 'look', '?'], delete: ['delete', 'delete', 'delete', 'delete'] }],
  // Looked for only when it can land no more.
  [6, 'after send', 'lands late', { create: ['create', 'look', 'look', '?'], update: ['update', 'look', 'look', '?'], delete: ['delete', 'delete', 'delete', 'delete'] }],
  [9, 'after send', 'applied, window expired', { create: ['look', 'look', 'look', '?'], update: ['update', 'look', 'look', '?'], delete: ['delete', 'delete', 'delete', 'delete'] }],
  [12, 'after R3', 'rejected', { create: ['', '', '', ''], update: ['', '', '', ''], delete: ['', '', '', ''] }],
  [13, 'after R3', 'applied', { create: ['', '', '', ''], update: ['', '', '', ''], delete: ['', '', '', ''] }],
  [15, 'after R4', 'applied', { create: ['', '', '', ''], update: ['', '', '', ''], delete: ['', '', '', ''] }],
]

test('B8.9#145 the recovery asks what the matrix says, and no more', async () => {
  expect(points).toHaveLength(7) // none, and the six
  const asked: unknown[] = []
  const wanted: unknown[] = []
  await inMacrotask(() => {
    for (const [row, point, outcome, want] of matrix) for (const op of ops) classes.forEach((cls, i) => {
      const { unknown, calls, wrong } = judge({ class: cls, op, point, outcome })
      asked.push([row, cls, op, [...(unknown ? ['?'] : []), ...(calls ? [calls] : [])].join(' '), wrong])
      wanted.push([row, cls, op, want[op][i], []])
    })
  })
  expect(asked).toEqual(wanted)
}, 60_000)

test('B8.9#145 an old holder that goes on changes nothing of what the new one found (row 17)', async () => {
  const tally = newTally()
  await inMacrotask(() => {
    for (const c of allCases) if (c.op === 'create' && c.point === 'after send') add(tally, { ...c, pauseMs: 33_000 })
  })
  expect(tally.wrong).toEqual([])
  expect(tally.cases).toBe(24)
}, 60_000)
