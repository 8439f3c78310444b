import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SecretValue } from '../model/index.ts'
import { compareComponents, type ComponentDifferences } from './differences.ts'
import { DependencyCycle, DuplicateComponentName, DuplicateResourceName, ReferenceToDeletedResource, UnknownReferenceTarget } from './errors.ts'
import type { NewComponent, ResourceModel, ResourceReferenceModel } from './models.ts'

const r = (name: string, hash: string, more: Record<string, unknown> = {}): ResourceModel => ({ ruuid: 'x', name, hash, ...more })
const c = (name: string, resources: readonly ResourceModel[] = [], references: readonly ResourceReferenceModel[] = [], more: Partial<NewComponent> = {}): NewComponent => ({ name, resources, references, ...more })
const to = (componentName: string, name: string): ResourceReferenceModel => ({ componentName, ruuid: 'x', name })

/** Differences as short lines. */
function told({ components, resources, references }: ComponentDifferences): string[] {
  const between = (a?: string, b?: string) => [a, b].filter((x) => x !== undefined).join('>')
  return [
    ...components.map((d) => `${d.actionType} ${between(d.previousName, d.newName)}`),
    ...resources.map((d) => `${d.actionType} ${d.componentName}/${between(d.previousResource && `${d.previousResource.name}:${d.previousResource.hash}`, d.newResource && `${d.newResource.name}:${d.newResource.hash}`)}`),
    ...references.map((d) => `${d.actionType} ${d.originatingComponentName}->${d.resourceReference.componentName}/${d.resourceReference.name}`),
  ]
}
const from = (olds: readonly NewComponent[], news: readonly NewComponent[]) => told(compareComponents(news, olds))

describe('what differs between components', () => {
  test('nothing and nothing, or the same and the same: three empty lists', () => {
    expect(from([], [])).toEqual([])
    expect(from([c('a', [r('1', 'h')], [to('a', '1')])], [c('a', [r('1', 'h')], [to('a', '1')])])).toEqual([])
  })

  test('a new component is created with all that is in it; one that is gone is deleted with all that was in it', () => {
    const whole = [c('a', [r('1', 'h1')]), c('b', [r('3', 'h3'), r('2', 'h2')], [to('a', '1')])]
    expect(from([], whole)).toEqual(['CREATE a', 'CREATE b', 'CREATE a/1:h1', 'CREATE b/2:h2', 'CREATE b/3:h3', 'CREATE b->a/1'])
    expect(from(whole, [])).toEqual(['DELETE a', 'DELETE b', 'DELETE a/1:h1', 'DELETE b/2:h2', 'DELETE b/3:h3', 'DELETE b->a/1'])
  })

  test('a component and a resource in it that have other names are renamed, and nothing else', () => {
    expect(from([c('a', [r('1', 'h1'), r('2', 'h2')])], [c('b', [r('1', 'h1'), r('new', 'h2')])])).toEqual(['UPDATE_NAME a>b', 'UPDATE_NAME b/2:h2>new:h2'])
  })

  test('another name and another content are a delete and a create, and with an alias one change', () => {
    expect(from([c('a', [r('1', 'h1')])], [c('a', [r('2', 'h2')])])).toEqual(['UPDATE_IDENTITY a>a', 'CREATE a/2:h2', 'DELETE a/1:h1'])
    expect(from([c('a', [r('1', 'h1')])], [c('a', [r('2', 'h2', { aliases: ['0', '1'] })])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_IDENTITY a/1:h1>2:h2'])
    expect(from([c('a', [r('1', 'h1')])], [c('b', [r('2', 'h2', { aliases: ['1'] })], [], { aliases: ['a'] })])).toEqual(['UPDATE_NAME a>b', 'UPDATE_IDENTITY b>b', 'UPDATE_IDENTITY b/1:h1>2:h2'])
  })

  test('an alias is said to the comparison only: it stands in no difference, and is none', () => {
    const [d] = compareComponents([c('a', [r('2', 'h2', { aliases: ['1'] })])], [c('a', [r('1', 'h1')])]).resources
    expect(d?.newResource).toEqual(r('2', 'h2'))
    expect(from([c('a', [r('2', 'h2')])], [c('a', [r('2', 'h2', { aliases: ['1'] })])])).toEqual([])
  })

  test('an alias that was left in the program does not take what stands under a name of its own', () => {
    expect(from([c('a', [r('1', 'h1'), r('2', 'h2')])], [c('a', [r('1', 'h3'), r('2', 'h4', { aliases: ['1'] })])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_IDENTITY a/1:h1>1:h3', 'UPDATE_IDENTITY a/2:h2>2:h4'])
  })

  test('names that are shifted, or exchanged, with aliases are renames', () => {
    expect(from([c('a', [r('1', 'h1'), r('2', 'h2')])], [c('a', [r('2', 'h1', { aliases: ['1'] }), r('3', 'h2', { aliases: ['2'] })])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_NAME a/1:h1>2:h1', 'UPDATE_NAME a/2:h2>3:h2'])
    expect(from([c('a', [r('1', 'h1'), r('2', 'h2')])], [c('a', [r('1', 'h2', { aliases: ['2'] }), r('2', 'h1', { aliases: ['1'] })])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_NAME a/2:h2>1:h2', 'UPDATE_NAME a/1:h1>2:h1'])
  })

  test('a difference in what stands beside the hash is a difference; the order of keys is none', () => {
    expect(from([c('a', [r('1', 'h', { p: 1, q: [1, { s: 2 }] })])], [c('a', [{ q: [1, { s: 2 }], hash: 'h', p: 1, name: '1', ruuid: 'x' }])])).toEqual([])
    expect(from([c('a', [r('1', 'h', { p: 1 })])], [c('a', [r('1', 'h', { p: 2 })])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_IDENTITY a/1:h>1:h'])
    expect(from([c('a', [r('1', 'h', { tags: { a: 'b' } })])], [c('a', [r('1', 'h')])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_IDENTITY a/1:h>1:h'])
  })

  test('secrets are compared, and a secret that becomes plain text is a change', () => {
    const secret = (text: string, fp: string) => new SecretValue(fp, () => text)
    expect(from([c('a', [r('1', 'h', { p: secret('s', 'f1') })])], [c('a', [r('1', 'h', { p: secret('s', 'other origin') })])])).toEqual([])
    expect(from([c('a', [r('1', 'h', { p: secret('s', 'f1') })])], [c('a', [r('2', 'h', { p: secret('s', 'other origin') })])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_NAME a/1:h>2:h'])
    expect(from([c('a', [r('1', 'h', { p: secret('s', 'f1') })])], [c('a', [r('1', 'h', { p: 's' })])])).toHaveLength(2)
  })

  test('twins that a nonce tells apart are renamed each for itself; real twins are not guessed at', () => {
    const nonce = (name: string, n: string) => r(name, `h${n}`, { nonce: n })
    expect(from([c('a', [nonce('1', 'x'), nonce('2', 'y')])], [c('a', [nonce('3', 'y'), nonce('4', 'x')])])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_NAME a/2:hy>3:hy', 'UPDATE_NAME a/1:hx>4:hx'])
    const twins = compareComponents([c('a', [r('3', 'h'), r('4', 'h')])], [c('a', [r('1', 'h'), r('2', 'h')])])
    expect(told(twins)).toEqual(['UPDATE_IDENTITY a>a', 'CREATE a/3:h', 'CREATE a/4:h', 'DELETE a/1:h', 'DELETE a/2:h'])
    expect(twins.diagnostics).toMatchObject([{ code: 'ambiguous-rename', componentName: 'a', candidates: { previous: ['1', '2'], new: ['3', '4'] } }])
  })

  test('components that could each be the other are not guessed at; of empty ones the last listed are taken for one', () => {
    const full = (name: string) => c(name, [r('1', 'h')])
    const two = compareComponents([full('c'), full('d')], [full('a'), full('b')])
    expect(told(two).slice(0, 4)).toEqual(['CREATE c', 'CREATE d', 'DELETE a', 'DELETE b'])
    expect(two.diagnostics).toMatchObject([{ code: 'ambiguous-rename', candidates: { previous: ['a', 'b'], new: ['c', 'd'] } }])
    const empty = compareComponents([c('c'), c('d')], [c('a'), c('b')])
    expect(told(empty)).toEqual(['CREATE c', 'UPDATE_NAME b>d', 'DELETE a'])
    expect(empty.diagnostics).toMatchObject([{ code: 'assumed-rename' }])
  })
})

describe('references between components', () => {
  test('one to a renamed component, or to a renamed resource, is the same reference', () => {
    const user = (name: string, resource: string) => c('user', [r('9', 'h9')], [to(name, resource)])
    expect(from([c('a', [r('1', 'h1')]), user('a', '1')], [c('b', [r('1', 'h1')]), user('b', '1')])).toEqual(['UPDATE_NAME a>b'])
    expect(from([c('a', [r('1', 'h1')]), user('a', '1')], [c('a', [r('2', 'h1')]), user('a', '2')])).toEqual(['UPDATE_IDENTITY a>a', 'UPDATE_NAME a/1:h1>2:h1'])
    expect(from([c('a', [r('1', 'h1')]), user('a', '1')], [c('b', [r('1', 'h1')]), user('a', '1')])).toEqual(['UPDATE_NAME a>b'])
  })

  test('components that are renamed together with those they refer to are found', () => {
    const olds = [c('a', [r('1', 'h1')]), c('b', [r('2', 'h2')], [to('a', '1')]), c('c', [r('3', 'h3')], [to('b', '2')])]
    const news = [c('c2', [r('3', 'h3')], [to('b2', '2')]), c('b2', [r('2', 'h2')], [to('a2', '1')]), c('a2', [r('1', 'h1')])]
    expect(from(olds, news)).toEqual(['UPDATE_NAME c>c2', 'UPDATE_NAME b>b2', 'UPDATE_NAME a>a2'])
  })

  test('the reference of a component that goes is dereferenced under the name its target has then', () => {
    expect(from([c('a', [r('1', 'h1')]), c('u', [], [to('a', '1')])], [c('b', [r('1', 'h1')])])).toEqual(['UPDATE_NAME a>b', 'DELETE u', 'DELETE u->b/1'])
  })

  test('a target that nobody has, or that goes, is refused before anything is compared', () => {
    const target = c('a', [r('1', 'h1')])
    expect(() => from([], [target, c('u', [], [to('a', '2')])])).toThrow(UnknownReferenceTarget)
    expect(() => compareComponents([c('u', [], [to('a', '1')])], [], { others: [] })).toThrow(UnknownReferenceTarget)
    expect(from([], [c('u', [], [to('elsewhere', '1')])])).toEqual(['CREATE u', 'CREATE u->elsewhere/1'])
    expect(() => from([target], [c('a'), c('u', [], [to('a', '1')])])).toThrow(ReferenceToDeletedResource)
    expect(() => from([target], [c('u', [], [to('a', '1')])])).toThrow(ReferenceToDeletedResource)
    expect(() => compareComponents([], [target], { others: [c('u', [], [to('a', '1')])] })).toThrow(/u refers to a\/1/)
    expect(told(compareComponents([c('a', [r('2', 'h1')])], [target], { others: [c('u', [], [to('a', '1')])] }))).toHaveLength(2)
    const above = { componentName: 'a', ruuid: 'x', name: '1', isInParentResourceState: true }
    expect(told(compareComponents([c('u', [], [above])], [], { parents: [target] }))).toHaveLength(2)
    expect(() => compareComponents([c('u', [], [above])], [], { parents: [] })).toThrow(UnknownReferenceTarget)
  })

  test('a name that stands twice is refused', () => {
    expect(() => from([], [c('a'), c('a')])).toThrow(DuplicateComponentName)
    expect(() => from([], [c('a', [r('1', 'h1'), r('1', 'h2')])])).toThrow(DuplicateResourceName)
    expect(from([], [c('a', [r('1', 'h'), { ...r('1', 'h'), ruuid: 'y' }])])).toHaveLength(3)
  })

  test('whatever waits for itself is refused with its path', () => {
    const output = (name: string, type = 'resource') => ({ deep: [{ list: [{ id: 'cdev_cloud_output', type, ruuid: 'x', name, key: 'k' }] }] })
    const path = (news: NewComponent[]) => {
      try {
        from([], news)
      } catch (e) {
        if (e instanceof DependencyCycle) return (e.details.path as string[]).join(' ')
        throw e
      }
      return undefined
    }
    expect(path([c('a', [r('1', 'h', output('2')), r('2', 'h', output('3')), r('3', 'h', output('1'))])])).toBe('a/1 a/2 a/3 a/1')
    expect(path([c('a', [r('1', 'h', output('1'))])])).toBe('a/1 a/1')
    expect(path([c('a', [r('1', 'h', output('2')), r('2', 'h')])])).toBeUndefined()
    // Each refers to the other, and nothing says that one resource of them goes first.
    expect(path([c('a', [r('1', 'h')], [to('b', '2')]), c('b', [r('2', 'h')], [to('a', '1')])])).toBe('a/1 b/2 a/1')
    // Here it is said.
    expect(path([c('a', [r('1', 'h'), r('3', 'h', output('2', 'reference'))], [to('b', '2')]), c('b', [r('2', 'h', output('1', 'reference'))], [to('a', '1')])])).toBeUndefined()
  })
})

describe('for any two sets of components', () => {
  const hash = fc.constantFrom('h1', 'h2', 'h3')
  const resource = fc.record({ ruuid: fc.constantFrom('x', 'y'), name: fc.constantFrom('1', '2', '3', '4'), hash, p: fc.constantFrom(0, 1) })
  const resources = fc.uniqueArray(resource, { maxLength: 5, selector: (x) => `${x.ruuid};${x.name}` })
  const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 })
  /** References to what is there, so that no target is missing. */
  const components = names.chain((all) => fc.tuple(...all.map(() => resources)).chain((contents) => {
    const targets = all.flatMap((name, i) => (contents[i] ?? []).map((x) => ({ componentName: name, ruuid: x.ruuid, name: x.name })))
    const picks = fc.uniqueArray(fc.nat(Math.max(0, targets.length - 1)), { maxLength: targets.length === 0 ? 0 : 2 })
    // A component refers to earlier ones only: no circles.
    return fc.tuple(...all.map(() => picks)).map((chosen) => all.map((name, i) => c(name, contents[i] ?? [], (chosen[i] ?? []).map((k) => targets[k] as ResourceReferenceModel).filter((t) => (all as string[]).indexOf(t.componentName) < i))))
  }))
  const sorted = (list: readonly NewComponent[]) => list.map((x) => ({ name: x.name, resources: [...x.resources].map((y) => JSON.stringify(y)).sort(), references: [...x.references ?? []].map((y) => JSON.stringify(y)).sort() })).sort((a, b) => (a.name < b.name ? -1 : 1))

  /** Carries the differences out, in the order in which they could be: renames, new components, resources, references; what goes last. */
  function applied(olds: readonly NewComponent[], d: ComponentDifferences): NewComponent[] {
    const renames = new Map(d.components.flatMap((x) => (x.actionType === 'UPDATE_NAME' ? [[x.previousName as string, x.newName as string] as const] : [])))
    const moved = d.resources.filter((x) => x.previousResource && x.newResource && x.previousResource.name !== x.newResource.name)
    const state = new Map(olds.map((o) => [renames.get(o.name) ?? o.name, { resources: [...o.resources], references: [...o.references ?? []] }]))
    for (const s of state.values()) {
      s.references = s.references.map((x) => {
        const componentName = renames.get(x.componentName) ?? x.componentName
        const m = moved.find((y) => y.componentName === componentName && y.previousResource?.name === x.name && y.previousResource.ruuid === x.ruuid)
        return { ...x, componentName, name: m?.newResource?.name ?? x.name }
      })
    }
    for (const x of d.components) if (x.actionType === 'CREATE') state.set(x.newName as string, { resources: [], references: [] })
    const is = (a: { ruuid: string; name: string }) => (b: { ruuid: string; name: string }) => a.ruuid === b.ruuid && a.name === b.name
    for (const x of d.resources) {
      const s = state.get(x.componentName)
      if (!s) throw new Error(`no component ${x.componentName}`)
      if (x.previousResource && !s.resources.some(is(x.previousResource))) throw new Error(`no resource ${x.previousResource.name}`)
    }
    const gone = new Map<string, ResourceModel[]>()
    for (const x of d.resources) if (x.previousResource) gone.set(x.componentName, [...(gone.get(x.componentName) ?? []), x.previousResource])
    for (const [name, list] of gone) {
      const s = state.get(name)
      if (s) s.resources = s.resources.filter((y) => !list.some((g) => is(g)(y)))
    }
    for (const x of d.resources) if (x.newResource) state.get(x.componentName)?.resources.push(x.newResource)
    for (const x of d.references) {
      const s = state.get(x.originatingComponentName)
      if (!s) throw new Error(`no component ${x.originatingComponentName}`)
      const same = (y: ResourceReferenceModel) => y.componentName === x.resourceReference.componentName && is(x.resourceReference)(y)
      if (x.actionType === 'CREATE') s.references.push(x.resourceReference)
      else {
        if (!s.references.some(same)) throw new Error('no such reference')
        s.references = s.references.filter((y) => !same(y))
      }
    }
    for (const x of d.components) {
      if (x.actionType !== 'DELETE') continue
      const s = state.get(x.previousName as string)
      if (s?.resources.length || s?.references.length) throw new Error('not empty')
      state.delete(x.previousName as string)
    }
    return [...state].map(([name, s]) => c(name, s.resources, s.references))
  }

  const difference = (olds: readonly NewComponent[], news: readonly NewComponent[]): ComponentDifferences | undefined => {
    try {
      return compareComponents(news, olds)
    } catch (e) {
      if (e instanceof ReferenceToDeletedResource) return undefined
      throw e
    }
  }
  const check = (property: fc.IProperty<any>) => fc.assert(property, { numRuns: 500, verbose: 0 })

  test('the differences, carried out, give the new ones', () => {
    check(fc.property(components, components, (olds, news) => {
      const d = difference(olds, news)
      if (d) expect(sorted(applied(olds, d))).toEqual(sorted(news))
    }))
  })

  test('the order of what stands in a component changes nothing; the order of components changes the order alone', () => {
    const shuffled = (list: readonly NewComponent[], seed: number) => list.map((x) => ({ ...x, resources: rotate(x.resources, seed), references: rotate(x.references ?? [], seed) }))
    const rotate = <T>(list: readonly T[], n: number): T[] => [...list.slice(n % (list.length || 1)), ...list.slice(0, n % (list.length || 1))].reverse()
    const empties = (list: readonly NewComponent[]) => list.filter((x) => x.resources.length === 0).length
    check(fc.property(components, components, fc.nat(7), (olds, news, seed) => {
      const d = difference(olds, news)
      if (!d) return
      expect(JSON.stringify(compareComponents(shuffled(news, seed), shuffled(olds, seed)))).toBe(JSON.stringify(d))
      if (empties(olds) > 1 || empties(news) > 1) return // of these the last listed counts
      const other = compareComponents(rotate(news, seed), rotate(olds, seed))
      for (const part of ['components', 'resources', 'references', 'diagnostics'] as const) expect(other[part].map((x) => JSON.stringify(x)).sort()).toEqual(d[part].map((x) => JSON.stringify(x)).sort())
    }))
  })

  test('nothing is compared with itself, and the inputs stay as they were', () => {
    check(fc.property(components, (all) => {
      const before = JSON.stringify(all)
      expect(told(compareComponents(structuredClone(all), all))).toEqual([])
      expect(JSON.stringify(all)).toBe(before)
    }))
  })
})

test('1,000 resources of which nothing changed take at most 10 ms', () => {
  const make = () => Array.from({ length: 10 }, (_, i) => c(`c${i}`, Array.from({ length: 100 }, (_, j) => r(`r${j}`, `h${j}`, { size: j, tags: { team: 'a' }, list: [1, 2, j] })), i === 0 ? [] : [to('c0', 'r1')]))
  const [olds, news] = [make(), make()]
  const times: number[] = []
  for (let i = 0; i < 40; i++) {
    const at = performance.now()
    expect(compareComponents(news, olds).resources).toEqual([])
    times.push(performance.now() - at)
  }
  expect(Math.min(...times)).toBeLessThan(10)
})
