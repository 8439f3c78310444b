// A resource type with faults planted in it, one at a time: a note in a file, with the token of the call that made it in its first line.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { notOurs } from 'holdfast'
import { z } from 'zod'

const file = (host, path) => join(host.root, path)
const ownerOf = (path) => readFileSync(path, 'utf8').split('\n')[0]

const note = {
  type: 'example:broken/Note',
  inputs: z.object({ path: z.string(), text: z.string() }),
  outputs: z.object({ path: z.string(), token: z.string() }),
  replaceOn: ['path'],
  stable: ['path'],
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 },
  claims: ({ path }, host) => [`path:${file(host, path)}`],
  async create({ inputs, key, host, partial }) {
    const path = file(host, inputs.path)
    if (existsSync(path) && ownerOf(path) !== `${key}`) throw new Error('something stands there')
    writeFileSync(path, `${key}\n${inputs.text}`)
    await partial({ token: `${key}` })
    return { path: inputs.path, token: `${key}` }
  },
  async read({ inputs, outputs, key, host }) {
    const path = file(host, inputs.path)
    if (!existsSync(path)) return undefined
    const token = ownerOf(path)
    return { path: inputs.path, token, owner: token === outputs?.token || token === `${key}` ? 'mine' : 'other' }
  },
  async update({ inputs, outputs, host }) {
    writeFileSync(file(host, inputs.path), `${outputs.token}\n${inputs.text}`)
    return outputs
  },
  async delete({ inputs, outputs, host }) {
    const path = file(host, inputs.path)
    if (!existsSync(path)) return
    if (ownerOf(path) !== outputs.token) throw notOurs('the note is of somebody else')
    rmSync(path)
  },
}

const debris = (host) => writeFileSync(join(host.root, 'debris'), '')

/** Fault -> the members that have it, and the cases of the suite that see it. Every other case passes. */
export const providerFaults = {
  'makes a second object when it is asked again': {
    create: (a) => {
      if (existsSync(file(a.host, a.inputs.path))) debris(a.host)
      return note.create(a)
    },
    fails: ['a create that is repeated with its key makes one object', 'a create leaves alone what is not ours'],
  },
  'takes what somebody else made for its own': {
    read: async (a) => {
      const seen = await note.read(a)
      return seen && { ...seen, owner: 'mine' }
    },
    fails: ['a create leaves alone what is not ours'],
  },
  'overwrites what stands in its place': {
    create: (a) => {
      rmSync(file(a.host, a.inputs.path), { force: true })
      return note.create(a)
    },
    fails: ['a create leaves alone what is not ours', 'a secret is in no log, no progress and no failure'],
  },
  'deletes without looking': {
    delete: async (a) => rmSync(file(a.host, a.inputs.path), { force: true }),
    fails: ['a delete leaves alone what is not ours', 'a secret is in no log, no progress and no failure'],
  },
  'fails when it is gone already': {
    delete: async (a) => {
      if (!existsSync(file(a.host, a.inputs.path))) throw new Error('there is no such note')
      await note.delete(a)
    },
    fails: ['a delete that is repeated succeeds'],
  },
  'tells a secret': {
    create: (a) => {
      a.log(`writing ${a.inputs.text}`)
      return note.create(a)
    },
    fails: ['a secret is in no log, no progress and no failure'],
  },
}

/** What `providerSuite` asks for: the type, and a fresh corner of the world with inputs for one object in it. */
export function brokenNote({ fails: _, ...members }) {
  return {
    spec: { ...note, ...members },
    async make() {
      const root = mkdtempSync(join(tmpdir(), 'broken-adapter-'))
      const path = join(root, 'note')
      return {
        host: { root, home: join(root, '.holdfast'), env: { id: 'e-1', app: 'suite', name: 'default' }, assetPath: (asset) => join(root, asset.path), redact: (text) => text, secrets: () => [] },
        inputs: { path: 'note', text: 'a text that is secret' },
        changed: { path: 'note', text: 'another text' },
        world: async () => [...(existsSync(path) ? [`note: ${readFileSync(path, 'utf8').split('\n')[1]}`] : []), ...(existsSync(join(root, 'debris')) ? ['debris'] : [])],
        async foreign() {
          writeFileSync(path, 'theirs\ntheir text')
          return async () => existsSync(path) && readFileSync(path, 'utf8') === 'theirs\ntheir text' && !existsSync(join(root, 'debris'))
        },
        secrets: ['a text that is secret'],
        dispose: async () => rmSync(root, { recursive: true, force: true }),
      }
    },
  }
}
