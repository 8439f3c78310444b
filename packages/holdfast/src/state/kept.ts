import type { Holder } from './records.ts'

/** In the place of a boot: the lease waits for a command that is to come, and only time ends it. No boot is called that. */
const KEPT = 'kept'

/** Holder of a lease that one command leaves to a later one. */
export const keptFor = (holder: Holder): Holder => ({ ...holder, bootId: KEPT, startedAt: '' })
export const isKept = (holder: Pick<Holder, 'bootId'>): boolean => holder.bootId === KEPT
