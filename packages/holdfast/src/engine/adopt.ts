import { failure } from '../base/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import type { Address } from '../model/index.ts'
import type { PlannedChange } from '../plan/index.ts'
import type { AdoptOptions, AdoptProblem, EnvState } from '../resource/index.ts'
import type { AdoptRow, PlanRequest } from './api.ts'
import type { RunDocument } from './documents.ts'
import type { RunOptions, RunSession } from './session.ts'

/**
 * Reads a mapping of nodes to objects that exist: `{ "web/box": "i-123" }`, or a list of `{ address, id }`.
 *
 * Fails    HF2120 naming every row that is none.
 */
export function readAdoptRows(value: unknown): AdoptRow[] {
  const list: unknown[] = Array.isArray(value) ? value : typeof value === 'object' && value !== null ? Object.entries(value).map(([address, id]) => ({ address, id })) : []
  const bad: string[] = []
  const rows: AdoptRow[] = []
  list.forEach((each, i) => {
    const row = (each ?? {}) as { readonly address?: unknown; readonly id?: unknown }
    if (typeof row.address === 'string' && row.address !== '' && typeof row.id === 'string' && row.id !== '') rows.push({ address: row.address.normalize('NFC'), id: row.id })
    else bad.push(typeof row.address === 'string' ? row.address : `row ${i + 1}`)
  })
  if (list.length === 0) throw failure('HF2120', { message: 'The mapping names no object.', hint: 'Write { "address": "id" }, or a list of { "address": ..., "id": ... }.' })
  if (bad.length > 0) throw failure('HF2120', { message: `The mapping has rows without an address or an id: ${bad.join(', ')}.` })
  return rows
}

/**
 * Takes existing objects over into the record of an environment: all rows or none. The world is not changed, and what differs from the program is
 * left for the next apply.
 *
 * Takes    `graph`: the program that has the nodes; `rows`: which object each is to have.
 * Gives    the document of the run; `unchanged` when every node has its object already.
 * Durable  as an apply: a stored plan, a run, a transaction for each object.
 * Fails    HF2120 and HF2121 with every row that is not possible in `details.rows`; nothing was changed.
 */
export async function adoptAll(session: RunSession, graph: DesiredGraph, rows: readonly AdoptRow[], o: RunOptions & Pick<PlanRequest, 'adoptOther'>): Promise<RunDocument> {
  return session.apply(await session.plan({ graph, adopt: rows, adoptOther: o.adoptOther }), o)
}

/** The rows of a request as the comparison takes them, and what is wrong with them whatever the world is like. */
export function adoptOptions(request: PlanRequest): { readonly options: AdoptOptions | undefined; readonly problems: readonly AdoptProblem[] } {
  const { adopt, graph } = request
  if (!adopt) return { options: request.adoptOther ? { rows: new Map(), other: true, only: false } : undefined, problems: [] }
  const rows = new Map<Address, string>()
  const problems: AdoptProblem[] = []
  const no = ({ address, id }: AdoptRow, message: string) => problems.push({ address, id, code: 'HF2120', message })
  for (const row of adopt) {
    const node = graph?.nodes.get(row.address)
    if (!node) no(row, 'the program has no such node')
    else if (node.action === 'read') no(row, 'it is looked up: nothing of ours stands behind it')
    else if (rows.has(row.address)) no(row, 'it is named twice')
    else rows.set(row.address, row.id)
  }
  return { options: { rows, other: request.adoptOther === true, only: true }, problems }
}

/** Nodes that need what is neither there nor taken over with them: they cannot stand in the record before it. */
export function adoptNeeds(state: EnvState, changes: readonly PlannedChange[]): AdoptProblem[] {
  if (state.env.openRun !== undefined) throw failure('HF4101', { message: `Run ${state.env.openRun} is not finished.`, hint: 'To go on: holdfast run resume. To take it back: holdfast run revert.' })
  const taken = new Set(changes.map((c) => c.doc.address))
  return changes.flatMap((c): AdoptProblem[] => {
    const missing = c.deps.filter((d) => !taken.has(d) && !state.rowAt(d))
    return missing.length === 0 ? [] : [{ address: c.doc.address, id: c.adopt?.id ?? '', code: 'HF2120', message: `it needs ${missing.join(', ')}, which does not exist yet` }]
  })
}

/** Fails with all of them. */
export function refuseProblems(problems: readonly AdoptProblem[], graph: DesiredGraph | undefined): void {
  const [first] = problems
  if (!first) return
  const code = problems.every((p) => p.code === 'HF2121') ? 'HF2121' : 'HF2120'
  const lines = problems.map((p) => `${p.address} (${p.id}): ${p.message}`)
  throw failure(code, {
    address: first.address, site: graph?.nodes.get(first.address)?.site,
    message: problems.length === 1 ? `${lines[0]}.` : `${problems.length} objects cannot be taken over.\n${lines.map((l) => `  ${l}`).join('\n')}`,
    details: { rows: problems },
  })
}
