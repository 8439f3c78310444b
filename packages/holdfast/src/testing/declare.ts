import assert from 'node:assert/strict'
import { allOf, checkArguments, optionKind, type Kind, type Kinds } from '../base/index.ts'
import { CASE_MS_MAX } from './deadline.ts'
import type { TestFramework } from './provider-suite.ts'

const FRAMEWORK: Kind = {
  says: 'what declares tests: { describe, test }',
  is: (v) => ['describe', 'test'].every((m) => typeof (v as Readonly<Record<string, unknown>> | null | undefined)?.[m] === 'function'),
}
const LACKS = allOf('reasons, by the names of cases', optionKind.text)
const OPTIONS: Kinds = new Map<string, Kind>([['framework', FRAMEWORK], ['lacks', LACKS]])
const SUITE: Kinds = new Map<string, Kind>([['name', optionKind.text], ['open', optionKind.function], ['options', optionKind.object]])

/** What a suite was called with. Fails HF1307. */
export function checkSuite(suite: string, given: { readonly name: unknown; readonly open: unknown; readonly options: unknown }, more: Kinds = new Map()): void {
  checkArguments(suite, given, SUITE)
  checkArguments(suite, given.options as object, new Map([...OPTIONS, ...more]), ['framework', ...more.keys()])
}

/** A framework that is given by itself. Fails HF1307. */
export const checkFramework = (suite: string, framework: unknown): void => checkArguments(suite, { framework }, OPTIONS, ['framework'])

export interface Declared {
  /** Of the function that was called, for its complaint about a wrong name. */
  readonly suite: string
  readonly title: string
  readonly framework: TestFramework
  readonly names: readonly string[]
  /** Cases that do not hold, each with its reason. */
  readonly lacks: Readonly<Record<string, string>>
  /** Why a case cannot be run on this subject, where that is so. */
  readonly lackOf?: (name: string) => string | undefined
  readonly run: (name: string) => Promise<void>
}

/** Shows every case to the framework. What lacks is shown with its reason, and not run. Fails (AssertionError) when `lacks` names what is no case. */
export function declareCases({ suite, title, framework, names, lacks, lackOf, run }: Declared): void {
  for (const named of Object.keys(lacks)) assert.ok(names.includes(named), `${suite}: there is no case "${named}"`)
  framework.describe(title, () => {
    for (const name of names) {
      const lack = lacks[name] ?? lackOf?.(name)
      if (lack === undefined) framework.test(name, () => run(name), CASE_MS_MAX + 10_000)
      else framework.test(`${name} (not here: ${lack})`, async () => {})
    }
  })
}
