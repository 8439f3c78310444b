import type { z } from 'zod'
import type { Shape } from '../model/index.ts'
import { isExpr, type Expr } from './expr.ts'
import { makeExpr } from './reference.ts'
import { notesSites } from './scope.ts'
import { captureSite, failureAt } from './site.ts'
import { leafShape } from '../model/index.ts'

/** A file or tree by path and content: it changes when the content does. */
export interface AssetValue {
  readonly path: string
  readonly digest: string
}
const shape: Shape = { kind: 'object', optional: false, open: false, fields: ['path', 'digest'], field: (k) => (k === 'path' || k === 'digest' ? leafShape : undefined) }

/** A file or folder beside the program. Its digest is taken at plan, and the bytes are kept as long as a revision names them. `ignore` are patterns of names to leave out. */
export function asset(path: string, options: { readonly ignore?: readonly string[] } = {}): Expr<AssetValue> {
  const wrong = (what: string) => failureAt('HF1204', asset, { message: `asset(): ${what}.`, hint: "Write asset('./path') with a plain text; it is relative to the program." })
  if (isExpr(path)) throw wrong('the path must be known in build(), and a reference is not')
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw wrong('the path must be a text')
  if (typeof options !== 'object' || options === null) throw wrong('the options must be an object')
  const { ignore = [] } = options
  if (!Array.isArray(ignore) || !ignore.every((p) => typeof p === 'string')) throw wrong('ignore must be a list of patterns')
  return makeExpr({ k: 'asset', path, ignore: [...ignore], at: notesSites() ? captureSite(asset) : undefined }, shape)
}

/** Marks a schema: values of it are sealed at rest, masked in every output, and never enter a fingerprint in clear. */
export function sensitive<S extends z.ZodType>(schema: S): S {
  if (typeof (schema as { meta?: unknown } | undefined)?.meta !== 'function') throw failureAt('HF1107', sensitive, { message: 'sensitive() needs a zod schema.' })
  return schema.meta({ ...schema.meta(), sensitive: true }) as S
}
