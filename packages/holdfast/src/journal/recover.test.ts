import { describe, expect, test } from 'vitest'
import { classOf, recover, type LostCall } from './index.ts'

const lost = (more: Partial<LostCall>): LostCall => ({
  op: 'create', class: 'B', capability: { create: { name: true }, maxCallMs: 1000 }, now: 5000, firstSentAt: 1000, lastAmbiguousAt: 1000,
  resends: 0, lastResend: 'none', resentAt: 0, look: 'none', lookedAt: 0, looks: 0, ...more,
})

describe('the class of a lost call', () => {
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
    expect(recover(lost({ now: 2000 }))).toEqual({ act: 'look' })
  })
  test('a look that was made too early proves nothing', () => {
    expect(recover(lost({ look: 'absent', lookedAt: 1500, looks: 1 }))).toEqual({ act: 'look' })
    expect(recover(lost({ look: 'absent', lookedAt: 2500, looks: 1 }))).toEqual({ act: 'resend' })
  })
  test('is complete when its object is found, and failed when the name belongs to somebody else', () => {
    expect(recover(lost({ look: 'ours', lookedAt: 2500, looks: 1 }))).toEqual({ act: 'complete' })
    expect(recover(lost({ look: 'foreign', lookedAt: 2500, looks: 1 }))).toMatchObject({ act: 'fail', applied: 'no', nameTaken: true })
  })
  test('a rejection settles only its own attempt: an earlier one may still land (F1)', () => {
    const again = lost({ class: 'A', capability: { create: { token: { windowMs: 60_000 } }, maxCallMs: 10_000 }, now: 2000, resends: 1, lastResend: 'rejected', resentAt: 1900 })
    expect(recover(again)).toMatchObject({ act: 'wait', untilMs: 11_000 })
    expect(recover({ ...again, now: 11_000 })).toEqual({ act: 'resend' })
    expect(recover({ ...again, now: 11_500, resends: 2, resentAt: 11_400 })).toMatchObject({ act: 'fail', applied: 'no' })
  })
  test('every loop is bounded and ends in a question', () => {
    expect(recover(lost({ resends: 99 }))).toMatchObject({ act: 'unknown' })
    expect(recover(lost({ looks: 99 }))).toMatchObject({ act: 'unknown' })
  })
  test('of class D is a question at once', () => {
    expect(recover(lost({ class: 'D' }))).toMatchObject({ act: 'unknown' })
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
    expect(recover(rejected)).toEqual({ act: 'look' })
    expect(recover({ ...rejected, look: 'old', lookedAt: 3100, looks: 1 })).toMatchObject({ act: 'fail', applied: 'no' })
  })
})

test('a lost delete is sent again: gone already is success', () => {
  expect(recover(lost({ op: 'delete', class: 'U' }))).toEqual({ act: 'resend' })
})

test('a delete that was rejected after an ambiguous attempt is decided by a read: the object may be gone', () => {
  const rejected = lost({ op: 'delete', class: 'U', resends: 1, lastResend: 'rejected', resentAt: 3000, readable: true })
  expect(recover(rejected)).toEqual({ act: 'look' })
  expect(recover({ ...rejected, look: 'absent', lookedAt: 3100, looks: 1 })).toEqual({ act: 'complete' })
  expect(recover({ ...rejected, look: 'old', lookedAt: 3100, looks: 1 })).toMatchObject({ act: 'fail', applied: 'no' })
  expect(recover({ ...rejected, readable: false })).toEqual({ act: 'resend' })
  expect(recover({ ...rejected, readable: false, resends: 5 })).toMatchObject({ act: 'unknown' })
})
