import { createHash, type Hash } from 'node:crypto'
import { failure, holdfastVersion } from '../base/index.ts'
import type { EnvRow, StoreMeta } from '../state/index.ts'
import { exportLine, TABLES, type TableName } from './rows.ts'

/** Of the frame around the rows. */
const FORMAT = 1

export interface ExportHeader {
  readonly storeId: string
  readonly schema: number
  /** Last number given to a lease or a place: numbers go on from there. */
  readonly fenceSeq: number
}

/** The lines of an export: what it is, every row, and at the end how many lines there were and what they add up to. */
export function* framed({ storeId, schema, fenceSeq }: ExportHeader, rows: Iterable<string>): Generator<string> {
  const sum = createHash('sha256')
  let lines = 0
  const line = (text: string): string => {
    sum.update(`${text}\n`)
    lines++
    return text
  }
  yield line(exportLine('export', { format: FORMAT, schema, storeId, fenceSeq }))
  for (const row of rows) yield line(row)
  yield exportLine('end', { lines, sha256: sum.digest('hex') })
}

export interface ImportedRow {
  readonly table: TableName
  // `any`: the rows of a table, as they were written
  readonly row: any
}

/** What an import says it has brought. */
export interface Imported {
  readonly storeId: string
  /** Schema that the export was written with. */
  readonly schema: number
  readonly rows: Readonly<Record<string, number>>
}

/** What a store does with the rows of an export; it makes them true with `end` or not at all. */
export interface ImportTarget {
  begin(header: ExportHeader): void
  row(row: ImportedRow): void
  end(): void
}

/**
 * Reads an export into a target. Exports of before there was a frame begin with `meta` and have no end.
 *
 * Fails  HF4002 the export is newer than `known`; HF4009 it is not an export, or not a whole one.
 */
export async function readExport(lines: AsyncIterable<string> | Iterable<string>, known: number, target: ImportTarget): Promise<Imported> {
  const sum: Hash = createHash('sha256')
  const rows: Record<string, number> = {}
  let header: ExportHeader | undefined
  let framed = false
  let ended = false
  let n = 0
  let place = 0
  const envs = new Set<string>()
  for await (const text of lines) {
    if (text.trim() === '') continue
    if (ended) throw damaged(n, 'there is more after its end')
    const { table, row } = parse(text, n)
    if (n === 0) {
      framed = table === 'export'
      if (!framed && table !== 'meta') throw damaged(n, 'it does not begin as an export does')
      if (framed && row.format !== FORMAT) throw newer(`its format is ${row.format}`, { format: row.format })
      header = { storeId: row.storeId, schema: row.schema, fenceSeq: row.fenceSeq ?? 0 }
      if (typeof header.storeId !== 'string' || !Number.isInteger(header.schema)) throw damaged(n, 'it does not say what it is')
      if (header.schema > known) throw newer(`it has schema ${header.schema}; this version knows ${known}`, { schema: header.schema, known })
      target.begin(header)
    }
    if (table === 'end') {
      if (row.lines !== n || row.sha256 !== sum.digest('hex')) throw damaged(n, 'its lines do not add up')
      ended = true
      continue
    }
    sum.update(`${text.endsWith('\n') ? text.slice(0, -1) : text}\n`)
    n++
    if (table === 'export') continue
    const at = TABLES.indexOf(table as TableName)
    if (at < 0) throw damaged(n, `there is no table ${table}`)
    if (at < place) throw damaged(n, `${table} comes after ${TABLES[place]}`)
    place = at
    if (table === 'envs') envs.add((row as EnvRow).id)
    else if (typeof row.env === 'string' && !envs.has(row.env)) throw damaged(n, `a row of ${table} belongs to an environment that is not in it`)
    if (table === 'meta' && (row as StoreMeta).storeId !== header?.storeId) throw damaged(n, 'it is of two stores')
    rows[table] = (rows[table] ?? 0) + 1
    try {
      target.row({ table: table as TableName, row })
    } catch (e) {
      if ((e as Error).name !== 'Bug' && !(e instanceof TypeError)) throw e
      throw damaged(n, (e as Error).message)
    }
  }
  if (!header || rows.meta !== 1) throw damaged(n, 'it is empty')
  if (framed && !ended) throw damaged(n, 'its end is missing')
  target.end()
  return { storeId: header.storeId, schema: header.schema, rows }
}

function parse(text: string, n: number): { readonly table: string; readonly row: any } {
  try {
    const { table, row } = JSON.parse(text) as { table: unknown; row: unknown }
    if (typeof table === 'string' && typeof row === 'object' && row !== null) return { table, row }
  } catch {
    // said below
  }
  throw damaged(n, 'a line is no row')
}

const damaged = (n: number, why: string) => failure('HF4009', { message: `This is not a whole export of a state: ${why} (line ${n + 1}).`, details: { line: n + 1 } })
const newer = (why: string, details: Readonly<Record<string, unknown>>) => failure('HF4002', { message: `The export was written by a newer version: ${why}.`, details: { ...details, holdfast: holdfastVersion } })

/** Two truths are never mixed. */
export const notEmpty = (envs: number) => failure('HF4008', { message: `The state is not empty: it has ${envs === 1 ? 'an environment' : `${envs} environments`}.`, details: { envs } })
