import { canonical, type Plain } from '../base/index.ts'
import { equal } from '../diff/index.ts'
import { isSecret, isUnknown, refsOf, SecretValue, type Address, type Value } from '../model/index.ts'
import type { RowDraft } from './change.ts'
import { makeScope } from './diff.ts'
import type { Fields } from './facts.ts'
import { secretOf } from './hide.ts'
import type { EnvState } from './state.ts'
import { inputFrom, wiresIn } from './wires.ts'

/** From here on a text is taken for what it is also inside of another one. */
const INSIDE_CHARS = 6

/** Outputs of an object that was made again: as they were, and as they are. */
interface Remade {
  readonly before: Fields
  readonly now: Fields
}

/**
 * Inputs of the base, for an object that is taken back: where they refer to what another object had before that was made again (an id), they get what
 * it has now. Without that, what is made again would refer to something that is gone.
 *
 * Where a reference stands, the row says; nothing else is touched, however equal its text may be. Only where the row does not say it (it was written by an
 * earlier version) or where the input is not what follows from its expression (it is ignored, a declared secret has changed) the text decides.
 */
export async function rewired(state: EnvState, base: RowDraft, inputs: Fields): Promise<Fields> {
  const remade = new Map<Address, Remade>()
  for (const dep of base.meta.deps) await collect(state, dep, remade)
  if (remade.size === 0) return inputs
  const wires = wiresIn(state, base)
  if (!wires) return byText(state, base, inputs, remade)
  const out: Record<string, Value | undefined> = { ...inputs }
  const type = state.type(base.type, base.address)
  const secrets = await state.cx.store.secrets(state.env.id)
  for (const [key, e] of wires) {
    const named = new Map([...remade].filter(([a]) => refsOf(e).has(a)))
    if (named.size === 0 || inputs[key] === undefined) continue
    const others = new Map<Address, Value>()
    for (const a of refsOf(e)) {
      const row = state.rowAt(a)
      if (row) others.set(a, (await state.outputsOf(row)) as Value)
    }
    const at = (side: keyof Remade) => makeScope(state, new Map([...others, ...[...named].map(([a, r]): [Address, Value] => [a, r[side] as Value])]), secrets)
    const was = inputFrom(state, type, key, e, at('before'))
    const now = inputFrom(state, type, key, e, at('now'))
    if (now !== undefined && equal(now, inputs[key])) continue // it was made again before that
    const follows = was !== undefined && now !== undefined && equal(was, inputs[key])
    out[key] = follows ? now : byText(state, base, { [key]: inputs[key] }, named)[key]
  }
  return Object.keys(out).every((k) => out[k] === inputs[k]) ? inputs : out
}

function byText(state: EnvState, base: RowDraft, inputs: Fields, remade: ReadonlyMap<Address, Remade>): Fields {
  const names = new Map<string, string>()
  for (const { before, now } of remade.values()) pair(before as Value, now as Value, names)
  if (names.size === 0) return inputs
  const open = (v: SecretValue, path: readonly string[]): Value => {
    const before = SecretValue.reveal(v)
    const after = replaced(before, names, path, open) as Plain
    return canonical(before) === canonical(after) ? v : secretOf(state.cx.ring, after, base.type, `inputs.${path.join('.')}`)
  }
  return replaced(inputs as Value, names, [], open) as Fields
}

async function collect(state: EnvState, dep: Address, remade: Map<Address, Remade>): Promise<void> {
  const row = state.rowAt(dep)
  if (!row || row.ordinal === 1) return // never made again
  const before = state.remade.get(row.uid) ?? (await outputsInJournal(state, row.uid, row.ordinal - 1))
  if (before) remade.set(dep, { before, now: await state.outputsOf(row) })
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
