import { failure } from '../../base/index.ts'
import { listSecrets, removeSecret, setSecret } from '../../engine/index.ts'
import { mayHoldSecrets } from '../../model/index.ts'
import { confirm, readSecret } from '../ask.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject, withRun, type Session } from '../session.ts'
import type { Verb } from '../verb.ts'
import { applyPlanned } from './apply.ts'
import { planRequest } from './plan.ts'

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

/**
 * An apply that makes the named nodes anew, and with them the secrets that they give; whatever refers to these follows in the same run, and a failure takes all of
 * it back. Nodes that give no secret are refused before anything is planned.
 */
export const secretRotate: Verb = (io, call) => withProject(io, call, { access: 'create' }, (s) => {
  const request = planRequest(s, { ...call.flags, replace: [...call.flags.replace, ...call.args] })
  for (const address of call.args) refuseWithoutSecret(s, address, request.graph?.nodes.get(address)?.type)
  return withRun(io, call, s, async (run, interrupt) => applyPlanned(io, call, s, run, interrupt, await run.plan(request), 'apply'), request)
})

function refuseWithoutSecret(s: Session, address: string, type: string | undefined): void {
  const known = type === undefined ? undefined : s.cx.types.get(type)
  if (!known || mayHoldSecrets(known.outputs)) return // what is no node at all, the plan refuses
  throw failure('HF1001', { message: `${address} is a ${type}, which gives no secret.`, hint: `To make it anew all the same: holdfast apply --replace ${address}. A declared secret gets another value with holdfast secret set.` })
}
