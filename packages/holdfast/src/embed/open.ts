import { failure, makeIds, type Clock, type Random } from '../base/index.ts'
import type { EngineContext } from '../engine/index.ts'
import type { Entry } from '../journal/index.ts'
import type { EnvRow, StoreMeta } from '../state/index.ts'
import { fillStore } from './fill.ts'
import { PortStore } from './port-store.ts'
import type { OpenChange, Snapshot } from './ports.ts'

/** A store that is filled from a snapshot, and what works on it: for one call. */
export interface Opened {
  readonly cx: EngineContext
  readonly store: PortStore
  readonly intents: ReadonlyMap<string, readonly Entry[]>
  readonly stray: readonly OpenChange[]
}

export interface OpenCall {
  readonly clock: Clock
  readonly random: Random
  readonly target: string
  /** Name of the program; undefined: whatever the snapshot says. */
  readonly app: string | undefined
  /** Identities that a plan was made with, for a target that has none yet. */
  readonly from: { readonly store: string; readonly env: string; readonly app: string } | undefined
  context(parts: { readonly store: PortStore; readonly env: EnvRow; readonly meta: StoreMeta }): Promise<EngineContext>
}

/** Fails HF2402 when the snapshot is of another program; as {@link fillStore} does. */
export async function openCall(snapshot: Snapshot | undefined, call: OpenCall): Promise<Opened> {
  const { clock, random } = call
  const store = new PortStore({ clock, random, ...(call.from ? { storeId: call.from.store } : {}) })
  const filled = snapshot && (await fillStore(store, snapshot, clock.now()))
  const env = filled?.env ?? (await newEnv(store, call))
  if (call.app !== undefined && env.app !== call.app) throw failure('HF2402', { message: `${call.target} holds what the program ${env.app} made; this program is ${call.app}.`, hint: 'Destroy it first, or choose another target.' })
  return { cx: await call.context({ store, env, meta: await store.meta() }), store, intents: filled?.intents ?? new Map(), stray: filled?.stray ?? [] }
}

/** A target that has nothing yet is an environment at revision 0. */
async function newEnv(store: PortStore, { clock, random, from, app, target }: OpenCall): Promise<EnvRow> {
  const row: EnvRow = { id: from?.env ?? makeIds(clock, random).next('e'), app: app ?? from?.app ?? target, name: target, revision: 0, partial: false, seq: 0, openRun: undefined }
  await store.commit([{ t: 'env.create', row }], { env: row.id })
  return { ...row, seq: 1 }
}
