import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { storeSuite } from '../../testing/store-suite.ts'
import type { Store } from '../index.ts'
import { openSqliteStore } from './index.ts'

storeSuite('sqlite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hf-store-'))
  const path = join(folder, '.holdfast', 'state.db')
  const open: Store[] = []
  const another = async () => {
    const store = await openSqliteStore({ path })
    open.push(store)
    return store
  }
  const store = await another()
  return {
    store,
    reopen: async () => {
      await store.close()
      return another()
    },
    second: another,
    close: async () => {
      for (const s of open) await s.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}, { framework: { describe, test } })
