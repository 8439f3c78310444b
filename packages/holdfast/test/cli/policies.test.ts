import { afterAll, describe, expect, test } from 'vitest'
import { endProjects, makeProject, program, type Project, type Ran } from './support.ts'

afterAll(endProjects)
const refused = (ran: Ran) => [ran.code, ran.json.error.code, ran.json.error.address]

/** A package of rules, as somebody would publish it. */
const pack = {
  'node_modules/acme-rules/package.json': JSON.stringify({ name: 'acme-rules', version: '1.0.0', type: 'module', exports: './index.js' }),
  'node_modules/acme-rules/index.js': `import { policy } from 'holdfast'
export const privateFiles = policy('private-files', (graph) => graph.nodes
  .filter((n) => n.type === 'holdfast:local/File' && (n.inputs.mode & 0o004) !== 0)
  .map((n) => ({ address: n.address, message: 'others can read the file; give it a mode without 0o004' })))
export const owned = (level) => policy('owned', (graph) => graph.nodes
  .filter((n) => n.action !== 'unchanged' && n.tags.owner === undefined)
  .map((n) => ({ address: n.address, level, message: 'there is no tag owner' })))
`,
}
const project = (policies: string): string => `import { defineProject } from 'holdfast'
import { owned, privateFiles } from 'acme-rules'
export default defineProject({ policies: [${policies}] })
`
const files = (open: string, tags = `{ tags: { owner: 'me' } }`): string => program(`File('a', { path: 'a', content: 'x', mode: ${open} }, ${tags})`)
const untouched = (p: Project): void => expect(p.has('a')).toBe(false)

describe('policies', () => {
  test('one that denies refuses plan and apply before anything is changed, at the line of the node', async () => {
    const p = makeProject({ ...pack, 'holdfast.config.ts': project(`privateFiles, owned('deny')`), 'app.ts': files('0o644', '{}') })
    for (const words of [['plan', '--json'], ['apply', '--yes', '--json']]) {
      const ran = await p.run(...words)
      expect(refused(ran)).toEqual([5, 'HF5101', 'a'])
      expect(ran.json.error.message).toBe('a: others can read the file; give it a mode without 0o004 (policy private-files); 1 more in the details.')
      expect(ran.json.error).toMatchObject({ file: expect.stringContaining('app.ts'), line: expect.any(Number) })
      expect(ran.json.error.details.findings).toEqual([
        { policy: 'private-files', level: 'deny', address: 'a', message: 'others can read the file; give it a mode without 0o004' },
        { policy: 'owned', level: 'deny', address: 'a', message: 'there is no tag owner' },
      ])
    }
    untouched(p)
    p.write({ 'app.ts': files('0o600') })
    expect((await p.run('apply', '--yes', '--json')).json.outcome).toBe('applied')
    expect((await p.run('plan', '--json')).json.findings).toBeUndefined()
  })

  test('one that warns is shown with the plan, in the stored plan too, and stops nothing', async () => {
    const p = makeProject({ ...pack, 'holdfast.config.ts': project(`owned('warn')`), 'app.ts': files('0o600', '{}') })
    const { json } = await p.run('plan', '--json')
    expect(json.findings).toEqual([{ policy: 'owned', level: 'warn', address: 'a', message: 'there is no tag owner' }])
    expect((await p.run('plan', 'show', json.id, '--json')).json.findings).toEqual(json.findings)
    expect((await p.run('plan')).stdout).toContain('warning a: there is no tag owner (policy owned)')
    expect((await p.run('apply', json.id, '--yes', '--json')).json.outcome).toBe('applied')
  })

  test('of the program itself see secrets and unknown values as such, and what leaves', async () => {
    const p = makeProject({
      'app.ts': `import { app, policy, str } from 'holdfast'
import { File } from 'holdfast/local'
import { Password } from 'holdfast/random'
const seen = policy('seen', (graph) => [{ level: 'warn', message: JSON.stringify({
  a: graph.node('a')?.inputs.content, deps: graph.node('a')?.dependsOn, actions: graph.nodes.map((n) => n.action), deletes: graph.deletes, env: graph.env, frozen: Object.isFrozen(graph.nodes[0]?.inputs ?? Object.freeze({})) }) }])
export default app('shop', { policies: [seen], build() {
  const password = Password('password')
  File('a', { path: 'a', content: str\`\${password.value}\` })
} })
`,
    })
    const told = async (...words: string[]) => JSON.parse((await p.run(...words)).json.findings[0].message)
    expect(await told('plan', '--json')).toEqual({ a: { unknown: 'password.value' }, deps: ['password'], actions: ['create', 'create'], deletes: [], env: 'default', frozen: true })
    await p.run('apply', '--yes', '--json')
    expect(await told('plan', '--json')).toMatchObject({ a: { secret: true }, actions: ['unchanged', 'unchanged'] })
    p.write({ 'app.ts': p.read('app.ts').replace(/ {2}File\('a'.*\n/, '') })
    expect(await told('plan', '--json')).toMatchObject({ deletes: [{ address: 'a', type: 'holdfast:local/File' }] })
  })

  test.each([
    ['throws', `() => { throw new Error('no idea') }`, 'no idea'],
    ['is asynchronous', 'async () => []', 'no finding'],
    ['gives a number', '() => 7', 'no finding'],
    ['gives another level', `() => ({ message: 'm', level: 'info' })`, "'deny' or 'warn'"],
    ['changes what it is shown', `(g) => { g.nodes[0].inputs.mode = 0o600 }`, 'read only'],
  ])('one that %s is not passed', async (_, check, why) => {
    const p = makeProject({ 'app.ts': `import { app, policy } from 'holdfast'
import { File } from 'holdfast/local'
export default app('shop', { policies: [policy('rule', ${check})], build() { File('a', { path: 'a', content: 'x' }) } })
` })
    const ran = await p.run('apply', '--yes', '--json')
    expect(refused(ran)).toEqual([5, 'HF5102', undefined])
    expect(ran.json.error.message).toContain('The policy rule could not be asked: ')
    expect(ran.json.error.message).toContain(why)
    untouched(p)
  })

  test.each([['app.ts', `import { app } from 'holdfast'\nexport default app('shop', { policies: [() => []], build() {} })\n`, 'HF1109'], ['app.ts', `import { app, policy } from 'holdfast'\nexport default app('shop', { policies: [policy('x', 7)], build() {} })\n`, 'HF1109'],
    ['holdfast.config.ts', `import { defineProject } from 'holdfast'\nexport default defineProject({ policies: ['acme-rules'] })\n`, 'HF1005']])('%s that names something else as a policy is refused', async (file, text, code) => {
    const p = makeProject({ 'app.ts': program(''), [file]: text })
    const ran = await p.run('plan', '--json')
    expect([ran.code, ran.json.error.code]).toEqual([2, code])
  })
})
