import { canonical, parseCanonical, type Plain } from '../base/index.ts'
import { evaluate, hides, isSecret, refsOf, SecretValue, type ExprNode, type Scope, type Value } from '../model/index.ts'
import { withoutSites } from '../program/index.ts'
import type { ResourceType } from '../provider/index.ts'
import { decodeDoc, encodeDoc } from '../secret/index.ts'
import type { RowDraft } from './change.ts'
import { hide, hideInputs, writesSecrets } from './hide.ts'
import type { EnvState } from './state.ts'

/** Inputs that refer to other nodes: what the program says of each. */
export type Wires = ReadonlyMap<string, ExprNode>

const placeOf = (uid: string, type: string) => ({ table: 'resource', row: uid, field: 'wires', type })

/** The text that a row keeps of where its references stand; undefined where none does. */
export function wiresOf(state: EnvState, type: ResourceType, uid: string, e: ExprNode): string | undefined {
  if (e.k !== 'obj') return undefined
  const at = e.keys.flatMap((k, i): [string, ExprNode][] => {
    const arg = e.args[i] as ExprNode
    return refsOf(arg).size > 0 ? [[k, withoutSites(arg)]] : []
  })
  if (at.length === 0) return undefined
  const wires = { k: 'obj', keys: at.map(([k]) => k), args: at.map(([, x]) => x) } as const
  if (!writesSecrets(type, wires) && !hides(wires)) return canonical(wires)
  const { cx } = state
  return encodeDoc(new SecretValue('', () => wires as unknown as Plain), { ...placeOf(uid, type.type), tx: cx.ids.next('t') }, cx.ring)
}

/** What a row keeps of them; undefined for one of an earlier version, which kept nothing. */
export function wiresIn(state: EnvState, row: RowDraft): Wires | undefined {
  const { wires } = row.meta
  if (wires === undefined) return undefined
  const read = wires.startsWith('{"$secret"') ? decodeDoc(wires, placeOf(row.uid, row.type), state.cx.ring) : parseCanonical(wires) as Value
  const e = (isSecret(read) ? SecretValue.reveal(read) : read) as unknown as ExprNode & { readonly k: 'obj' }
  return new Map(e.keys.map((k, i) => [k, e.args[i] as ExprNode]))
}

/** One input as it follows from its expression, parsed and hidden as at apply; undefined where it does not follow. */
export function inputFrom(state: EnvState, type: ResourceType, key: string, e: ExprNode, scope: Scope): Value | undefined {
  try {
    const value = evaluate(e, scope)
    const parsed = type.inputs.shape[key]?.safeParse(value) as { readonly success: boolean; readonly data?: unknown } | undefined
    return hideInputs(type, { [key]: parsed?.success ? parsed.data as Value : value }, (v, field) => hide(v, state.cx.ring, type.type, field))[key]
  } catch {
    return undefined
  }
}
