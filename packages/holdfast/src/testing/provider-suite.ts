import assert from 'node:assert/strict'
import { isAbsolute } from 'node:path'
import { checkArguments, optionKind, type Kind, type Kinds } from '../base/index.ts'
import { isNotOurs, isOutcomeUnknown, type Host } from '../provider/index.ts'
import { checkFramework } from './declare.ts'
import { partOf } from '../resource/index.ts'
import { killAtEveryStep, type CrashTarget } from './provider-crash.ts'
import { newKey, Trial, type AnySpec, type Fields } from './provider-trial.ts'

/** One fresh corner of the world, with inputs for one object in it. */
export interface ProviderSubject {
  readonly host: Host
  /** As an author writes them; the suite fills defaults by the schema. */
  readonly inputs: Fields
  /** The same object after an update; left out for a type without `update`. */
  readonly changed?: Fields
  /** Everything that stands in the corner, by names that are the same in every corner: the object and what belongs to it, and whatever was left behind. */
  world(): Promise<readonly string[]>
  /** Puts something of somebody else where the object is, or would be. Gives a check that it was left alone. */
  readonly foreign?: () => Promise<() => Promise<boolean>>
  /** Texts in the inputs that may be seen nowhere. */
  readonly secrets?: readonly string[]
  dispose(): Promise<void>
}

export interface ProviderSuite {
  readonly spec: AnySpec
  make(): Promise<ProviderSubject>
  /** Cases that do not hold for the type, each with its reason. */
  readonly lacks?: Readonly<Partial<Record<ProviderCase, string>>>
  /** Where a child process finds the type, so that it can be killed at every step; without it these cases are lacks of the suite. */
  readonly crash?: CrashTarget
}

/** The cases, by name. */
export const providerCases = [
  'claims are absolute and the same each time',
  'what is predicted is what create gives',
  'outputs fit the schema',
  'what was created is read, as ours',
  'reading changes nothing',
  'a create that is repeated with its key makes one object',
  'a create whose answer was lost is settled by its class, as one object',
  'an update shows in what is read',
  'an update that is repeated changes nothing more',
  'an update keeps the outputs that are declared stable',
  'taking an update back gives the old content',
  'a delete leaves nothing behind',
  'a delete that is repeated succeeds',
  'what was deleted is not read',
  'a delete works with what partial recorded',
  'a create leaves alone what is not ours',
  'a delete leaves alone what is not ours',
  'a secret is in no log, no progress and no failure',
  'a create that is killed at any step is settled as one object, with nothing beside it',
  'an update that is killed at any step ends as the new object, with nothing beside it',
  'a delete that is killed at any step ends with nothing',
] as const
export type ProviderCase = (typeof providerCases)[number]

export interface TestFramework {
  describe(name: string, body: () => void): void
  test(name: string, body: () => Promise<void>, timeoutMs?: number): void
}

const SUITE: Kinds = new Map<string, Kind>([
  ['spec', { says: 'what resource() was called with', is: (v) => optionKind.object.is(v) && typeof (v as { readonly inputs?: { readonly parse?: unknown } }).inputs?.parse === 'function' }], ['make', optionKind.function],
  ['lacks', optionKind.object], ['crash', optionKind.object],
])
function checkProviderSuite(of: string, suite: unknown, name: unknown = of): void {
  checkArguments(of, { name, suite }, new Map<string, Kind>([['name', optionKind.text], ['suite', optionKind.object]]))
  checkArguments(of, suite as object, SUITE, ['spec', 'make'])
}

const CASE_TIMEOUT_MS = 120_000

/** Registers the suite with vitest, node:test or anything of that shape. A lack is shown with its reason. Fails HF1307. */
export function providerSuite(name: string, suite: ProviderSuite, framework: TestFramework): void {
  checkProviderSuite('providerSuite', suite, name)
  checkFramework('providerSuite', framework)
  const { describe, test } = framework
  describe(name, () => {
    for (const title of providerCases) {
      const lack = lackOf(suite, title)
      if (lack !== undefined) test(`${title} (lacks: ${lack})`, async () => {})
      else test(title, () => runProviderCase(suite, title), CASE_TIMEOUT_MS)
    }
  })
}

function lackOf({ spec, lacks, crash }: ProviderSuite, title: ProviderCase): string | undefined {
  const declared = lacks?.[title]
  if (declared !== undefined) return declared
  if (title.includes('killed') && !crash) return 'no module for a child process was given'
  if (title.includes('update') && !spec.update) return 'the type has no update'
  return undefined
}

/** Runs all cases without a framework, and tells which failed. Fails HF1307. */
export async function checkProvider(suite: ProviderSuite): Promise<readonly { readonly name: ProviderCase; readonly error: unknown }[]> {
  checkProviderSuite('checkProvider', suite)
  const failed: { name: ProviderCase; error: unknown }[] = []
  for (const name of providerCases) {
    if (lackOf(suite, name) !== undefined) continue
    try {
      await runProviderCase(suite, name)
    } catch (error) {
      failed.push({ name, error })
    }
  }
  return failed
}

/** Runs one case in a corner of its own; throws an AssertionError when it does not hold. */
async function runProviderCase(suite: ProviderSuite, name: ProviderCase): Promise<void> {
  const subject = await suite.make()
  try {
    await cases[name](new Trial(suite, subject))
  } finally {
    await subject.dispose()
  }
}

const rejection = async (call: Promise<unknown>): Promise<Error> => {
  try {
    await call
  } catch (e) {
    return e as Error
  }
  return assert.fail('nothing was thrown')
}

/** Without what may differ in an object that is made anew: identities and times are not content. */
const sameFields = (a: Fields, b: Fields, names: readonly string[], what: string) => {
  for (const n of names) assert.deepEqual(a[n], b[n], `${what}: ${n}`)
}

const cases: Record<ProviderCase, (t: Trial) => Promise<void>> = {
  async 'claims are absolute and the same each time'(t) {
    const { claims } = t.spec
    const all = claims?.(t.inputs, t.subject.host) ?? []
    assert.deepEqual(claims?.(structuredClone(t.inputs), t.subject.host) ?? [], all)
    assert.equal(new Set(all).size, all.length, 'a key is claimed twice')
    for (const key of all) {
      const m = /^([a-z][a-z0-9+-]*):(.+)$/.exec(key)
      assert.ok(m, `a claim has a kind and a name: ${key}`)
      if (m[1] === 'path') assert.ok(isAbsolute(m[2] as string), `${key} depends on the current folder`)
    }
  },
  async 'what is predicted is what create gives'(t) {
    const predicted = t.spec.predict?.(t.inputs, t.subject.host) ?? {}
    assert.deepEqual(t.spec.predict?.({}, t.subject.host) ?? {}, {}, 'something is predicted from nothing')
    const made = await t.create()
    sameFields(made, predicted, Object.keys(predicted), 'predicted')
  },
  async 'outputs fit the schema'(t) {
    const raw = await t.spec.create({ ...t.context(), inputs: t.inputs, partial: async (o: Fields) => assert.ok(partOf(t.spec.outputs).safeParse(o).success, 'what partial() records fits the schema') })
    const parsed = t.spec.outputs.safeParse(raw)
    assert.ok(parsed.success, parsed.error?.message)
    assert.deepEqual(Object.keys(raw as Fields).filter((k) => !(k in t.spec.outputs.shape)), [], 'create gives what the schema does not know')
  },
  async 'what was created is read, as ours'(t) {
    const made = await t.create()
    const seen = await t.read(made)
    assert.ok(seen, 'it is not there')
    assert.ok(seen.owner === undefined || seen.owner === 'mine', `it is read as ${seen.owner}`)
    sameFields(seen.outputs, made, Object.keys(made), 'read')
  },
  async 'reading changes nothing'(t) {
    const before = await t.world()
    if (t.spec.read) await t.read(undefined)
    assert.deepEqual(await t.world(), before, 'with nothing there')
    const made = await t.create()
    const after = await t.world()
    await t.read(made)
    assert.deepEqual(await t.world(), after, 'with the object there')
  },
  async 'a create that is repeated with its key makes one object'(t) {
    const key = newKey()
    const first = await t.create(key)
    const world = await t.world()
    const second = await t.create(key)
    assert.deepEqual(await t.world(), world)
    assert.deepEqual(second, first)
  },
  async 'a create whose answer was lost is settled by its class, as one object'(t) {
    const key = newKey()
    await t.create(key)
    const world = await t.world()
    const settled = await t.settleCreate(key)
    assert.deepEqual(await t.world(), world)
    const seen = await t.read(settled)
    assert.ok(seen && (seen.owner === undefined || seen.owner === 'mine'))
  },
  async 'an update shows in what is read'(t) {
    const made = await t.create()
    const updated = await t.update(t.inputs, made, t.changed)
    const seen = await t.read(updated, newKey(), t.changed)
    assert.ok(seen, 'it is gone')
    sameFields(seen.outputs, updated, Object.keys(updated), 'read')
    const predicted = t.spec.predict?.(t.changed, t.subject.host) ?? {}
    sameFields(updated, predicted, Object.keys(predicted), 'predicted')
  },
  async 'an update that is repeated changes nothing more'(t) {
    const made = await t.create()
    const key = newKey()
    const first = await t.update(t.inputs, made, t.changed, key)
    const world = await t.world()
    const second = await t.update(t.inputs, made, t.changed, key)
    assert.deepEqual(await t.world(), world)
    const seen = await t.read(second, newKey(), t.changed)
    sameFields(seen?.outputs ?? {}, first, Object.keys(t.spec.predict?.(t.changed, t.subject.host) ?? {}), 'repeated')
  },
  async 'an update keeps the outputs that are declared stable'(t) {
    const made = await t.create()
    sameFields(await t.update(t.inputs, made, t.changed), made, t.spec.stable ?? [], 'stable')
  },
  async 'taking an update back gives the old content'(t) {
    const made = await t.create()
    const world = await t.world()
    const updated = await t.update(t.inputs, made, t.changed)
    const back = await t.update(t.changed, updated, t.inputs)
    assert.deepEqual(await t.world(), world)
    sameFields(back, made, Object.keys(t.spec.predict?.(t.inputs, t.subject.host) ?? {}), 'back')
  },
  async 'a delete leaves nothing behind'(t) {
    const before = await t.world()
    await t.delete(await t.create())
    assert.deepEqual(await t.world(), before)
  },
  async 'a delete that is repeated succeeds'(t) {
    const made = await t.create()
    const key = newKey()
    await t.delete(made, key)
    const world = await t.world()
    await t.delete(made, key)
    await t.delete(made)
    assert.deepEqual(await t.world(), world)
  },
  async 'what was deleted is not read'(t) {
    const made = await t.create()
    await t.delete(made)
    assert.equal(await t.read(made), undefined)
  },
  async 'a delete works with what partial recorded'(t) {
    const before = await t.world()
    await t.create()
    if (!t.partial) return // nothing is recorded early, so no delete comes with it
    await t.delete(t.partial)
    assert.deepEqual(await t.world(), before)
  },
  async 'a create leaves alone what is not ours'(t) {
    assert.ok(t.subject.foreign, 'make() gives no `foreign`: declare the case in `lacks`, with the reason')
    const untouched = await t.subject.foreign()
    const key = newKey()
    const e = await rejection(t.create(key))
    assert.ok(!isOutcomeUnknown(e), 'the outcome is not unknown: nothing was done')
    assert.ok(await untouched(), 'it was changed')
    const seen = await t.read(undefined, key)
    assert.ok(seen === undefined || seen.owner === 'other', `a lost create would adopt it: it is read as ${seen?.owner}`)
    assert.ok(await untouched(), 'it was changed by read')
  },
  async 'a delete leaves alone what is not ours'(t) {
    assert.ok(t.subject.foreign, 'make() gives no `foreign`: declare the case in `lacks`, with the reason')
    const made = await t.create()
    const untouched = await t.subject.foreign()
    const e = await rejection(t.delete(made))
    assert.ok(isNotOurs(e), `notOurs(...) is thrown, and not ${e.message}`)
    assert.ok(await untouched(), 'it was changed')
  },
  async 'a secret is in no log, no progress and no failure'(t) {
    const { secrets = [] } = t.subject
    const made = await t.create()
    if (t.spec.update && t.subject.changed) await t.update(t.inputs, made, t.changed)
    if (t.subject.foreign) {
      await t.subject.foreign()
      const failed = [await rejection(t.create()), await rejection(t.delete(made))]
      for (const e of failed) t.said.push(e.message, String((e as { hint?: unknown }).hint ?? ''), JSON.stringify((e as { details?: unknown }).details ?? ''))
    }
    for (const line of t.said) for (const secret of secrets) assert.ok(!line.includes(secret), `a secret is in: ${line.replaceAll(secret, '•')}`)
  },
  async 'a create that is killed at any step is settled as one object, with nothing beside it'(t) {
    await t.create()
    const whole = await t.world()
    await killAtEveryStep(t.suite.crash as CrashTarget, t.suite.make, async (subject, kill) => {
      const trial = new Trial(t.suite, subject)
      const empty = await trial.world()
      const key = newKey()
      const run = await kill({ op: 'create', key: key.toString(), mark: trial.mark, inputs: trial.inputs })
      trial.partial = run.partial
      const settled = await trial.settleCreate(key)
      assert.deepEqual(await trial.world(), whole, `killed at step ${run.step}`)
      await trial.delete(settled)
      const left = (await trial.world()).filter((x) => !empty.includes(x))
      const kept = t.suite.lacks?.['a delete leaves nothing behind'] !== undefined
      if (!kept) assert.deepEqual(left, [], `killed at step ${run.step}, then deleted`)
      return run.finished
    })
  },
  async 'an update that is killed at any step ends as the new object, with nothing beside it'(t) {
    await t.update(t.inputs, await t.create(), t.changed)
    const whole = await t.world()
    await killAtEveryStep(t.suite.crash as CrashTarget, t.suite.make, async (subject, kill) => {
      const trial = new Trial(t.suite, subject)
      const made = await trial.create()
      const key = newKey()
      const run = await kill({ op: 'update', key: key.toString(), mark: trial.mark, inputs: trial.changed, outputs: made, prior: { inputs: trial.inputs, outputs: made } })
      const updated = await trial.update(trial.inputs, made, trial.changed, key)
      assert.deepEqual(await trial.world(), whole, `killed at step ${run.step}`)
      const seen = await trial.read(updated, newKey(), trial.changed)
      assert.ok(seen && (seen.owner === undefined || seen.owner === 'mine'), `killed at step ${run.step}`)
      return run.finished
    })
  },
  async 'a delete that is killed at any step ends with nothing'(t) {
    await t.delete(await t.create())
    const whole = await t.world()
    await killAtEveryStep(t.suite.crash as CrashTarget, t.suite.make, async (subject, kill) => {
      const trial = new Trial(t.suite, subject)
      const made = await trial.create()
      const key = newKey()
      const run = await kill({ op: 'delete', key: key.toString(), mark: trial.mark, inputs: trial.inputs, outputs: made })
      await trial.delete(made, key)
      assert.deepEqual(await trial.world(), whole, `killed at step ${run.step}`)
      if (lackOf(trial.suite, 'what was deleted is not read') === undefined) assert.equal(await trial.read(made), undefined)
      return run.finished
    })
  },
}
