import type { EnvState } from '../resource/index.ts'

/** Digests of all assets that rows of the environment name, those of the base included. */
export function namedAssets(state: EnvState): ReadonlySet<string> {
  const out = new Set<string>()
  for (const rows of [state.current, state.base]) for (const row of rows.values()) for (const digest of row.meta.assets ?? []) out.add(digest)
  return out
}

/**
 * Gives the kept bytes up that no live row of any environment names.
 *
 * Takes    what was named before the run. While all of it still is, nothing is looked at.
 * Only when nothing anywhere is in the middle: what is neither committed nor taken back may still need the bytes of either side.
 */
export async function pruneAssets(state: EnvState, before: ReadonlySet<string>): Promise<void> {
  const { cx } = state
  const now = namedAssets(state)
  if (!cx.pruneAssets || [...before].every((digest) => now.has(digest))) return
  const live = new Set<string>()
  for (const env of await cx.store.envs()) {
    if (env.openRun !== undefined || env.parts || (await cx.store.txs({ env: env.id, unresolved: true })).length > 0) return
    for (const row of await cx.store.resources(env.id, 'current')) for (const digest of row.meta.assets ?? []) live.add(digest)
  }
  cx.pruneAssets(live)
}
