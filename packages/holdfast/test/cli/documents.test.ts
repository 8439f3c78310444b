import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verbs } from '../../src/cli/table.ts'
import { endProjects, filesWith, makeProject, openModes, program, type Project } from './support.ts'

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const RUN = /^r-[0-9A-Z]{26}$/
const PLAN = /^p-[0-9A-Z]{26}$/
const TX = /^t-[0-9A-Z]{26}$/
const is = (pattern: RegExp) => expect.stringMatching(pattern)

const source = program(`
    const db = component('db', { inputs: z.object({ name: z.string() }), build({ inputs }) {
      const password = Password('password', { length: 24 })
      const conf = File('conf', { path: 'out/db.conf', content: str\`name=\${inputs.name} password=\${password.value}\\n\`, mode: 0o600 })
      return { conf: conf.path, password: password.value }
    } })('db', { name: c.config.name })
    const list = Value('list', { input: { conf: db.conf, n: 3 } }, { tags: { team: 'blue' } })
    Value('kept', { input: { of: db.password } })
    File('plain', { path: 'out/plain.txt', content: 'plain\\n' }, { dependsOn: [list], protect: c.config.guard })
    return { file: db.conf, password: db.password, n: list.output.n }
`, { more: "config: z.object({ name: z.string().default('main'), guard: z.boolean().default(false) })," })

let p: Project
beforeAll(() => { p = makeProject({ 'app.ts': source }) })
afterAll(endProjects)

describe('documents of one life, each exactly as the contract says', () => {
  const made: Record<string, any> = {}

  test('plan: what would be made, with the unknown and the secret named', async () => {
    const { code, json, stderr } = await p.run('plan', '--json')
    expect(code).toBe(0)
    expect(json).toEqual({
      v: 1, app: 'shop', env: 'default', id: is(PLAN), revision: 0, summary: { create: 5, unchanged: 0 },
      changes: [
        { address: 'db/password', type: 'holdfast:random/Password', action: 'create', reasons: expect.any(Array) },
        { address: 'db/conf', type: 'holdfast:local/File', action: 'create', reasons: expect.any(Array) },
        { address: 'list', type: 'holdfast:Value', action: 'create', reasons: expect.any(Array) },
        { address: 'kept', type: 'holdfast:Value', action: 'create', reasons: expect.any(Array) },
        { address: 'plain', type: 'holdfast:local/File', action: 'create', reasons: expect.any(Array) },
      ],
    })
    expect(stderr).toBe('')
    made.plan = json.id
    expect(p.has('out')).toBe(false)
  })

  test('plan --exit-code is 7 when something would change', async () => {
    expect((await p.run('plan', '--json', '--exit-code')).code).toBe(7)
  })

  test('apply: run, plan, revision, tasks and outputs, secrets masked; progress on stderr only', async () => {
    const { code, json, stderr } = await p.run('apply', '--json', '--yes')
    expect(code).toBe(0)
    const task = (address: string) => ({ address, op: 'create', outcome: 'succeeded', attempts: 1, ms: expect.any(Number) })
    expect(json).toEqual({
      v: 1, app: 'shop', env: 'default', run: is(RUN), plan: is(PLAN), revision: { from: 0, to: 1 }, outcome: 'applied', phase: 'done', summary: { create: 5 },
      tasks: expect.arrayContaining(['db/password', 'db/conf', 'kept', 'list', 'plain'].map(task)), reverted: [], pending: [],
      outputs: { file: 'out/db.conf', password: { secret: true }, n: 3 },
    })
    expect(json.tasks).toHaveLength(5)
    expect(Number.isInteger(json.tasks[0].ms)).toBe(true)
    expect(stderr).toMatch(/ok {7}db\/conf create/)
    p.secrets.add(/password=(\S+)/.exec(p.read('out/db.conf'))?.[1] as string)
    made.run = json.run
    made.plan = json.plan
  })

  test('outputs: all, one, and in clear when it is asked for', async () => {
    expect((await p.run('outputs', '--json')).json).toEqual({ v: 1, app: 'shop', env: 'default', outputs: { file: 'out/db.conf', password: { secret: true }, n: 3 } })
    expect((await p.run('outputs', 'n', '--json')).json.outputs).toEqual({ n: 3 })
    expect((await p.run('outputs', 'file')).stdout).toBe('out/db.conf\n')
    const [secret] = p.secrets
    expect((await p.run('outputs', 'password', '--reveal')).stdout).toBe(`${secret}\n`)
    expect((await p.run('outputs', '--reveal', '--json')).json.outputs.password).toBe(secret)
    const audit = (await p.run('state', 'export')).stdout.split('\n').filter((l) => l.includes('secret.revealed'))
    expect(audit).toHaveLength(2)
    const missing = await p.run('outputs', 'nothing', '--json')
    expect([missing.code, missing.json.error.code, missing.json.error.hint]).toEqual([6, 'HF6004', 'There is: file, n, password.'])
  })

  test('status: revision, resources, nothing open, the last run', async () => {
    const { code, json } = await p.run('status', '--json')
    expect(code).toBe(0)
    expect(json).toEqual({
      v: 1, app: 'shop', env: 'default', revision: 1, partial: false, resources: 5, reliable: true, open: [], pendingDeletes: [], leases: [], openRun: null,
      lastRun: { run: made.run, kind: 'apply', status: 'committed', outcome: 'applied', startedAt: is(ISO), endedAt: is(ISO) }, warnings: [expect.stringContaining('key')],
    })
  })

  test('state ls: one line a resource; with outputs, secrets masked', async () => {
    const { json } = await p.run('state', 'ls', '--json')
    const row = json.resources.find((r: any) => r.address === 'db/conf')
    expect(row).toEqual({
      address: 'db/conf', type: 'holdfast:local/File', uid: is(/^u-/), status: 'ready', revision: 1, physicalId: 'out/db.conf', created: is(ISO), modified: is(ISO), protect: false, retain: false, dependsOn: ['db/password'],
    })
    expect(json.resources.map((r: any) => r.address)).toEqual(['db/conf', 'db/password', 'kept', 'list', 'plain'])
    expect(json.resources.find((r: any) => r.address === 'plain').dependsOn).toEqual(['list'])
    const full = (await p.run('state', 'ls', '--json', '--with-outputs')).json.resources
    expect(full.find((r: any) => r.address === 'db/password').outputs).toEqual({ value: { secret: true } })
    expect(full.find((r: any) => r.address === 'list').outputs).toEqual({ output: { conf: 'out/db.conf', n: 3 } })
    expect((await p.run('state', 'ls', '--json', '--tag', 'team=blue')).json.resources.map((r: any) => r.address)).toEqual(['list'])
    expect((await p.run('state', 'ls', '--json', '--tag', 'team=red')).json.resources).toEqual([])
  })

  test('state show: inputs, outputs, dependencies and the history of its transactions', async () => {
    const { json } = await p.run('state', 'show', 'db/conf', '--json')
    expect(json).toMatchObject({
      address: 'db/conf', inputs: { content: { secret: true }, mode: 384, path: 'out/db.conf' }, outputs: { path: 'out/db.conf', mode: 384 }, dependsOn: ['db/password'],
      history: [{ tx: is(TX), run: made.run, op: 'create', undo: false, status: 'completed', attempts: 1, openedAt: is(ISO), endedAt: is(ISO), evidence: null }],
    })
    const missing = await p.run('state', 'show', 'db/none', '--json')
    expect([missing.code, missing.json.error.code, missing.json.error.address]).toEqual([6, 'HF6001', 'db/none'])
  })

  test('state doctor: every check with its name', async () => {
    const { code, json } = await p.run('state', 'doctor', '--json')
    expect([code, json.ok]).toEqual([0, true])
    expect(json.checks.length).toBeGreaterThan(10)
    for (const c of json.checks) expect(c).toEqual({ name: expect.any(String), ok: true })
  })

  test('state export: every table as lines of JSON', async () => {
    const { code, stdout } = await p.run('state', 'export')
    expect(code).toBe(0)
    const lines = stdout.trim().split('\n').map((l) => JSON.parse(l) as Record<string, unknown>)
    expect(lines.length).toBeGreaterThan(10)
    expect((await p.run('state', 'export', '--json')).json.error.code).toBe('HF1001')
  })

  test('drift: nothing, then what was changed and what is gone; repair makes it good', async () => {
    expect((await p.run('drift', '--json', '--exit-code')).json).toEqual({ v: 1, app: 'shop', env: 'default', drifted: [] })
    p.write({ 'out/plain.txt': 'edited by hand\n' })
    const changed = await p.run('drift', '--json', '--exit-code')
    expect(changed.code).toBe(7)
    expect(changed.json.drifted).toEqual([{ address: 'plain', kind: 'changed', paths: expect.arrayContaining([expect.any(String)]) }])
    const { rmSync } = await import('node:fs')
    rmSync(`${p.root}/out/db.conf`)
    const gone = await p.run('drift', '--json')
    expect(gone.code).toBe(0)
    expect(gone.json.drifted).toEqual([{ address: 'db/conf', kind: 'gone', paths: [] }, { address: 'plain', kind: 'changed', paths: expect.any(Array) }])
    const repaired = await p.run('drift', '--repair', '--json', '--yes')
    expect([repaired.code, repaired.json.outcome]).toEqual([0, 'applied'])
    expect(p.read('out/plain.txt')).toBe('plain\n')
    expect(p.read('out/db.conf')).toContain([...p.secrets][0])
    expect((await p.run('drift', '--json', '--exit-code')).code).toBe(0)
    expect((await p.run('plan', '--json', '--exit-code')).code).toBe(0)
  })

  test('plan ls and plan show: stored plans, newest first, with who used them', async () => {
    const { json } = await p.run('plan', 'ls', '--json')
    expect(json.plans[json.plans.length - 1]).toEqual({ id: is(PLAN), createdAt: is(ISO), revision: 0, usedBy: null, madeBy: expect.any(String), approval: null })
    expect(json.plans.find((x: any) => x.id === made.plan).usedBy).toBe(made.run)
    const times = json.plans.map((x: any) => x.createdAt)
    expect(times).toEqual([...times].sort().reverse())
    const shown = (await p.run('plan', 'show', made.plan, '--json')).json
    expect(shown).toMatchObject({ id: made.plan, revision: 0, usedBy: made.run, summary: { create: 5 } })
    const missing = await p.run('plan', 'show', 'p-00000000000000000000000000', '--json')
    expect([missing.code, missing.json.error.code]).toEqual([6, 'HF2404'])
  })

  test('run ls and run show: newest first; tasks and events', async () => {
    const { json } = await p.run('run', 'ls', '--json')
    expect(json.runs).toHaveLength(2)
    expect(json.runs[1]).toEqual({
      run: made.run, kind: 'apply', plan: made.plan, status: 'committed', outcome: 'applied', phase: 'done', revision: { from: 0, to: 1 },
      holder: { id: expect.any(String), host: expect.any(String), pid: expect.any(Number) }, startedAt: is(ISO), endedAt: is(ISO),
    })
    expect((await p.run('run', 'ls', '--json', '--limit', '1')).json.runs).toHaveLength(1)
    const shown = (await p.run('run', 'show', made.run, '--json')).json
    expect(shown.tasks.map((t: any) => [t.address, t.op, t.state]).sort()).toEqual([
      ['db/conf', 'create', 'success'], ['db/password', 'create', 'success'], ['kept', 'create', 'success'], ['list', 'create', 'success'], ['plain', 'create', 'success'],
    ])
    const kinds = shown.events.map((e: any) => e.kind)
    expect(kinds[0]).toBe('run.started')
    expect(kinds[kinds.length - 1]).toBe('run.finished')
    expect(kinds).toContain('run.committed')
    for (const e of shown.events) expect(e).toMatchObject({ seq: expect.any(Number), at: is(ISO) })
    const missing = await p.run('run', 'show', 'r-none', '--json')
    expect([missing.code, missing.json.error.code]).toEqual([6, 'HF6002'])
  })

  test('graph: nodes and edges; dot and text', async () => {
    const { json } = await p.run('graph', '--format', 'json', '--json')
    expect(json.nodes).toContainEqual({ address: 'db/conf', type: 'holdfast:local/File' })
    expect(json.edges).toEqual(expect.arrayContaining([{ from: 'db/conf', to: 'db/password', kind: 'reads' }, { from: 'plain', to: 'list', kind: 'dependsOn' }]))
    expect((await p.run('graph', '--format', 'json')).stdout).toBe(`${JSON.stringify(json)}\n`)
    expect((await p.run('graph', '--format', 'dot')).stdout).toMatch(/^digraph holdfast \{\n[\s\S]*"db\/conf" -> "db\/password"\n[\s\S]*\[style=dashed\]\n\}\n$/)
    expect((await p.run('graph')).stdout).toMatch(/^db\/conf +holdfast:local\/File +needs db\/password$/m)
  })

  test('apply without a change is unchanged and opens no run', async () => {
    const { code, json } = await p.run('apply', '--json')
    expect(code).toBe(0)
    expect(json).toEqual({
      v: 1, app: 'shop', env: 'default', run: null, plan: is(PLAN), revision: { from: 2, to: 2 }, outcome: 'unchanged', phase: 'done', summary: { unchanged: 5 }, tasks: [], reverted: [], pending: [],
      outputs: { file: 'out/db.conf', password: { secret: true }, n: 3 },
    })
  })

  test('plan of an update names the paths, with the secret masked and the unknown named', async () => {
    const { json } = await p.run('plan', '--json', '--set', 'name=other', '--replace', 'db/password')
    const by = (a: string) => json.changes.find((c: any) => c.address === a)
    expect(by('db/password')).toMatchObject({ action: 'replace', replace: 'create-first' })
    expect(['update', 'maybe']).toContain(by('db/conf').action)
    expect(by('db/conf').paths).toEqual([expect.objectContaining({ path: 'content' })])
    expect(JSON.stringify(by('kept'))).toContain('{"unknown":"db/password.value"}')
    expect(json.summary).toMatchObject({ replace: 1, unchanged: 2 })
  })

  test('every event is a line of JSON, in order, and the screen goes to stderr', async () => {
    const { code, stdout, stderr } = await p.run('apply', '--yes', '--events', '-', '--set', 'name=second')
    expect(code).toBe(0)
    const lines = stdout.trim().split('\n').map((l) => JSON.parse(l))
    expect(lines.map((l) => l.seq)).toEqual(lines.map((_, i) => i + 1))
    for (const l of lines) expect(l).toMatchObject({ v: 1, t: is(ISO), type: expect.any(String) })
    const types = lines.map((l) => l.type)
    expect(types).toEqual(expect.arrayContaining(['lock.acquired', 'run.started', 'run.phase', 'task.started', 'task.succeeded', 'run.committed', 'run.finished']))
    expect(lines.find((l) => l.type === 'task.succeeded')).toMatchObject({ run: is(RUN), node: 'db/conf', op: 'update', attempt: 1, ms: expect.any(Number), tx: is(TX) })
    expect(stderr).toContain('shop · default is at revision 3. 1 update.')
    const file = await p.run('apply', '--yes', '--json', '--events', 'events.ndjson', '--set', 'name=main')
    expect(file.code).toBe(0)
    expect(p.read('events.ndjson').trim().split('\n').map((l) => JSON.parse(l).type)).toContain('run.finished')
    const both = await p.run('plan', '--json', '--events', '-')
    expect([both.code, both.json.error.code]).toEqual([2, 'HF1001'])
  })

  test('destroy: the document of a run, with everything deleted', async () => {
    const asked = await p.run('destroy', '--json')
    expect([asked.code, asked.json.error.code]).toEqual([2, 'HF1006'])
    expect(asked.json.error.message).toContain('Nothing was changed')
    const { code, json } = await p.run('destroy', '--json', '--yes')
    expect(code).toBe(0)
    expect(json).toMatchObject({ outcome: 'applied', phase: 'done', revision: { from: 4, to: 5 }, summary: { delete: 5 }, pending: [], outputs: {} })
    expect(p.has('out')).toBe(false)
    expect((await p.run('state', 'ls', '--json')).json.resources).toEqual([])
    const again = await p.run('destroy', '--json', '--yes')
    expect([again.code, again.json.outcome]).toEqual([0, 'unchanged'])
  })

  test('nothing below .holdfast is open to others, and no file holds the secret', () => {
    expect(openModes(`${p.root}/.holdfast`)).toEqual([])
    expect(p.secrets.size).toBe(1)
    expect(filesWith(p.root, p.secrets)).toEqual([])
  })
})

describe('verbs that need no program', () => {
  test('version, explain and help', async () => {
    const e = makeProject()
    expect((await e.run('version', '--json')).json).toEqual({ v: 1, app: null, env: null, holdfast: is(/^\d+\.\d+\.\d+/), node: process.versions.node, sqlite: is(/^3\.\d+\.\d+$/), schema: expect.any(Number) })
    expect((await e.run('explain', 'HF3107', '--json')).json).toMatchObject({ code: 'HF3107', summary: expect.any(String), causes: [expect.any(String)], fixes: [expect.any(String)] })
    expect((await e.run('explain', 'hf3107')).stdout).toContain('HF3107')
    const none = await e.run('explain', 'HF0000', '--json')
    expect([none.code, none.json.error.code]).toEqual([6, 'HF6008'])
    const help = (await e.run('help')).stdout
    expect(help.split('\n').filter((l) => /^ {2}[a-z]/.test(l))).toHaveLength(10)
    expect((await e.run('help', 'all')).stdout).toMatch(/run settle <tx>/)
    expect((await e.run('help', 'run', 'settle')).stdout).toMatch(/--adopt <id>/)
    expect((await e.run('plan', '--help')).stdout).toMatch(/--out <file>/)
    expect(e.has('.holdfast')).toBe(false)
  })

  test('help is one document with --json: every verb with its flags, or those that were asked for', async () => {
    const e = makeProject()
    const whole = (await e.run('help', '--json')).json
    expect(whole).toMatchObject({ v: 1, app: null, env: null })
    expect(whole.verbs.map((v: { name: string }) => v.name)).toEqual(verbs.map((v) => v.name))
    expect(whole.verbs.find((v: { name: string }) => v.name === 'plan')).toEqual({ name: 'plan', summary: expect.any(String), daily: true, flags: expect.arrayContaining([{ flags: '--out <file>', summary: expect.any(String) }]) })
    expect(whole.flags).toContainEqual({ flags: '--color <when>', summary: expect.any(String), choices: ['auto', 'always', 'never'] })
    for (const words of [['--help'], ['help', 'all'], ['--env', 'x', '-h']]) expect((await e.run(...words, '--json')).json, words.join(' ')).toEqual(whole)
    const [plan, settle] = ['plan', 'run settle'].map((name) => ({ ...whole, verbs: whole.verbs.filter((v: { name: string }) => v.name === name) }))
    expect((await e.run('plan', '--help', '--json')).json).toEqual(plan)
    // Also where something is still missing.
    expect((await e.run('run', 'settle', '--json', '-h')).json).toEqual(settle)
    expect((await e.run('help', 'run', 'settle', '--json')).json).toEqual(settle)
    expect((await e.run('run', '--help', '--json')).json.verbs.map((v: { name: string }) => v.name)).toEqual(verbs.map((v) => v.name).filter((n) => n.startsWith('run ')))
    expect((await e.run('help', 'nonsense', '--json')).json.error.code).toBe('HF1001')
  })

  test('what cannot be understood is refused with a way out', async () => {
    const e = makeProject()
    for (const [words, message] of [
      [['pln'], /unknown command 'pln'. Did you mean plan\?/i], [['plan', '--jsn'], /--jsn/], [['state'], /state needs one more word/], [['run', 'settle'], /missing required argument/i],
      [['apply', '--concurrency', '0'], /a whole number from 1/], [['apply', '--lock-timeout', 'soon'], /a duration such as/], [['apply', '--on-failure', 'cry'], /revert, keep/],
      [['run', 'settle', 'x'], /exactly one of/], [['run', 'settle', 'x', '--absent', '--retry'], /exactly one of/], [['plan', 'a', 'b'], /too many arguments/i],
    ] as const) {
      const { code, json } = await e.run(...words, '--json')
      expect([code, json.error.code], words.join(' ')).toEqual([2, 'HF1001'])
      expect(json.error.message).toMatch(message)
      expect(json.error.hint).toBeTruthy()
    }
    const none = await e.run('plan', '--json')
    expect([none.code, none.json.error.code]).toEqual([2, 'HF1002'])
    expect(none.json.error.hint).toContain('holdfast init')
  })

  test('init writes a program that plans, and never over what is there', async () => {
    const e = makeProject()
    const { json } = await e.run('init', '--json')
    expect(json).toMatchObject({ written: ['app.ts', 'tsconfig.json', 'package.json'], kept: [] })
    expect((await e.run('plan', '--json')).json.summary).toMatchObject({ create: 2 })
    e.write({ 'app.ts': '// mine\n' })
    expect((await e.run('init', '--json')).json).toMatchObject({ written: [], kept: ['app.ts', 'tsconfig.json', 'package.json'] })
    expect(e.read('app.ts')).toBe('// mine\n')
  })

  test('a verb that only reads makes nothing on disk', async () => {
    const e = makeProject({ 'app.ts': program(`Value('a', { input: 1 })`) })
    for (const words of [['status'], ['state', 'ls'], ['outputs'], ['graph'], ['check'], ['drift'], ['run', 'ls'], ['plan', 'ls'], ['secret', 'ls'], ['trash', 'ls']]) {
      expect((await e.run(...words, '--json')).code, words.join(' ')).toBe(0)
    }
    expect(e.has('.holdfast')).toBe(false)
  })
})
