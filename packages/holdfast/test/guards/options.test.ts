import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repository } from './tree.ts'

/** Names of the fields of an interface. */
function fieldsOf(source: string, name: string): string[] {
  const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`, 'm').exec(source)?.[1]
  if (body === undefined) throw new Error(`there is no interface ${name}`)
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?]?[:(<]/gm)].map((m) => m[1] as string)
}
const missing = (source: string, name: string, page: string): string[] => fieldsOf(source, name).filter((field) => !new RegExp(`\\b${field}\\b`).test(page))

/** Page -> source -> interfaces: what may be said there stands on the page. */
const pages: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'docs/guide.md': { 'model/types.ts': ['NodeOptions'], 'program/policy.ts': ['PolicyNode', 'PolicyFinding'] },
  'docs/flow.md': {
    'flow/workflow/port.ts': ['TaskOptions', 'RemoteOptions', 'Retry', 'LinkOptions', 'EngineOptions', 'FlowEngine', 'FlowReport', 'TaskReport', 'TaskContext', 'UndoContext', 'HistoryEntry', 'Listeners', 'WorkFlowEngine'],
    'flow/workflow/retries.ts': ['RetryOptions'], 'flow/workflow/flow-worker.ts': ['FlowWorkerOptions', 'WorkedFlow'], 'flow/workflow/task-worker.ts': ['TaskWorkerOptions', 'TaskHandler'], 'flow/workflow/worker.ts': ['WorkerOptions'],
  },
  'docs/engine.md': { 'embed/engine.ts': ['EngineParts', 'CallOptions', 'PlanOptions', 'ChangeOptions', 'ImportOptions', 'EnginePlan'], 'embed/ports.ts': ['Target', 'TargetProvider', 'SnapshotProvider', 'SnapshotMutation'] },
}

for (const [page, sources] of Object.entries(pages)) {
  test(`every option of ${Object.values(sources).flat().join(', ')} stands in ${page}`, () => {
    const text = readFileSync(join(repository, page), 'utf8')
    expect(Object.entries(sources).flatMap(([file, names]) => {
      const source = readFileSync(join(repository, 'packages/holdfast/src', file), 'utf8')
      return names.flatMap((name) => missing(source, name, text).map((field) => `${name}.${field}`))
    })).toEqual([])
  })
}

test('red: an option that the page does not name', () => {
  expect(missing('export interface A {\n  /** One. */\n  readonly one?: string\n  two(x: number): void\n}\n', 'A', 'one and twofold')).toEqual(['two'])
})
