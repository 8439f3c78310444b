import { isConverge, type CommandStep, type Scenario, type Step, type Try } from './scenario.ts'
import { runScenario, type LifeResult } from './seed.ts'
import type { NodeSpec, Program } from './workload.ts'

/** Lives tried for one failure, at most. */
const TRIES_MAX = 1_500

/**
 * The smallest life found that still breaks the same rule: fewer faults, steps, tries, deaths, nodes and references. Each part is left out once, and once more
 * while that helps; what is drawn for one part does not depend on the others, so that most lives stay what they were.
 *
 * Takes    `fails`: whether a result counts as the failure looked for.
 * Gives    the scenario with its faults by name, and how it went.
 */
export function minimise(s: Scenario, first: LifeResult, fails: (s: Scenario, r: LifeResult) => boolean): { readonly scenario: Scenario; readonly result: LifeResult } {
  let best: Scenario = { ...s, rates: undefined, faults: first.faults }
  let result = runScenario(best, false)
  if (!fails(best, result)) return { scenario: s, result: first }
  let left = TRIES_MAX
  const smaller = (candidate: Scenario): boolean => {
    if (left-- <= 0) return false
    const r = runScenario(candidate, false)
    if (!fails(candidate, r)) return false
    // Faults that did not come true are no part of it.
    best = { ...candidate, faults: r.faults }
    result = r
    return true
  }
  for (let again = true; again && left > 0;) {
    again = false
    for (const pass of [withoutSteps, withoutTries, withoutFaults, withoutTroubles, withoutNodes, plainer]) {
      // A candidate is made from the best so far, by position: after a success the same position holds the next part.
      for (let at = 0; left > 0;) {
        const candidate = pass(best, at)
        if (candidate === 'none') break
        if (candidate && smaller(candidate)) again = true
        else at++
      }
    }
  }
  return { scenario: withoutUnnamed(best), result }
}

/** One candidate less something; undefined: nothing can be left out there; `none`: there is no such position. */
type Pass = (s: Scenario, at: number) => Scenario | undefined | 'none'

const without = <T>(list: readonly T[], at: number): T[] => list.filter((_, i) => i !== at)

const withoutSteps: Pass = (s, at) => (at >= s.steps.length ? 'none' : { ...s, steps: without(s.steps, at) })

const withoutFaults: Pass = (s, at) => {
  const faults = s.faults ?? []
  if (at === 0 && faults.length > 3) return { ...s, faults: faults.slice(Math.ceil(faults.length / 2)) }
  return at > faults.length ? 'none' : at === 0 ? undefined : { ...s, faults: without(faults, at - 1) }
}

const triesOf = (s: Scenario): { readonly step: number; readonly at: number }[] =>
  s.steps.flatMap((step, i) => (isConverge(step) ? [] : step.tries.map((_, at) => ({ step: i, at }))))

const withStep = (s: Scenario, at: number, change: (step: CommandStep) => Step): Scenario =>
  ({ ...s, steps: s.steps.map((step, i) => (i === at && !isConverge(step) ? change(step) : step)) })

const withoutTries: Pass = (s, at) => {
  const place = triesOf(s)[at]
  if (!place) return 'none'
  const step = s.steps[place.step] as CommandStep
  // The last one: those before it keep their names.
  return step.tries.length > 1 && place.at === step.tries.length - 1 ? withStep(s, place.step, (c) => ({ ...c, tries: c.tries.slice(0, -1) })) : undefined
}

const troubles = ['rival', 'pause', 'abortAfterMs', 'stopAfterMs', 'killedAfterMs', 'crash', 'person'] as const
const withoutTroubles: Pass = (s, at) => {
  const place = triesOf(s)[Math.floor(at / (2 * troubles.length))]
  if (!place) return 'none'
  const what = troubles[at % troubles.length] as (typeof troubles)[number]
  const ofRival = Math.floor(at / troubles.length) % 2 === 1
  const how = (s.steps[place.step] as CommandStep).tries[place.at] as Try
  const from = ofRival ? how.rival?.how : how
  if (from?.[what] === undefined) return undefined
  const { [what]: _gone, ...rest } = from
  const now: Try = ofRival && how.rival ? { ...how, rival: { ...how.rival, how: rest as Try } } : rest as Try
  return withStep(s, place.step, (c) => ({ ...c, tries: c.tries.map((t, i) => (i === place.at ? now : t)) }))
}

const addressesOf = (s: Scenario): string[] => [...new Set(Object.values(s.programs).flatMap((p) => p.flatMap((n) => [n.address, ...n.movedFrom])))]

const withoutNodes: Pass = (s, at) => {
  const gone = addressesOf(s)[at]
  return gone === undefined ? 'none' : { ...s, programs: eachProgram(s, (p) => p.filter((n) => n.address !== gone && !n.movedFrom.includes(gone)).map((n) => forgetting(n, gone))) }
}

const eachProgram = (s: Scenario, change: (p: Program) => Program): Scenario['programs'] =>
  Object.fromEntries(Object.entries(s.programs).map(([name, p]) => [name, change(p)]))

const forgetting = (n: NodeSpec, gone: string): NodeSpec =>
  ({ ...n, refs: n.refs.filter((a) => a !== gone), secret: n.secret && 'tokenOf' in n.secret && n.secret.tokenOf === gone ? undefined : n.secret })

/** Things of the whole life, one after the other: each becomes what it is where nothing is said. */
const plainer: Pass = (s, at) => {
  const ways: (() => Scenario | undefined)[] = [
    () => (s.secrets && !Object.values(s.programs).some((p) => p.some((n) => n.secret && 'declared' in n.secret)) ? { ...s, secrets: false } : undefined),
    () => (s.foreign === undefined ? undefined : { ...s, foreign: undefined }),
    () => (s.slowReads ? { ...s, slowReads: false } : undefined),
    () => (s.realKey ? { ...s, realKey: false } : undefined),
    () => (s.parallelism > 1 ? { ...s, parallelism: 1 } : undefined),
    ...addressesOf(s).flatMap((address) => [
      () => changed(s, address, (n) => n.refs.length > 0, (n) => ({ ...n, refs: [] })),
      () => changed(s, address, (n) => n.secret !== undefined, (n) => ({ ...n, secret: undefined })),
      () => changed(s, address, (n) => n.slot !== undefined, (n) => ({ ...n, slot: undefined })),
      () => changed(s, address, (n) => n.retries > 0, (n) => ({ ...n, retries: 0 })),
      () => changed(s, address, (n) => n.protect, (n) => ({ ...n, protect: false })),
    ]),
  ]
  return at >= ways.length ? 'none' : (ways[at] as () => Scenario | undefined)()
}

function changed(s: Scenario, address: string, where: (n: NodeSpec) => boolean, to: (n: NodeSpec) => NodeSpec): Scenario | undefined {
  const is = (n: NodeSpec) => n.address === address && where(n)
  if (!Object.values(s.programs).some((p) => p.some(is))) return undefined
  return { ...s, programs: eachProgram(s, (p) => p.map((n) => (is(n) ? to(n) : n))) }
}

/** Programs that no step names any more. */
function withoutUnnamed(s: Scenario): Scenario {
  const text = JSON.stringify(s.steps)
  return { ...s, programs: Object.fromEntries(Object.entries(s.programs).filter(([name]) => text.includes(JSON.stringify(name)))) }
}

