import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { seeded } from '../../src/testing/store-fuzz.ts'
import { installed, type Project, type Ran } from '../support/cli.ts'

const PARTS = ['api', 'db', 'mail', 'web']
const ROUNDS = 24
/** Some 40 nodes in each part: files, and things of a service that is slow. */
const PROGRAM = `
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { app, component, resource, str } from 'holdfast'
import { File } from 'holdfast/local'
import { z } from 'zod'

const pause = () => new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * 8))
const place = (root, id) => join(root, 'things', id + '.json')
/** Whoever looks finds the whole of it, or of what was before. */
const put = (root, id, thing) => {
  mkdirSync(join(root, 'things'), { recursive: true })
  writeFileSync(place(root, id) + process.pid, JSON.stringify(thing))
  renameSync(place(root, id) + process.pid, place(root, id))
}
const Thing = resource({
  type: 'parts:Thing',
  inputs: z.object({ label: z.string(), version: z.number() }), outputs: z.object({ id: z.string(), label: z.string(), version: z.number() }),
  capability: { create: { token: { windowMs: 86_400_000 } }, update: 'full', maxCallMs: 0 },
  async create({ inputs, key, host }) {
    const id = createHash('sha256').update(String(key)).digest('hex').slice(0, 16)
    await pause()
    put(host.root, id, inputs)
    await pause()
    return { id, ...inputs }
  },
  async read({ outputs, host }) {
    try {
      return outputs && { id: outputs.id, ...JSON.parse(readFileSync(place(host.root, outputs.id), 'utf8')) }
    } catch {
      return undefined
    }
  },
  async update({ inputs, outputs, host }) {
    await pause()
    put(host.root, outputs.id, inputs)
    return { id: outputs.id, ...inputs }
  },
  async delete({ outputs, host }) {
    await pause()
    rmSync(place(host.root, outputs.id), { force: true })
  },
})

export default app('parts', {
  config: z.object({ api: z.number(), db: z.number(), mail: z.number(), web: z.number(), bad: z.string().default('') }),
  build({ config }) {
    const out = {}
    for (const name of ${JSON.stringify(PARTS)}) {
      const version = config[name]
      component(name, { build() {
        let last
        for (let i = 0; i < 20; i++) {
          if ((i * 7 + version) % 5 === 0) continue
          const thing = Thing('thing-' + i, { label: name + ' ' + i, version })
          out[name] = thing.version
          last = File('file-' + i, { path: 'out/' + name + '/' + i, content: str\`\${thing.label} \${String(version)}\` })
        }
        if (config.bad === name) File('bad', { path: 'out/' + name, content: str\`\${last.path}\` })
        return {}
      } })(name, {})
    }
    return out
  },
})
`
const wanted = (name: string, version: number) => Array.from({ length: 20 }, (_, i) => i).filter((i) => (i * 7 + version) % 5 !== 0)
const filesOf = (root: string, name: string): string[] =>
  existsSync(join(root, 'out', name)) ? readdirSync(join(root, 'out', name)).map((f) => readFileSync(join(root, 'out', name, f), 'utf8')).sort() : []
/** Those of other parts may come and go meanwhile. */
const thingsOf = (root: string, name: string): string[] =>
  (existsSync(join(root, 'things')) ? readdirSync(join(root, 'things')) : []).filter((f) => f.endsWith('.json')).flatMap((f) => {
    try {
      return [JSON.parse(readFileSync(join(root, 'things', f), 'utf8')) as { label: string; version: number }]
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e
      return []
    }
  }).filter((t) => t.label.startsWith(`${name} `)).map((t) => `${t.label} ${t.version}`).sort()
const shown = (name: string, version: number): string[] => wanted(name, version).map((i) => `${name} ${i} ${version}`).sort()

const place = installed()
afterAll(() => place.dispose())

const seed = Number(process.env.SEED ?? 1)
test(`commands on parts of one environment at the same time, ${ROUNDS} rounds, killed at random moments: each part is all or nothing, and the whole converges (SEED=${seed})`, async () => {
  const project: Project = place.project('parts')
  project.write('app.ts', PROGRAM)
  const dice = seeded(seed)
  const versions: Record<string, number> = Object.fromEntries(PARTS.map((p) => [p, 1]))
  const words = (over: Record<string, unknown>) => Object.entries({ ...versions, ...over }).flatMap(([k, v]) => ['--set', `${k}=${String(v)}`])
  const call = async (...w: string[]): Promise<Ran> => project.call(w)
  const first = await call('apply', '--yes', ...words({}))
  expect(first.code, first.stdout).toBe(0)
  const counts = { kills: 0, applied: 0, reverted: 0, together: 0, away: 0 }
  /** Parts in which somebody who was killed has left something. */
  const left = new Set<string>()
  for (let round = 0; round < ROUNDS; round++) {
    const said: string[] = []
    const at = () => `SEED=${seed}, round ${round}: ${said.join('; ')}`
    const names = PARTS.filter(() => dice.int(4) > 0)
    const spans: { readonly from: number; readonly to: number }[] = []
    await Promise.all(names.map(async (name) => {
      const to = (versions[name] as number) + 1 + dice.int(3)
      const bad = dice.int(5) === 0
      const kill = dice.int(3) === 0 ? 200 + dice.int(1_200) : undefined
      const from = performance.now()
      const ran = await project.call(['apply', '--yes', '--target', `${name}/**`, ...words({ [name]: to, ...(bad ? { bad: name } : {}) })], {
        ...(kill === undefined ? {} : { kill: (ended: AbortSignal) => new Promise<void>((resolve) => { setTimeout(() => ended.aborted || resolve(), kill) }) }),
      })
      spans.push({ from, to: performance.now() })
      said.push(`${name} ${versions[name]} -> ${to}${bad ? ' bad' : ''}: ${ran.signal ?? ran.code} ${ran.json?.error?.code ?? ''} ${ran.json?.error?.message ?? ''}`)
      if (ran.signal !== undefined) {
        counts.kills++
        left.add(name)
      } else if (ran.code === 0 || (ran.code === 14 && left.size > 0 && (ran.json.pending as string[]).every((a) => !a.startsWith(`${name}/`)))) {
        // 14: one that was killed has left something to delete elsewhere.
        expect(bad, at()).toBe(false)
        counts.applied++
        versions[name] = to
        left.delete(name)
        expect([filesOf(project.root, name), thingsOf(project.root, name)], at()).toEqual([shown(name, to), shown(name, to)])
      } else if (ran.code === 4) {
        expect(bad, at()).toBe(true)
        counts.reverted++
        left.delete(name)
        expect([filesOf(project.root, name), thingsOf(project.root, name)], at()).toEqual([shown(name, versions[name] as number), shown(name, versions[name] as number)])
      } else {
        // What a dead run has touched beyond this one's nodes.
        expect([ran.code, ran.json?.error?.code], at()).toEqual([5, 'HF2107'])
        counts.away++
      }
    }))
    if (spans.some((a, i) => spans.some((b, j) => i !== j && a.from < b.to && b.from < a.to))) counts.together++
    // One that was killed may have come as far as its commit: the outputs say so.
    const outputs = (await call('outputs')).json.outputs as Record<string, number>
    for (const name of PARTS) if (outputs[name] !== versions[name]) {
      expect(left.has(name), at()).toBe(true)
      versions[name] = outputs[name] as number
    }
    const doctor = await call('state', 'doctor')
    expect(doctor.code, `${at()}\n${doctor.stdout}`).toBe(0)
    if (dice.int(4) > 0 && round < ROUNDS - 1) continue
    const verb = dice.int(2) === 0 || round === ROUNDS - 1 ? 'apply' : 'revert'
    const end = verb === 'apply' ? await call('apply', '--yes', ...words({})) : await call('run', 'revert', '--yes')
    expect(verb === 'apply' ? [0] : [0, 6], `${at()}; ${verb}: ${end.stdout}`).toContain(end.code)
    if (end.code === 6) continue // there was nothing to take back; what is left to delete is left
    left.clear()
    for (const name of PARTS) expect([filesOf(project.root, name), thingsOf(project.root, name)], `${at()}; ${verb}`).toEqual([shown(name, versions[name] as number), shown(name, versions[name] as number)])
  }
  const status = await call('status')
  expect(status.json).toMatchObject({ open: [], openRun: null, pendingDeletes: [], leases: [] })
  console.log(`parts-kill: SEED=${seed}; ${JSON.stringify(counts)}`)
  expect(counts.kills).toBeGreaterThan(5)
  expect(counts.together).toBeGreaterThan(10)
}, 420_000)
