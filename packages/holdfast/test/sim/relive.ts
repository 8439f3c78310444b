import { plantMutant, type MutantName } from '../../src/base/index.ts'
import { immediate, probeDrain } from './drain.ts'
import type { KindName, Times } from './kinds.ts'
import type { Fault, Scenario } from './scenario.ts'
import { runScenario, runScenarioByTurns, type LifeResult } from './seed.ts'
import type { NodeSpec } from './workload.ts'

/** A life as a trace test holds it: what is not said is as usual. */
export interface Trace extends Omit<Scenario, 'shape' | 'calm' | 'slowReads' | 'realKey' | 'secrets' | 'kinds' | 'programs'> {
  readonly calm?: boolean
  readonly slowReads?: boolean
  readonly realKey?: boolean
  readonly secrets?: boolean
  readonly kinds: { readonly [k in KindName]?: Times }
  readonly programs: { readonly [name: string]: readonly TraceNode[] }
}
export type TraceNode = Pick<NodeSpec, 'address' | 'kind' | 'name' | 'size'> & Partial<NodeSpec>

const usualTimes: Times = { maxCallMs: 10_000, settleMs: 0, timeoutMs: 5_000, windowMs: 3_600_000, rejectsFirst: false }
const kindNames: readonly KindName[] = ['A', 'B', 'C', 'D', 'E', 'F', 'L', 'R']

export const usualNode = { zone: 'a', slot: undefined, refs: [], secret: undefined, fail: false, protect: false, retries: 0, movedFrom: [] } as const satisfies Partial<NodeSpec>

export const scenarioOf = (t: Trace): Scenario => ({
  ...t, shape: 'trace', calm: t.calm ?? false, slowReads: t.slowReads ?? false, realKey: t.realKey ?? false, secrets: t.secrets ?? false,
  kinds: Object.fromEntries(kindNames.map((k) => [k, t.kinds[k] ?? usualTimes])) as Record<KindName, Times>,
  programs: Object.fromEntries(Object.entries(t.programs).map(([name, nodes]) => [name, nodes.map((n) => ({ ...usualNode, ...n }))])),
})

/**
 * Lives a written life again, under the engine as it is. Fails with the rule that was broken and the history up to there, one event a line.
 * `HOLDFAST_MUTANT=NAME` plants a named bug: that is how a trace test is seen to fail.
 */
export async function relive(t: Trace): Promise<void> {
  const mutant = process.env.HOLDFAST_MUTANT as MutantName | undefined
  const result = await live(t, mutant)
  const { violation } = result
  if (!violation) return
  const missed = result.missed.length > 0 ? `\ndid not happen: ${result.missed.map(nameOf).join(', ')}` : ''
  throw new Error(`${violation.invariant}: ${violation.message}\n\n${(result.trace ?? []).join('\n')}${missed}`)
}

export function live(t: Trace, mutant: MutantName | undefined): Promise<LifeResult> {
  const scenario = scenarioOf(t)
  return new Promise((resolve, reject) => {
    // From a macrotask: inside a microtask nothing can be drained.
    immediate(() => {
      plantMutant(mutant)
      const end = <T>(then: (x: T) => void) => (x: T) => {
        plantMutant(undefined)
        then(x)
      }
      if (!probeDrain()) return void runScenarioByTurns(scenario, true).then(end(resolve), end(reject))
      try {
        end(resolve)(runScenario(scenario, true))
      } catch (e) {
        end(reject)(e)
      }
    })
  })
}

const nameOf = (f: Fault): string => ('call' in f ? `${f.call}: ${f.is}` : `${f.commit}: ${'full' in f ? 'full' : `slow by ${f.slowMs} ms`}`)
