import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isFailure } from '../../src/base/index.ts'
import { BackendError, MemoryBackend } from '../../src/backend/index.ts'
import { Engine } from '../../src/embed/index.ts'
import { FlowWorker, MemoryFlowJournal, TaskFlowEngine, TaskWorker, Worker } from '../../src/flow/workflow/index.ts'
import { emptyTrash, listTrash } from '../../src/builtin/local/index.ts'
import { app, buildGraph } from '../../src/program/index.ts'
import { runBackendCase, storeSuite } from '../../src/testing/index.ts'
import { ListedTargets, MemorySnapshots } from '../embed/world.ts'

/**
 * Every function and class that a user can import is called with nothing, with null, and with things of every wrong kind. Whatever it is: the caller hears
 * it as an error with a code and a sentence that says which argument is meant. What is exported tomorrow is walked by itself.
 */
const home = join(import.meta.dirname, '../..')
const { exports } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { readonly exports: Readonly<Record<string, { readonly types?: string }>> }
const doors = Object.entries(exports).flatMap(([name, { types }]) => (types === undefined ? [] : [{ door: name === '.' ? 'root' : name.slice(2), file: types.replace('./dist/types/', 'src/').replace('.d.ts', '.ts') }]))

type Any = (...args: never[]) => unknown
const isClass = (f: unknown): boolean => typeof f === 'function' && /^class\b/.test(Function.prototype.toString.call(f))
const isErrorClass = (f: unknown): boolean => typeof f === 'function' && (f.prototype as unknown) instanceof Error

/** May be called with `null`, each with its reason. Everything else refuses it. */
const literal = 'null is a value like any other; what an expression cannot compute is said when it is evaluated (HF1205)'
const takesNull: Readonly<Record<string, string>> = {
  ...Object.fromEntries([
    'add', 'and', 'at', 'base64', 'coalesce', 'concat', 'duration', 'eq', 'get', 'hmac', 'join', 'json', 'keys', 'length', 'lower', 'max', 'merge', 'min', 'mul', 'not', 'or', 'replace', 'sha256', 'split', 'sub', 'trim',
    'unbase64', 'upper', 'url', 'values', 'when', 'yaml',
  ].map((name) => [`root ${name}`, literal])),
  ...Object.fromEntries(['root notOurs', 'root outcomeUnknown', 'root refused', 'engine damagedSnapshot', 'engine newerSnapshot'].map((name) => [name, 'makes the error that is about to be thrown: it takes whatever was caught'])),
  ...Object.fromEntries(['backend', 'snapshot', 'store', 'target'].map((name) => [`testing ${name}Cases`, 'takes no argument'])),
  'flow TaskFlowEngine': 'takes no argument', 'backend secret': 'null may be a secret', 'engine openHolder': 'takes no argument', 'flow Failure.of': 'anything may be thrown',
}
/** Not walked, each with its reason. */
const left: Readonly<Record<string, string>> = {
  'testing MemoryStore': 'a port of the engine: its callers are the engine and the suites',
  'flow MemoryFlowJournal': 'a port of the workflow engine: its methods are called by it',
  'backend SqliteBackend': 'its methods are those of StoreBackend', 'backend StoreBackend': 'its methods are walked on MemoryBackend', 'backend AbstractBackend': 'its methods are walked on MemoryBackend',
  'flow Failure': 'made by Failure.of and Failure.from',
}
/** Whose methods are walked. */
const journal = new MemoryFlowJournal()
/** With what is right at the beginning of a call, so that what comes after it is looked at, too. */
interface Instance {
  readonly one: object
  readonly begins: readonly (readonly unknown[])[]
}
const instances: Readonly<Record<string, () => Instance | Promise<Instance>>> = {
  'backend MemoryBackend': async () => {
    const one = new MemoryBackend()
    const state = await one.createResourceState('state to walk')
    await one.updateComponent(state, { actionType: 'CREATE', newName: 'A' })
    const diff = { actionType: 'CREATE', componentName: 'A', newResource: { name: 'thing', ruuid: 't', hash: 'h' } } as const
    const [token] = await one.createResourceChangeTransaction(state, 'A', diff)
    const [failed] = await one.createResourceChangeTransaction(state, 'A', { ...diff, newResource: { ...diff.newResource, name: 'failed' } })
    await one.failResourceChange(state, 'A', { ...diff, newResource: { ...diff.newResource, name: 'failed' } }, failed, {})
    return { one, begins: [[state], [state, 'A'], [state, 'A', 't'], [state, 'A', 't', 'thing'], [state, 'A', diff], [state, 'A', diff, token], [state, failed]] }
  },
  'engine Engine': () => ({ one: new Engine({ targets: new ListedTargets('prod'), snapshots: new MemorySnapshots() }), begins: [['prod'], ['prod', app('walked', { build: () => ({}) })], ['prod', {}], ['prod', 'x']] }),
  'flow TaskFlowEngine': () => {
    const one = new TaskFlowEngine()
    const [flow, a, b] = [one.buildFlow('g'), one.createTask(() => 1, { name: 'a' }), one.createTask(() => 1, { name: 'b' })]
    one.addTasks(flow, a, b)
    return { one, begins: [[flow], [flow, a], [flow, a, b], [() => 1], ['f', 'graph'], [one.getEngine(flow)]] }
  },
  'flow Worker': () => ({ one: new Worker(), begins: [[{}, 'protect']] }), 'flow TaskWorker': () => ({ one: new TaskWorker({ journal, types: {} }), begins: [] }), 'flow FlowWorker': () => ({ one: new FlowWorker({ journal }), begins: [] }),
}
/** Methods that are called with the caller's own life in hand. */
const leftMethods: Readonly<Record<string, string>> = { close: 'ends it', open: 'takes no argument', stop: 'ends it', run: 'goes on until it is stopped', watch: 'waits for what comes; test/backend/misuse.test.ts looks at its options' }

const values = (): readonly unknown[] => {
  const circle: Record<string, unknown> = {}
  circle.me = circle
  return [undefined, null, 5, Number.NaN, 5n, '', 'thing', true, Symbol('s'), {}, Object.create(null), circle, [], [null], [5], [[]], () => 1, new Map(), new Date(Number.NaN), { then: 5 }]
}
const calls = (begins: Instance['begins']): readonly (readonly unknown[])[] => [
  [], ...values().flatMap((v) => [[v], [v, v], [v, v, v], [v, v, v, v, v], ['thing', v], [{}, v], [[], v], [() => 1, v], ['thing', 'thing', v], ['thing', {}, v], ['thing', () => 1, v], ['thing', 'thing', 'thing', v], ['thing', 'thing', 'thing', 'thing', v], ...begins.flatMap((b) => [[...b, v], [...b, v, v], [...b, v, v, v]])]),
]
const shown = (args: readonly unknown[]): string => args.map((v) => (typeof v === 'symbol' ? 'symbol' : typeof v === 'function' ? 'function' : typeof v === 'bigint' ? `${v}n` : typeof v === 'object' && v !== null ? `${Array.isArray(v) ? 'list' : v.constructor?.name ?? 'bare'}(${Object.keys(v).slice(0, 5).join()})` : JSON.stringify(v) ?? 'undefined')).join(', ')

/** The words of a name: `checkTargetName` -> check, target, name. */
/** What else a message may call it. */
const also: Readonly<Record<string, readonly string[]>> = { failed: ['the value'], uuid: ['resource state'], what: ['program', 'plan'] }
const wordsOf = (name: string): string[] => name.split(/(?=[A-Z])|[^A-Za-z]+/).map((w) => w.toLowerCase()).filter((w) => w.length > 1)
function words(name: string, f: Any): string[] {
  const text = Function.prototype.toString.call(f)
  const parameters = (isClass(f) ? /constructor\s*\(([^]*?)\)\s*\{/.exec(text) : /^[^(]*\(([^]*?)\)\s*(?:=>|\{)/.exec(text))?.[1] ?? ''
  return [...wordsOf(name), ...parameters.split(',').flatMap((p) => wordsOf(p.split('=')[0] as string)).flatMap((w) => [w, ...(also[w] ?? [])])]
}

/** What is wrong with how a call ended; undefined: nothing. `null`: it was taken. */
async function complaint(known: readonly string[], args: readonly unknown[], act: () => unknown): Promise<string | null | undefined> {
  try {
    const given = await act()
    if (typeof (given as AsyncGenerator | undefined)?.[Symbol.asyncIterator] === 'function') await (given as AsyncGenerator).next()
    return null
  } catch (e) {
    if (!(e instanceof Error)) return `threw ${String(e)}`
    const coded = e instanceof BackendError || (isFailure(e) && /^HF\d{4}$/.test(e.code) && e.code !== 'HF9001')
    if (!coded) return `${e.name}: ${e.message.split('\n')[0]?.replace(/ Received.*/, '')} ${/src\/.*/.exec(e.stack ?? '')?.[0]}`
    // By its name, by what was given, or by what was wrong in it.
    const named = [...known, ...args.flatMap((a) => (typeof a === 'string' && a !== '' ? [a] : typeof a === 'object' && a !== null ? Object.keys(a) : []))]
    return named.some((w) => e.message.toLowerCase().includes(w.toLowerCase())) ? undefined : `names no argument: ${e.message}`
  }
}

/** One line for each kind of complaint, with the first call that brought it. */
async function walk(name: string, f: Any, call: (args: never[]) => unknown, begins: Instance['begins'] = [], list = calls(begins)): Promise<string[]> {
  const found = new Map<string, string>()
  const known = words(name.split(' ').at(-1) as string, f)
  for (const args of list) {
    const wrong = await complaint(known, args, () => call(args as never[]))
    const taken = wrong === null && args.length === 1 && args[0] === null && !(name in takesNull)
    const what = taken ? 'is taken' : wrong
    if (typeof what === 'string' && !found.has(what)) found.set(what, `${name}(${shown(args)}): ${what}`)
  }
  return [...found.values()]
}

describe.each(doors)('$door', ({ door, file }) => {
  test('whatever is wrong is said with a code and in words', async () => {
    const module = (await import(join(home, file))) as Record<string, unknown>
    const wrong: string[] = []
    for (const [key, value] of Object.entries(module)) {
      const name = `${door} ${key}`
      if (typeof value !== 'function' || isErrorClass(value)) continue
      const f = value as Any
      if (isClass(f)) {
        if (!(name in left)) wrong.push(...(await walk(name, f, (args) => new (f as unknown as new (...args: never[]) => unknown)(...args))))
        for (const [own, g] of Object.entries(Object.getOwnPropertyDescriptors(f))) if (typeof g.value === 'function' && own !== 'prototype') wrong.push(...(await walk(`${name}.${own}`, g.value as Any, (args) => (f as unknown as Record<string, Any>)[own]?.(...args))))
      } else {
        wrong.push(...(await walk(name, f, (args) => f(...args))))
        // Types and functions of programs are called where programs call them, too.
        if (['root', 'local', 'random'].includes(door) && key !== 'app') wrong.push(...(await walkInBuild(name, f)))
      }
    }
    expect(wrong).toEqual([])
  })
})

/** All calls in one build(): what each gave or threw is looked at afterwards. */
async function walkInBuild(name: string, f: Any): Promise<string[]> {
  const list = calls([])
  const ends = new Map<unknown, () => unknown>()
  buildGraph(app('walked', {
    build() {
      for (const args of list) {
        try {
          const given = f(...(args as never[]))
          if (given instanceof Promise) given.catch(() => undefined) // a program may be built more than once, and one answer is looked at
          ends.set(args, () => given)
        } catch (e) {
          ends.set(args, () => { throw e })
        }
      }
      return {}
    },
  }))
  return walk(name, f, (args) => ends.get(args)?.(), [], list)
}

describe.each(Object.entries(instances))('%s', (name, make) => {
  test('whatever is wrong with a call of a method is said with a code and in words', async () => {
    const { one: given, begins } = await make()
    const one = given as Record<string, unknown>
    const wrong: string[] = []
    const methods = new Set<string>()
    for (let p = Object.getPrototypeOf(one) as object; p !== Object.prototype; p = Object.getPrototypeOf(p) as object) for (const [key, d] of Object.entries(Object.getOwnPropertyDescriptors(p))) if (typeof d.value === 'function' && key !== 'constructor' && !(key in leftMethods)) methods.add(key)
    for (const key of methods) {
      const f = one[key] as Any
      const found = await walk(`${name}.${key}`, f, (args) => f.apply(one, args), begins)
      wrong.push(...found.filter((line) => !line.endsWith('is taken')))
    }
    expect(wrong).toEqual([])
  })
})

test('what has no code of its own is HF1307, with the name of the function and of the argument', async () => {
  expect(() => listTrash(undefined as never)).toThrow(expect.objectContaining({ code: 'HF1307', message: 'listTrash: home is missing: a text that is not empty.' }))
  expect(() => emptyTrash('home', 5 as never)).toThrow(expect.objectContaining({ code: 'HF1307', message: expect.stringContaining('emptyTrash: id must be') }))
  await expect(runBackendCase({ name: 'x', open: async () => new MemoryBackend() }, 'no such case')).rejects.toMatchObject({ code: 'HF1307', message: expect.stringContaining('"no such case"') })
  expect(() => storeSuite('x', async () => ({}) as never, { framework: { test } as never })).toThrow(expect.objectContaining({ code: 'HF1307', message: expect.stringContaining('storeSuite: framework must be') }))
})

test('every exception stands for something that is there', async () => {
  const there = new Set<string>()
  for (const { door, file } of doors) for (const [key, value] of Object.entries((await import(join(home, file))) as object)) for (const own of ['', '.of', '.from']) if (own === '' || (value as Record<string, unknown>)?.[own.slice(1)]) there.add(`${door} ${key}${own}`)
  expect([...Object.keys(takesNull), ...Object.keys(left), ...Object.keys(instances)].filter((name) => !there.has(name))).toEqual([])
})
