import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endStrays, installed, type Installed, type Project, type Ran } from '../support/cli.ts'
import { leaksOf, secretScan } from '../support/secret-scan.ts'

const TOKEN = 'tök/en+with "quotes" \\ & 100%'
const secrets: Record<string, string> = { token: TOKEN }
let place: Installed
let project: Project

const apply = (way: string, round: number, ...more: readonly string[]): Promise<Ran> =>
  project.run(['apply', '--yes', '--no-input', '-v', '--set', `way=${way}`, '--set', `round=${round}`, ...more])
/** What every file and every stream so far holds. */
const leaks = () => leaksOf(secrets, { root: project.root, texts: [...project.seen, project.read('events.ndjson')] })

beforeAll(async () => {
  place = installed()
  project = place.project('leaky')
  for (const name of ['app.ts', 'talk.mjs']) project.write(name, readFileSync(fileURLToPath(new URL(`../support/leaky/${name}`, import.meta.url)), 'utf8'))
  project.write('events.ndjson', '')
  const set = await project.run(['secret', 'set', 'token', '--no-input'], { stdin: TOKEN })
  expect(set.code, set.stderr).toBe(0)
})
afterAll(async () => {
  await project.run(['destroy', '--yes', '--no-input'])
  const strays = endStrays(place.home)
  place.dispose()
  expect(strays).toEqual([])
})

describe('a secret that everything says aloud', () => {
  test('is found by the search in every form', () => {
    const scan = secretScan({ token: TOKEN })
    const bytes = Buffer.from(TOKEN)
    for (const text of [TOKEN, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url'), `x${Buffer.from(`user:${TOKEN}`).toString('base64')}`, encodeURIComponent(TOKEN), JSON.stringify({ a: TOKEN }), JSON.stringify({ a: JSON.stringify({ b: TOKEN }) })]) {
      expect(scan.in(`before ${text} after`), text).not.toEqual([])
    }
    expect(scan.in('nothing of the kind')).toEqual([])
  })

  test('stands in no stream and no file when all goes well', async () => {
    const ran = await apply('good', 1, '--events', 'events.ndjson')
    expect(ran.code, ran.stderr).toBe(0)
    const { json } = await project.call(['outputs', '--reveal'], { reveals: true })
    expect(json.outputs.echo).toBe(TOKEN)
    secrets.password = (json.outputs.both as string).slice(TOKEN.length + 1)
    expect(secrets.password).toHaveLength(24)
    expect(json.outputs.printed).toContain(TOKEN)
    expect(project.read('out/secret.txt')).toBe(`${TOKEN}:${secrets.password} 1\n`)
    expect(project.read('events.ndjson')).toContain('talker')
    expect(leaks()).toEqual([])
  })

  test('stands in no answer of a verb', async () => {
    for (const words of ['plan --set round=2', 'status', 'outputs', 'outputs both', 'state ls --with-outputs', 'state show talker', 'state show command', 'state show process', 'state show password', 'state export', 'run ls', 'graph', 'graph --format dot', 'logs process', 'drift --set round=1', 'plan ls', 'secret ls', 'check']) {
      const text = await project.run([...words.split(' '), '-v', '--no-input'])
      expect([0, 7], `${words}: ${text.stderr}`).toContain(text.code)
      if (words !== 'state export') await project.run([...words.split(' '), '-v', '--no-input', '--json'])
    }
    const { json } = await project.call(['run', 'ls'])
    expect((await project.call(['run', 'show', json.runs[0].run])).code).toBe(0)
    const plans = (await project.call(['plan', 'ls'])).json.plans as { id: string }[]
    for (const { id } of plans) expect((await project.run(['plan', 'show', id])).code).toBe(0)
    expect((await project.run(['plan', '--set', 'round=3', '--out', 'events.ndjson'])).code).toBe(0)
    expect(leaks()).toEqual([])
    project.write('events.ndjson', '')
  })

  test('stands in the log of the process only as a mask', async () => {
    const { stdout } = await project.run(['logs', 'process'])
    expect(stdout).toContain('I say [secret]')
    expect(stdout).toContain('ready')
  })

  for (const [way, exit, code] of [
    ['throws', 4, 'HF3101'], ['throws-text', 4, 'HF3101'], ['partly', 4, 'HF3101'], ['wrong-shape', 4, 'HF3102'], ['command-fails', 4, 'HF3108'], ['process-ends', 4, 'HF3107'],
  ] as const) {
    test(`stands nowhere when the apply fails: ${way}`, async () => {
      // A new object, so that it is made anew.
      const ran = await apply(way, 1, '--replace', 'talker', '--events', 'events.ndjson')
      expect(ran.code, ran.stderr).toBe(exit)
      expect(ran.stderr).toContain(code)
      expect((await apply(way, 1, '--replace', 'talker', '--json', '--events', 'events.ndjson')).code).toBe(exit)
      await project.run(['status', '-v'])
      const { json } = await project.call(['run', 'ls'])
      await project.call(['run', 'show', json.runs[0].run])
      expect(leaks()).toEqual([])
    })
  }

  test('stands nowhere when an outcome is unknown, nor after a person has settled it', async () => {
    const ran = await apply('unknown', 1, '--replace', 'talker', '--events', 'events.ndjson')
    expect(ran.code, ran.stderr).toBe(12)
    const { json } = await project.call(['status'])
    expect(json.open).toMatchObject([{ address: 'talker' }])
    expect((await project.run(['run', 'settle', json.open[0].tx, '--absent'])).code).toBe(0)
    expect((await project.run(['run', 'revert', '--yes', '--no-input'])).code).toBe(0)
    expect(leaks()).toEqual([])
  })

  test('stands nowhere after everything is gone', async () => {
    expect((await project.run(['destroy', '--yes', '--no-input', '--events', 'events.ndjson'])).code).toBe(0)
    expect(leaks()).toEqual([])
  })
})
