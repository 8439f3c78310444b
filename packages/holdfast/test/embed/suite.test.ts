import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { holderLives, type SnapshotProvider } from '../../src/embed/index.ts'
import { snapshotCases, snapshotSuite, targetSuite, type SnapshotSubject, type TestFramework } from '../../src/testing/index.ts'
import { FileSnapshots, folder, ListedTargets, MemorySnapshots, target } from './world.ts'

const framework = { describe, test }

const file = async (): Promise<SnapshotSubject> => {
  const place = folder()
  const provider = new FileSnapshots(place)
  return {
    provider,
    reopen: async () => new FileSnapshots(place),
    spoil: async (name, how) => {
      const text = readFileSync(provider.path(name), 'utf8')
      writeFileSync(provider.path(name), how === 'newer' ? text.replace('"snapshot":{"v":1', '"snapshot":{"v":2') : text.replace('of b', 'of x'))
    },
    content: async (name) => readFileSync(provider.path(name), 'utf8'),
  }
}

/** What a provider that keeps nothing cannot be asked. */
const inMemory = Object.fromEntries(snapshotCases().filter((name) => /anew|restarts|is not touched/.test(name)).map((name) => [name, 'it keeps nothing outside of the process']))

describe('providers pass the suites of their ports', () => {
  snapshotSuite('one file per target', file, { framework })
  snapshotSuite('in memory', async () => ({ provider: new MemorySnapshots() }), { framework, lacks: inMemory })
  targetSuite('a list', async () => ({ provider: new ListedTargets('prod', target('eu/prod', { config: { size: 1 }, tags: { team: 'blue' } })), known: ['prod', 'eu/prod'], unknown: 'test' }), { framework })
})

/** Runs the cases and gives the names of those that fail; `enough`: of the first. */
async function failing(declare: (framework: TestFramework) => void, enough = Number.POSITIVE_INFINITY): Promise<string[]> {
  const cases: [string, () => Promise<void>][] = []
  declare({ describe: (_, body) => body(), test: (name, body) => void cases.push([name, body]) })
  const failed: string[] = []
  for (const [name, body] of cases) if (failed.length < enough) await body().catch(() => failed.push(name))
  return failed
}

type Begin = SnapshotProvider['beginMutation']
type Get = SnapshotProvider['getSnapshot']
/** One broken promise each. */
const broken: Record<string, (good: MemorySnapshots) => { beginMutation?: Begin; getSnapshot?: Get }> = {
  'the mark comes after a while': (good) => ({
    beginMutation: async (...a) => {
      const mutation = good.beginMutation(...a)
      good.kept.delete(a[0])
      return mutation
    },
  }),
  'a flag of its own says that it is reliable': (good) => ({ getSnapshot: async (name) => ({ ...(await good.getSnapshot(name)), reliable: true }) as never }),
  'the change is not kept with the mark': (good) => ({ beginMutation: (name, _about, by) => good.beginMutation(name, undefined, by) }),
  'an end forgets every mark': (good) => ({
    beginMutation: async (name, about, by) => {
      const mutation = await good.beginMutation(name, about, by)
      return {
        id: mutation.id,
        end: async (s) => {
          await mutation.end(s)
          good.kept.set(name, JSON.stringify({ ...JSON.parse(good.kept.get(name) as string), mutations: [] }))
        },
      }
    },
  }),
  'an end leaves the mark': (good) => ({
    beginMutation: async (name, about, by) => {
      const mutation = await good.beginMutation(name, about, by)
      return {
        id: mutation.id,
        end: async (s) => {
          const { mutations } = JSON.parse(good.kept.get(name) as string)
          await mutation.end(s)
          good.kept.set(name, JSON.stringify({ ...JSON.parse(good.kept.get(name) as string), mutations }))
        },
      }
    },
  }),
  'nobody is held up': (good) => ({
    beginMutation: (name, about, by) => {
      for (const h of good.holders) if (h.id !== by.id) good.dead.add(h.id)
      return good.beginMutation(name, about, by)
    },
  }),
  'the dead hold everybody up': (good) => ({
    beginMutation: async (name, about, by) => {
      if (good.holders.some((h) => h.id !== by.id)) throw Object.assign(new Error('in use'), { code: 'HF4204' })
      return good.beginMutation(name, about, by)
    },
  }),
  'what the dead left open is forgotten': (good) => ({
    beginMutation: async (name, about, by) => {
      const entry = JSON.parse(good.kept.get(name) ?? '{"mutations":[]}') as { mutations: { by: { id: string } }[] }
      good.kept.set(name, JSON.stringify({ ...entry, mutations: entry.mutations.filter((m) => m.by.id === by.id || holderLives(m.by as never)) }))
      return good.beginMutation(name, about, by)
    },
  }),
  'all targets are one': (good) => ({ getSnapshot: () => good.getSnapshot('prod'), beginMutation: (_, about, by) => good.beginMutation('prod', about, by) }),
  'resources are kept without their documents': (good) => ({
    getSnapshot: async (name) => {
      const s = await good.getSnapshot(name)
      return s && { ...s, resources: async function* () { for await (const r of s.resources()) yield { ...r, inputs: '{}' } } }
    },
  }),
  'the snapshot is written before all of it was read': (good) => ({
    beginMutation: async (name, about, by) => {
      const mutation = await good.beginMutation(name, about, by)
      return {
        id: mutation.id,
        end: async (s) => {
          await mutation.end({ ...s, resources: async function* () { try { yield* s.resources() } catch { /* half of it is better than nothing */ } } })
        },
      }
    },
  }),
}

for (const [what, plant] of Object.entries(broken)) {
  test(`a provider of snapshots is turned away by the suite: ${what}`, async () => {
    const found = await failing((f) => snapshotSuite('broken', async () => {
      const good = new MemorySnapshots()
      const bad = plant(good)
      return { provider: { getSnapshot: bad.getSnapshot ?? ((n) => good.getSnapshot(n)), beginMutation: bad.beginMutation ?? ((...a) => good.beginMutation(...a)) } }
    }, { framework: f, lacks: inMemory }), 1)
    expect(found).not.toEqual([])
  })
}

test('a provider of targets is turned away by the suite: it makes up what it does not know, shares what it has, or says no tags', async () => {
  const good = new ListedTargets(target('prod', { config: { a: 1 } }))
  const shared = target('prod')
  for (const getTarget of [async (name: string) => target(name), async () => shared, async (name: string) => ({ ...(await good.getTarget(name)), tags: undefined as never })]) {
    expect(await failing((f) => targetSuite('broken', async () => ({ provider: { getTarget }, known: ['prod'], unknown: 'nowhere' }), { framework: f }), 1)).not.toEqual([])
  }
})

test('a case that a subject cannot be asked is declared with its reason, or fails', async () => {
  const found = await failing((f) => snapshotSuite('silent', async () => ({ provider: new MemorySnapshots() }), { framework: f }))
  expect(found.sort()).toEqual(Object.keys(inMemory).sort())
  expect(() => snapshotSuite('x', async () => ({ provider: new MemorySnapshots() }), { framework, lacks: { 'no such case': 'because' } })).toThrow(/no case/)
})
