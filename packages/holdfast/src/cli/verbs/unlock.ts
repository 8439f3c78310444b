import { forceLeases, heldLeases, type HeldLease } from '../../engine/index.ts'
import { confirm } from '../ask.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

/** Frees the environment of every lease on it, whoever has it. Who is thrown out writes nothing any more. */
export const stateUnlock: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, async (s) => {
  const place = `${s.where.app}/${s.where.env}`
  const held = await heldLeases(s.cx)
  if (held.length > 0) {
    if (!call.flags.quiet) io.err(held.map((l) => `${l.scope} ${about(l)}\n`).join(''))
    await confirm(io, call.flags, `Take ${held.length === 1 ? 'this lease' : 'these leases'} away?${held.some((l) => !l.kept && l.alive !== false) ? ' Whoever works under it can write nothing more; the next command settles what it had begun.' : ''}`)
    await forceLeases(s.cx, held)
  }
  if (call.flags.json) s.print({ unlocked: held })
  else io.out(held.length === 0 ? `Nobody holds ${place}.\n` : `${place} is free.\n`)
  return 0
})

function about({ kept, alive, pid, host, since, expires }: HeldLease): string {
  if (kept) return `is kept for an apply until ${expires}, by pid ${pid} on ${host} since ${since}`
  const state = alive === undefined ? 'whether it lives cannot be seen from here' : alive ? 'which is alive' : 'which is gone'
  return `is held by pid ${pid} on ${host} since ${since}, ${state}; it ends at ${expires} unless it is renewed`
}
