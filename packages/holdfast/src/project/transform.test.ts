import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { transformFile, within } from './transform.ts'

let folder: string
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'hf-transform-')) })
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })
const cache = () => join(folder, 'cache')
const source = (text: string) => Buffer.from(text)

test('types go, enums stay, and the result is kept for nobody but the user', async () => {
  const first = await transformFile('/p/a.ts', source("enum E { A = 'a' }\nexport const v: E = E.A\n"), cache(), '1')
  expect(first.code).toContain('["A"] = "a"')
  const names = readdirSync(cache())
  expect(names).toHaveLength(2)
  for (const n of names) expect(statSync(join(cache(), n)).mode & 0o777).toBe(0o600)
  expect((await transformFile('/p/b.ts', source("enum E { A = 'a' }\nexport const v: E = E.A\n"), cache(), '1')).code).toBe(first.code)
  expect(readdirSync(cache())).toEqual(names)
})

test('what was cut off is made again', async () => {
  const text = source('export const v: number = 1\n')
  const { code } = await transformFile('/p/a.ts', text, cache(), '1')
  const file = join(cache(), readdirSync(cache()).find((n) => n.endsWith('.js')) as string)
  writeFileSync(file, code.slice(0, 5))
  expect((await transformFile('/p/a.ts', text, cache(), '1')).code).toBe(code)
  expect(readFileSync(file, 'utf8')).toBe(code)
})

test('another version of Holdfast makes its own', async () => {
  const text = source('export const v: number = 1\n')
  await transformFile('/p/a.ts', text, cache(), '1')
  await transformFile('/p/a.ts', text, cache(), '2')
  expect(readdirSync(cache())).toHaveLength(4)
})

test('without a cache the map travels with the result, and nothing is written', async () => {
  const { map } = await transformFile('/p/a.ts', source('export const v: number = 1\n'), undefined, '1')
  expect(map).toHaveProperty('text')
  expect(existsSync(cache())).toBe(false)
})

test('a syntax error has its place and line', async () => {
  await expect(transformFile('/p/a.ts', source('const a = 1\nconst b: = 2\n'), undefined, '1')).rejects.toMatchObject({ line: 2, column: 10, lineText: 'const b: = 2' })
})

test('a service that never answers is not waited for: another way is taken, and its failure counts', async () => {
  const never = new Promise<string>(() => {})
  expect(await within(5, never, () => 'otherwise')).toBe('otherwise')
  await expect(within(5, never, () => { throw new Error('neither') })).rejects.toThrow('neither')
  expect(await within(60_000, Promise.resolve('first'), () => 'otherwise')).toBe('first')
  await expect(within(60_000, Promise.reject(new Error('no')), () => 'otherwise')).rejects.toThrow('no')
})
