import { expect, test } from 'vitest'
import type { EventRow } from '../state/index.ts'
import { COMPACT_EVENTS_MAX, compactable } from './compact.ts'

/** One event for each moment; those of one text stand in one commit. */
const events = (...commits: string[]): EventRow[] => commits.flatMap((moments, i) => [...moments].map((at, n) => ({ env: 'e', seq: i + 1, n, at: Number(at), kind: 'k', data: '{}' })))
const ask = (oldest: readonly EventRow[], o: { readonly count?: number; readonly now?: number; readonly needed?: number; readonly ms?: number; readonly least?: number; readonly most?: number }) =>
  compactable({ count: o.count ?? oldest.length, oldest, now: o.now ?? 9, needed: o.needed, keep: { ms: o.ms ?? 0, least: o.least ?? 0, most: o.most ?? Number.POSITIVE_INFINITY } })

test('what is older goes, as long as so many newer ones are there', () => {
  expect(ask(events('1', '2', '3', '4'), { ms: 6 })).toEqual({ upTo: 2, events: 2 })
  expect(ask(events('1', '2', '3', '4'), { ms: 6, least: 3 })).toEqual({ upTo: 1, events: 1 })
  expect(ask(events('1', '2', '3', '4'), { ms: 6, least: 4 })).toBeUndefined()
  expect(ask(events('4', '5'), { ms: 6 })).toBeUndefined()
  expect(ask([], {})).toBeUndefined()
})

test('what is too many goes, however young', () => {
  expect(ask(events('9', '9', '9', '9'), { now: 9, most: 3 })).toEqual({ upTo: 1, events: 1 })
  expect(ask(events('9', '9', '9', '9'), { now: 9, most: 4 })).toBeUndefined()
})

test('a commit goes whole or not at all', () => {
  expect(ask(events('1', '23', '4'), { ms: 6 })).toEqual({ upTo: 1, events: 1 })
  expect(ask(events('1', '22', '4'), { ms: 6 })).toEqual({ upTo: 2, events: 3 })
  expect(ask(events('1234'), { ms: 6 })).toBeUndefined()
})

test('what is needed stays, whatever its age and number', () => {
  expect(ask(events('1', '2', '3', '4'), { needed: 3, most: 0 })).toEqual({ upTo: 2, events: 2 })
  expect(ask(events('1', '2'), { needed: 1, most: 0 })).toBeUndefined()
})

test('one commit takes away no more than a piece', () => {
  const many = Array.from({ length: COMPACT_EVENTS_MAX + 1 }, (_, i) => ({ env: 'e', seq: 1 + Math.floor(i / 3), n: i % 3, at: 1, kind: 'k', data: '{}' }))
  const whole = COMPACT_EVENTS_MAX - (COMPACT_EVENTS_MAX % 3)
  expect(ask(many, { count: 99_999 })).toEqual({ upTo: whole / 3, events: whole })
})
