// Writes packages/holdfast/src/store/sqlite/migrations.ts from the numbered .sql files beside it. A test compares the two.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const folder = new URL('../packages/holdfast/src/store/sqlite/', import.meta.url)

export function embedded() {
  const files = readdirSync(new URL('sql/', folder)).filter((f) => /^\d{6}_.*\.sql$/.test(f)).sort()
  const items = files.map((f, i) => {
    if (Number(f.slice(0, 6)) !== i + 1) throw new Error(`${f}: migrations are numbered from 000001 without a gap`)
    const text = readFileSync(new URL(`sql/${f}`, folder), 'utf8')
    return `  {\n    version: ${i + 1},\n    name: ${JSON.stringify(f)},\n    sql: \`${text.replace(/[\\`$]/g, '\\$&')}\`,\n  },\n`
  })
  return `// Written by scripts/embed-sql.mjs from sql/*.sql: edit those.

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

/** In order; the version of a file is the number of those it has seen. */
export const migrations: readonly Migration[] = [
${items.join('')}]
`
}

if (import.meta.url === new URL(process.argv[1] ?? '', 'file:').href) writeFileSync(new URL('migrations.ts', folder), embedded())
