import type { Entry } from '../journal/index.ts'
import { checkContext } from './check.ts'
import type { RequestContext } from './contract.ts'
import { RequestIdConflict } from './errors.ts'
import type { Session } from './session.ts'
import { hasCode } from './translate.ts'
import { digestOf, stored } from './values.ts'

/**
 * Runs what changes something, or gives the answer that its request id got the first time (spec of the contract: a repeated request changes nothing).
 *
 * Takes    `act`: it adds what `note(answer)` gives to the commit that makes its answer true.
 * Fails    RequestIdConflict when the id came with another method or other arguments.
 */
export async function once<T>(
  s: Session, scope: string, method: string, args: readonly unknown[], ctx: RequestContext | undefined, act: (note: (answer: T) => Entry[]) => Promise<T>,
): Promise<T> {
  checkContext(ctx)
  const id = ctx?.requestId
  if (id === undefined) return act(() => [])
  const digest = digestOf([method, ...args], () => s.ringToSeal())
  const known = async (): Promise<{ readonly answer: T } | undefined> => {
    const row = await s.store.request(scope, id)
    if (!row) return undefined
    if (row.method !== method || row.digest !== digest) throw new RequestIdConflict(`The request id ${id} was used for another request (${row.method}).`, undefined, [], { details: { requestId: id, method: row.method } })
    return { answer: stored(row.result) as T }
  }
  const before = await known()
  if (before) return before.answer
  try {
    return await act((answer) => [{ t: 'request.put', row: { scope, id, method, digest, result: JSON.stringify(answer ?? null), at: s.clock.now() } }])
  } catch (e) {
    // Somebody made the same request at the same time: theirs counts. It may also have been what stood in our way.
    const other = await known()
    if (other) return other.answer
    if (hasCode(e, 'HF4104')) throw new RequestIdConflict(`The request id ${id} was used for another request.`)
    throw e
  }
}
