import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'vitest'
import { MemoryBackend, SqliteBackend, type Backend } from '../../src/backend/index.ts'
import { backendSuite } from '../../src/testing/index.ts'

const framework = { describe, test }

backendSuite({
  name: 'MemoryBackend',
  open: async ({ requiredOutputs }) => new MemoryBackend({ requiredOutputs }),
  async reopen(be) {
    await be.close()
    return new MemoryBackend({ of: be as MemoryBackend })
  },
  second: async (be) => new MemoryBackend({ of: be as MemoryBackend }),
}, { framework })

const paths = new WeakMap<Backend, string>()
function sqlite(path: string, requiredOutputs: Readonly<Record<string, readonly string[]>> = {}): Backend {
  const be = new SqliteBackend({ path, requiredOutputs })
  paths.set(be, path)
  return be
}

backendSuite({
  name: 'SqliteBackend',
  open: async ({ requiredOutputs }) => sqlite(join(mkdtempSync(join(tmpdir(), 'hf-backend-')), 'state.db'), requiredOutputs),
  async reopen(be) {
    await be.close()
    return sqlite(paths.get(be) as string)
  },
  second: async (be) => sqlite(paths.get(be) as string),
  dispose: async (be) => rmSync(dirname(paths.get(be) as string), { recursive: true, force: true }),
}, { framework })
