import type { Holder } from '../state/index.ts'
import { currentHolder, holderAlive } from '../store/index.ts'
import { checkHolder } from './check.ts'

const LIVE = Symbol.for('holdfast.mutators')
const place = globalThis as { [LIVE]?: Set<string> }
/** Shared by all copies of the package in the process. */
const live = (): Set<string> => (place[LIVE] ??= new Set())

/** Who mutates: one run of this process. It lives until `close`, or until the process ends. */
export function openHolder(): { readonly holder: Holder; close(): void } {
  const holder = currentHolder()
  live().add(holder.id)
  return { holder, close: () => void live().delete(holder.id) }
}

/**
 * Whether who began a mutation can still go on with it. What cannot be told from here (another machine) counts as alive: a provider that serves
 * several machines has to know better, by a lease of its own. Fails HF1306 for what is no holder.
 */
export function holderLives(by: Holder): boolean {
  checkHolder(by)
  const here = currentHolder()
  if (by.pid === here.pid && by.startedAt === here.startedAt && by.bootId === here.bootId && by.host === here.host) return live().has(by.id)
  return holderAlive(by) !== false
}
