import { readFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { driver, isOld } from './driver.ts'
import { migrations } from './migrations.ts'

/**
 * Of the SQLite that this process would use, told without loading it where that is possible: `version` is asked by scripts, and the library costs 15 ms.
 * Fails HF4007.
 */
export function sqliteVersion(): string {
  const own = process.versions.sqlite
  if (own !== undefined && isBuiltin('node:sqlite') && !isOld(own)) return own
  return stated() ?? driver().version
}

/** What the package says about the SQLite inside it; a test compares it with what SQLite says. */
function stated(): string | undefined {
  try {
    const { versions } = JSON.parse(readFileSync(createRequire(import.meta.url).resolve('@photostructure/sqlite/package.json'), 'utf8')) as { versions?: { sqlite?: string } }
    return versions?.sqlite
  } catch {
    return undefined
  }
}

/** Of the schema that this program writes. */
export const schemaVersion: number = migrations.length
