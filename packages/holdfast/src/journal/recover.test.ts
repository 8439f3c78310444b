import { describe, expect, test } from 'vitest'
import { classOf, recover, type LostCall } from './index.ts'

const lost = (more: Partial<LostCall>): LostCall => ({
  op: 'create', class: 'B', capability: { create: { name: true }, maxCallMs: 1000 }, now: 5000, firstSentAt: 1000, lastAmbiguousAt: 1000,
  resends: 0, lastResend: 'none', resentAt: 0, look: 'none', lookedAt: 0, looks: 0, ...more,
})

describe('the class of a lost call', () => {
  test('is C with a search, which must be there', () => {
    expect(classOf('create', { create: { find: true } }, false, true)).toBe('C')
    expect(classOf('create', { create: { find: true } }, true, false)).toBe('D')
    expect(classOf('create', { create: { name: true, find: true } }, false, true)).toBe('C')
    expect(classOf('create', { create: { name: true, find: true } }, true, true)).toBe('B')
    expect(classOf('update', { create: { find: true } }, false, true)).toBe('U')
  })
  test('is A with a token, B with a name and a read, D with neither', () => {
    expect(classOf('create', { create: { token: { windowMs: 1 } } }, false)).toBe('A')
    expect(classOf('create', { create: { name: true } }, true)).toBe('B')
    expect(classOf('create', { create: { name: true } }, false)).toBe('D')
    expect(classOf('create', {}, true)).toBe('D')
    expect(classOf('delete', {}, false)).toBe('U')
    expect(classOf('update', {}, false)).toBe('D')
    expect(classOf('update', { update: 'full' }, false)).toBe('U')
  })
})

describe('a lost create', () => {
  test('of class A is sent again at once, with the same token', () => {
    expect(recover(lost({ class: 'A', capability: { create: { token: { windowMs: 60_000 } } }, now: 1001 }))).toEqual({ act: 'resend' })
  })
  test('of class A is a question once the token is honoured no more', () => {
    expect(recover(lost({ class: 'A', capability: { create: { token: { windowMs: 10 } } } }))).toMatchObject({ act: 'unknown' })
  })
  test('of class B is not judged while it may still land', () => {
    expect(recover(lost({ now: 1500 }))).toMatchObject({ act: 'wait', untilMs: 2000 })
    expect(recover(lost({ now: 2000 }))).toEqual({ act: 'look', by: 'read' })
  })
  test('a look that was made too early proves nothing', () => {
    expect(recover(lost({ look: 'absent', lookedAt: 1500, looks: 1 }))).toEqual({ act: 'look', by: 'read' })
    expect(recover(lost({ look: 'absent', lookedAt: 2500, looks: 1 }))).toEqual({ act: 'resend', fresh: true })
  })
  test('is complete when its object is found, and failed when the name belongs to somebody else', () => {
    expect(recover(lost({ look: 'ours', lookedAt: 2500, looks: 1 }))).toEqual({ act: 'complete' })
    expect(recover(lost({ look: 'foreign', lookedAt: 2500, looks: 1 }))).toMatchObject({ act: 'fail', applied: 'no', nameTaken: true })
  })
  test('a rejection settles only its own attempt: an earlier one may still land (F1)', () => {
    const again = lost({ class: 'A', capability: { create: { token: { windowMs: 60_000 } }, maxCallMs: 10_000 }, now: 2000, resends: 1, lastResend: 'rejected', resentAt: 1900 })
    expect(recover(again)).toMatchObject({ act: 'wait', untilMs: 11_000 })
    expect(recover({ ...again, now: 11_000 })).toEqual({ act: 'resend' })
    expect(recover({ ...again, now: 11_500, resends: 2, resentAt: 11_400, lastResend: 'refused' })).toMatchObject({ act: 'fail', applied: 'no' })
  })
  test('of class A that is turned away again is no proof, for what turns requests away may not know the token: it is asked until the bound, then a question', () => {
    const away = lost({ class: 'A', capability: { create: { token: { windowMs: 600_000 } }, maxCallMs: 1000 }, now: 3000, resends: 2, lastResend: 'rejected', resentAt: 3000 })
    expect(recover(away)).toMatchObject({ act: 'wait', untilMs: 7000 })
    expect(recover({ ...away, now: 7000 })).toEqual({ act: 'resend' })
    expect(recover({ ...away, now: 9000, resends: 5 })).toMatchObject({ act: 'unknown', why: expect.stringContaining('does not tell') })
  })
  test('of class A that is turned away is looked up where the type can', () => {
    const away = lost({ class: 'A', capability: { create: { token: { windowMs: 600_000 }, find: true }, maxCallMs: 1000 }, now: 3000, resends: 1, lastResend: 'rejected', resentAt: 3000, findable: true })
    expect(recover(away)).toEqual({ act: 'look', by: 'find' })
    expect(recover({ ...away, look: 'ours', lookedAt: 3100, looks: 1 })).toEqual({ act: 'complete' })
    expect(recover({ ...away, look: 'absent', lookedAt: 3100, absentAt: 3100, looks: 1 })).toMatchObject({ act: 'fail', applied: 'no' })
  })
  test('of class A past its window falls back to the name, then to the search; what is proven absent is sent under a new key', () => {
    const past = lost({ class: 'A', capability: { create: { token: { windowMs: 1000 }, name: true }, maxCallMs: 1000 }, readable: true })
    expect(recover(past)).toEqual({ act: 'look', by: 'read' })
    expect(recover({ ...past, look: 'ours', lookedAt: 5000, looks: 1 })).toEqual({ act: 'complete' })
    expect(recover({ ...past, look: 'absent', lookedAt: 5000, absentAt: 5000, looks: 1 })).toEqual({ act: 'resend', fresh: true })
    expect(recover({ ...past, capability: { create: { token: { windowMs: 1000 }, find: true }, maxCallMs: 1000 }, findable: true })).toEqual({ act: 'look', by: 'find' })
    expect(recover({ ...past, readable: false })).toMatchObject({ act: 'unknown' })
  })
  test('of class A is not sent again when it could arrive after the window', () => {
    const late = lost({ class: 'A', capability: { create: { token: { windowMs: 10_000 } }, maxCallMs: 3000 }, firstSentAt: 1000 })
    expect(recover({ ...late, now: 8000 })).toEqual({ act: 'resend' })
    expect(recover({ ...late, now: 8001 })).toMatchObject({ act: 'unknown' })
  })
  test('every loop is bounded and ends in a question', () => {
    expect(recover(lost({ resends: 99 }))).toMatchObject({ act: 'unknown' })
    expect(recover(lost({ looks: 99 }))).toMatchObject({ act: 'unknown' })
  })
  test('the question counts every attempt, the looks too', () => {
    expect(recover(lost({ looks: 11, look: 'failed', lookedAt: 2500 }))).toMatchObject({ why: 'still not settled after 11 attempts (looked up 11 times)' })
    expect(recover(lost({ resends: 5, looks: 1 }))).toMatchObject({ why: 'still not settled after 6 attempts (sent again 5 times, looked up once)' })
  })
  test('of class D is a question at once', () => {
    expect(recover(lost({ class: 'D' }))).toMatchObject({ act: 'unknown' })
  })
})

describe('a lost create of class C', () => {
  const c = (more: Partial<LostCall>) => lost({ class: 'C', capability: { create: { find: true }, maxCallMs: 1000, settleMs: 500 }, findable: true, readable: false, ...more })
  test('is not searched for while it may still land or not show yet', () => {
    expect(recover(c({ now: 2499 }))).toMatchObject({ act: 'wait', untilMs: 2500 })
    expect(recover(c({ now: 2500 }))).toEqual({ act: 'look', by: 'find' })
    expect(recover(c({ look: 'ours', lookedAt: 2400, looks: 1 }))).toEqual({ act: 'look', by: 'find' })
  })
  test('is adopted when one object carries its mark', () => {
    expect(recover(c({ look: 'ours', lookedAt: 2600, looks: 1 }))).toEqual({ act: 'complete' })
  })
  test('is a question for a person when several do, and the evidence names them', () => {
    expect(recover(c({ look: 'several', lookedAt: 2600, looks: 1, candidates: ['o1', 'o2'] }))).toEqual({ act: 'unknown', why: 'several objects carry its mark: o1, o2' })
  })
  test('is sent again when nothing is found twice, as far apart as the service needs', () => {
    const absent = c({ look: 'absent', lookedAt: 2600, absentAt: 2600, looks: 1 })
    expect(recover({ ...absent, now: 2700 })).toMatchObject({ act: 'wait', untilMs: 3100 })
    expect(recover({ ...absent, now: 3100 })).toEqual({ act: 'look', by: 'find' })
    expect(recover({ ...absent, now: 3100, lookedAt: 3100, looks: 2 })).toEqual({ act: 'resend', fresh: true })
    expect(recover({ ...absent, now: 3100, lookedAt: 3100, looks: 2, lastResend: 'rejected', resentAt: 2550 })).toMatchObject({ act: 'fail', applied: 'no' })
  })
})

describe('a lost update', () => {
  const update = (more: Partial<LostCall>) => lost({ op: 'update', class: 'U', capability: { maxCallMs: 1000 }, ...more })
  test('that is harmless to repeat is sent again when nothing can land any more', () => {
    expect(recover(update({ capability: { update: 'full', maxCallMs: 1000 }, now: 1200 }))).toMatchObject({ act: 'wait' })
    expect(recover(update({ capability: { update: 'full', maxCallMs: 1000 } }))).toEqual({ act: 'resend' })
  })
  test('of a patch is read: new is complete, old is sent again, neither is a failure', () => {
    expect(recover(update({ look: 'new', lookedAt: 3000, looks: 1 }))).toEqual({ act: 'complete' })
    expect(recover(update({ look: 'old', lookedAt: 3000, looks: 1 }))).toEqual({ act: 'resend' })
    expect(recover(update({ look: 'neither', lookedAt: 3000, looks: 1 }))).toMatchObject({ act: 'fail', applied: 'partly' })
  })
  test('that was rejected after an ambiguous attempt is decided by one read, never sent for ever (F2)', () => {
    const rejected = update({ resends: 1, lastResend: 'rejected', resentAt: 3000 })
    expect(recover(rejected)).toEqual({ act: 'look', by: 'read' })
    expect(recover({ ...rejected, look: 'old', lookedAt: 3100, looks: 1 })).toMatchObject({ act: 'fail', applied: 'no' })
    const full = update({ capability: { update: 'full', maxCallMs: 1000 }, resends: 1, lastResend: 'rejected', resentAt: 3000 })
    expect(recover({ ...full, readable: true })).toEqual({ act: 'look', by: 'read' })
    expect(recover({ ...full, readable: true, look: 'old', lookedAt: 3100, looks: 1 })).toMatchObject({ act: 'fail', applied: 'no' })
    expect(recover({ ...full, readable: false })).toMatchObject({ act: 'fail', applied: 'partly' })
  })
})

test('a lost delete is sent again: gone already is success', () => {
  expect(recover(lost({ op: 'delete', class: 'U' }))).toEqual({ act: 'resend' })
})

test('a delete that was rejected after an ambiguous attempt is decided by a read: the object may be gone', () => {
  const rejected = lost({ op: 'delete', class: 'U', resends: 1, lastResend: 'rejected', resentAt: 3000, readable: true })
  expect(recover(rejected)).toEqual({ act: 'look', by: 'read' })
  expect(recover({ ...rejected, look: 'absent', lookedAt: 3100, looks: 1 })).toEqual({ act: 'complete' })
  expect(recover({ ...rejected, look: 'old', lookedAt: 3100, looks: 1 })).toMatchObject({ act: 'fail', applied: 'no' })
  expect(recover({ ...rejected, readable: false })).toEqual({ act: 'resend' })
  expect(recover({ ...rejected, readable: false, resends: 5 })).toMatchObject({ act: 'unknown' })
})

describe('a search that finds nothing is asked again, as far apart as the service needs, before it is believed', () => {
  const findable = { readable: false, findable: true, capability: { create: { find: true }, update: 'patch', maxCallMs: 1000, settleMs: 500 } } as const
  const missed = { look: 'absent', lookedAt: 3600, absentAt: 3600, looks: 1, now: 3600 } as const

  test('about a delete that was rejected after an ambiguous attempt', () => {
    const rejected = lost({ op: 'delete', class: 'U', resends: 1, lastResend: 'rejected', resentAt: 3000, ...findable, ...missed })
    expect(recover(rejected)).toMatchObject({ act: 'wait', untilMs: 4100 })
    expect(recover({ ...rejected, now: 4100 })).toEqual({ act: 'look', by: 'find' })
    expect(recover({ ...rejected, now: 4100, lookedAt: 4100, looks: 2 })).toEqual({ act: 'complete' })
  })

  test('about an update', () => {
    const update = lost({ op: 'update', class: 'U', ...findable, ...missed })
    expect(recover(update)).toMatchObject({ act: 'wait', untilMs: 4100 })
    expect(recover({ ...update, now: 4100 })).toEqual({ act: 'look', by: 'find' })
    expect(recover({ ...update, now: 4100, lookedAt: 4100, looks: 2 })).toMatchObject({ act: 'fail', applied: 'partly', why: 'the object is gone' })
  })
})
