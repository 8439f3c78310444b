import { z } from 'zod'
import { limits } from '../base/index.ts'
import type { Capability } from '../model/index.ts'

/*
 * Values that are made once and kept. Nothing of them stands outside the state: a lost answer was seen by nobody, so the call is sent again (class A), and
 * deleting is forgetting. A new value comes with a change of any input; `keepers` is there to be changed.
 */
const capability: Capability = { create: { token: { windowMs: Number.MAX_SAFE_INTEGER } }, update: 'full', settleMs: 0, maxCallMs: 0 }
export const keepers = z.unknown().optional()

interface Kept<O> {
  readonly outputs?: Partial<O>
}
/** What is common to all: where the value is, and that there is nothing else. */
export const kept = <O>(names: readonly (keyof O & string)[]) => ({
  capability,
  limit: limits.parallelLocal,
  stable: names,
  claims: () => [],
  delete: async () => {},
  async read({ outputs }: Kept<O>): Promise<(O & { owner: 'mine' }) | undefined> {
    return outputs && names.every((n) => outputs[n] !== undefined) ? { ...(outputs as O), owner: 'mine' } : undefined
  },
})
