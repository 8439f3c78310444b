import { drawScenario } from './draw.ts'
import { Kernel, type Violation } from './kernel.ts'
import { Lab } from './lab.ts'
import { Life } from './life.ts'
import type { Fault, Scenario } from './scenario.ts'

export interface LifeResult {
  readonly seed: number
  readonly events: number
  readonly crashes: number
  readonly digest: string
  readonly violation: Violation | undefined
  readonly trace: readonly string[] | undefined
  /** How often what happened. */
  readonly counts: ReadonlyMap<string, number>
  /** What went wrong, by name, and what was to go wrong and did not. */
  readonly faults: readonly Fault[]
  readonly missed: readonly Fault[]
}

/** A scenario of 200 nodes has more to do than one of two. */
const eventsMax = (s: Scenario): number => 30_000 + 2_000 * Math.max(0, ...Object.values(s.programs).map((p) => p.length))

/** Takes  that it is called from a macrotask, and that a drain works there. */
export function runScenario(s: Scenario, trace: boolean): LifeResult {
  const lab = new Lab(new Kernel(s.seed, trace), s)
  lab.kernel.run(() => new Life(lab).live(), eventsMax(s))
  return resultOf(lab)
}

/** As {@link runScenario}, where continuations cannot be drained at once. */
export async function runScenarioByTurns(s: Scenario, trace: boolean): Promise<LifeResult> {
  const lab = new Lab(new Kernel(s.seed, trace), s)
  await lab.kernel.runByTurns(() => new Life(lab).live(), eventsMax(s))
  return resultOf(lab)
}

export const runSeed = (seed: number, trace: boolean): LifeResult => runScenario(drawScenario(seed), trace)
export const runSeedByTurns = (seed: number, trace: boolean): Promise<LifeResult> => runScenarioByTurns(drawScenario(seed), trace)

const resultOf = ({ kernel, crashes, fate }: Lab): LifeResult => ({
  seed: kernel.seed, events: kernel.events, crashes, digest: kernel.digest, violation: kernel.violation, trace: kernel.lines, counts: kernel.counts, faults: fate.happened, missed: fate.missed,
})
