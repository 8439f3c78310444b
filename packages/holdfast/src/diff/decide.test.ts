import { describe, expect, test } from 'vitest'
import type { ResourceRow } from '../state/index.ts'
import type { PathDiff } from './compare.ts'
import { decide, type Rules } from './decide.ts'

const full: Rules = { replaceOn: ['zone'], updatable: true, deleteFirst: false, fullUpdate: true }
const patch: Rules = { ...full, fullUpdate: false }
const row = (status: ResourceRow['status'], whole = false) => ({ status, meta: whole ? { whole: true } : {} }) as unknown as ResourceRow
const size = { path: 'size', unknown: false } as unknown as PathDiff
const zone = { path: 'zone.name', unknown: false } as unknown as PathDiff
const later = { path: 'size', unknown: true } as unknown as PathDiff

describe('what a difference leads to', () => {
  test('nothing there is made, nothing different is recorded, something different is updated or replaced', () => {
    expect(decide(undefined, [], full)).toEqual({ action: 'create' })
    expect(decide(row('ready'), [], full)).toEqual({ action: 'record' })
    expect(decide(row('ready'), [size], full)).toEqual({ action: 'update', maybe: false })
    expect(decide(row('ready'), [later], full)).toEqual({ action: 'update', maybe: true })
    expect(decide(row('ready'), [size, zone], full)).toEqual({ action: 'replace', maybe: false, order: 'create-first', because: ['zone'] })
  })

  test('an update that broke off is said again where it says everything', () => {
    expect(decide(row('partial', true), [], full)).toEqual({ action: 'update', maybe: false })
    expect(decide(row('partial', true), [size], full)).toEqual({ action: 'update', maybe: false })
  })

  test('where an update says only what differs, the object is replaced: what the one that broke off did is not known', () => {
    for (const diffs of [[], [size]]) expect(decide(row('partial', true), diffs, patch)).toMatchObject({ action: 'replace', order: 'create-first' })
    expect(decide(row('partial'), [size], patch)).toMatchObject({ action: 'replace', order: 'delete-first' })
  })

  test('a create that broke off leaves an object nobody can vouch for: it goes first', () => {
    expect(decide(row('partial'), [], full)).toMatchObject({ action: 'replace', order: 'delete-first' })
  })

  describe('and what else asks for a new object', () => {
    const sure = (because: string) => ({ because, maybe: false })
    const perhaps = (because: string) => ({ because, maybe: true })
    const asks = { first: sure('tainted'), paths: [sure('size')], when: sure('when') }

    test('the first that applies is the reason', () => {
      expect(decide(row('ready'), [zone], full, asks)).toEqual({ action: 'replace', maybe: false, order: 'create-first', because: ['tainted'] })
      expect(decide(row('ready'), [zone], full, { ...asks, first: undefined })).toMatchObject({ because: ['zone'] })
      expect(decide(row('ready'), [size], full, { ...asks, first: undefined })).toMatchObject({ because: ['size'] })
      expect(decide(row('ready'), [], full, { when: asks.when })).toMatchObject({ action: 'replace', because: ['when'] })
      expect(decide(row('partial'), [], full, asks)).toMatchObject({ order: 'create-first', because: ['tainted'] })
    })

    test('what is certain counts before what is only possible', () => {
      expect(decide(row('ready'), [size], full, { first: perhaps('with a'), when: sure('when') })).toMatchObject({ maybe: false, because: ['when'] })
      expect(decide(row('ready'), [size], full, { first: perhaps('with a'), when: perhaps('when') })).toMatchObject({ maybe: true, because: ['with a'] })
      expect(decide(row('ready'), [], full, { when: perhaps('when') })).toMatchObject({ action: 'replace', maybe: true })
    })

    test('nothing is there to be replaced', () => expect(decide(undefined, [], full, asks)).toEqual({ action: 'create' }))
  })
})
