import { expect, test } from 'vitest'
import type { RunDocument } from '../../engine/index.ts'
import { makePaint } from '../paint.ts'
import { errorBlock } from '../report.ts'
import { resultScreen } from './result.ts'

const plain = makePaint(false, false)
const where = { app: 'shop', env: 'prod' }
const task = (address: string, outcome: RunDocument['tasks'][number]['outcome'], more = {}) => ({ address, op: 'update', outcome, attempts: 1, ms: 5, ...more })
const doc = (d: Partial<RunDocument>): RunDocument => ({ run: 'r-1', plan: 'p-1', revision: { from: 41, to: 41 }, outcome: 'applied', phase: 'done', summary: {}, tasks: [], reverted: [], pending: [], outputs: {}, ...d })

test('a run that was taken back says where it is and what was taken back', () => {
  const tasks = [task('a', 'reverted'), task('b', 'reverted'), task('c', 'reverted'), task('d', 'failed')]
  expect(resultScreen(doc({ outcome: 'reverted', tasks, reverted: [{ address: 'c', identity: 'new' }, { address: 'a', identity: 'same' }] }), where, plain))
    .toBe('shop · prod is unchanged at revision 41. 3 of 3 completed tasks were reverted.\nSame content in a new object: c.\n')
})

test('an applied run prints its outputs and what is still to go', () => {
  expect(resultScreen(doc({
    revision: { from: 41, to: 42 }, summary: { create: 1, unchanged: 2 }, tasks: [task('web', 'succeeded', { op: 'restart', downMs: 120 })],
    pending: ['old'], outputs: { url: 'http://localhost:8080', key: { secret: true }, n: 3 },
  }), where, plain)).toBe(`shop · prod is at revision 42. 1 create · 2 unchanged.
  web  restart  down for 120 ms
Still to be deleted: old. The next apply tries again.
url = http://localhost:8080
key = ‹secret›
n = 3
`)
})

test('nothing to do, kept, cancelled and incomplete each say what to do next', () => {
  expect(resultScreen(doc({ outcome: 'unchanged' }), where, plain)).toBe('shop · prod is up to date at revision 41. Nothing was changed.\n')
  expect(resultScreen(doc({ outcome: 'kept', revision: { from: 41, to: 42 } }), where, plain)).toContain('holdfast run resume')
  expect(resultScreen(doc({ outcome: 'cancelled' }), where, plain)).toContain('Cancelled. shop · prod is unchanged at revision 41.')
  const incomplete = resultScreen(doc({ outcome: 'incomplete', tasks: [task('d', 'unknown')] }), where, plain)
  expect(incomplete).toContain('not at a committed revision; the last one is 41')
  expect(incomplete).toContain('d  update  outcome unknown')
  expect(incomplete).toContain('holdfast run revert')
})

test('an error block has code, sentence, log lines, hint and run', () => {
  expect(errorBlock({
    code: 'HF3107', message: 'db/server did not accept connections on tcp 5432 within 10 s', address: 'db/server', hint: 'set mode: 0o640\nor run as postgres', run: 'r-01JD4Q', task: 't-0009',
    details: { lines: ['starting', 'FATAL: permission denied'] },
  }, plain, '/')).toBe(`error HF3107  db/server did not accept connections on tcp 5432 within 10 s
  last log lines   starting
                   FATAL: permission denied
  hint             set mode: 0o640
                   or run as postgres
  run              r-01JD4Q   task t-0009   holdfast run show r-01JD4Q
`)
})

test('a command that was restricted says that an earlier run may have left something undone', () => {
  for (const outcome of ['applied', 'unchanged'] as const) {
    expect(resultScreen(doc({ outcome, partial: true }), where, plain)).toContain('What an earlier run left undone may be undone still: an apply of the whole program does it, and makes the revision whole.\n')
    expect(resultScreen(doc({ outcome }), where, plain)).not.toContain('undone')
  }
})
