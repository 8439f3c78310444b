import type { Stream } from './random.ts'
import type { Command, CommandStep, Step } from './scenario.ts'

const CONTINUE = 0.3
const REFRESH = 0.15

/** In a share of the lives commands go on after a failure with what does not depend on it, and the world is recorded as it is: between two of them, before an apply, or by a rival. */
export function withWords(r: Stream, off: boolean, steps: readonly Step[]): Step[] {
  if (off) return [...steps]
  const going = r.chance(CONTINUE)
  const looking = r.chance(REFRESH)
  const asked = (c: Command): Command => (looking && c.do === 'apply' && r.chance(0.4) ? { ...c, refresh: true } : c)
  const worded = (c: Command): Command => asked(going && (c.do === 'apply' ? c.onFailure === 'keep' || r.chance(0.2) : c.do === 'destroy' && r.chance(0.5)) ? { ...c, onFailure: 'continue' } as Command : c)
  return steps.flatMap((s): Step[] => {
    if (!('command' in s)) return [s]
    const step: CommandStep = { ...s, command: worded(s.command), tries: s.tries.map((t) => (t.rival ? { ...t, rival: { ...t.rival, command: looking && r.chance(0.5) ? { do: 'refresh' } : worded(t.rival.command) } } : t)) }
    const look: CommandStep = { name: `look after ${s.name}`, command: { do: 'refresh' }, tries: s.tries.slice(0, 1).map(({ rival: _, ...t }) => t) }
    return looking && r.chance(0.6) ? [step, look] : [step]
  })
}
