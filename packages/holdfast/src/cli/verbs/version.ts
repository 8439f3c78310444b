import { holdfastVersion } from '../../base/index.ts'
import { schemaVersion, sqliteVersion } from '../../store/index.ts'
import { printDocument } from '../document.ts'
import type { Verb } from '../verb.ts'

export const version: Verb = async (io, { flags }) => {
  const doc = { holdfast: holdfastVersion, node: process.versions.node, sqlite: sqliteVersion(), schema: schemaVersion }
  if (flags.json) printDocument(io, { app: null, env: null }, doc)
  else io.out(`holdfast ${doc.holdfast}\nnode ${doc.node}\nsqlite ${doc.sqlite}\nschema ${doc.schema}\n`)
  return 0
}
