import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BackendError, BackendInitializationError, backendErrorCodes, backendMethods, loadBackend, type BackendConfiguration } from '../../src/backend/index.ts'

const module = fileURLToPath(new URL('./fixtures/backends.ts', import.meta.url))

async function refused(configuration: unknown, from?: string): Promise<BackendInitializationError> {
  try {
    await loadBackend(configuration as BackendConfiguration, from === undefined ? {} : { from })
  } catch (e) {
    expect(e).toBeInstanceOf(BackendInitializationError)
    expect(e).toBeInstanceOf(BackendError)
    return e as BackendInitializationError
  }
  throw new Error('it was loaded')
}
const loading = (name: string, config: Record<string, unknown> = {}) => refused({ module, export: name, config })

/** A folder with files, as a project of somebody else. */
function folder(files: Readonly<Record<string, string>>): string {
  const at = mkdtempSync(join(tmpdir(), 'holdfast-load-'))
  onTestFinished(() => rmSync(at, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(at, path)), { recursive: true })
    writeFileSync(join(at, path), text)
  }
  return at
}

describe('what is to be loaded', () => {
  test('S000-04 S000-13 S000-14 module is a text', async () => {
    for (const wrong of [5, undefined, null, '', ['a']]) {
      const e = await refused({ module: wrong, export: 'Echo', config: {} })
      expect(e).toMatchObject({ code: 'CONFIG_INVALID' })
      expect(e.errorMessage).toContain('`module`')
    }
  })
  test('S000-04 S000-13 S000-15 export is a text', async () => {
    for (const wrong of [5, undefined, null, '', {}]) {
      const e = await refused({ module, export: wrong, config: {} })
      expect(e).toMatchObject({ code: 'CONFIG_INVALID' })
      expect(e.errorMessage).toContain('`export`')
    }
  })
  test('S000-13 S000-16 config is an object, which may be empty', async () => {
    for (const wrong of [undefined, null, [], 'path', 1]) {
      const e = await refused({ module, export: 'Echo', config: wrong })
      expect(e).toMatchObject({ code: 'CONFIG_INVALID' })
      expect(e.errorMessage).toContain('`config`')
    }
    expect(await loadBackend({ module, export: 'Echo', config: {} })).toMatchObject({ config: {} })
    for (const wrong of [undefined, null, 'Echo']) expect(await refused(wrong)).toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('a backend of somebody else', () => {
  test('S000-06 S000-137 is constructed with the configuration that was given, and is open when it is given back', async () => {
    const config = { path: '/there', nested: { a: [1, { b: null }] } }
    const backend = await loadBackend({ module, export: 'Echo', config })
    expect(await backend.getResourceState('any')).toEqual(config)
  })

  test('is found by a path from a folder, by its address, and as a package that speaks to import alone', async () => {
    const text = `const brand = Symbol.for('holdfast.backend')
      class Base { static [brand] = true; contractVersion = 1; capabilities = { name: 'mine' }; open = async () => {}; close = async () => {} }
      export class Mine extends Base { constructor(config) { super(); for (const m of ${JSON.stringify(backendMethods)}) this[m] = async () => config.word } }`
    const at = folder({
      'mine.mjs': text,
      'node_modules/@some/store/package.json': JSON.stringify({ name: '@some/store', type: 'module', exports: { './deep': { import: './lib/deep.js' } } }),
      'node_modules/@some/store/lib/deep.js': text,
      'node_modules/plain-store/package.json': JSON.stringify({ name: 'plain-store', type: 'module', exports: { import: './index.js' } }),
      'node_modules/plain-store/index.js': text,
      'node_modules/old-store/package.json': JSON.stringify({ name: 'old-store', main: './main.cjs' }),
      'node_modules/old-store/main.cjs': text.replace('export class Mine', 'exports.Mine = class Mine'),
    })
    for (const name of ['./mine.mjs', pathToFileURL(join(at, 'mine.mjs')).href, join(at, 'mine.mjs'), '@some/store/deep', 'plain-store', 'old-store']) {
      const backend = await loadBackend({ module: name, export: 'Mine', config: { word: name } }, { from: at })
      expect(await backend.getComponentUuid('', '')).toBe(name)
    }
    for (const name of ['@some/store', '@some/store/other', 'plain-store/x', './none.mjs', 'none', '@none/none', 'file:///none.mjs', '']) {
      expect((await refused({ module: name, export: 'Mine', config: {} }, at)).code, name).toBe(name === '' ? 'CONFIG_INVALID' : 'MODULE_NOT_FOUND')
    }
  })
})

describe('what cannot be loaded says why', () => {
  test('S000-12 S000-132 a module that is not there, and one that fails while it is loaded', async () => {
    expect(await refused({ module: './nowhere.mjs', export: 'X', config: {} })).toMatchObject({ code: 'MODULE_NOT_FOUND', details: { module: './nowhere.mjs', export: 'X' } })
    const { exit } = process
    const at = folder({
      'throws.mjs': "throw new RangeError('out of luck')", 'syntax.mjs': 'export class {', 'imports.mjs': "import 'nothing-of-that-name'", 'exits.mjs': 'process.exit(0)\nexport class Echo {}',
    })
    const thrown = await refused({ module: './throws.mjs', export: 'X', config: {} }, at)
    expect(thrown).toMatchObject({ code: 'MODULE_THREW', cause: { name: 'RangeError', message: 'out of luck' } })
    expect(thrown.errorMessage).toContain('out of luck')
    for (const name of ['syntax', 'imports', 'exits']) expect(await refused({ module: `./${name}.mjs`, export: 'X', config: {} }, at), name).toMatchObject({ code: 'MODULE_THREW', cause: expect.any(Error) })
    expect(process.exit).toBe(exit)
  })
  test('S000-131 an export that is not there, with module and export in the error', async () => {
    for (const name of ['Nobody', 'nothing']) {
      const e = await loading(name)
      expect(e).toMatchObject({ code: 'EXPORT_NOT_FOUND', details: { module, export: name } })
      expect(e.errorMessage).toContain(name)
      expect(e.errorMessage).toContain(module)
    }
  })
  test('B8.8#132 S000-05 a class that does not extend AbstractBackend, and what is no class', async () => {
    expect(await loading('Unrelated')).toMatchObject({ code: 'NOT_A_BACKEND' })
    expect(await loading('notAClass')).toMatchObject({ code: 'NOT_A_BACKEND' })
    expect(await loading('Nameless')).toMatchObject({ code: 'NOT_A_BACKEND' })
  })
  test('S000-17 the abstract backend itself', async () => {
    expect(await loading('Abstract')).toMatchObject({ code: 'NOT_A_BACKEND' })
    expect(await refused({ module: 'holdfast/backend', export: 'AbstractBackend', config: {} })).toMatchObject({ code: 'NOT_A_BACKEND' })
  })
  test('S000-18 a backend that lacks a method is refused by its name', async () => {
    const e = await loading('Lacking')
    expect(e.code).toBe('NOT_A_BACKEND')
    expect(e.errorMessage).toContain('it lacks updateComponent')
  })
  test('B8.8#134 a backend that was made for another version of the contract', async () => {
    expect(await loading('Older')).toMatchObject({ code: 'CONTRACT_VERSION_MISMATCH' })
  })
  test('S000-133 a constructor that throws: the chain of causes is kept', async () => {
    expect(await loading('Refuses', { url: 'x' })).toMatchObject({ code: 'CONFIG_INVALID', cause: { name: 'TypeError', message: expect.stringContaining('cannot use'), cause: { message: expect.any(String) } } })
    expect((await loading('Refuses', { url: 'x' })).cause).toBeInstanceOf(TypeError)
  })
  test('a configuration that does not fit the schema of the backend is told by its keys', async () => {
    const e = await loading('Strict', { path: 5, pool: { size: 'many of them' } })
    expect(e.code).toBe('CONFIG_INVALID')
    expect(e.errorMessage).toContain('path, pool.size')
    expect(await loadBackend({ module, export: 'Strict', config: { path: 'a' } })).toBeDefined()
  })
  test('a schema whose own check throws is an error of the configuration, without its values', async () => {
    const e = await loading('Checks', { url: 'postgres://u:hunter2@h/d' })
    expect(e).toMatchObject({ code: 'CONFIG_INVALID', cause: expect.any(TypeError), errorMessage: expect.stringContaining('its schema of the configuration failed: no such address') })
    expect(`${e.errorMessage} ${e.stack} ${(e.cause as Error).stack}`).not.toContain('hunter2')
    for (const wrong of [Object.create(null), { me: Object.create(null) }]) expect(await refused({ module: wrong, export: wrong, config: {} })).toMatchObject({ code: 'CONFIG_INVALID' })
  })
  test('a store that cannot be opened, or has a newer schema', async () => {
    expect(await loading('Unreachable', { url: 'postgres://u:p@127.0.0.1:1/d' })).toMatchObject({ code: 'CONNECT_FAILED', cause: expect.any(BackendError) })
    expect(await loading('Newer')).toMatchObject({ code: 'SCHEMA_TOO_NEW' })
  })
})

describe('the message', () => {
  test('S000-135 names backend, export and module, and speaks of nothing else', async () => {
    const e = await loading('Nobody', { url: 'x' })
    expect(e.errorMessage).toMatch(new RegExp(`^cannot load backend Nobody from ${module}: .*\\(configuration keys: url\\)$`))
    expect(e.errorMessage).not.toMatch(/settings/i)
    for (const { summary, help } of Object.values(backendErrorCodes)) expect(`${summary} ${help}`).not.toMatch(/settings/i)
  })

  test('B8.8#133 S000-134 D32 no value of the configuration is in message, causes or stack, in clear or encoded', async () => {
    const values = { url: 'postgres://teller:s3cr3t%20pw@db.example.org:5433/ledger?sslmode=off', token: 'tök/en+with "quotes"', pin: 4711, deep: { list: ['another secret text'] } }
    for (const name of ['Refuses', 'Unreachable', 'Nobody', 'Strict', 'Older', 'Abstract']) {
      const e = await loading(name, values)
      const shown = inspect(e, { depth: 10, showHidden: true })
      expect(e.errorMessage, name).toContain('(configuration keys: url, token, pin, deep)')
      for (const secret of [values.url, 's3cr3t pw', 's3cr3t%20pw', 'teller', values.token, JSON.stringify(values.token), encodeURIComponent(values.token), Buffer.from(values.token).toString('base64'), '4711', 'another secret text']) {
        expect(shown.includes(secret), `${name}: ${secret}`).toBe(false)
      }
    }
  })
})
