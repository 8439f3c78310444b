import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { makePaint } from '../paint.ts'
import type { Io } from '../io.ts'
import { makeProgress } from './progress.ts'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

function fakeIo(isTty: boolean): { readonly io: Io; readonly text: () => string } {
  let text = ''
  const paint = makePaint(false, false)
  const io = {
    out: () => {}, err: (t: string) => { text += t }, outClear: () => {}, stdinIsTty: isTty, stdoutIsTty: isTty, stderrIsTty: isTty, columns: 80, rows: 10,
    paintOut: paint, paintErr: paint, variables: {}, cwd: '/', stdin: process.stdin, redactWith: () => {},
  } satisfies Io
  return { io, text: () => text }
}

test('into a pipe goes one line per step that ended, and no ESC byte', () => {
  const { io, text } = fakeIo(false)
  const p = makeProgress(io, false)
  p.event({ type: 'task.started', node: 'db/tls', op: 'create' })
  p.event({ type: 'task.succeeded', node: 'db/tls', op: 'create', ms: 310 })
  p.event({ type: 'task.started', node: 'web', op: 'restart' })
  p.event({ type: 'task.failed', node: 'web', op: 'restart', ms: 10_000, message: 'HF3107 not ready\nits log' })
  p.event({ type: 'task.reverting', node: 'db/tls' })
  p.event({ type: 'task.reverted', node: 'db/tls', op: 'create', ms: 8 })
  p.end()
  expect(text().replace(/^\d\d:\d\d:\d\d/gm, 'TIME')).toBe(`TIME ok       db/tls create 310ms
TIME FAIL     web restart  HF3107 not ready 10.0s
TIME reverted db/tls create 8ms
`)
  expect(text()).not.toContain('\u001b')
})

test('without a terminal a long step is named every half minute', () => {
  const { io, text } = fakeIo(false)
  const p = makeProgress(io, false)
  p.event({ type: 'task.started', node: 'web', op: 'restart' })
  p.event({ type: 'task.progress', node: 'web', message: 'waiting for tcp 5432' })
  vi.advanceTimersByTime(31_000)
  p.end()
  expect(text()).toMatch(/running {2}web restart 30\.\ds \(waiting for tcp 5432\)\n/)
})

test('what is waited for before a run begins is said, with and without a terminal', () => {
  for (const tty of [false, true]) {
    const { io, text } = fakeIo(tty)
    const p = makeProgress(io, false)
    p.event({ type: 'task.progress', node: 'web', message: 'pid 7, which sent the call, may still carry it out: waiting for its end, at most 60 s' })
    vi.advanceTimersByTime(1_000)
    p.end()
    expect(text()).toContain('web')
    expect(text()).toContain('pid 7, which sent the call, may still carry it out')
  }
})

test('on a terminal the block is drawn anew, at most as high as the terminal allows, and taken away at the end', () => {
  const { io, text } = fakeIo(true)
  const p = makeProgress(io, false)
  for (let i = 0; i < 30; i++) p.event({ type: 'task.started', node: `n${i}`, op: 'create' })
  vi.advanceTimersByTime(1000)
  const drawn = text().split('\u001b[0J').at(-1) as string
  expect(drawn.split('\n').length - 1).toBeLessThanOrEqual(io.rows - 2)
  expect(drawn).toMatch(/and \d+ more/)
  expect(text().split('\u001b[0J').length).toBeLessThanOrEqual(13) // 12 frames in a second
  p.end()
  expect(text().endsWith('\u001b[0J')).toBe(true)
})

test('quiet shows nothing', () => {
  const { io, text } = fakeIo(true)
  const p = makeProgress(io, true)
  p.event({ type: 'task.succeeded', node: 'a', op: 'create', ms: 1 })
  p.end()
  expect(text()).toBe('')
})
