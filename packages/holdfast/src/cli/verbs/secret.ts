import { failure } from '../../base/index.ts'
import { listSecrets, removeSecret, setSecret } from '../../engine/index.ts'
import { confirm, readSecret } from '../ask.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

export const secretSet: Verb = (io, call) => withProject(io, call, { access: 'create' }, async (s) => {
  const name = call.args[0] as string
  if (!s.opened.secrets.includes(name)) throw failure('HF1304', { message: `${s.where.app} declares no secret ${name}.`, hint: s.opened.secrets.length > 0 ? `Declared are ${s.opened.secrets.join(', ')}.` : `Declare it: secrets: ['${name}'].` })
  await setSecret(s.cx, name, await readSecret(io, call.flags, name))
  if (call.flags.json) s.print({ name, set: true })
  else io.err(`${name} is set in ${s.where.app}/${s.where.env}.\n`)
  return 0
})

export const secretList: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const stored = new Map((await listSecrets(s.cx)).map((x) => [x.name, x.setAt]))
  const names = [...new Set([...s.opened.secrets, ...stored.keys()])]
  const secrets = names.map((name) => ({ name, declared: s.opened.secrets.includes(name), setAt: stored.get(name) ?? null }))
  if (call.flags.json) s.print({ secrets })
  else io.out(secrets.length === 0 ? 'No secrets.\n' : rowsText(secrets.map((x) => [x.name, x.setAt ? `set ${x.setAt}` : 'not set', x.declared || s.opened.broken ? '' : 'no longer declared'])))
  return 0
})

export const secretRemove: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, async (s) => {
  const name = call.args[0] as string
  await confirm(io, call.flags, `Forget the value of ${name} in ${s.where.app}/${s.where.env}?`)
  await removeSecret(s.cx, name)
  if (call.flags.json) s.print({ name, set: false })
  else io.err(`${name} is not set any more in ${s.where.app}/${s.where.env}.\n`)
  return 0
})
