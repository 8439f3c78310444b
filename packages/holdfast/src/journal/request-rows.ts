import type { RequestRow } from '../state/index.ts'
import type { Edits } from './edits.ts'
import { refusals } from './refusals.ts'
import { REQUEST_KEPT_MS, REQUESTS_SWEPT, type Tables } from './tables.ts'

/** Each request id is taken once, for as long as it is kept. */
export function putRequest(t: Tables, edits: Edits, row: RequestRow): void {
  const key = `${row.scope} ${row.id}`
  if (t.requests.has(key)) throw refusals.requestKnown(row.id)
  sweep(t, edits, row.at - REQUEST_KEPT_MS)
  edits.set(t.requests, key, row)
}

/** Looks at the oldest few, and drops those made before `atMs`. */
function sweep({ requests }: Tables, edits: Edits, atMs: number): void {
  const oldest: [string, RequestRow][] = []
  for (const entry of requests) {
    if (oldest.length === REQUESTS_SWEPT) break
    oldest.push(entry)
  }
  const gone = oldest.filter(([, r]) => r.at < atMs)
  if (gone.length === 0) return
  for (const [k] of gone) requests.delete(k)
  // Taken back, they are the oldest again, in the order they had.
  edits.made(() => {
    const rest = [...requests]
    requests.clear()
    for (const [k, r] of [...oldest, ...rest]) requests.set(k, r)
  })
}
