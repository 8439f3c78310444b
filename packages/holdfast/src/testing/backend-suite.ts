import { checkArguments, failure, having, inWords, type Kinds } from '../base/index.ts'
import { changeCases } from './backend/changes-cases.ts'
import { componentCases } from './backend/components-cases.ts'
import { differenceCases } from './backend/differences-cases.ts'
import { failureCases } from './backend/failures-cases.ts'
import { lookupCases } from './backend/lookups-cases.ts'
import { referenceCases } from './backend/references-cases.ts'
import { stateCases } from './backend/states-cases.ts'
import { Trial, wanted, type BackendCase, type BackendFactory } from './backend/trial.ts'
import { inTime } from './deadline.ts'
import { checkSuite, declareCases } from './declare.ts'
import type { TestFramework } from './provider-suite.ts'

export type { BackendFactory }

export interface BackendSuiteOptions {
  /** `{ describe, test }` of vitest or node:test. */
  readonly framework: TestFramework
  /** Cases that do not hold for the backend, by name, each with its reason; they are shown, and not run. */
  readonly lacks?: Readonly<Record<string, string>>
}

const all: readonly BackendCase[] = [...stateCases, ...componentCases, ...changeCases, ...failureCases, ...lookupCases, ...referenceCases, ...differenceCases]

const FACTORY: Kinds = new Map([['factory', having('{ name, open, ... }', 'open')]])
const checkFactory = (of: string, factory: unknown): void => checkArguments(of, { factory }, FACTORY)

/** Every promise of the founding contract 1, one case each. A backend is proven by this suite and by nothing else. */
export function backendSuite(factory: BackendFactory, options: BackendSuiteOptions): void {
  checkFactory('backendSuite', factory)
  checkSuite('backendSuite', { name: factory.name, open: factory.open, options })
  const { framework, lacks = {} } = options
  const byName = new Map(all.map((c) => [c.name, c]))
  declareCases({
    suite: 'backendSuite', title: `backend: ${factory.name}`, framework, names: [...byName.keys()], lacks,
    lackOf: (name) => lackOf(factory, byName.get(name) as BackendCase), run: (name) => runBackendCase(factory, name),
  })
}

function lackOf(factory: BackendFactory, { needs }: BackendCase): string | undefined {
  const missing = needs.filter((need) => factory[need] === undefined)
  return missing.length === 0 ? undefined : `the factory gives no ${missing.join(' and no ')}`
}

/** Runs one case with a backend of its own; throws an AssertionError when it does not hold. Fails HF1307. */
export async function runBackendCase(factory: BackendFactory, name: string): Promise<void> {
  checkFactory('runBackendCase', factory)
  const c = all.find((x) => x.name === name)
  if (!c) throw failure('HF1307', { message: `runBackendCase: name must be that of a case, and ${inWords(name)} is none.` })
  const trial = new Trial(factory, await factory.open(wanted))
  try {
    await inTime(c.run(trial))
  } finally {
    await trial.end()
  }
}

export const backendCases = (): string[] => all.map((c) => c.name)
