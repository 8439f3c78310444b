// What proves the backend: the suite that the built-in ones pass, and a few cases of its own. `npm test -w third-party-store`
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import { loadBackend, SchemaTooNew, StoreCorrupt } from 'holdfast/backend'
import { backendSuite } from 'holdfast/testing'
import { JsonFileBackend } from './json-file.mjs'

const places = new Map()
const at = (path, wanted) => {
  const backend = new JsonFileBackend({ path, ...wanted })
  places.set(backend, { path, wanted })
  return backend
}

backendSuite({
  name: 'a JSON file',
  open: async (wanted) => at(join(mkdtempSync(join(tmpdir(), 'json-file-')), 'state.json'), wanted),
  async reopen(backend) {
    await backend.close()
    const { path, wanted } = places.get(backend)
    return at(path, wanted)
  },
  dispose: async (backend) => rmSync(dirname(places.get(backend).path), { recursive: true, force: true }),
}, { framework: { describe, test } })

describe('the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'json-file-'))
  const load = (name) => loadBackend({ module: fileURLToPath(new URL('./json-file.mjs', import.meta.url)), export: 'JsonFileBackend', config: { path: join(folder, name) } })

  test('is loaded by its module and name, ready for the first call', async () => {
    const backend = await load('new.json')
    assert.ok(await backend.createResourceState('demo'))
    await backend.close()
    assert.deepEqual(readdirSync(folder), ['new.json'])
    const again = await load('new.json')
    assert.deepEqual((await again.getTopLevelResourceStates()).map((s) => s.name), ['demo'])
    await again.close()
  })
  test('that is damaged, or newer, says so', async () => {
    for (const [name, content, cause, code] of [['bad.json', '{"states": [', StoreCorrupt, 'STORE_CORRUPT'], ['newer.json', '{"version": 99, "states": []}', SchemaTooNew, 'SCHEMA_TOO_NEW']]) {
      writeFileSync(join(folder, name), content)
      await assert.rejects(load(name), (e) => e.code === code && e.cause instanceof cause)
    }
    rmSync(folder, { recursive: true })
  })
})
