import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { joinSignals } from './signals.ts'

describe('joinSignals', () => {
  test.each([0, 1])('is aborted with signal %i, for its reason', (which) => {
    const controls = [new AbortController(), new AbortController()] as const
    const { signal } = joinSignals(controls[0].signal, controls[1].signal)
    expect(signal.aborted).toBe(false)
    controls[which as 0 | 1].abort(new Error('why'))
    expect(signal.reason).toEqual(new Error('why'))
  })

  test('of a signal that is aborted already is aborted at once', () => {
    const joined = joinSignals(new AbortController().signal, AbortSignal.abort('before'))
    expect(joined.signal.reason).toBe('before')
  })

  test('keeps nothing on the two once it is left', () => {
    const a = new AbortController()
    const b = new AbortController()
    const joined = joinSignals(a.signal, b.signal)
    expect(getEventListeners(a.signal, 'abort')).toHaveLength(1)
    joined.leave()
    expect([...getEventListeners(a.signal, 'abort'), ...getEventListeners(b.signal, 'abort')]).toEqual([])
    a.abort()
    expect(joined.signal.aborted).toBe(false)
  })
})
