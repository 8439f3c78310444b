import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { endStrays, installed, processesOf, type Ran, type Seen } from './cli.ts'
import { basic, contentOf, quickstart, type Quickstart } from './quickstart.ts'
import { leaksOf } from './secret-scan.ts'

export interface When {
  readonly commit: number
  readonly side: 'before' | 'after'
}

/** A command on the quickstart that is killed at each of its commits, and what comes next. */
export interface Scenario {
  /** Of the killed command: "a first apply". */
  readonly what: string
  /** Brings a fresh copy to where the command starts. */
  prepare(app: Quickstart): Promise<void>
  /** The command; run once to the end to count its commits. */
  act(app: Quickstart, env: Readonly<Record<string, string>>): Promise<Ran>
  readonly exit: number
  /** The service must answer all the time. */
  readonly alwaysUp: boolean
  /** Goes on after the kill. Gives what must exist then. */
  recover(app: Quickstart, when: When): Promise<'service' | 'nothing'>
  readonly title: string
}

const counting = { HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: 'count' }
const killing = ({ commit, side }: When) => ({ HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: `commit:${commit}:${side}` })

export const must = async (running: Promise<Ran>, exit = 0): Promise<Ran> => {
  const ran = await running
  expect(ran.code, `${ran.stdout}\n${ran.stderr}`).toBe(exit)
  return ran
}

const NOTE = 'Buy milk'
export const writeNote = async (app: Quickstart): Promise<void> => {
  const answer = await app.ask('/notes', { method: 'POST', headers: basic(await app.password()), body: NOTE })
  expect(answer.status).toBe(201)
}

/**
 * SIGKILL before and after every durable commit of a command; then the next command converges (contract.md sections 4 and 5).
 * The commits are counted in a run of their own, whose result is also what the recovered projects are compared with. None is left out.
 */
export async function crashSuite(scenario: Scenario): Promise<void> {
  const place = installed()
  const model = await modelRun()
  console.log(`${scenario.what}: ${model.commits} commits, ${model.commits * 2} kills`)

  /** The same without a kill. */
  async function modelRun() {
    const app = await quickstart(place, 'model')
    const fresh = contentOf(app.root)
    await scenario.prepare(app)
    const acted = await must(scenario.act(app, counting), scenario.exit)
    const commits = (JSON.parse(acted.stderr.trimEnd().split('\n').at(-1) as string) as { commits: number }).commits
    await scenario.recover(app, { commit: commits, side: 'before' })
    const ended = await must(app.holdfast(['destroy', '--yes'], { title: scenario.title }))
    expect(ended.json.pending).toEqual([])
    expect(contentOf(app.root)).toEqual(fresh)
    const homeAfterDestroy = shapeOf(app.root)
    await must(app.holdfast(['apply', '--yes'], { title: scenario.title }))
    const homeOfService = shapeOf(app.root)
    await must(app.holdfast(['destroy', '--yes'], { title: scenario.title }))
    expect(endStrays(app.root)).toEqual([])
    return { commits, fresh, homeAfterDestroy, homeOfService }
  }

  async function checkService(app: Quickstart, notes: readonly string[]): Promise<Record<string, string>> {
    const running = processesOf(app.root)
    expect(running.map((p) => p.kind).sort()).toEqual(['program', 'supervisor'])
    expect(await app.servedBy()).toBe(running.find((p) => p.kind === 'program')?.pid)
    const password = await app.password()
    const seen = (await app.ask('/notes', { headers: basic(password) })).json() as { title: string; notes: { text: string }[] }
    expect({ title: seen.title, notes: seen.notes.map((n) => n.text) }).toEqual({ title: scenario.title, notes })
    const files = Object.keys(contentOf(app.root)).filter((name) => !name.startsWith('notes/'))
    expect(files.sort()).toEqual([...Object.keys(model.fresh), 'notes', 'run', 'run/settings.json'].sort())
    expect(contentOf(app.root)['run/settings.json']).toMatch(/^600 /)
    const { resources } = (await must(app.call(['state', 'ls']))).json as { resources: { address: string; status: string }[] }
    expect(resources.map((r) => `${r.address} ${r.status}`).sort()).toEqual(['api ready', 'notes ready', 'password ready', 'settings ready'])
    expect((await must(app.holdfast(['plan'], { title: scenario.title }))).json.changes).toEqual([])
    expect(shapeOf(app.root)).toEqual(model.homeOfService)
    return { password }
  }

  async function checkSettled(app: Quickstart): Promise<void> {
    expect((await must(app.call(['status']))).json).toMatchObject({ open: [], openRun: null, pendingDeletes: [], leases: [] })
    const doctor = await app.call(['state', 'doctor'])
    expect(doctor.json, doctor.stderr).toMatchObject({ ok: true })
    expect(existsSync(join(app.root, '.holdfast/state.db-wal'))).toBe(false)
  }

  afterAll(() => {
    const strays = endStrays(place.home)
    place.dispose()
    expect(strays).toEqual([])
  })

  describe(`${scenario.what}, killed`, () => {
    for (let commit = 1; commit <= model.commits; commit++) {
      for (const side of ['before', 'after'] as const) {
        test(`${side} commit ${commit} of ${model.commits}: the next command converges`, async () => {
          const app = await quickstart(place, `${side}-${commit}`)
          let strays: Seen[] = []
          try {
            await scenario.prepare(app)
            const secrets: Record<string, string> = {}
            const notes: string[] = []
            if (processesOf(app.root).length > 0) {
              await writeNote(app)
              notes.push(NOTE)
              secrets.before = await app.password()
            }
            const killed = await scenario.act(app, killing({ commit, side }))
            expect(killed.signal, killed.stderr).toBe('SIGKILL')
            if (scenario.alwaysUp) expect(await app.servedBy(), 'the service is down after the kill').toBeTypeOf('number')
            if (await scenario.recover(app, { commit, side }) === 'service') Object.assign(secrets, await checkService(app, notes))
            await checkSettled(app)
            const ended = await must(app.holdfast(['destroy', '--yes'], { title: scenario.title }))
            expect(ended.json.pending).toEqual([])
            expect(processesOf(app.root)).toEqual([])
            expect(await app.servedBy()).toBeUndefined()
            expect(contentOf(app.root)).toEqual(model.fresh)
            expect(shapeOf(app.root)).toEqual(model.homeAfterDestroy)
            await checkSettled(app)
            expect(leaksOf(secrets, { root: app.root, texts: app.seen })).toEqual([])
          } finally {
            strays = endStrays(app.root)
          }
          expect(strays).toEqual([])
        }, 60_000)
      }
    }
  })
}

/** What lies under `.holdfast`, without what differs from one project to the next: a temporary file that a kill left would show. */
function shapeOf(root: string): string[] {
  const home = join(root, '.holdfast')
  const names = readdirSync(home, { recursive: true, withFileTypes: true }).map((e) => {
    const name = join(e.parentPath, e.name).slice(home.length + 1)
    return name.replace(/u-[0-9A-Z]{26}/g, 'UID').replace(/[0-9a-f]{64}/g, 'SHA256').replace(/[0-9a-f]{40}/g, 'SHA1').replace(/[0-9a-f]{32}/g, 'HASH').replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'NOTE')
  })
  // The notes themselves are the user's, and there are none in the model.
  return [...new Set(names.filter((name) => !/^trash\/UID\/data\//.test(name)))].sort()
}
