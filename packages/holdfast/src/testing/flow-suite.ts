import { checkArguments, oneOf, type Kinds } from '../base/index.ts'
import { inTime } from './deadline.ts'
import { checkSuite, declareCases } from './declare.ts'
import { durableFlowCases } from './flow-cases-durable.ts'
import { portFlowCases } from './flow-cases-port.ts'
import type { FlowCase, FlowSubject } from './flow-case.ts'
import type { TestFramework } from './provider-suite.ts'

export type { FlowSubject }

export interface FlowSuiteOptions {
  /** `{ describe, test }` of vitest or node:test. */
  readonly framework: TestFramework
  /**
   * `port`     what every workflow engine does: the eight operations.
   * `durable`  that, and flows that outlive their process: retry controllers, suspension, resumption from a journal.
   */
  readonly tier: 'port' | 'durable'
  /** Cases that do not hold for the engine, each with its reason; they are shown, and not run. */
  readonly lacks?: Readonly<Record<string, string>>
}

const tiers = { port: portFlowCases, durable: { ...portFlowCases, ...durableFlowCases } } as const satisfies Record<FlowSuiteOptions['tier'], Readonly<Record<string, FlowCase>>>

const TIER: Kinds = new Map([['tier', oneOf('port', 'durable')]])

/** Every promise of the port `WorkFlowEngine`, one case each. An engine is proven by this suite and by nothing else. */
export function flowSuite(name: string, open: () => Promise<FlowSubject>, options: FlowSuiteOptions): void {
  checkSuite('flowSuite', { name, open, options }, TIER)
  const { framework, tier, lacks = {} } = options
  const cases: Readonly<Record<string, FlowCase>> = tiers[tier]
  declareCases({
    suite: 'flowSuite', title: `workflow engine: ${name}, ${tier}`, framework, names: Object.keys(cases), lacks,
    async run(title) {
      const subject = await open()
      try {
        await inTime((cases[title] as FlowCase)(subject))
      } finally {
        await subject.close?.()
      }
    },
  })
}

export function flowCases(tier: FlowSuiteOptions['tier']): string[] {
  checkArguments('flowCases', { tier }, TIER)
  return Object.keys(tiers[tier])
}
