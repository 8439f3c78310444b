import { describe, expect, test } from 'vitest'
import { backoffMs, canRunBeside, needsNewProcess, needsRehearsal, rehearsalOf, wantsRestart } from './decide.ts'
import type { Definition } from './protocol.ts'

const base: Definition = { argv: ['p'], env: { A: '1', B: '2' }, cwd: '/', ready: { withinMs: 1 }, stop: { signal: 'SIGTERM', withinMs: 1 }, restart: 'never' }

describe('side by side', () => {
  const old = (port: number, listen?: number) => ({ port, definition: { ...(listen === undefined ? {} : { listen }) } })
  test.each([
    ['the same listen', old(0, 80), { listen: 80 }, true],
    ['another listen', old(0, 80), { listen: 81 }, true],
    ['the same port', old(80), { port: 80 }, false],
    ['another port', old(80), { port: 81 }, true],
    ['auto', old(80), { port: 'auto' as const }, true],
    ['no port at all', old(0), {}, false],
    ['from port to listen of one number', old(80), { listen: 80 }, false],
    ['from listen to port of one number', old(0, 80), { port: 80 }, false],
    ['listen with an equal port of its own beside', old(90, 80), { listen: 80, port: 90 }, false],
    ['listen of the same port at another address', old(0, 80), { listen: 80, host: '127.0.0.2' }, false],
  ])('%s', (_, running, wanted, answer) => expect(canRunBeside(running, wanted)).toBe(answer))
})

test('a new process is needed for what a living one cannot change, and for nothing else', () => {
  expect(needsNewProcess(base, { ...base, env: { B: '2', A: '1' } }, false)).toBe(false)
  expect(needsNewProcess(base, { ...base, restart: 'always', stop: { signal: 'SIGINT', withinMs: 5 }, ready: { withinMs: 9, tcp: 1 } }, false)).toBe(false)
  expect(needsNewProcess(base, { ...base, env: { A: '1' } }, false)).toBe(true)
  expect(needsNewProcess(base, { ...base, argv: ['p', 'q'] }, false)).toBe(true)
  expect(needsNewProcess(base, { ...base, uid: 5 }, false)).toBe(true)
})

test('another content under the same path is another program, and a file that a signal announces is not, once it is announced', () => {
  const of = (contents: Record<string, string>, announced?: readonly string[]): Definition => ({ ...base, contents, ...(announced ? { announced } : {}) })
  expect(needsNewProcess(of({ 'api.mjs': '1' }), of({ 'api.mjs': '1' }), false)).toBe(false)
  expect(needsNewProcess(of({ 'api.mjs': '1' }), of({ 'api.mjs': '2' }), false)).toBe(true)
  expect(needsNewProcess(of({ 'api.mjs': '1' }), of({}), false)).toBe(true)
  expect(needsNewProcess({ ...base, restartOn: '1' }, { ...base, restartOn: '2' }, false)).toBe(true)
  expect(needsNewProcess(of({ conf: '1' }, ['conf']), of({ conf: '2' }, ['conf']), true)).toBe(false)
  expect(needsNewProcess(of({ conf: '1' }, ['conf']), of({ conf: '2' }, ['conf']), false)).toBe(true)
  // A reload that is declared later changes nothing.
  expect(needsNewProcess(of({}), of({ conf: '2' }, ['conf']), false)).toBe(false)
})

test('a rehearsal is held only where a check over the network can tell the difference, and asks the private port', () => {
  const wanted = { ...base, listen: 8080, ready: { withinMs: 1, http: 'http://127.0.0.1:8080/health?x=1', tcp: 8080 } }
  expect(needsRehearsal(wanted)).toBe(true)
  expect(needsRehearsal({ ...wanted, ready: { withinMs: 1, log: 'up' } })).toBe(false)
  expect(needsRehearsal({ ...base, port: 8080, ready: wanted.ready })).toBe(false)
  expect(rehearsalOf(wanted, 5).ready).toEqual({ withinMs: 1, http: 'http://127.0.0.1:5/health?x=1', tcp: true })
  expect(rehearsalOf({ ...wanted, ready: { withinMs: 1, http: 'http://127.0.0.1:9/other', tcp: 9 } }, 5).ready).toEqual({ withinMs: 1, http: 'http://127.0.0.1:9/other', tcp: 9 })
  expect(rehearsalOf({ ...wanted, ready: { withinMs: 1, http: '/health' } }, 5).ready).toEqual({ withinMs: 1, http: '/health' })
})

test('pauses grow to a bound; the policy looks at the exit code', () => {
  expect([0, 1, 2, 20, 1_000].map(backoffMs)).toEqual([100, 200, 400, 30_000, 30_000])
  expect(wantsRestart('on-failure', { code: 0 })).toBe(false)
  expect(wantsRestart('on-failure', { code: null })).toBe(true) // by a signal
  expect(wantsRestart('always', { code: 0 })).toBe(true)
  expect(wantsRestart('never', { code: 1 })).toBe(false)
})
