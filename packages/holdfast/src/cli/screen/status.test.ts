import { expect, test } from 'vitest'
import type { StatusDocument } from '../../engine/index.ts'
import { makePaint } from '../paint.ts'
import { statusScreen } from './status.ts'

const paint = makePaint(false, false)
const lease = (over: Partial<StatusDocument['leases'][number]> = {}) => ({ scope: 'shop/prod', host: 'vm', pid: 7, since: 'S', expires: 'E', alive: true, ...over })
const screen = (over: Partial<StatusDocument>): string[] => {
  const doc = { revision: 3, partial: false, resources: 2, open: [], pendingDeletes: [], leases: [], lastRun: null, openRun: null, warnings: [], ...over } as StatusDocument
  return statusScreen(doc, { app: 'shop', env: 'prod' }, paint).trimEnd().split('\n').slice(1)
}

test('an open run is at work while somebody holds the environment, and left when nobody does', () => {
  expect(screen({ openRun: 'r-1', leases: [lease()] })).toEqual(['At work: pid 7 on vm since S', 'Run r-1 is at work.'])
  const left = 'Run r-1 is not finished. To go on: holdfast run resume. To take it back: holdfast run revert.'
  expect(screen({ openRun: 'r-1' })).toEqual([left])
  expect(screen({ openRun: 'r-1', leases: [lease({ alive: false })] })).toEqual(['At work: pid 7 on vm since S (not alive; the next apply takes over)', left])
  expect(screen({ openRun: 'r-1', leases: [lease({ kept: true })] })).toEqual(['Kept for an apply: until E, by pid 7 on vm', left])
})

test('who works on a component, or on another environment, is named with it', () => {
  expect(screen({ openRun: 'r-1', leases: [lease({ scope: 'shop/prod:db' }), lease({ scope: 'shop/test' })] }).slice(0, 2)).toEqual([
    'At work on shop/prod:db: pid 7 on vm since S', 'At work on shop/test: pid 7 on vm since S',
  ])
})
