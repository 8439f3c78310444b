import { str } from '../../src/program/index.ts'
import type { Ref } from '../../src/program/index.ts'
import type { ResourceDocs, ResourceRow } from '../../src/state/index.ts'
import type { Lab } from './world.ts'

/**
 * A program of boxes in one line: `'a b:a c:a,b!'`. After the colon stands what a box reads (its id goes into a secret input); after `^` what it only
 * waits for (dependsOn); a `!` at the end makes its call fail by itself. `sizes`, `zones` (another zone forces a new object).
 */
export function boxes(lab: Lab, line: string, o: { readonly sizes?: Record<string, number>; readonly zones?: Record<string, string> } = {}): () => unknown {
  return () => {
    const made = new Map<string, ReturnType<Lab['Box']>>()
    for (const word of line.split(/\s+/).filter(Boolean)) {
      const [, name, reads, waits, fail] = /^([^:^!]+)(?::([^^!]*))?(?:\^([^!]*))?(!)?$/.exec(word) as RegExpExecArray
      const of = (list: string | undefined) => (list ?? '').split(',').filter(Boolean).map((d) => made.get(d) as ReturnType<Lab['Box']>)
      let secret: unknown = ''
      for (const d of of(reads)) secret = str`${secret as Ref<string>}${d.id}`
      made.set(name as string, lab.Box(name as string, {
        name: name as string, size: o.sizes?.[name as string] ?? 1, zone: o.zones?.[name as string] ?? 'a', secret: secret as string, ...(fail ? { fail: true } : {}),
      }, waits ? { dependsOn: of(waits) } : {}))
    }
  }
}

/** Every row as the store keeps it, and its documents, by address and uid: what was not touched is equal to the byte. */
export async function stateOf(lab: Lab): Promise<Record<string, { row: ResourceRow; docs: ResourceDocs | undefined }>> {
  const env = await lab.store.env('lab', 'default')
  if (!env) return {}
  const rows = await lab.store.resources(env.id, 'current')
  const docs = await lab.store.docs(rows)
  return Object.fromEntries(rows.map((row, i) => [`${row.address}${row.status === 'deleting' ? ` (${row.uid}, pending)` : ''}`, { row, docs: docs[i] }]))
}

/** The calls that change something, since the last time they were asked for. */
export function callsOf(lab: Lab): string[] {
  return lab.cloud.calls.splice(0).filter((c) => !c.startsWith('read ') && !c.startsWith('find '))
}
