import { textOf } from '../base/index.ts'
import { makeRedactor } from './redactor.ts'

interface Issues {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]
}
interface Parsed {
  readonly success: boolean
  readonly error?: Issues
}

/**
 * Asks a schema. A check in it is code of whoever wrote the schema: what it throws is an issue like another, without the values that were looked at.
 */
export function parseSafely<R extends Parsed>(schema: { safeParse(value: unknown): R }, value: unknown): R {
  try {
    return schema.safeParse(value)
  } catch (e) {
    const redactor = makeRedactor()
    eachText(value, new Set(), (text) => redactor.add(text))
    const failed: Parsed & { readonly error: Issues } = { success: false, error: { issues: [{ path: [], message: `the check of the schema failed: ${redactor.text(e instanceof Error ? e.message : textOf(e))}` }] } }
    return failed as R
  }
}

function eachText(v: unknown, above: Set<unknown>, tell: (text: string) => void): void {
  if (typeof v === 'string') tell(v)
  if (typeof v === 'number' || typeof v === 'bigint') tell(String(v))
  if (typeof v !== 'object' || v === null || v instanceof Uint8Array || v instanceof Date || above.has(v)) return
  above.add(v)
  for (const x of Object.values(v)) eachText(x, above, tell)
}
