import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { folder, type Folder } from './holdfast.ts'

let f: Folder
afterEach(() => f?.dispose())

const program = (body: string, more = ''): string => `import { app, Value } from 'holdfast'\n${more}\nexport default app('p', { build() { ${body} } })\n`
/** What the program gives, as plan and apply see it. */
const outputsOf = async (args = 'apply -y --json'): Promise<unknown> => {
  const r = await f.run(args)
  expect(r.stderr, r.stderr).not.toContain('error HF')
  return r.json().outputs
}

test('enums, type imports, top-level await and import.meta.url work', async () => {
  f = folder({
    'app.ts': program('return { size: Value("v", { input: Size.Big }).output, here: Value("u", { input: import.meta.url }).output, late }', `
import type { Nothing } from './types.js'
enum Size { Small = 'small', Big = 'big' }
const late: number = await Promise.resolve(3)
export const unused: Nothing | undefined = undefined`),
    'types.ts': 'export interface Nothing { x: 1 }\n',
  })
  expect(await outputsOf()).toEqual({ size: 'big', here: `file://${f.path}/app.ts`, late: 3 })
})

test('a file that is imported as .js and exists only as .ts is found', async () => {
  f = folder({
    'app.ts': program('return { a, b, c }', "import { a } from './lib/a.js'\nimport { b } from './lib/b.mjs'\nimport { c } from './lib/c'"),
    'lib/a.ts': 'export const a: number = 1\n', 'lib/b.mts': 'export const b: number = 2\n', 'lib/c.ts': 'export const c: number = 3\n',
  })
  expect(await outputsOf()).toEqual({ a: 1, b: 2, c: 3 })
})

test('a workspace package with TypeScript sources loads', async () => {
  f = folder({
    'app.ts': program('return { shared }', "import { shared } from '@acme/shared'"),
    'packages/shared/package.json': JSON.stringify({ name: '@acme/shared', type: 'module', exports: './src/index.ts' }),
    'packages/shared/src/index.ts': "import { word } from './word.ts'\nexport const shared: string = word\n",
    'packages/shared/src/word.ts': "export const word: string = 'yes'\n",
  })
  mkdirSync(join(f.path, 'node_modules/@acme'), { recursive: true })
  symlinkSync('../../packages/shared', join(f.path, 'node_modules/@acme/shared'))
  expect(await outputsOf()).toEqual({ shared: 'yes' })
})

test('app.ts is a module also in a folder that says otherwise', async () => {
  f = folder({ 'app.ts': program('return { a: 1 }'), 'package.json': '{ "type": "commonjs" }' })
  expect(await outputsOf()).toEqual({ a: 1 })
})

test('a plain JavaScript program needs no compiler', async () => {
  f = folder({ 'app.mjs': program('return { a: 1 }') })
  expect(await outputsOf()).toEqual({ a: 1 })
})

test('a warm run does not start esbuild', async () => {
  f = folder({ 'app.ts': program('return { a }', "import { a } from './a.ts'"), 'a.ts': 'export const a: number = 1\n' })
  await f.run('plan')
  // Whoever starts esbuild now starts this instead, and fails.
  const warm = await f.run('plan', { env: { ESBUILD_BINARY_PATH: '/bin/false' } })
  expect(warm.code, warm.stderr).toBe(0)
  f.write({ 'a.ts': 'export const a: number = 2\n' })
  expect((await f.run('plan', { env: { ESBUILD_BINARY_PATH: '/bin/false' } })).code).not.toBe(0)
  expect((await f.run('plan')).code).toBe(0)
})

test('the cache is for nobody but the user, and a command that only reads makes none', async () => {
  f = folder({ 'app.ts': program('return { a: 1 }') })
  expect((await f.run('graph')).code).toBe(0)
  expect(existsSync(join(f.path, '.holdfast'))).toBe(false)
  await f.run('plan')
  const cache = join(f.path, '.holdfast/cache')
  expect(statSync(cache).mode & 0o777).toBe(0o700)
  for (const n of readdirSync(cache)) expect(statSync(join(cache, n)).mode & 0o777).toBe(0o600)
  chmodSync(cache, 0o500)
  f.write({ 'app.ts': program('return { a: 2 }') })
  expect((await f.run('graph')).code).toBe(0)
  chmodSync(cache, 0o700)
})

test.each([
  ['a syntax error', 'app.ts', 'const a = 1\nconst b: = 2\n', 2, 10, 'Unexpected "="'],
  ['a syntax error of plain JavaScript', 'app.mjs', 'const a = 1\nlet b = = 2\n', 2, 9, 'Unexpected "="'],
  ['a throw at the top', 'app.ts', "interface A { x: 1 }\n\n\nfunction f(): never {\n  throw new TypeError('no')\n}\nf()\n", 5, 9, 'TypeError: no'],
  ['a missing package', 'app.ts', "\nimport x from 'no-such-package'\nx()\n", 2, 15, 'no-such-package'],
  ['a missing file', 'app.ts', "\nimport x from './nope.ts'\nx()\n", 2, 15, 'nope.ts'],
  ['a missing export', 'app.ts', "import { nope } from './b.ts'\nnope()\n", 1, 10, "'nope'"],
])('%s fails HF1003 with its place', async (_, file, text, line, column, words) => {
  f = folder({ [file]: text, 'b.ts': 'export const b = 1\n' })
  const r = await f.run('plan --json')
  expect(r.code).toBe(2)
  expect(r.json().error).toMatchObject({ code: 'HF1003', file: join(f.path, file), line, column, message: expect.stringContaining(words) })
  expect(r.stderr).toContain(`${file}:${line}:${column}`)
})

test('an error in build() names the line of the source, not of what was compiled', async () => {
  f = folder({ 'app.ts': "import { app } from 'holdfast'\ninterface Pad {\n  x: 1\n}\n\n\nexport default app('p', {\n  build() {\n    throw new Error('mine')\n  },\n})\n" })
  expect((await f.run('plan --json')).json().error).toMatchObject({ code: 'HF1106', line: 9 })
})

test('an error of a step names the line of its node in the source', async () => {
  f = folder({ 'app.ts': "import { app } from 'holdfast'\nimport { File } from 'holdfast/local'\n\n\nexport default app('p', {\n  build() {\n\n    File('f', { path: 'taken', content: 'x' })\n  },\n})\n", taken: 'somebody else' })
  const doc = (await f.run('apply -y --json')).json()
  expect(doc.error).toMatchObject({ code: 'HF3104', file: join(f.path, 'app.ts'), line: 8, column: 5 })
})

test('a module without an app fails HF1004', async () => {
  f = folder({ 'app.ts': 'export const a = 1\n' })
  expect((await f.run('plan --json')).json().error.code).toBe('HF1004')
  f.write({ 'app.ts': 'export default { name: "x" }\n' })
  expect((await f.run('plan --json')).json().error.code).toBe('HF1004')
})

test('types of a provider package are there also when the program no longer imports it', async () => {
  f = folder({
    'holdfast.config.ts': "import { defineProject } from 'holdfast'\nexport default defineProject({ providers: ['@acme/things'] })\n",
    'app.ts': "import { app } from 'holdfast'\nimport { Thing } from '@acme/things'\nexport default app('p', { build() { Thing('t', {}) } })\n",
    'node_modules/@acme/things/package.json': JSON.stringify({ name: '@acme/things', version: '1.0.0', type: 'module', exports: { import: './index.js' } }),
    'node_modules/@acme/things/index.js': "import { resource } from 'holdfast'\nimport { z } from 'zod'\nexport const Thing = resource({ type: 'acme:Thing', inputs: z.object({}), outputs: z.object({}), create: async () => ({}), read: async () => ({}), delete: async () => {}, capability: { create: { name: true } } })\n",
  })
  expect((await f.run('apply -y')).code).toBe(0)
  f.write({ 'app.ts': "import { app } from 'holdfast'\nexport default app('p', { build() {} })\n" })
  const r = await f.run('apply -y --json')
  expect(r.code, r.stderr).toBe(0)
  rmSync(join(f.path, 'node_modules'), { recursive: true })
  expect((await f.run('plan --json')).json().error).toMatchObject({ code: 'HF1003' })
})
