import { existsSync, readFileSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { tryWriteWhole } from './home.ts'

/** Digests of files by path, believed as long as the file's stat is the same. */
export interface StatCache {
  get(path: string, stats: Stats): string | undefined
  put(path: string, stats: Stats, digest: string): void
  /** Writes what is new, when there is a `.holdfast` to write to. Never fails. */
  save(): void
}

type Row = readonly [size: number, mtimeMs: number, ctimeMs: number, ino: number, digest: string]

/** A file that was written this shortly before it was read may be written again with the same stamp: it is not believed. */
const RACY_MS = 100
const FORMAT = 1
const ROWS_MAX = 200_000

export function openStatCache(home: string): StatCache {
  const file = join(home, 'cache', 'assets.json')
  let rows: Map<string, Row> | undefined
  const used = new Map<string, Row>()
  let changed = false

  const stored = (): Map<string, Row> => {
    if (rows) return rows
    try {
      const doc = JSON.parse(readFileSync(file, 'utf8')) as { format: number; rows: Record<string, Row> }
      rows = doc.format === FORMAT ? new Map(Object.entries(doc.rows)) : new Map()
    } catch {
      rows = new Map() // none yet, or not readable: everything is read again
    }
    return rows
  }

  return {
    get(path, s) {
      const row = used.get(path) ?? stored().get(path)
      if (!row || row[0] !== s.size || row[1] !== s.mtimeMs || row[2] !== s.ctimeMs || row[3] !== s.ino) return undefined
      used.set(path, row)
      return row[4]
    },
    put(path, s, digest) {
      if (Math.max(s.mtimeMs, s.ctimeMs) > Date.now() - RACY_MS) return
      used.set(path, [s.size, s.mtimeMs, s.ctimeMs, s.ino, digest])
      changed = true
    },
    save() {
      if (!changed || !existsSync(home)) return
      // Rows of other programs and environments stay, those of this one first: the bound cuts what was not used.
      const all = new Map(used)
      for (const [path, row] of stored()) if (!all.has(path)) all.set(path, row)
      const doc = { format: FORMAT, rows: Object.fromEntries([...all].slice(0, ROWS_MAX)) }
      if (tryWriteWhole(file, JSON.stringify(doc))) changed = false
    },
  }
}
