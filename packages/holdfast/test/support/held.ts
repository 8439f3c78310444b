import type { EngineContext } from '../../src/engine/index.ts'
import type { Tables } from '../../src/journal/index.ts'
import type { Address } from '../../src/model/index.ts'
import { covers } from '../../src/store/index.ts'

/**
 * Whether a node lies beyond the part that the session of `cx` holds. `run settle` holds the whole environment, so no command has a person settle what
 * lies there: that waits for one that holds it. A session that has lost its leases is not asked: the fence turns it away.
 */
export function liesBeyond(tables: Tables, { env, holder }: EngineContext, address: Address): boolean {
  const scope = `${env.app}/${env.name}:${address.includes('/') ? address : `./${address}`}`
  const held = [...tables.leases.values()].filter((l) => l.mode === 'X' && l.holder.id === holder.id)
  return held.length > 0 && !held.some((l) => l.scope === scope || covers(l.scope, scope))
}
