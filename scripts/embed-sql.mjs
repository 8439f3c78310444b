// Writes migrations.ts and flow-migrations.ts in packages/holdfast/src/store/sqlite from the numbered .sql files beside them. Tests compare them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const folder = new URL('../packages/holdfast/src/store/sqlite/', import.meta.url)

/** `flow-sql` holds the tables of a flow journal; what a migration is, migrations.ts says for both. */
export function embedded(below = 'sql') {
  const files = readdirSync(new URL(`${below}/`, folder)).filter((f) => /^\d{6}_.*\.sql$/.test(f)).sort()
  const items = files.map((f, i) => {
    if (Number(f.slice(0, 6)) !== i + 1) throw new Error(`${f}: migrations are numbered from 000001 without a gap`)
    const text = readFileSync(new URL(`${below}/${f}`, folder), 'utf8')
    return `  {\n    version: ${i + 1},\n    name: ${JSON.stringify(f)},\n    sql: \`${text.replace(/[\\`$]/g, '\\$&')}\`,\n  },\n`
  })
  const type = below === 'sql' ? `export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}
` : `import type { Migration } from './migrations.ts'
`
  return `// Written by scripts/embed-sql.mjs from ${below}/*.sql: edit those.

${type}
/** In order; the version of a file is the number of those it has seen. */
export const ${below === 'sql' ? 'migrations' : 'flowMigrations'}: readonly Migration[] = [
${items.join('')}]
`
}

if (import.meta.url === new URL(process.argv[1] ?? '', 'file:').href) {
  writeFileSync(new URL('migrations.ts', folder), embedded())
  writeFileSync(new URL('flow-migrations.ts', folder), embedded('flow-sql'))
}
