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
    expect(decide(undefined, [], full, false)).toEqual({ action: 'create' })
    expect(decide(row('ready'), [], full, false)).toEqual({ action: 'record' })
    expect(decide(row('ready'), [size], full, false)).toEqual({ action: 'update', maybe: false })
    expect(decide(row('ready'), [later], full, false)).toEqual({ action: 'update', maybe: true })
    expect(decide(row('ready'), [size, zone], full, false)).toEqual({ action: 'replace', maybe: false, order: 'create-first', because: ['zone'] })
  })

  test('an update that broke off is said again where it says everything', () => {
    expect(decide(row('partial', true), [], full, false)).toEqual({ action: 'update', maybe: false })
    expect(decide(row('partial', true), [size], full, false)).toEqual({ action: 'update', maybe: false })
  })

  test('where an update says only what differs, the object is replaced: what the one that broke off did is not known', () => {
    for (const diffs of [[], [size]]) expect(decide(row('partial', true), diffs, patch, false)).toMatchObject({ action: 'replace', order: 'create-first' })
    expect(decide(row('partial'), [size], patch, false)).toMatchObject({ action: 'replace', order: 'delete-first' })
  })

  test('a create that broke off leaves an object nobody can vouch for: it goes first', () => {
    expect(decide(row('partial'), [], full, false)).toMatchObject({ action: 'replace', order: 'delete-first' })
  })
})
