import { failure } from '../base/index.ts'
import { isSecret, type Value } from '../model/index.ts'
import { decodeDoc, encodeDoc } from '../secret/index.ts'
import type { SecretRow } from '../state/index.ts'
import type { EnvState } from './state.ts'

/** Where a declared secret is sealed to: the environment and its name. */
const place = (env: string, name: string) => ({ table: 'secret', row: env, field: name, type: 'holdfast:secret' })

/** Gives the declared secrets of an environment as values; nothing is opened. Fails HF2301 for one that was never set. */
export function declaredSecrets(state: EnvState, rows: readonly SecretRow[]): (name: string) => Value {
  const byName = new Map(rows.map((r) => [r.name, r]))
  const memo = new Map<string, Value>()
  return (name) => {
    const known = memo.get(name)
    if (known !== undefined) return known
    const row = byName.get(name)
    if (!row) throw failure('HF2301', { message: `The secret ${name} has no value in ${state.env.app}/${state.env.name}.`, hint: `Run \`holdfast secret set ${name}\` and give the value on stdin.` })
    const value = decodeDoc(row.sealed, place(state.env.id, name), state.cx.ring)
    if (!isSecret(value)) throw failure('HF4303', { message: `The secret ${name} is stored in a way this program does not understand.` })
    memo.set(name, value)
    return value
  }
}

/** The sealed document of a declared secret. */
export const sealSecret = (env: string, name: string, value: Value, tx: string, ring: EnvState['cx']['ring']): string => encodeDoc(value, { ...place(env, name), tx }, ring)
