import { failure } from '../base/index.ts'
import { parseSafely } from '../secret/index.ts'

/** One value from the command line or a variable: by dotted path, as text. */
export interface SetValue {
  readonly path: readonly string[]
  readonly text: string
}

const VARIABLE = 'HOLDFAST_SET_'

/** `HOLDFAST_SET_replicas=3`; two underscores stand for a dot. */
export function setsFromVariables(variables: Readonly<Record<string, string | undefined>>): SetValue[] {
  return Object.keys(variables).filter((k) => k.startsWith(VARIABLE) && k.length > VARIABLE.length).sort()
    .map((k) => ({ path: pathOf(k.slice(VARIABLE.length).replaceAll('__', '.'), k), text: variables[k] ?? '' }))
}

/** `--set key=value`. Fails HF1001. */
export function setFromFlag(text: string): SetValue {
  const at = text.indexOf('=')
  if (at <= 0) throw failure('HF1001', { message: `--set ${text} has no value; write --set key=value.` })
  return { path: pathOf(text.slice(0, at), `--set ${text}`), text: text.slice(at + 1) }
}

function pathOf(key: string, where: string): string[] {
  const path = key.split('.')
  if (path.some((p) => p === '' || p === '__proto__')) throw failure('HF1001', { message: `${where}: ${key} is not the name of a value.` })
  return path
}

/**
 * The values of an environment with those of the command on top; the weakest first in `sets`.
 *
 * A text that is JSON becomes its value (`3`, `true`, `["a"]`), every other stays text. `asText` names the paths that must stay text although they
 * look like JSON: the schema says so.
 */
export function mergeValues(environment: Readonly<Record<string, unknown>>, sets: readonly SetValue[], asText: ReadonlySet<string> = new Set()): Record<string, unknown> {
  const out = structuredClone(environment) as Record<string, unknown>
  for (const { path, text } of sets) {
    let at = out
    for (const key of path.slice(0, -1)) {
      const next = Object.hasOwn(at, key) ? at[key] : undefined
      at = (typeof next === 'object' && next !== null ? next : (at[key] = {})) as Record<string, unknown>
    }
    at[path[path.length - 1] as string] = asText.has(path.join('.')) ? text : jsonOrText(text)
  }
  return out
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The part of a zod schema that is asked here. */
interface Schema {
  safeParse(value: unknown): { readonly success: boolean; readonly error?: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] } }
}

/**
 * What the sets change, as whole top-level values: what `--set db.port=1` leaves alone in `db` is in it.
 * Where the schema does not want what a text means as JSON (`--set version=1.10`), it gets the text. The program checks the result.
 */
export function changedValues(schema: Schema | undefined, environment: Readonly<Record<string, unknown>>, sets: readonly SetValue[]): Record<string, unknown> {
  if (sets.length === 0) return {}
  let merged = mergeValues(environment, sets)
  const parsed = schema && parseSafely(schema, merged)
  if (parsed && !parsed.success) merged = mergeValues(environment, sets, new Set(parsed.error?.issues.map((i) => i.path.map(String).join('.'))))
  return Object.fromEntries([...new Set(sets.map((s) => s.path[0] as string))].map((k) => [k, merged[k]]))
}
