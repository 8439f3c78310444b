import { failure } from '../base/index.ts'
import { parseSafely } from '../secret/index.ts'
import { shapeOf } from '../model/index.ts'
import type { AnyApp } from './app.ts'
import { listFields } from './declare.ts'

/** The configuration of an environment, parsed: `set` over the values of the environment over the defaults of the schema. Fails HF1301 with the path. */
export function readConfig(app: AnyApp, env: string, set: Readonly<Record<string, unknown>> = {}): unknown {
  const given: Record<string, unknown> = { ...app.environments[env], ...set }
  const shape = app.config ? shapeOf(app.config, 'in') : undefined
  for (const key of Object.keys(given)) {
    const known = shape === undefined ? false : shape.kind !== 'object' || shape.field(key) !== undefined
    if (known || given[key] === undefined) continue
    throw failure('HF1301', {
      message: `${key}: ${app.name} has no such value${Object.hasOwn(set, key) ? '' : `, and the environment ${env} gives one`}.`,
      hint: shape ? `Values: ${listFields(shape)}.` : 'The app declares no config.', details: { path: key },
    })
  }
  if (!app.config) return Object.freeze({})
  const parsed = parseSafely<ReturnType<typeof app.config.safeParse>>(app.config, given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = (issue?.path ?? []).map(String).join('.')
  throw failure('HF1301', {
    message: `${path ? `${path}: ` : ''}${issue?.message ?? 'not valid'} (environment ${env}).`,
    hint: path && !(path.split('.')[0] as string in given) ? `Give it in environments.${env}, or with --set ${path}=...` : 'Correct the value named in the message.',
    details: { path },
  })
}
