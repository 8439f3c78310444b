import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { notOurs, type ResourceSpec } from '../src/provider/index.ts'
import { checkProvider, providerCases, type ProviderCase, type ProviderSubject } from '../src/testing/provider-suite.ts'
import { corner } from './support/corner.ts'

const inputs = z.object({ path: z.string(), text: z.string(), key: z.string().default('none') })
const outputs = z.object({ path: z.string(), token: z.string() })
type Spec = ResourceSpec<typeof inputs, typeof outputs>

/** A small right one: a note, with the token of its call beside it. */
const at = (root: string, path: string) => join(root, path)
const tokenAt = (path: string): string => readFileSync(path, 'utf8').split('\n')[0] as string
const right: Spec = {
  type: 'test:Note',
  inputs,
  outputs,
  replaceOn: ['path'],
  stable: ['path'],
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 },
  claims: (i, host) => [`path:${at(host.root, i.path)}`],
  predict: (i) => (i.path === undefined ? {} : { path: i.path }),
  async create({ inputs: i, key, host, partial }) {
    const path = at(host.root, i.path)
    if (existsSync(path)) {
      if (tokenAt(path) !== `${key}`) throw new Error('something stands there')
    } else writeFileSync(path, `${key}\n${i.text}`)
    await partial({ token: `${key}` })
    return { path: i.path, token: `${key}` }
  },
  async read({ inputs: i, outputs: o, key, host }) {
    const path = at(host.root, i.path)
    if (!existsSync(path)) return undefined
    const token = tokenAt(path)
    return { path: i.path, token, owner: o?.token === token || token === `${key}` ? 'mine' : 'other' }
  },
  async update({ inputs: i, outputs: o, host }) {
    const path = at(host.root, i.path)
    writeFileSync(path, `${tokenAt(path)}\n${i.text}`)
    return o
  },
  async delete({ inputs: i, outputs: o, host }) {
    const path = at(host.root, i.path)
    if (!existsSync(path)) return
    if (tokenAt(path) !== o.token) throw notOurs('another note')
    rmSync(path)
  },
}

/** Tokens are new each time, so the world is told without them. */
const make = async (): Promise<ProviderSubject> => {
  const c = corner(['hidden-text'])
  const path = join(c.root, 'note')
  return {
    host: c.host,
    inputs: { path: 'note', text: 'hidden-text' },
    changed: { path: 'note', text: 'b' },
    world: async () => (existsSync(path) ? [`note ${readFileSync(path, 'utf8').split('\n')[1]}`] : []).concat(existsSync(join(c.root, 'debris')) ? ['debris'] : []),
    async foreign() {
      writeFileSync(path, 'theirs\ntheirs')
      return async () => existsSync(path) && readFileSync(path, 'utf8') === 'theirs\ntheirs'
    },
    secrets: ['hidden-text'],
    dispose: c.dispose,
  }
}
const failing = async (spec: Spec): Promise<string[]> => (await checkProvider({ spec, make })).map((f) => f.name)

describe('the provider suite', () => {
  test('a right type passes every case', async () => {
    expect(await failing(right)).toEqual([])
  })

  const broken: [string, Spec, ProviderCase][] = [
    ['claims a path that depends on the current folder', { ...right, claims: (i) => [`path:${i.path}`] }, 'claims are absolute and the same each time'],
    ['predicts what it does not give', { ...right, predict: (i) => (i.path === undefined ? {} : { path: `${i.path}.txt` }) }, 'what is predicted is what create gives'],
    ['gives outputs of another shape', { ...right, create: async (a) => ({ ...(await right.create(a)), extra: 1 }) }, 'outputs fit the schema'],
    ['reads its own as another\'s', { ...right, read: async (a) => { const r = await right.read!(a); return r && { ...r, owner: 'other' } } }, 'what was created is read, as ours'],
    ['writes while it reads', { ...right, read: async (a) => { writeFileSync(join(a.host.root, 'debris'), ''); return right.read!(a) } }, 'reading changes nothing'],
    ['makes a second object for the same key', { ...right, create: async (a) => { if (existsSync(join(a.host.root, 'note'))) writeFileSync(join(a.host.root, 'debris'), ''); return right.create(a) } }, 'a create that is repeated with its key makes one object'],
    ['does not find its own after a lost answer', { ...right, read: async (a) => { const r = await right.read!(a); return r && (a.outputs?.path === undefined ? { ...r, owner: 'other' } : r) } }, 'a create whose answer was lost is settled by its class, as one object'],
    ['forgets to update', { ...right, update: async (a) => { rmSync(join(a.host.root, 'note')); return a.outputs } }, 'an update shows in what is read'],
    ['appends on every update', { ...right, update: async (a) => { const p = join(a.host.root, 'note'); writeFileSync(p, `${readFileSync(p, 'utf8').replace('\n', '\nx')}`); return a.outputs } }, 'an update that is repeated changes nothing more'],
    ['changes a stable output', { ...right, update: async (a) => ({ ...(await right.update!(a)), path: 'moved' }) }, 'an update keeps the outputs that are declared stable'],
    ['cannot go back', { ...right, update: async (a) => (a.inputs.text === 'b' ? right.update!(a) : a.outputs) }, 'taking an update back gives the old content'],
    ['leaves debris', { ...right, delete: async (a) => { writeFileSync(join(a.host.root, 'debris'), ''); await right.delete(a) } }, 'a delete leaves nothing behind'],
    ['fails when it is gone', { ...right, delete: async (a) => { if (!existsSync(join(a.host.root, 'note'))) throw new Error('gone'); await right.delete(a) } }, 'a delete that is repeated succeeds'],
    ['reads a ghost', { ...right, read: async (a) => (await right.read!(a)) ?? (a.outputs?.path ? { path: a.outputs.path, token: 'ghost' } : undefined) }, 'what was deleted is not read'],
    ['needs all outputs to delete', { ...right, delete: async (a) => { if (!a.outputs.path) throw new Error('no path'); await right.delete(a) } }, 'a delete works with what partial recorded'],
    ['overwrites', { ...right, create: async (a) => { writeFileSync(join(a.host.root, 'note'), `${a.key}\n${a.inputs.text}`); return right.create(a) } }, 'a create leaves alone what is not ours'],
    ['removes whatever is there', { ...right, delete: async (a) => rmSync(join(a.host.root, 'note'), { force: true }) }, 'a delete leaves alone what is not ours'],
    ['talks', { ...right, create: async (a) => { a.log(`writing ${a.inputs.text}`); return right.create(a) } }, 'a secret is in no log, no progress and no failure'],
  ]
  for (const [what, spec, name] of broken) {
    test(`one that ${what} fails: ${name}`, async () => {
      expect(await failing(spec)).toContain(name)
    })
  }

  test('every case has a type that fails it; the kill cases are shown red by the matrix of a type without recovery', async () => {
    const shown = new Set(broken.map(([, , name]) => name))
    expect(providerCases.filter((n) => !shown.has(n))).toEqual(providerCases.filter((n) => n.includes('killed')))
  })
})

describe('the kill cases', () => {
  const module = (recovers: boolean): string =>
    `data:text/javascript,${encodeURIComponent(`
      import { writeFileSync, existsSync, rmSync, readFileSync } from 'node:fs'
      const file = (a) => a.host.root + '/note'
      export const spec = {
        async create(a) { ${recovers ? '' : "writeFileSync(a.host.root + '/debris', '');"} writeFileSync(file(a), a.key + '\\n' + a.inputs.text); ${recovers ? '' : "rmSync(a.host.root + '/debris');"} },
        async update(a) { ${recovers ? '' : "writeFileSync(a.host.root + '/debris', '');"} writeFileSync(file(a), readFileSync(file(a), 'utf8').split('\\n')[0] + '\\n' + a.inputs.text); ${recovers ? '' : "rmSync(a.host.root + '/debris');"} },
        async delete(a) { ${recovers ? '' : "writeFileSync(a.host.root + '/debris', '');"} if (existsSync(file(a))) rmSync(file(a)); ${recovers ? '' : "rmSync(a.host.root + '/debris');"} },
      }`)}`
  const failingKills = async (recovers: boolean) =>
    (await checkProvider({ spec: right, make, crash: { module: module(recovers), export: 'spec' } })).map((f) => f.name)
  test('are green for a type that leaves nothing between its steps', async () => {
    expect(await failingKills(true)).toEqual([])
  })
  test('are red for one that does', async () => {
    expect(await failingKills(false)).toEqual(providerCases.filter((n) => n.includes('killed')))
  })
})
