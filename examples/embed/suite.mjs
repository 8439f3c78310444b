// The two providers against the suites of their ports: node --test suite.mjs
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { snapshotSuite, targetSuite } from 'holdfast/testing'
import { JsonFile, JsonSnapshots, JsonTargets } from './json-file.mjs'

const framework = { describe, test: (name, body, timeout) => test(name, { timeout }, body) }

function place() {
  const folder = mkdtempSync(join(tmpdir(), 'embed-'))
  return { path: join(folder, 'infra.json'), close: async () => rmSync(folder, { recursive: true, force: true }) }
}

snapshotSuite('one JSON file', async () => {
  const { path, close } = place()
  return {
    provider: new JsonSnapshots(new JsonFile(path)),
    reopen: async () => new JsonSnapshots(new JsonFile(path)),
    spoil: async (name, how) => {
      const doc = JSON.parse(readFileSync(path, 'utf8'))
      const { snapshot } = doc.snapshots[name]
      if (how === 'newer') snapshot.v = 2
      else snapshot.revision += 1
      writeFileSync(path, JSON.stringify(doc))
    },
    content: async () => readFileSync(path, 'utf8'),
    close,
  }
}, { framework })

targetSuite('one JSON file', async () => {
  const { path, close } = place()
  const targets = { prod: { config: { size: 3 }, tags: { team: 'web' }, secretVariables: { key: 'SITE_KEY' } }, 'eu/prod': {} }
  writeFileSync(path, JSON.stringify({ targets, snapshots: {} }))
  return { provider: new JsonTargets(new JsonFile(path)), known: Object.keys(targets), unknown: 'constructor', close }
}, { framework })
