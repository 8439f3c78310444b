import assert from 'node:assert/strict'
import type { TargetProvider } from '../embed/index.ts'
import { inTime } from './deadline.ts'
import { checkSuite, declareCases } from './declare.ts'
import type { TestFramework } from './provider-suite.ts'

/** One provider that knows some targets. */
export interface TargetSubject {
  readonly provider: TargetProvider
  /** Names of targets that it has, at least one. */
  readonly known: readonly string[]
  /** A good name that it does not have. */
  readonly unknown: string
  close?(): Promise<void>
}

export interface TargetSuiteOptions {
  /** `{ describe, test }` of vitest or node:test. */
  readonly framework: TestFramework
  /** Cases that do not hold for the provider, by name, each with its reason; they are shown, and not run. */
  readonly lacks?: Readonly<Record<string, string>>
}

const cases: Readonly<Record<string, (s: TargetSubject) => Promise<void>>> = {
  'a target says its name, its configuration, its tags, and reads its secrets': async ({ provider, known }) => {
    assert.ok(known.length > 0, 'the subject names a target')
    for (const name of known) {
      const target = await provider.getTarget(name)
      assert.equal(target.name, name)
      for (const field of ['config', 'tags'] as const) assert.ok(typeof target[field] === 'object' && target[field] !== null && !Array.isArray(target[field]), `${field} is an object`)
      for (const [key, value] of Object.entries(target.tags)) assert.equal(typeof value, 'string', `the tag ${key} is a text`)
      assert.equal(typeof target.secrets.get, 'function')
    }
  },
  'asked again it says the same': async ({ provider, known }) => {
    for (const name of known) {
      const [a, b] = [await provider.getTarget(name), await provider.getTarget(name)]
      assert.deepEqual([a.name, a.config, a.tags], [b.name, b.config, b.tags])
    }
  },
  'targets are asked for at one time': async ({ provider, known }) => {
    const found = await Promise.all([...known, ...known].map((name) => provider.getTarget(name)))
    assert.deepEqual(found.map((t) => t.name), [...known, ...known])
  },
  'a secret that a target does not have is undefined': async ({ provider, known }) => {
    for (const name of known) assert.equal(await (await provider.getTarget(name)).secrets.get('no-secret-is-called-like-this'), undefined)
  },
  'its configuration is plain data: what is done to one answer is not seen in the next': async ({ provider, known }) => {
    const [name = ''] = known
    const before = structuredClone((await provider.getTarget(name)).config)
    try {
      Object.assign((await provider.getTarget(name)).config, { addedByTheSuite: 1 })
    } catch {
      // it is frozen, which is as good
    }
    assert.deepEqual((await provider.getTarget(name)).config, before)
  },
  'an unknown target is refused with HF6011': async ({ provider, unknown }) => {
    await assert.rejects(async () => provider.getTarget(unknown), (e: { code?: unknown }) => e.code === 'HF6011')
  },
}

/** Every promise of a provider of targets, one case each. */
export function targetSuite(name: string, open: () => Promise<TargetSubject>, options: TargetSuiteOptions): void {
  checkSuite('targetSuite', { name, open, options })
  const { framework, lacks = {} } = options
  declareCases({
    suite: 'targetSuite', title: `targets: ${name}`, framework, names: Object.keys(cases), lacks,
    async run(title) {
      const subject = await open()
      try {
        await inTime((cases[title] as (s: TargetSubject) => Promise<void>)(subject))
      } finally {
        await subject.close?.()
      }
    },
  })
}

export const targetCases = (): string[] => Object.keys(cases)
