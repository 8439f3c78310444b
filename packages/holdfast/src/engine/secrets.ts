import { failure } from '../base/index.ts'
import { SecretValue } from '../model/index.ts'
import { EnvState, sealSecret, type EngineContext } from '../resource/index.ts'
import { iso } from './read.ts'
import { ensureEnv } from './plan.ts'

/** Sets a declared secret of the environment. Sealed before it is written. Fails HF4301 without a key. */
export async function setSecret(cx: EngineContext, name: string, value: string): Promise<void> {
  if (!cx.ring) throw failure('HF4301')
  cx.redactor.add(value)
  const state = await EnvState.load(cx)
  const fp = cx.ring.fingerprint(value, { type: 'holdfast:secret', field: name })
  const sealed = sealSecret(state.env.id, name, new SecretValue(fp, () => value), cx.ids.next('t'), cx.ring)
  const at = cx.clock.now()
  await state.commit([...(await ensureEnv(state)), { t: 'secret.put', row: { env: state.env.id, name, fp, sealed, at } }, { t: 'event', at, kind: 'secret.set', data: JSON.stringify({ name }) }])
}

export async function listSecrets(cx: EngineContext): Promise<{ name: string; setAt: string }[]> {
  const env = await cx.store.env(cx.env.app, cx.env.name)
  return env ? (await cx.store.secrets(env.id)).map((s) => ({ name: s.name, setAt: iso(s.at) })) : []
}

/** Fails HF1304 when it was never set. */
export async function removeSecret(cx: EngineContext, name: string): Promise<void> {
  const state = await EnvState.load(cx)
  if (!(await listSecrets(cx)).some((s) => s.name === name)) throw failure('HF1304', { message: `The secret ${name} is not set in ${state.env.app}/${state.env.name}.` })
  await state.commit([{ t: 'secret.drop', env: state.env.id, name }, { t: 'event', at: cx.clock.now(), kind: 'secret.removed', data: JSON.stringify({ name }) }])
}
