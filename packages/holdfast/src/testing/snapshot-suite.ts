import assert from 'node:assert/strict'
import { unpackSnapshot, type OpenChange } from '../embed/index.ts'
import { inTime } from './deadline.ts'
import { checkSuite, declareCases } from './declare.ts'
import type { TestFramework } from './provider-suite.ts'
import { breaking, engineOver, plainHolder, refused, SnapshotTrial, TARGET, type Need, type SnapshotCase, type SnapshotSubject } from './snapshot-case.ts'

export type { SnapshotSubject }

export interface SnapshotSuiteOptions {
  /** `{ describe, test }` of vitest or node:test. */
  readonly framework: TestFramework
  /** Cases that do not hold for the provider, by name, each with its reason; they are shown, and not run. */
  readonly lacks?: Readonly<Record<string, string>>
}

const all: SnapshotCase[] = []
const test = (name: string, run: SnapshotCase['run'], needs: readonly Need[] = []): void => void all.push({ name, run, needs })

test('a target that nothing was begun for has no snapshot', async (t) => {
  assert.equal(await t.provider.getSnapshot(TARGET), undefined)
})

test('what end was given is what is read, to the last resource', async (t) => {
  for (const document of (await t.record()).snapshots) {
    await t.persist(document)
    await t.reads(document)
    assert.deepEqual(await t.state(), { reliable: true, open: [] })
  }
})

test('it is read by whoever opens it anew', async (t) => {
  const { snapshots } = await t.record()
  const last = snapshots.at(-1) as (typeof snapshots)[number]
  await t.persist(last)
  await t.reopen()
  await t.reads(last)
  assert.deepEqual(await t.state(), { reliable: true, open: [] })
}, ['reopen'])

test('from begin on, before anything else, the snapshot is the last one, unreliable, and names the change', async (t) => {
  const { snapshots, changes } = await t.record()
  const [first] = snapshots
  assert.ok(first)
  await t.persist(first)
  const by = t.holder()
  await t.provider.beginMutation(TARGET, changes[1], plainHolder(by))
  await t.reads(first)
  const read = await t.provider.getSnapshot(TARGET)
  assert.equal(read?.reliable, false)
  assert.deepEqual(JSON.parse(JSON.stringify(read?.open)), [changes[1]])
})

test('a target that was never deployed is unreliable from the first begin on', async (t) => {
  const { changes } = await t.record()
  const by = t.holder()
  await t.provider.beginMutation(TARGET, undefined, plainHolder(by))
  assert.deepEqual(await t.state(), { reliable: false, open: [] })
  await t.provider.beginMutation(TARGET, changes[0], plainHolder(by))
  assert.deepEqual(await t.state(), { reliable: false, open: [changes[0]?.id] })
})

test('several changes are open at one time, and end in any order; the snapshot is reliable when the last has ended', async (t) => {
  const { changes, snapshots } = await t.record()
  const by = plainHolder(t.holder())
  const run = await t.provider.beginMutation(TARGET, undefined, by)
  const [a, b, c] = await Promise.all(changes.slice(0, 3).map((about) => t.provider.beginMutation(TARGET, about, by)))
  const ids = changes.slice(0, 3).map((x) => x.id)
  assert.deepEqual(await t.state(), { reliable: false, open: [...ids].sort() })
  const give = (i: number) => unpackSnapshot(TARGET, snapshots[i])
  await b?.end(give(0))
  assert.deepEqual(await t.state(), { reliable: false, open: [ids[0], ids[2]].sort() })
  await a?.end(give(1))
  await c?.end(give(2))
  assert.deepEqual(await t.state(), { reliable: false, open: [] })
  await run.end(give(3))
  assert.deepEqual(await t.state(), { reliable: true, open: [] })
  assert.equal(new Set([run.id, a?.id, b?.id, c?.id]).size, 4, 'every mutation has an id of its own')
})

test('begins at one time are all kept', async (t) => {
  const { changes } = await t.record(TARGET, Array.from({ length: 12 }, (_, i) => `n${i}`))
  const by = plainHolder(t.holder())
  await Promise.all(changes.map((about) => t.provider.beginMutation(TARGET, about, by)))
  assert.deepEqual((await t.state())?.open, changes.map((c) => c.id).sort())
})

test('ends are kept in the order in which they were asked for', async (t) => {
  const { changes, snapshots } = await t.record()
  const by = plainHolder(t.holder())
  for (const [i, about] of changes.slice(0, 3).entries()) {
    const mutation = await t.provider.beginMutation(TARGET, about, by)
    await mutation.end(unpackSnapshot(TARGET, snapshots[i]))
    await t.reads(snapshots[i] as never)
  }
})

test('while a mutation of another live holder is open a begin is refused with HF4204, which names the holder; nothing is marked', async (t) => {
  const { changes } = await t.record()
  const [one, other] = [t.holder(), t.holder()]
  await t.provider.beginMutation(TARGET, undefined, plainHolder(one))
  for (const about of [undefined, changes[0]]) {
    const { details } = await refused('HF4204', () => t.provider.beginMutation(TARGET, about, plainHolder(other)))
    assert.equal(details?.holder, one.id)
  }
  assert.deepEqual(await t.state(), { reliable: false, open: [] })
  await t.provider.beginMutation(TARGET, changes[0], plainHolder(one))
})

test('a change of a live holder holds others up, too', async (t) => {
  const { changes } = await t.record()
  await t.provider.beginMutation(TARGET, changes[0], plainHolder(t.holder()))
  await refused('HF4204', () => t.provider.beginMutation(TARGET, undefined, plainHolder(t.holder())))
})

test('a run that nobody lives for holds nobody up and is forgotten; what it had open stays open', async (t) => {
  const { changes, snapshots } = await t.record()
  const dead = t.holder()
  await t.provider.beginMutation(TARGET, undefined, plainHolder(dead))
  await t.provider.beginMutation(TARGET, changes[0], plainHolder(dead))
  dead.leave()
  const by = plainHolder(t.holder())
  const run = await t.provider.beginMutation(TARGET, undefined, by)
  assert.deepEqual(await t.state(), { reliable: false, open: [changes[0]?.id] })
  await run.end(unpackSnapshot(TARGET, snapshots[0]))
  assert.deepEqual(await t.state(), { reliable: false, open: [changes[0]?.id] })
})

test('a change that a dead holder left is taken over, with what is known of it now, and ended', async (t) => {
  const { changes, snapshots } = await t.record()
  const [first] = changes
  assert.ok(first)
  const dead = t.holder()
  await t.provider.beginMutation(TARGET, first, plainHolder(dead))
  dead.leave()
  const by = plainHolder(t.holder())
  const now: OpenChange = { ...first, evidence: 'looked up', record: { ...first.record, tx: { ...first.record.tx, attempts: 7 } } }
  const mutation = await t.provider.beginMutation(TARGET, now, by)
  assert.deepEqual(JSON.parse(JSON.stringify((await t.provider.getSnapshot(TARGET))?.open)), [now])
  await mutation.end(unpackSnapshot(TARGET, snapshots[0]))
  assert.deepEqual(await t.state(), { reliable: true, open: [] })
})

test('a mutation that was never ended is open over any number of restarts', async (t) => {
  const { changes, snapshots } = await t.record()
  await t.persist(snapshots[0] as never)
  const dead = t.holder()
  await t.provider.beginMutation(TARGET, undefined, plainHolder(dead))
  await t.provider.beginMutation(TARGET, changes[1], plainHolder(dead))
  dead.leave()
  for (let i = 0; i < 3; i++) {
    await t.reopen()
    assert.deepEqual(await t.state(), { reliable: false, open: [changes[1]?.id] })
    await t.reads(snapshots[0] as never)
  }
}, ['reopen'])

test('a snapshot with an open change of its own is unreliable, though no mutation is open', async (t) => {
  const { snapshots, changes } = await t.record()
  const [first] = snapshots
  assert.ok(first)
  await t.persist({ ...first, open: [changes[1] as OpenChange], reliable: false })
  assert.deepEqual(await t.state(), { reliable: false, open: [changes[1]?.id] })
  // A mutation about it says more.
  const now = { ...(changes[1] as OpenChange), evidence: 'looked up' }
  await t.provider.beginMutation(TARGET, now, plainHolder(t.holder()))
  assert.deepEqual(JSON.parse(JSON.stringify((await t.provider.getSnapshot(TARGET))?.open)), [now])
})

test('an end that fails half-way leaves the former snapshot, and the mutation open', async (t) => {
  const { snapshots, changes } = await t.record()
  await t.persist(snapshots[0] as never)
  const mutation = await t.provider.beginMutation(TARGET, changes[1], plainHolder(t.holder()))
  await assert.rejects(mutation.end(breaking(snapshots[1] as never)))
  await t.reads(snapshots[0] as never)
  assert.deepEqual(await t.state(), { reliable: false, open: [changes[1]?.id] })
})

test('targets have nothing to do with each other, however alike their names are', async (t) => {
  const names = ['a', 'a/b', 'a_b', 'a.b', 'A', 'b', 'a/b/c', 'a-b', '...', 'json']
  for (const name of names) await t.persist((await t.record(name, [`x${names.indexOf(name)}`, 'y'])).snapshots[1] as never)
  for (const name of names) {
    const read = await t.provider.getSnapshot(name)
    const addresses: string[] = []
    for await (const r of read?.resources() ?? []) addresses.push(r.address)
    assert.deepEqual(addresses.sort(), [`x${names.indexOf(name)}`, 'y'].sort(), name)
  }
  await t.provider.beginMutation('a', undefined, plainHolder(t.holder()))
  assert.equal((await t.state('a/b'))?.reliable, true)
  await t.provider.beginMutation('b', undefined, plainHolder(t.holder()))
})

for (const [how, code] of [['damaged', 'HF4011'], ['newer', 'HF4002']] as const) {
  test(`a snapshot that is ${how} is refused with ${code}, and is not touched`, async (t) => {
    await t.persist((await t.record()).snapshots.at(-1) as never)
    await (t.subject.spoil as NonNullable<SnapshotSubject['spoil']>)(TARGET, how)
    const before = await t.subject.content?.(TARGET)
    const engine = engineOver(t.provider)
    await refused(code, () => t.provider.getSnapshot(TARGET))
    for (const act of [() => engine.preview(TARGET, t.program(['a'])), () => engine.apply(TARGET, t.program(['a'])), () => engine.destroy(TARGET)]) await refused(code, act)
    assert.deepEqual(await t.subject.content?.(TARGET), before)
  }, ['spoil'])
}

test('an engine plans, applies, changes, refreshes and destroys over it', async (t) => {
  const engine = engineOver(t.provider)
  const plan = await engine.preview(TARGET, t.program(['a', 'b']))
  assert.equal(plan.document.summary.create, 2)
  assert.equal((await engine.apply(TARGET, plan)).outcome, 'applied')
  assert.equal((await engine.apply(TARGET, t.program(['a', 'b']))).outcome, 'unchanged')
  assert.equal((await engine.apply(TARGET, t.program(['b', 'c']))).outcome, 'applied')
  assert.deepEqual((await engine.refresh(TARGET)).drifted, [])
  assert.deepEqual((await t.provider.getSnapshot(TARGET))?.outputs, { b: 'of b', c: 'of c' })
  assert.equal((await engine.destroy(TARGET)).outcome, 'applied')
  assert.deepEqual(await t.state(), { reliable: true, open: [] })
})

/** Every promise of a provider of snapshots, one case each. A provider is proven by this suite, and by being killed at its writes. */
export function snapshotSuite(name: string, open: () => Promise<SnapshotSubject>, options: SnapshotSuiteOptions): void {
  checkSuite('snapshotSuite', { name, open, options })
  const { framework, lacks = {} } = options
  const byName = new Map(all.map((c) => [c.name, c]))
  declareCases({
    suite: 'snapshotSuite', title: `snapshots: ${name}`, framework, names: [...byName.keys()], lacks,
    async run(title) {
      const c = byName.get(title) as SnapshotCase
      const subject = await open()
      const trial = new SnapshotTrial(subject)
      try {
        for (const need of c.needs) assert.ok(subject[need], `the subject gives no ${need}: give it, or declare the case in lacks, with the reason`)
        await inTime(c.run(trial))
      } finally {
        trial.end()
        await subject.close?.()
      }
    },
  })
}

export const snapshotCases = (): string[] => all.map((c) => c.name)
