import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { endStrays, installed, type Project, type Ran } from '../cli.ts'
import { leaksOf } from '../secret-scan.ts'
import { valueTexts, wantedNodes, type Wanted } from './wanted.ts'

const SLOTS = 540
const TOKEN = 'tok/en+with "quotes" & more'
/** Share of the kills that come at any time, loading and planning included; the others come while the run is at work. */
const ANY_TIME = 0.2
const POLL_MS = 2
/** Share of the checks that also list every resource of the state; the last one does. */
const LISTED = 0.3

interface Counts {
  kills: number
  /** Kills that found the run at work: it had begun, and had not ended. */
  atWork: number
}

/**
 * Random SIGKILLs of runs of about 500 resources. One seed is one project: version after version of a program is applied and killed, and the next apply must converge.
 * `SEED=n` runs that seed alone; what is drawn is the same, only the moment of a kill within the work depends on the machine.
 */
export function killSuite(name: string, { firstSeed, seeds, killsPerSeed }: { readonly firstSeed: number; readonly seeds: number; readonly killsPerSeed: number }): void {
  const place = installed()
  const only = process.env.SEED === undefined ? undefined : Number(process.env.SEED)
  const all = only === undefined ? Array.from({ length: seeds }, (_, i) => firstSeed + i) : [only]
  const counts: Counts = { kills: 0, atWork: 0 }
  afterAll(() => {
    const strays = endStrays(place.home)
    place.dispose()
    expect(strays).toEqual([])
  })

  describe(name, () => {
    for (const seed of all) {
      test(`seed ${seed}: ${killsPerSeed} random kills, and each time the next apply converges`, () => oneSeed(place.project(`seed-${seed}`), seed, killsPerSeed, counts))
    }
    test('the kills were as many as they should be, and most of them found a run at work', () => {
      console.log(`${name}: seeds ${all.join(', ')}; ${counts.kills} kills, ${counts.atWork} of them during a run`)
      expect(counts.kills).toBe(all.length * killsPerSeed)
      expect(counts.atWork).toBeGreaterThan(counts.kills / 2)
    })
  })
}

async function oneSeed(project: Project, seed: number, kills: number, counts: Counts): Promise<void> {
  for (const file of ['app.ts', 'wanted.ts']) project.write(file, readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8'))
  const draw = drawing(seed)
  const secrets: Record<string, string> = { token: TOKEN }
  const words = (verb: string, version: number) => [verb, '--yes', '--quiet', '--events', `events-${version}.ndjson`, ...['seed=' + seed, 'version=' + version, 'slots=' + SLOTS].flatMap((s) => ['--set', s])]
  const call = async (verb: string, version: number): Promise<Ran> => {
    const ran = await project.call(words(verb, version))
    expect(ran.code, `SEED=${seed}, version ${version}: ${ran.stdout}\n${ran.stderr}`).toBe(0)
    return ran
  }
  /** Waits until the run has begun, or not, and then a while. */
  const moment = (version: number) => {
    const anyTime = draw() < ANY_TIME
    const share = draw()
    const events = join(project.root, `events-${version}.ndjson`)
    const from = existsSync(events) ? statSync(events).size : 0
    return async (ended: AbortSignal): Promise<void> => {
      if (anyTime) return pause(share * totalMs)
      while (!ended.aborted && !(existsSync(events) && statSync(events).size > from && readFileSync(events, 'utf8').slice(from).includes('"run.started"'))) await pause(POLL_MS)
      await pause(share * workMs)
    }
  }
  expect((await project.call(['secret', 'set', 'token'], { stdin: TOKEN })).code).toBe(0)

  let version = 1
  /** How long a command takes, and how long the run within it: what is drawn below is a share of it. */
  let totalMs = 1_500
  let workMs = 800
  let killed = 0
  while (killed < kills) {
    const verb = version > 1 && draw() < 0.1 ? 'destroy' : 'apply'
    // Sometimes the one that goes on is killed, too, and sometimes the program has changed meanwhile.
    for (let again = true; again && killed < kills; again = draw() < 0.3) {
      const ran = await project.call(words(verb, version), { kill: moment(version) })
      if (ran.signal === undefined) {
        expect(ran.code, `SEED=${seed}, version ${version}: ${ran.stdout}\n${ran.stderr}`).toBe(0)
        workMs *= 0.8
        break
      }
      expect(ran.signal).toBe('SIGKILL')
      killed++
      counts.kills++
      if (atWork(project, version)) counts.atWork++
    }
    if (draw() < 0.2) version++
    const converged = await call('apply', version)
    totalMs = (totalMs + converged.ms) / 2
    workMs = Math.max(20, (workMs + runMs(project, version)) / 2)
    try {
      await check(project, seed, version, secrets, killed >= kills || draw() < LISTED)
    } catch (e) {
      throw new Error(`SEED=${seed}, version ${version}, after kill ${killed}: ${(e as Error).message}`, { cause: e })
    }
    version++
  }
  const ended = await call('destroy', version)
  expect(ended.json.pending).toEqual([])
  expect(worldOf(project.root)).toEqual(new Map())
}

async function check(project: Project, seed: number, version: number, secrets: Record<string, string>, listed: boolean): Promise<void> {
  const nodes = wantedNodes(seed, version, SLOTS)
  const { outputs } = (await project.call(['outputs', '--reveal'], { reveals: true })).json as { outputs: Record<string, string> }
  Object.assign(secrets, Object.fromEntries(Object.entries(outputs).map(([name, value]) => [`${name} of version ${version}`, value])))
  const differences = differencesOf(worldOf(project.root), wantedWorld(nodes, outputs))
  expect(differences).toEqual([])
  expect(Object.keys(outputs).sort()).toEqual(nodes.filter((n) => n.kind === 'password').map((n) => n.name).sort())
  if (listed) {
    const { resources } = (await project.call(['state', 'ls'])).json as { resources: { address: string; status: string }[] }
    expect(differencesOf(new Map(resources.map((r) => [r.address, r.status])), new Map(nodes.map((n) => [n.name, 'ready'])))).toEqual([])
  }
  const doctor = await project.call(['state', 'doctor'])
  expect(doctor.json, doctor.stderr).toMatchObject({ ok: true })
  expect(existsSync(join(project.root, '.holdfast/state.db-wal'))).toBe(false)
  const events = `events-${version}.ndjson`
  expect(leaksOf(secrets, { root: project.root, texts: [...project.seen.splice(0), project.read(events)] })).toEqual([])
}

interface Line {
  readonly type: string
  readonly t: string
}
/** The events of all commands on a version, oldest first. A killed command may have left half a line, which the next one goes on with. */
function eventsOf(project: Project, version: number): Line[] {
  if (!existsSync(join(project.root, `events-${version}.ndjson`))) return []
  return project.read(`events-${version}.ndjson`).split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Line]
    } catch {
      return []
    }
  })
}

/** The last run of a version has begun and not ended. */
const atWork = (project: Project, version: number): boolean => eventsOf(project, version).findLast((e) => e.type === 'run.started' || e.type === 'run.finished')?.type === 'run.started'

/** How long the last run of a version took. */
function runMs(project: Project, version: number): number {
  const last = (type: string) => eventsOf(project, version).findLast((e) => e.type === type)?.t
  const [began, ended] = [last('run.started'), last('run.finished')]
  return began !== undefined && ended !== undefined ? Math.max(0, Date.parse(ended) - Date.parse(began)) : 0
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Path and content of every file, and every folder. Boxes by what they hold: two of one label would show as a second one. */
function worldOf(root: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const top of ['out', 'boxes']) {
    if (!existsSync(join(root, top))) continue
    for (const e of readdirSync(join(root, top), { recursive: true, withFileTypes: true })) {
      const path = join(e.parentPath, e.name)
      const name = path.slice(root.length + 1)
      if (e.isDirectory()) found.set(name, 'folder')
      else if (top === 'out') found.set(name, readFileSync(path, 'utf8'))
      else {
        const text = readFileSync(path, 'utf8')
        let key = `box ${(JSON.parse(text) as { label: string }).label}`
        while (found.has(key)) key += ', again'
        found.set(key, text)
      }
    }
  }
  return found
}

function wantedWorld(nodes: readonly Wanted[], passwords: Readonly<Record<string, string>>): Map<string, string> {
  const wanted = new Map<string, string>()
  const texts = valueTexts(nodes)
  for (const n of nodes) {
    if (n.kind === 'folder') wanted.set(n.path, 'folder')
    if (n.kind === 'box') wanted.set(`box ${n.label}`, JSON.stringify({ label: n.label, size: n.size, text: n.value === undefined ? '' : texts.get(n.value), password: passwords[n.password] }))
    if (n.kind !== 'file') continue
    const parts = [n.text, n.value && texts.get(n.value), n.password && passwords[n.password], n.token ? TOKEN : undefined].filter((p) => p !== undefined && p !== '')
    wanted.set(n.path, parts.map((p) => `\n${p}`).join(''))
    const folders = n.path.split('/').slice(1, -1)
    for (let i = 1; i <= folders.length; i++) wanted.set(['out', ...folders.slice(0, i)].join('/'), 'folder')
  }
  return wanted
}

function differencesOf(found: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): string[] {
  const out: string[] = []
  for (const [key, value] of wanted) if (found.get(key) !== value) out.push(found.has(key) ? `${key} is ${found.get(key)?.slice(0, 60)}` : `${key} is missing`)
  for (const key of found.keys()) if (!wanted.has(key)) out.push(`${key} is too much`)
  return out.slice(0, 10)
}

/** Mulberry32. */
function drawing(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
