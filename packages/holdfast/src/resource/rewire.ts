import { canonical, type Plain } from '../base/index.ts'
import { isSecret, isUnknown, SecretValue, type Address, type Value } from '../model/index.ts'
import type { RowDraft } from './change.ts'
import type { Fields } from './facts.ts'
import { secretOf } from './hide.ts'
import type { EnvState } from './state.ts'

/** From here on a text is taken for what it is also inside of another one. */
const INSIDE_CHARS = 6

/**
 * Inputs of the base, for an object that is taken back: where they name what another object had before that was made again (an id), they name what
 * it has now. Without that, what is made again would refer to something that is gone.
 */
export async function rewired(state: EnvState, base: RowDraft, inputs: Fields): Promise<Fields> {
  const names = new Map<string, string>()
  for (const dep of base.meta.deps) await collect(state, dep, names)
  if (names.size === 0) return inputs
  const open = (v: SecretValue, path: readonly string[]): Value => {
    const before = SecretValue.reveal(v)
    const after = replaced(before, names, path, open) as Plain
    return canonical(before) === canonical(after) ? v : secretOf(state.cx.ring, after, base.type, `inputs.${path.join('.')}`)
  }
  return replaced(inputs as Value, names, [], open) as Fields
}

async function collect(state: EnvState, dep: Address, names: Map<string, string>): Promise<void> {
  const row = state.rowAt(dep)
  if (!row || row.ordinal === 1) return // never made again
  const before = state.remade.get(row.uid) ?? (await outputsInJournal(state, row.uid, row.ordinal - 1))
  if (before) pair(before as Value, (await state.outputsOf(row)) as Value, names)
}

/** What an object had that an earlier process deleted. */
async function outputsInJournal(state: EnvState, uid: string, ordinal: number): Promise<Fields | undefined> {
  const gone = (await state.cx.store.txs({ env: state.env.id, uid })).filter((t) => t.op === 'delete' && t.status === 'completed' && t.ordinal === ordinal).at(-1)
  return gone?.target.prior && state.decode(gone, 'outputs', gone.target.prior.outputs)
}

/** Texts that became others. Secret outputs are not looked into: nothing is named by one. */
function pair(before: Value | undefined, after: Value | undefined, names: Map<string, string>): void {
  if (typeof before === 'string') {
    if (typeof after === 'string' && before !== '' && before !== after) names.set(before, after)
    return
  }
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null || isSecret(before) || isSecret(after)) return
  for (const [k, v] of Object.entries(before)) pair(v as Value, (after as Record<string, Value>)[k], names)
}

/** `open`: what becomes of a secret. An id that was given to a sensitive input stands in one. */
function replaced(v: Value, names: ReadonlyMap<string, string>, path: readonly string[], open: (v: SecretValue, path: readonly string[]) => Value): Value {
  if (typeof v === 'string') {
    const whole = names.get(v)
    if (whole !== undefined) return whole
    let out = v
    for (const [before, after] of names) if (before.length >= INSIDE_CHARS) out = out.replaceAll(before, () => after)
    return out
  }
  if (isSecret(v)) return open(v, path)
  if (typeof v !== 'object' || v === null || isUnknown(v) || v instanceof Uint8Array || v instanceof Date) return v
  if (Array.isArray(v)) return v.map((x, i) => replaced(x as Value, names, [...path, String(i)], open))
  return Object.fromEntries(Object.entries(v as Record<string, Value>).map(([k, x]) => [k, x === undefined ? x : replaced(x, names, [...path, k], open)]))
}
