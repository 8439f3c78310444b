import { chmodSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { endProjects, filesWith, makeProject, program, type Project, type Ran } from '../cli/support.ts'

afterAll(endProjects)

const files = (names: Readonly<Record<string, string>>): string =>
  program(Object.entries(names).map(([name, options]) => `    File('${name}', { path: 'out/${name}', content: '${name}\\n' }${options ? `, ${options}` : ''})`).join('\n'))
const refused = (ran: Ran) => [ran.code, ran.json.error.code]
const actions = (ran: Ran) => Object.fromEntries(ran.json.changes.map((c: any) => [c.address, c.action]))

describe('a plan is applied exactly once, as it was shown', () => {
  test('plan --out and apply FILE', async () => {
    const p = makeProject({ 'app.ts': files({ a: '' }) })
    const made = await p.run('plan', '--out', 'first.plan', '--json')
    expect(statSync(join(p.root, 'first.plan')).mode & 0o777).toBe(0o600)
    const applied = await p.run('apply', 'first.plan', '--yes', '--json')
    expect([applied.code, applied.json.outcome, applied.json.plan]).toEqual([0, 'applied', made.json.id])
    const again = await p.run('apply', 'first.plan', '--yes', '--json')
    expect(refused(again)).toEqual([11, 'HF2403'])
    expect(again.json.error.run).toBe(applied.json.run)
    expect((await p.run('plan', 'show', made.json.id, '--json')).json.usedBy).toBe(applied.json.run)
  })

  test('apply ID does what was planned, although the program has changed since', async () => {
    const p = makeProject({ 'app.ts': files({ a: '' }) })
    const { id } = (await p.run('plan', '--json')).json
    p.write({ 'app.ts': files({ a: '', b: '' }) })
    const applied = await p.run('apply', id, '--yes', '--json')
    expect([applied.code, applied.json.plan]).toEqual([0, id])
    expect([p.has('out/a'), p.has('out/b')]).toEqual([true, false])
    expect(refused(await p.run('apply', id, '--yes', '--json'))).toEqual([11, 'HF2403'])
  })

  test('an edited file, a foreign file and what is no plan are refused, and nothing is changed', async () => {
    const p = makeProject({ 'app.ts': files({ a: '' }) })
    await p.run('plan', '--out', 'a.plan', '--json')
    const text = p.read('a.plan')
    for (const [name, edited] of Object.entries({
      content: text.replace('out/a', 'out/x'), mac: text.replace(/"mac":"[^"]{4}/, '"mac":"0000'), 'no mac': text.replace(/"mac":"[^"]+"/, '"mac":""'), cut: text.slice(0, 300), words: 'hello\n', empty: '', json: '{}\n{}\n',
    })) {
      p.write({ 'edited.plan': edited })
      const ran = await p.run('apply', 'edited.plan', '--yes', '--json')
      expect(refused(ran), name).toEqual([2, 'HF2402'])
      expect(ran.json.error.hint, name).toBeTruthy()
    }
    const other = makeProject({ 'app.ts': files({ a: '' }) })
    await other.run('plan', '--json')
    other.write({ 'foreign.plan': text })
    expect(refused(await other.run('apply', 'foreign.plan', '--yes', '--json'))).toEqual([2, 'HF2402'])
    expect(refused(await p.run('apply', 'missing.plan', '--yes', '--json'))).toEqual([6, 'HF2404'])
    expect(refused(await p.run('apply', 'p-00000000000000000000000000', '--yes', '--json'))).toEqual([6, 'HF2404'])
    expect(p.has('out')).toBe(false)
    // The plan itself is still good.
    expect((await p.run('apply', 'a.plan', '--yes', '--json')).code).toBe(0)
  })

  test('a stale plan is refused, by file and by id', async () => {
    const p = makeProject({ 'app.ts': files({ a: '' }) })
    const { id } = (await p.run('plan', '--out', 'a.plan', '--json')).json
    expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
    const byId = await p.run('apply', id, '--yes', '--json')
    expect(refused(byId)).toEqual([11, 'HF2401'])
    expect(byId.json.error.message).toContain('revision 0 became 1')
    expect(refused(await p.run('apply', 'a.plan', '--yes', '--json'))).toEqual([11, 'HF2401'])
  })

  test('without a terminal and without --yes nothing is changed', async () => {
    const p = makeProject({ 'app.ts': files({ a: '' }) })
    for (const words of [['apply', '--json'], ['apply', '--json', '--no-input']]) {
      const ran = await p.run(...words)
      expect(refused(ran)).toEqual([2, 'HF1006'])
      expect(ran.json.error.hint).toContain('--yes')
    }
    expect(p.has('out')).toBe(false)
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 0, openRun: null, leases: [] })
  })

  test('a plan holds no secret, not even sealed ones of inputs in clear', async () => {
    const p = makeProject({ 'app.ts': program(`File('f', { path: 'out/f', content: str\`token=\${c.secrets.TOKEN}\\n\` })`, { more: "secrets: ['TOKEN']," }) })
    p.secrets.add('s3cr3t value/+"x')
    expect((await p.run('secret', 'set', 'TOKEN', '--json', { stdin: 's3cr3t value/+"x\n' })).json).toMatchObject({ name: 'TOKEN', set: true })
    expect((await p.run('plan', '--out', 'a.plan')).code).toBe(0)
    expect((await p.run('apply', 'a.plan', '--yes', '--events', '-')).code).toBe(0)
    expect(p.read('out/f')).toBe('token=s3cr3t value/+"x\n')
    expect(filesWith(p.root, p.secrets)).toEqual([join(p.root, 'out/f')])
  })
})

describe('guards', () => {
  test('a protected node is neither deleted nor replaced, nor destroyed', async () => {
    const p = makeProject({ 'app.ts': files({ a: '{ protect: true }', b: '' }) })
    await p.run('apply', '--yes', '--json')
    expect((await p.run('state', 'show', 'a', '--json')).json.protect).toBe(true)
    const before = readFileSync(p.state)
    p.write({ 'app.ts': files({ b: '' }) })
    const dropped = await p.run('plan', '--json')
    expect(refused(dropped)).toEqual([5, 'HF5001'])
    expect(dropped.json.error).toMatchObject({ address: 'a', hint: expect.stringContaining('protect') })
    expect(refused(await p.run('apply', '--yes', '--json'))).toEqual([5, 'HF5001'])
    expect(refused(await p.run('destroy', '--yes', '--json'))).toEqual([5, 'HF5001'])
    p.write({ 'app.ts': files({ a: '{ protect: true }', b: '' }) })
    expect(refused(await p.run('plan', '--replace', 'a', '--json'))).toEqual([5, 'HF5001'])
    expect(p.has('out/a')).toBe(true)
    expect(readFileSync(p.state).length).toBe(before.length)
    p.write({ 'app.ts': files({ a: '', b: '' }) })
    expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
    expect((await p.run('destroy', '--yes', '--json')).code).toBe(0)
  })

  test('--allow-deletes refuses a plan that deletes more', async () => {
    const p = makeProject({ 'app.ts': files({ a: '', b: '', c: '' }) })
    await p.run('apply', '--yes', '--json')
    p.write({ 'app.ts': files({ c: '' }) })
    const ran = await p.run('apply', '--yes', '--allow-deletes', '1', '--json')
    expect(refused(ran)).toEqual([5, 'HF2501'])
    expect(ran.json.error.message).toContain('deletes 2')
    expect(p.has('out/a')).toBe(true)
    expect((await p.run('apply', '--yes', '--allow-deletes', '2', '--json')).code).toBe(0)
    expect(p.has('out/a')).toBe(false)
  })

  test('--target and --exclude touch only what they say, and an edge is never broken', async () => {
    const p = makeProject({ 'app.ts': program(`
      const a = File('a', { path: 'out/a', content: 'a' })
      const b = File('b', { path: 'out/b', content: a.path })
      File('c', { path: 'out/c', content: b.path })
      File('d', { path: 'out/d', content: 'd' })`) })
    const missing = await p.run('plan', '--target', 'b', '--json')
    expect([refused(missing), missing.json.error.message]).toEqual([[5, 'HF2107'], expect.stringContaining('b -> a')])
    expect(refused(await p.run('plan', '--exclude', 'b', '--json'))).toEqual([5, 'HF2107'])
    expect(actions(await p.run('plan', '--exclude', 'b', '--exclude-dependents', '--json'))).toEqual({ a: 'create', d: 'create' })
    expect(refused(await p.run('plan', '--target', 'x', '--json'))).toEqual([6, 'HF6001'])
    const some = await p.run('apply', '--target', '[ab]', '--target', 'a', '--target', 'b', '--yes', '--json')
    expect(refused(some)).toEqual([6, 'HF6001'])
    const two = await p.run('apply', '--target', 'a', '--target', 'b', '--yes', '--json')
    expect([two.code, two.json.summary]).toEqual([0, { create: 2 }])
    expect([p.has('out/a'), p.has('out/b'), p.has('out/c'), p.has('out/d')]).toEqual([true, true, false, false])
    expect(actions(await p.run('plan', '--json'))).toEqual({ c: 'create', d: 'create' })
    expect((await p.run('plan', '--target', 'd')).stdout).toContain('3 nodes are not touched')
    await p.run('apply', '--yes', '--json')
    expect(refused(await p.run('destroy', '--target', 'b', '--yes', '--json'))).toEqual([5, 'HF2107'])
    const gone = await p.run('destroy', '--target', 'b', '--target-dependents', '--yes', '--json')
    expect([gone.code, gone.json.summary]).toEqual([0, { delete: 2 }])
    expect([p.has('out/a'), p.has('out/b'), p.has('out/c'), p.has('out/d')]).toEqual([true, false, false, true])
  })

  test('plan approve: an environment that wants it applies no other plan, of a destroy neither', async () => {
    const p = makeProject({
      'app.ts': program(`File('a', { path: 'out/a', content: 'a' })`),
      'holdfast.config.ts': `import { defineProject } from 'holdfast'\nexport default defineProject({ environments: { default: { approve: 'required' } } })\n`,
    })
    const env = { HOLDFAST_USER: 'ann' }
    const denied = await p.run('apply', '--yes', '--json', { env })
    expect([refused(denied), p.has('out/a')]).toEqual([[5, 'HF2502'], false])
    const { id } = (await p.run('plan', '--json', { env })).json
    expect((await p.run('plan', 'approve', id, { env: { HOLDFAST_USER: 'bob' } })).stdout).toMatch(`${id} is approved by bob at `)
    expect((await p.run('plan', 'show', id)).stdout).toMatch(/^Approved by bob at /m)
    expect((await p.run('plan', 'ls')).stdout).toContain('approved by bob')
    expect((await p.run('apply', id, '--yes', '--json')).code).toBe(0)
    expect(refused(await p.run('destroy', '--yes', '--json'))).toEqual([5, 'HF2502'])
    const gone = (await p.run('plan', '--destroy', '--json', { env })).json
    expect([gone.summary.delete, (await p.run('plan', 'approve', gone.id, '--json', { env })).json]).toMatchObject([1, { plan: gone.id, by: 'ann', own: true }])
    expect(refused(await p.run('apply', gone.id, '--allow-deletes', '0', '--yes', '--json'))).toEqual([5, 'HF2501'])
    expect([(await p.run('apply', gone.id, '--yes', '--json')).code, p.has('out/a')]).toEqual([0, false])
  })

  test('simulate shows the order of steps, and how a failure would be taken back, without doing anything', async () => {
    const p = makeProject({ 'app.ts': program(`
      const a = File('a', { path: 'out/a', content: 'a' })
      File('b', { path: 'out/b', content: a.path })
      File('c', { path: 'out/c', content: 'c' })`) })
    const shown = await p.run('simulate')
    expect(shown.stdout).toMatch(/ 1 {2}create {4}(?:a, c|c, a)\n +2 {2}create {4}b\n +commit {4}revision 0 → 1\n\nIt would end applied at revision 1/)
    const failed = await p.run('simulate', '--fail', 'b.create', '--json')
    expect([failed.code, failed.json.outcome, failed.json.steps.at(-1).phase, failed.json.failure.address]).toEqual([0, 'reverted', 'revert', 'b'])
    expect((await p.run('simulate', '--fail', 'b.delete', '--json')).json).toMatchObject({ outcome: 'applied', atOnce: 2 })
    expect(refused(await p.run('simulate', '--fail', 'x', '--json'))).toEqual([6, 'HF6001'])
    expect([p.has('out'), p.has('.holdfast')]).toEqual([false, false])
  })

  test('movedFrom renames without touching the object', async () => {
    const p = makeProject({ 'app.ts': program(`Password('old', { length: 20 })`) })
    await p.run('apply', '--yes', '--json')
    const { uid } = (await p.run('state', 'show', 'old', '--json')).json
    p.write({ 'app.ts': program(`Password('new', { length: 20 }, { movedFrom: ['old'] })`) })
    const plan = await p.run('plan', '--json')
    expect(plan.json.changes).toEqual([expect.objectContaining({ address: 'new', action: 'move', reasons: ['moved from old'] })])
    expect((await p.run('apply', '--yes', '--json')).json.summary).toEqual({ move: 1 })
    expect((await p.run('state', 'show', 'new', '--json')).json.uid).toBe(uid)
    p.write({ 'app.ts': program(`Password('new', { length: 20 })\n Password('third', { length: 20 }, { movedFrom: ['new'] })`) })
    expect(refused(await p.run('plan', '--json'))).toEqual([2, 'HF2102'])
  })
})

describe('environments, values and secrets', () => {
  const source = program(`
    File('f', { path: \`out-\${c.env}/f\`, content: \`\${c.config.replicas} \${c.config.name}\\n\` })
    return { replicas: c.config.replicas }`, { more: `config: z.object({ replicas: z.number().int(), name: z.string().default('x') }), environments: { dev: { replicas: 1 }, prod: { replicas: 3 } },` })

  test('which one is meant must be said, and must exist', async () => {
    const p = makeProject({ 'app.ts': source })
    const unsaid = await p.run('plan', '--json')
    expect(refused(unsaid)).toEqual([2, 'HF1303'])
    const unknown = await p.run('plan', '--env', 'test', '--json')
    expect(refused(unknown)).toEqual([6, 'HF1302'])
    for (const ran of [unsaid, unknown]) expect(`${ran.json.error.message} ${ran.json.error.hint}`).toMatch(/dev.*prod/)
    for (const env of ['dev', 'prod']) expect((await p.run('apply', '-e', env, '--yes', '--json')).json).toMatchObject({ env, revision: { from: 0, to: 1 }, outputs: { replicas: env === 'dev' ? 1 : 3 } })
    expect([p.read('out-dev/f'), p.read('out-prod/f')]).toEqual(['1 x\n', '3 x\n'])
    expect((await p.run('destroy', '-e', 'dev', '--yes', '--json')).code).toBe(0)
    expect([p.has('out-dev'), p.has('out-prod')]).toEqual([false, true])
    expect((await p.run('status', '--json', { env: { HOLDFAST_ENV: 'prod' } })).json).toMatchObject({ env: 'prod', revision: 1, resources: 1 })
  })

  test('--set and HOLDFAST_SET_ change values, the flag above the variable, and the schema checks them', async () => {
    const p = makeProject({ 'app.ts': source })
    const both = await p.run('apply', '-e', 'dev', '--yes', '--json', '--set', 'replicas=7', { env: { HOLDFAST_SET_replicas: '5', HOLDFAST_SET_name: 'by variable' } })
    expect(both.code).toBe(0)
    expect(p.read('out-dev/f')).toBe('7 by variable\n')
    for (const [set, code] of [['replicas=many', 'HF1301'], ['replicas=1.5', 'HF1301'], ['nothing=1', 'HF1301'], ['replicas', 'HF1001']] as const) {
      const ran = await p.run('plan', '-e', 'dev', '--json', '--set', set)
      expect(refused(ran), set).toEqual([2, code])
    }
  })

  test('two nodes of two environments cannot own one thing', async () => {
    const p = makeProject({ 'app.ts': program(`File('f', { path: 'one', content: c.env })`, { more: 'environments: { dev: {}, prod: {} },' }) })
    await p.run('apply', '-e', 'dev', '--yes', '--json')
    const ran = await p.run('apply', '-e', 'prod', '--yes', '--json')
    expect(refused(ran)).toEqual([5, 'HF2105'])
    expect(ran.json.error.message).toMatch(/^f claims path:.*one, which f of \w+\/dev owns\.$/)
    expect(p.read('one')).toBe('dev')
  })

  test('a declared secret: missing, set, listed, changed, removed', async () => {
    const p = makeProject({ 'app.ts': program(`File('f', { path: 'f', content: c.secrets.TOKEN })`, { more: "secrets: ['TOKEN']," }) })
    const missing = await p.run('plan', '--json')
    expect(refused(missing)).toEqual([2, 'HF2301'])
    expect(missing.json.error.hint).toContain('holdfast secret set TOKEN')
    expect(refused(await p.run('apply', '--yes', '--json'))).toEqual([2, 'HF2301'])
    expect(refused(await p.run('secret', 'set', 'OTHER', '--json', { stdin: 'x' }))).toEqual([2, 'HF1304'])
    expect(refused(await p.run('secret', 'set', 'TOKEN', '--json'))).toEqual([2, 'HF1001'])
    expect((await p.run('secret', 'ls', '--json')).json.secrets).toEqual([{ name: 'TOKEN', declared: true, setAt: null }])
    p.secrets.add('first-secret-value')
    const set = await p.run('secret', 'set', 'TOKEN', { stdin: 'first-secret-value\n' })
    expect([set.code, set.stdout]).toEqual([0, ''])
    expect((await p.run('secret', 'ls', '--json')).json.secrets).toEqual([{ name: 'TOKEN', declared: true, setAt: expect.any(String) }])
    expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
    expect(p.read('f')).toBe('first-secret-value')
    expect((await p.run('plan', '--exit-code', '--json')).code).toBe(0)
    p.secrets.add('second-secret-value')
    await p.run('secret', 'set', 'TOKEN', { stdin: 'second-secret-value' })
    const plan = await p.run('plan', '--json')
    expect(plan.json.changes).toEqual([expect.objectContaining({ address: 'f', action: 'update', paths: [expect.objectContaining({ path: 'content' })] })])
    expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
    expect(p.read('f')).toBe('second-secret-value')
    expect((await p.run('secret', 'rm', 'TOKEN', '--yes', '--json')).json).toMatchObject({ name: 'TOKEN', set: false })
    expect(refused(await p.run('plan', '--json'))).toEqual([2, 'HF2301'])
    expect(refused(await p.run('secret', 'rm', 'TOKEN', '--yes', '--json'))).toEqual([2, 'HF1304'])
    expect(filesWith(join(p.root, '.holdfast'), p.secrets)).toEqual([])
  })
})

test('plan diff says what two stored plans do differently', async () => {
  const p = makeProject({ 'app.ts': files({ a: '', b: '', c: '' }) })
  const plan = async (): Promise<string> => (await p.run('plan', '--json')).json.id
  const first = await plan()
  p.write({ 'app.ts': files({ a: '', b: '{ protect: true }', d: '' }) })
  const second = await plan()
  const { json } = await p.run('plan', 'diff', first, second, '--json')
  expect(json).toMatchObject({ a: first, b: second, revisions: { a: 0, b: 0 }, same: 1 })
  const names = (list: any[]) => list.map((c) => c.address)
  expect([names(json.onlyInA), names(json.onlyInB), names(json.different)]).toEqual([['c'], ['d'], ['b']])
  const text = await p.run('plan', 'diff', first, second, '--exit-code')
  expect(text.code).toBe(7)
  expect(text.stdout).toBe('-  c  holdfast:local/File  create\n+  d  holdfast:local/File  create\n~  b  holdfast:local/File  create, otherwise: protect\n')
  const same = await p.run('plan', 'diff', second, second, '--exit-code')
  expect([same.code, same.stdout]).toEqual([0, 'The plans are the same: 3 changes.\n'])
  expect(refused(await p.run('plan', 'diff', first, 'p-0', '--json'))).toEqual([6, 'HF2404'])
})

test('state taint, state untaint and --unprotect', async () => {
  const secrets = (options: string): string => program(`Password('a', { length: 20 }${options})\n    Password('b', { length: 20 })`)
  const p = makeProject({ 'app.ts': secrets(', { protect: true }') })
  await p.run('apply', '--yes', '--json')
  expect((await p.run('state', 'taint', 'a', 'b', '--json')).json).toMatchObject({ nodes: ['a', 'b'], changed: ['a', 'b'], tainted: true, revision: 1 })
  const untainted = await p.run('state', 'untaint', 'b', 'b')
  expect([untainted.code, untainted.stdout]).toEqual([0, 'b is not tainted any more.\n'])
  expect((await p.run('state', 'taint', 'a')).stdout).toBe('a was tainted already.\n')
  const kept = await p.run('plan', '--json')
  expect(refused(kept)).toEqual([5, 'HF5001'])
  expect(kept.json.error).toMatchObject({ address: 'a', hint: expect.stringContaining('--unprotect a'), details: { nodes: [{ address: 'a', action: 'replace', reasons: ['it is tainted'] }] } })
  const shown = await p.run('plan', '--unprotect', 'a')
  expect(shown.stdout).toMatch(/ a .*replace .*its protection is lifted/)
  expect(shown.stdout).toContain('it is tainted')
  const applied = await p.run('apply', '--unprotect', 'a', '--yes', '--json')
  expect([applied.code, applied.json.summary]).toEqual([0, { replace: 1, delete: 1 }])
  expect(refused(await p.run('destroy', '--yes', '--json'))).toEqual([5, 'HF5001'])
  expect((await p.run('destroy', '--unprotect', 'a', '--yes', '--json')).code).toBe(0)
})

describe('what holds data goes to the trash', () => {
  const data = (more = ''): string => program(`Directory('data', { path: 'data', data: true })${more}`)
  const filled = async (): Promise<Project> => {
    const p = makeProject({ 'app.ts': data() })
    await p.run('apply', '--yes', '--json')
    writeFileSync(join(p.root, 'data/rows'), 'precious')
    chmodSync(join(p.root, 'data/rows'), 0o640)
    return p
  }

  test('trash ls, restore and empty', async () => {
    const p = await filled()
    p.write({ 'app.ts': program('') })
    expect((await p.run('apply', '--yes', '--json')).json.summary).toEqual({ delete: 1 })
    expect(p.has('data')).toBe(false)
    const { trash } = (await p.run('trash', 'ls', '--json')).json
    expect(trash).toEqual([{ id: expect.any(String), path: join(p.root, 'data'), app: 'shop', env: 'default', removedAt: expect.any(String), bytes: 8, files: 1 }])
    expect(refused(await p.run('trash', 'restore', 'nothing', '--yes', '--json'))).toEqual([6, 'HF6006'])
    expect((await p.run('trash', 'restore', trash[0].id, '--yes', '--json')).json).toMatchObject({ id: trash[0].id, path: join(p.root, 'data') })
    expect(p.read('data/rows')).toBe('precious')
    expect((await p.run('trash', 'ls', '--json')).json.trash).toEqual([])
    // Put back by a person, and declared again: it is taken over as it is.
    p.write({ 'app.ts': data() })
    expect((await p.run('apply', '--yes', '--json')).json).toMatchObject({ outcome: 'applied', summary: { create: 1 } })
    expect(p.read('data/rows')).toBe('precious')
    await p.run('destroy', '--yes', '--json')
    expect((await p.run('trash', 'ls', '--json')).json.trash).toHaveLength(1)
  })

  test('a later create of the same address and path takes the data back; empty deletes for good', async () => {
    const p = await filled()
    await p.run('destroy', '--yes', '--json')
    expect(p.has('data')).toBe(false)
    await p.run('apply', '--yes', '--json')
    expect(p.read('data/rows')).toBe('precious')
    await p.run('destroy', '--yes', '--json')
    const [item] = (await p.run('trash', 'ls', '--json')).json.trash
    expect(refused(await p.run('trash', 'empty', '--json'))).toEqual([2, 'HF1006'])
    expect((await p.run('trash', 'empty', '--yes', '--json')).json.emptied).toEqual([item.id])
    expect((await p.run('trash', 'ls', '--json')).json.trash).toEqual([])
    await p.run('apply', '--yes', '--json')
    expect(p.has('data/rows')).toBe(false)
  })
})

test('bytes of an asset are kept while the revision names them, and go afterwards', async () => {
  const p = makeProject({ 'app.ts': program(`File('copy', { path: 'out/copy', source: asset('./one.txt') })`), 'one.txt': 'one' })
  const kept = (): string[] => (existsSync(join(p.root, '.holdfast/assets')) ? readdirSync(join(p.root, '.holdfast/assets')) : [])
  const aDayLater = (): void => { for (const name of kept()) utimesSync(join(p.root, '.holdfast/assets', name), new Date('2020-01-01'), new Date('2020-01-01')) }
  await p.run('apply', '--yes', '--json')
  const first = kept()
  expect(first).toHaveLength(1)
  aDayLater()
  p.write({ 'one.txt': 'two' })
  expect((await p.run('apply', '--yes', '--json')).json.outcome).toBe('applied')
  const second = kept()
  expect([second.length, second[0] !== first[0]]).toEqual([1, true])
  aDayLater()
  expect((await p.run('apply', '--yes', '--json')).json.outcome).toBe('unchanged')
  expect(kept()).toEqual(second)
  await p.run('destroy', '--yes', '--json')
  expect(kept()).toEqual([])
})
