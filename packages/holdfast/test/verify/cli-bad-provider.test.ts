import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { boxProject, boxTypes, endProjects, makeProject, program, type Project, type Ran } from '../cli/support.ts'

afterAll(endProjects)
const ended = (ran: Ran) => [ran.code ?? ran.signal, ran.json?.outcome ?? ran.stderr]
const build = (type: string, options = ''): string => `
    const first = Value('first', { input: 1 })
    ${type}('web', { name: 'web', size: first.output }${options})`
const world = (p: Project): boolean => p.has('world/box-web.json')

describe('a provider that', () => {
  const rejections: Readonly<Record<string, { readonly how: string; readonly code: string; readonly message: RegExp }>> = {
    'throws an error': { how: 'throw', code: 'HF3101', message: /web: .*the cloud said no/ },
    'throws a text': { how: 'throw-text', code: 'HF3101', message: /just a text/ },
    'throws undefined': { how: 'throw-undefined', code: 'HF3101', message: /web/ },
    'answers with the wrong shape': { how: 'wrong', code: 'HF3102', message: /web.*(?:id|size)/s },
    'answers with nothing': { how: 'nothing', code: 'HF3102', message: /web/ },
  }
  for (const [what, { how, code, message }] of Object.entries(rejections)) {
    test(`${what}: ${code} with its place, exit 4, everything taken back`, async () => {
      const p = boxProject(build('Named'))
      p.behave({ 'web.create': how })
      const ran = await p.run('apply', '--yes', '--json')
      expect(ended(ran), JSON.stringify(ran.json)).toEqual([4, 'reverted'])
      expect(ran.json.error).toMatchObject({ code, address: 'web', file: join(p.root, 'app.ts'), line: 12, column: 5, hint: expect.stringMatching(/\w/), run: ran.json.run })
      expect(ran.json.error.message).toMatch(message)
      expect(ran.stderr).toContain('app.ts:12:5')
      expect(world(p)).toBe(false)
      expect((await p.run('status', '--json')).json).toMatchObject({ revision: 0, openRun: null, open: [] })
      p.behave({})
      expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
      expect((await p.run('state', 'doctor', '--json')).json.ok).toBe(true)
    })
  }

  test('hangs: its deadline ends it, and an object that was made after all is adopted', async () => {
    const p = boxProject(build('Named', `, { timeout: '500ms' }`))
    p.behave({ 'web.create': 'hang-done' })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran), JSON.stringify(ran.json)).toEqual([0, 'applied'])
    expect(ran.ms).toBeLessThan(15_000)
    expect(p.calls().map((c) => c.split(' ')[0])).toEqual(['create', 'read'])
  })

  test('hangs again and again: the deadline of the node holds for every call, and the command ends', async () => {
    const p = boxProject(build('Named', `, { timeout: '500ms' }`))
    p.behave({ 'web.create': 'hang' })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran), JSON.stringify(ran.json)).toEqual([12, 'incomplete'])
    expect(ran.json.error).toMatchObject({ code: 'HF3103', address: 'web', line: 12 })
    expect(ran.ms).toBeLessThan(20_000)
    p.behave({})
    const [change] = (await p.run('status', '--json')).json.open
    expect((await p.run('run', 'settle', change.tx, '--retry', '--json')).json.status).toBe('completed')
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
  })

  test('hangs, when nobody can find out: HF3103, exit 12, and status says what may be done', async () => {
    const p = boxProject(build('Box', `, { timeout: '500ms' }`))
    p.behave({ 'web.create': 'hang-done' })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran)).toEqual([12, 'incomplete'])
    expect(ran.json.error).toMatchObject({ code: 'HF3103', address: 'web' })
    const [change] = (await p.run('status', '--json')).json.open
    expect(change).toMatchObject({ status: 'unknown', evidence: expect.stringContaining('deadline') })
    p.behave({})
    expect((await p.run('run', 'settle', change.tx, '--adopt', 'box-web', '--json')).code).toBe(0)
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
  })

  test('fails when it reads: drift is a failure of the command, and nothing is taken for gone', async () => {
    const p = boxProject(build('Named'))
    await p.run('apply', '--yes', '--json')
    for (const [how, code] of [['throw', 'HF3101'], ['wrong', 'HF3102'], ['throw-undefined', 'HF3101']] as const) {
      p.behave({ 'web.read': how })
      const ran = await p.run('drift', '--json')
      expect([ran.code, ran.json.error?.code, ran.json.error?.address], how).toEqual([4, code, 'web'])
      const repair = await p.run('drift', '--repair', '--yes', '--json')
      expect([repair.code, repair.json.error?.code], how).toEqual([4, code])
    }
    expect(world(p)).toBe(true)
    expect((await p.run('state', 'ls', '--json')).json.resources).toHaveLength(2)
  })

  test('fails an update: the object is as before, exit 4', async () => {
    const p = boxProject(`Named('web', { name: 'web', size: 1 })`)
    await p.run('apply', '--yes', '--json')
    p.write({ 'app.ts': program(`Named('web', { name: 'web', size: 2 })`, { types: true }) })
    for (const how of ['throw', 'throw-text', 'wrong', 'nothing']) {
      p.behave({ 'web.update': `once ${how}` }) // taking back is an update, too
      const ran = await p.run('apply', '--yes', '--json')
      expect(ended(ran), `${how}: ${JSON.stringify(ran.json)}`).toEqual([4, 'reverted'])
      expect(ran.json.revision).toEqual({ from: 1, to: 1 })
      expect(JSON.parse(p.read('world/box-web.json'))).toEqual({ id: 'box-web', size: 1 })
    }
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
    expect(JSON.parse(p.read('world/box-web.json')).size).toBe(2)
  })

  test('does not declare a valid type: HF1107 with the place of resource()', async () => {
    for (const [source, message] of [
      [`resource({ type: 'x' } as any)`, /x/], [`resource({} as any)`, /type/],
      [`resource({ type: 'test:a/B', inputs: z.object({}), outputs: z.object({}), create: async () => ({}) } as any)`, /delete/],
      [`resource({ type: 'test:a/B', inputs: 7, outputs: z.object({}), create: async () => ({}), delete: async () => {} } as any)`, /inputs/],
    ] as const) {
      const p = makeProject({ 'app.ts': `import { app, resource } from 'holdfast'\nimport { z } from 'zod'\nvoid z\nexport const T = ${source}\nexport default app('a', { build() {} })\n` })
      const ran = await p.run('plan', '--json')
      expect([ran.code, ran.json.error.code, ran.json.error.line], source).toEqual([2, 'HF1107', 4])
      expect(ran.json.error.message).toMatch(message)
    }
    const twice = makeProject({ 'app.ts': `import { app, resource } from 'holdfast'\nimport { z } from 'zod'\nconst t = (n: number) => resource({ type: 'test:a/B', version: n, inputs: z.object({}), outputs: z.object({}), create: async () => ({}), delete: async () => {} })\nt(1)\nt(2)\nexport default app('a', { build() {} })\n` })
    const ran = await twice.run('plan', '--json')
    expect([ran.code, ran.json.error.code]).toEqual([2, 'HF1108'])
  })
})

describe('a type that the program does not declare any more', () => {
  test('an object of it that is to go is refused before anything is changed (HF2106), with the ways out', async () => {
    const p = boxProject(`Box('web', { name: 'web' })\n    Value('v', { input: 1 })`)
    await p.run('apply', '--yes', '--json')
    p.write({ 'app.ts': program(`Value('v', { input: 2 })`) })
    for (const verb of [['plan'], ['apply', '--yes'], ['destroy', '--yes']]) {
      const ran = await p.run(...verb, '--json')
      expect([ran.code, ran.json.error.code, ran.json.error.address], verb[0]).toEqual([2, 'HF2106', 'web'])
      expect(ran.json.error.message).toContain('test:cloud/Box is not declared any more')
      expect(ran.json.error.hint).toMatch(/Keep the file that declares test:cloud\/Box imported.*holdfast state forget web/s)
    }
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 1, pendingDeletes: [], openRun: null })
    expect(world(p)).toBe(true)
    // Its type is not there, but nobody wants to touch the object.
    p.write({ 'app.ts': program(`Value('v', { input: 2 })`) })
    expect([(await p.run('state', 'forget', 'web', '--json')).code, (await p.run('state', 'forget', 'nobody', '--yes', '--json')).json.error.code]).toEqual([2, 'HF6001'])
    const forgot = await p.run('state', 'forget', 'web', '--yes', '--json')
    expect(forgot.json).toMatchObject({ v: 1, address: 'web', forgotten: [{ type: 'test:cloud/Box', physicalId: 'box-web' }], revision: { from: 1, to: 2 } })
    expect((await p.run('state', 'ls', '--json')).json.resources.map((r: { address: string }) => r.address)).toEqual(['v'])
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
    expect(world(p)).toBe(true)
  })

  test('a change of it that is not settled is refused before anything is changed (HF2106), with the ways out', async () => {
    const p = boxProject(`Box('web', { name: 'web' })`)
    p.behave({ 'web.create': 'lost' })
    await p.run('apply', '--yes', '--json')
    p.write({ 'app.ts': program(`Value('v', { input: 2 })`) })
    const ran = await p.run('apply', '--yes', '--json')
    expect([ran.code, ran.json.error.code, ran.json.error.address]).toEqual([2, 'HF2106', 'web'])
    const { tx } = (await p.run('status', '--json')).json.open[0]
    expect(ran.json.error.hint).toContain(`holdfast run settle ${tx} --abandon`)
    expect((await p.run('run', 'settle', tx, '--abandon', '--yes', '--json')).json.status).toBe('abandoned')
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
  })

  test('its pending deletes are kept and named, until the type is there again', async () => {
    const p = boxProject(`Box('web', { name: 'web' })`)
    await p.run('apply', '--yes', '--json')
    p.write({ 'app.ts': program('', { types: true }) })
    p.behave({ 'web.delete': 'throw' })
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([14, 'applied'])
    p.behave({})
    p.write({ 'app.ts': program('') })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran), JSON.stringify(ran.json)).toEqual([14, 'applied'])
    expect(ran.json).toMatchObject({ pending: ['web'], error: { code: 'HF3114', address: 'web', hint: expect.stringContaining('providers') } })
    expect(ran.json.tasks).toEqual([expect.objectContaining({ address: 'web', op: 'delete', outcome: 'failed' })])
    expect(ran.stderr).toMatch(/FAIL +web delete/)
    expect((await p.run('plan')).stdout).toContain('Still to be deleted, from earlier runs: web')
    expect(world(p)).toBe(true)
    // Importing the file of the type is enough; none of its names need be used.
    p.write({ 'app.ts': program('', { types: true }) })
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
    expect(world(p)).toBe(false)
  })

  test('a change that was being taken back waits for it, exit 12', async () => {
    const p = makeProject({ 'types.ts': boxTypes, 'app.ts': program(`Named('web', { name: 'web' })\n    Named('bad', { name: 'bad' }, { dependsOn: [] })`, { types: true }) })
    p.behave({ 'bad.create': 'die', 'web.create': 'slow' })
    await p.run('apply', '--yes', { shared: true })
    p.write({ 'app.ts': program('') })
    p.behave({})
    const ran = await p.run('run', 'revert', '--yes', '--json')
    expect(ran.code, JSON.stringify(ran.json)).toBe(12)
    expect(ran.json.error.message).toContain('the type test:cloud/Named is not available')
    p.write({ 'app.ts': program('', { types: true }) })
    for (const change of (await p.run('status', '--json')).json.open) await p.run('run', 'settle', change.tx, change.address === 'bad' ? '--adopt' : '--absent', ...(change.address === 'bad' ? ['box-bad'] : []), '--json')
    expect((await p.run('run', 'revert', '--yes', '--json')).json).toMatchObject({ outcome: 'reverted' })
    expect([world(p), p.has('world/box-bad.json')]).toEqual([false, false])
  })
})
