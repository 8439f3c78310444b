import { transform } from 'esbuild'
import { expect, test } from 'vitest'
import { decodeMappings, originalPlace } from './source-map.ts'

test('places in the generated text lead to the places in the source', async () => {
  const source = ['interface A { x: number }', '', '', 'enum E {', "  One = 'one',", '}', '', '', 'export function marker(a: A, e: E = E.One): string {', '    return needle(a, e)', '}', 'declare function needle(a: A, e: E): string'].join('\n')
  const { code, map } = await transform(source, { loader: 'ts', sourcemap: 'external', sourcefile: 'a.ts' })
  const decoded = decodeMappings((JSON.parse(map) as { mappings: string }).mappings)
  for (const word of ['marker', 'needle', "'one'"]) {
    const at = code.replaceAll('"', "'").indexOf(word)
    const before = code.slice(0, at).split('\n')
    const wanted = source.slice(0, source.indexOf(word)).split('\n')
    expect(originalPlace(decoded, before.length, (before.at(-1) as string).length + 1), word).toEqual({ line: wanted.length, column: (wanted.at(-1) as string).length + 1 })
  }
})

test('a line that nothing maps to has no place', () => {
  expect(originalPlace(decodeMappings(''), 1, 1)).toBeUndefined()
  expect(originalPlace(decodeMappings('AAAA'), 7, 1)).toBeUndefined()
})
