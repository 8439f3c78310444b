import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makePaint } from '../paint.ts'
import { changeLines, shortValue, unifiedLines } from './value.ts'

const plain = makePaint(false, false)

test('values are short and never show a secret', () => {
  expect(shortValue({ secret: true }, plain)).toBe('‹secret›')
  expect(shortValue({ a: { secret: true }, b: { unknown: 'x.y' } }, plain)).toBe('{"a":"‹secret›","b":"⟨x.y⟩"}')
  expect(shortValue({ path: 'web.mjs', digest: 'sha256:0123456789' }, plain)).toBe('web.mjs (sha256:012345…)')
  expect(shortValue('x'.repeat(500), plain).length).toBeLessThan(70)
  expect(shortValue(undefined, plain)).toBe('none')
})

test('far places of a text are shown apart, with two lines around each', () => {
  const before = Array.from({ length: 20 }, (_, i) => `line ${i}`)
  const after = before.with(2, 'changed').with(17, 'changed too')
  expect(unifiedLines(before.join('\n'), after.join('\n'), plain)?.lines).toEqual([
    '  line 0', '  line 1', '- line 2', '+ changed', '  line 3', '  line 4', '…', '  line 15', '  line 16', '- line 17', '+ changed too', '  line 18', '  line 19',
  ])
})

test('a diff read back gives both texts (seed is printed on failure)', () => {
  // Three lines: every common line stands within two lines of a change, so nothing is left out.
  const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 3 })
  fc.assert(fc.property(text, text, (a, b) => {
    const lines = unifiedLines(a.join('\n'), b.join('\n'), plain)?.lines ?? []
    const shown = a.join('\n') === b.join('\n') ? a.map((l) => `  ${l}`) : lines
    const side = (sign: string): string[] => shown.filter((l) => l.startsWith(sign) || l.startsWith('  ')).map((l) => l.slice(2))
    expect(side('- ')).toEqual(a)
    expect(side('+ ')).toEqual(b)
  }))
})

test('a secret that changed says only that', () => {
  expect(changeLines({ path: 'password', before: { secret: true }, after: { secret: true } }, plain)).toEqual(['password      ‹secret› (changed)'])
})
