import assert from 'node:assert/strict'
import { inTime } from './deadline.ts'
import { checkSuite, declareCases } from './declare.ts'
import type { TestFramework } from './provider-suite.ts'
import { NO_DOCTOR, type Case, type StoreSubject } from './store-case.ts'
import { journalCases } from './store-cases-journal.ts'
import { leaseCases } from './store-cases-leases.ts'
import { loneCases } from './store-cases-lone.ts'
import { rowCases } from './store-cases-rows.ts'
import { transferCases } from './store-cases-transfer.ts'
import { watchCases } from './store-cases-watch.ts'

export type { StoreSubject }

export interface StoreSuiteOptions {
  /** `{ describe, test }` of vitest or node:test. */
  readonly framework: TestFramework
  /** Cases that do not hold for the store, each with its reason; they are shown, and not run. */
  readonly lacks?: Readonly<Record<string, string>>
}

const cases: Readonly<Record<string, Case>> = { ...rowCases, ...journalCases, ...loneCases, ...watchCases, ...leaseCases, ...transferCases }

/** Every promise of the store port, one case each. An adapter is proven by this suite and by nothing else. */
export function storeSuite(name: string, open: () => Promise<StoreSubject>, options: StoreSuiteOptions): void {
  checkSuite('storeSuite', { name, open, options })
  const { framework, lacks = {} } = options
  declareCases({
    suite: 'storeSuite', title: `store: ${name}`, framework, names: Object.keys(cases), lacks,
    async run(title) {
      const subject = await open()
      try {
        const left = await inTime((cases[title] as Case)(subject))
        if (left !== NO_DOCTOR) assert.deepEqual((await (left ?? subject.store).doctor()).filter((c) => !c.ok), [], 'the doctor finds nothing after the case')
      } finally {
        await subject.close()
      }
    },
  })
}

export const storeCases = (): string[] => Object.keys(cases)
