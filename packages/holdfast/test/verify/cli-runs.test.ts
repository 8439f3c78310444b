import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { boxProject, boxTypes, endProjects, filesWith, makeProject, onTerminal, program, type Project, type Ran } from '../cli/support.ts'

afterAll(endProjects)
const refused = (ran: Ran) => [ran.code, ran.json.error.code]
const ended = (ran: Ran) => [ran.code ?? ran.signal, ran.json?.outcome ?? ran.stderr]
const boxes = (p: Project) => p.has('world/box-web.json') ? p.read('world/box-web.json') : ''
const open = async (p: Project) => {
  const { code, json } = await p.run('status', '--json')
  expect([code, json.reliable], 'reliable is "no open change"').toEqual([0, json.open.length === 0])
  return json.open
}

const three = `
    const first = Value('first', { input: 1 })
    const web = Box('web', { name: 'web', size: first.output })
    Value('after', { input: web.id })
    return { id: web.id }`

describe('a lost answer that only a person can settle', () => {
  const lost = async (how: string): Promise<{ p: Project; tx: string }> => {
    const p = boxProject(three)
    p.behave({ 'web.create': how })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran)).toEqual([12, 'incomplete'])
    expect(ran.json.error).toMatchObject({ code: 'HF3103', address: 'web', hint: expect.stringContaining('holdfast status') })
    expect(ran.json.tasks.find((t: any) => t.address === 'web').outcome).toBe('unknown')
    expect(ran.json.revision).toEqual({ from: 0, to: 0 })
    const [change, ...more] = await open(p)
    expect(more).toEqual([])
    expect(change).toEqual({
      tx: expect.stringMatching(/^t-/), address: 'web', op: 'create', status: 'unknown', since: expect.any(String), evidence: expect.stringContaining('the connection broke'),
      actions: ['--retry', '--adopt ID', '--absent', '--abandon'],
    })
    const text = await p.run('status', '--exit-code')
    expect(text.code).toBe(12)
    expect(text.stdout).toContain(`holdfast run settle ${change.tx} --adopt ID`)
    expect(text.stdout).toContain('cannot be assumed to represent what is there')
    p.behave({})
    return { p, tx: change.tx }
  }
  const after = async (p: Project, code = 0) => {
    const ran = await p.run('apply', '--yes', '--json')
    expect(ran.code, JSON.stringify(ran.json)).toBe(code)
    return ran
  }

  test('until it is settled nothing that touches it is done, and nothing is taken for gone', async () => {
    const { p, tx } = await lost('lost')
    const again = await p.run('apply', '--yes', '--json')
    expect(ended(again)).toEqual([12, 'incomplete'])
    expect(again.json.error.code).toBe('HF3103')
    expect((await open(p))[0].tx).toBe(tx)
    expect((await p.run('run', 'revert', '--yes', '--json')).code).toBe(12)
    expect(boxes(p)).toContain('box-web')
    for (const [how, code] of [[['--to', 'new'], 'HF6007'], [['--to', 'previous'], 'HF6007']] as const) {
      const ran = await p.run('run', 'settle', tx, ...how, '--json')
      expect(refused(ran)).toEqual([2, code])
      expect(ran.json.error.hint).toContain('--adopt ID')
    }
    expect(refused(await p.run('run', 'settle', 't-none', '--absent', '--json'))).toEqual([6, 'HF6003'])
    const wrong = await p.run('run', 'settle', tx, '--adopt', 'box-nobody', '--json')
    expect(refused(wrong)).toEqual([2, 'HF6007'])
    expect((await open(p))[0]).toMatchObject({ tx, status: 'unknown' })
  })

  test('--adopt ID: it made this object', async () => {
    const { p, tx } = await lost('lost')
    const settled = await p.run('run', 'settle', tx, '--adopt', 'box-web', '--json')
    expect(settled.json).toMatchObject({ v: 1, app: 'shop', env: 'default', tx, address: 'web', op: 'create', status: 'completed', evidence: expect.stringContaining('box-web') })
    expect(await open(p)).toEqual([])
    expect((await after(p)).json.outputs).toEqual({ id: 'box-web' })
    expect(p.calls().filter((c) => c.startsWith('create'))).toHaveLength(1)
    expect(refused(await p.run('run', 'settle', tx, '--absent', '--json'))).toEqual([6, 'HF6003'])
  })

  test('--absent: it made nothing', async () => {
    const { p, tx } = await lost('lost-nothing')
    expect((await p.run('run', 'settle', tx, '--absent', '--json')).json).toMatchObject({ status: 'failed', applied: 'no' })
    await after(p)
    const keys = p.calls().filter((c) => c.startsWith('create')).map((c) => c.split(' ')[2])
    expect(new Set(keys).size).toBe(2)
  })

  test('--retry: send it again, under the same key', async () => {
    const { p, tx } = await lost('lost-nothing')
    expect((await p.run('run', 'settle', tx, '--retry', '--json')).json).toMatchObject({ status: 'completed' })
    const keys = p.calls().filter((c) => c.startsWith('create')).map((c) => c.split(' ')[2])
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
    await after(p)
    expect(p.calls().filter((c) => c.startsWith('create'))).toHaveLength(2)
  })

  test('--abandon: nobody looks after the object, and the next apply makes another', async () => {
    const { p, tx } = await lost('lost-nothing')
    expect((await p.run('run', 'settle', tx, '--abandon', '--yes', '--json')).json).toMatchObject({ status: 'abandoned' })
    expect(await open(p)).toEqual([])
    await after(p)
    expect(boxes(p)).toContain('box-web')
  })

  test('after --absent the open run can be taken back', async () => {
    const { p, tx } = await lost('lost-nothing')
    await p.run('run', 'settle', tx, '--absent', '--json')
    const ran = await p.run('run', 'revert', '--yes', '--json')
    expect(ended(ran)).toEqual([0, 'reverted'])
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 0, openRun: null, open: [] })
    expect((await p.run('state', 'ls', '--json', '--open')).json.resources).toEqual([])
  })

  for (const [to, done] of [['previous', 'lost-nothing'], ['new', 'lost']] as const) {
    test(`an update: --to ${to}`, async () => {
      const p = makeProject({ 'types.ts': boxTypes.replace("spec('test:cloud/Box', {})", "spec('test:cloud/Box', { capability: { maxCallMs: 0 } })"), 'app.ts': program(`Box('web', { name: 'web', size: 1 })`, { types: true }) })
      await after(p)
      p.write({ 'app.ts': program(`Box('web', { name: 'web', size: 2 })`, { types: true }) })
      p.behave({ 'web.update': done, 'web.read': 'throw' })
      expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([12, 'incomplete'])
      p.behave({})
      const [change] = await open(p)
      expect(change).toMatchObject({ op: 'update', actions: ['--retry', '--to previous', '--to new', '--abandon'] })
      expect((await p.run('run', 'settle', change.tx, '--to', to, '--json')).json.status).toBe(to === 'new' ? 'completed' : 'failed')
      const ran = await after(p)
      expect(ran.json.summary).toEqual(to === 'new' ? {} : { update: 1 })
      expect(JSON.parse(boxes(p)).size).toBe(2)
    })
  }

  const lostDelete = async (how: string): Promise<{ p: Project; tx: string }> => {
    const p = makeProject({ 'types.ts': boxTypes.replace("spec('test:cloud/Box', {})", "spec('test:cloud/Box', { capability: { maxCallMs: 0 } })"), 'app.ts': program(`Box('web', { name: 'web' })`, { types: true }) })
    await after(p)
    p.write({ 'app.ts': program('', { types: true }) })
    p.behave({ 'web.delete': how })
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([14, 'applied'])
    p.behave({})
    const [change] = await open(p)
    expect(change).toMatchObject({ op: 'delete', status: 'unknown', evidence: expect.stringContaining('after 5 attempts'), actions: ['--retry', '--to previous', '--to new', '--abandon'] })
    return { p, tx: change.tx }
  }

  test('S000-88 a delete: status lists the ways out, and each ends the entry: --to previous is deleted again, --to new is gone', async () => {
    const { p, tx } = await lostDelete('lost-nothing')
    const text = (await p.run('status')).stdout
    for (const flag of ['--retry', '--to previous', '--to new', '--abandon']) expect(text).toContain(`holdfast run settle ${tx} ${flag}`)
    expect((await p.run('run', 'settle', tx, '--to', 'previous', '--json')).json).toMatchObject({ op: 'delete', status: 'failed', applied: 'no' })
    expect(await open(p)).toEqual([])
    await after(p)
    expect(boxes(p)).toBe('')
    const gone = await lostDelete('lost')
    expect((await gone.p.run('run', 'settle', gone.tx, '--to', 'new', '--json')).json).toMatchObject({ status: 'completed' })
    expect((await gone.p.run('status', '--json')).json).toMatchObject({ open: [], pendingDeletes: [] })
  }, 60_000)

  test('an update and a delete: --retry sends it again, and --abandon leaves the next apply to make it good', async () => {
    const { p, tx } = await lostDelete('lost-nothing')
    expect((await p.run('run', 'settle', tx, '--retry', '--json')).json).toMatchObject({ op: 'delete', status: 'completed' })
    expect(boxes(p)).toBe('')
    expect((await p.run('status', '--json')).json).toMatchObject({ open: [], pendingDeletes: [] })
    for (const [flags, status] of [[['--retry'], 'completed'], [['--abandon', '--yes'], 'abandoned']] as const) {
      p.write({ 'app.ts': program(`Box('web', { name: 'web', size: 1 })`, { types: true }) })
      await after(p)
      p.write({ 'app.ts': program(`Box('web', { name: 'web', size: 2 })`, { types: true }) })
      p.behave({ 'web.update': 'lost-nothing', 'web.read': 'throw' })
      expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([12, 'incomplete'])
      p.behave({})
      const [change] = await open(p)
      expect((await p.run('run', 'settle', change.tx, ...flags, '--json')).json).toMatchObject({ op: 'update', status })
      expect(await open(p)).toEqual([])
      await after(p)
      expect(JSON.parse(boxes(p)).size).toBe(2)
    }
  }, 120_000)

  test('S000-85 --abandon names what may be left, asks, and is on record', async () => {
    const { p, tx } = await lostDelete('lost-nothing')
    const asked = await p.run('run', 'settle', tx, '--abandon', '--json')
    expect(refused(asked)).toEqual([2, 'HF1006'])
    expect(asked.json.error.message).toMatch(/Give the delete of web up\? It may have left box-web/)
    expect((await open(p))[0]).toMatchObject({ tx, status: 'unknown' })
    const done = await p.run('run', 'settle', tx, '--abandon', '--yes', '--json')
    expect(done.json).toMatchObject({ tx, status: 'abandoned', evidence: 'settled by hand: --abandon' })
    expect(done.stderr).toContain('It may have left box-web')
    expect(await open(p)).toEqual([])
    const { run } = (await p.run('run', 'ls', '--json')).json.runs[0]
    const { events } = (await p.run('run', 'show', run, '--json')).json
    expect(events.find((e: { kind: string }) => e.kind === 'tx.byHand')).toMatchObject({ tx, node: 'web', op: 'delete', how: 'settled by hand: --abandon', from: 'unknown', pid: expect.any(Number) })
  }, 60_000)

  test('a killed apply is settled the same way: nothing is made twice, and status tells the person', async () => {
    const p = makeProject({ 'types.ts': boxTypes.replace("spec('test:cloud/Box', {})", "spec('test:cloud/Box', { capability: { create: 'none', maxCallMs: 0 } })"), 'app.ts': program(three, { types: true }) })
    p.behave({ 'web.create': 'die' })
    const killed = await p.run('apply', '--yes', { shared: true })
    expect(killed.signal).toBe('SIGKILL')
    const seen = await p.run('status', '--json', { shared: true })
    expect(seen.json).toMatchObject({ openRun: expect.any(String), open: [{ address: 'web', status: 'sent' }] })
    p.behave({})
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran)).toEqual([12, 'incomplete'])
    const [change] = await open(p)
    expect(change).toMatchObject({ address: 'web', status: 'unknown', evidence: expect.stringContaining('the process ended before the answer came') })
    expect(p.calls().filter((c) => c.startsWith('create'))).toHaveLength(1)
    await p.run('run', 'settle', change.tx, '--adopt', 'box-web', '--json')
    await after(p)
    expect(p.calls().filter((c) => c.startsWith('create'))).toHaveLength(1)
  })

  test('a type that can be found by its name is settled without a person', async () => {
    const p = boxProject(three.replace('Box(', 'Named('))
    for (const [how, creates] of [['die', 1], ['die-before', 3]] as const) {
      p.behave({ 'web.create': how })
      expect((await p.run('apply', '--yes', { shared: true })).signal).toBe('SIGKILL')
      p.behave({})
      await after(p)
      expect(p.calls().filter((c) => c.startsWith('create'))).toHaveLength(creates)
      await p.run('destroy', '--yes', '--json')
    }
  })
})

describe('a failed run', () => {
  const failing = `
    const first = Value('first', { input: 1 })
    const web = Box('web', { name: 'web', size: first.output })
    Box('bad', { name: 'bad', after: web.id })
    return { id: web.id }`

  test('is taken back: exit 4, every object gone, the revision as before', async () => {
    const p = boxProject(failing)
    p.behave({ 'bad.create': 'throw' })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran)).toEqual([4, 'reverted'])
    expect(ran.json).toMatchObject({ revision: { from: 0, to: 0 }, phase: 'done', error: { code: 'HF3101', address: 'bad', message: expect.stringContaining('the cloud said no'), run: ran.json.run } })
    expect(ran.json.error).toMatchObject({ file: join(p.root, 'app.ts'), line: expect.any(Number), column: expect.any(Number) })
    expect(Object.fromEntries(ran.json.tasks.map((t: any) => [t.address, t.outcome]))).toEqual({ first: 'reverted', web: 'reverted', bad: 'failed' })
    expect(ran.json.reverted.map((r: any) => r.address).sort()).toEqual(['first', 'web'])
    expect(boxes(p)).toBe('')
    expect((await p.run('state', 'ls', '--json', '--open')).json.resources).toEqual([])
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 0, openRun: null, open: [], lastRun: { outcome: 'reverted' } })
    p.behave({})
    expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
  })

  test('--on-failure keep: exit 12, what succeeded is a revision, and resume goes on', async () => {
    const p = boxProject(failing)
    p.behave({ 'bad.create': 'throw' })
    const kept = await p.run('apply', '--yes', '--json', '--on-failure', 'keep')
    expect(ended(kept)).toEqual([12, 'kept'])
    expect(kept.json).toMatchObject({ revision: { from: 0, to: 1 }, error: { code: 'HF3101' } })
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 1, partial: true, resources: 2, openRun: null })
    expect((await p.run('outputs', '--json')).json.outputs).toEqual({ id: 'box-web' })
    expect(refused(await p.run('run', 'revert', '--yes', '--json'))).toEqual([6, 'HF6005'])
    p.behave({})
    const resumed = await p.run('run', 'resume', '--yes', '--json')
    expect(ended(resumed)).toEqual([0, 'applied'])
    expect(resumed.json).toMatchObject({ plan: kept.json.plan, revision: { from: 1, to: 2 } })
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 2, partial: false, resources: 3 })
    expect(p.calls().filter((c) => c === c && c.startsWith('create web'))).toHaveLength(1)
    expect(refused(await p.run('run', 'resume', '--yes', '--json'))).toEqual([6, 'HF6005'])
  })

  test('an undo that fails: exit 12, what is left is named, and run revert takes it back', async () => {
    const p = boxProject(failing)
    p.behave({ 'bad.create': 'throw', 'web.delete': 'throw' })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran)).toEqual([12, 'incomplete'])
    expect(ran.json.tasks.find((t: any) => t.address === 'web').outcome).toBe('revertFailed')
    expect((await p.run('status', '--json')).json.openRun).toBe(ran.json.run)
    p.behave({})
    expect(ended(await p.run('run', 'revert', '--yes', '--json'))).toEqual([0, 'reverted'])
    expect(boxes(p)).toBe('')
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 0, openRun: null, open: [] })
  })

  test('a deletion that fails after the commit: exit 14, listed as pending, and the next apply repeats it', async () => {
    const p = boxProject(`Box('web', { name: 'web' })`)
    await p.run('apply', '--yes', '--json')
    p.write({ 'app.ts': program('', { types: true }) })
    p.behave({ 'web.delete': 'throw' })
    const ran = await p.run('apply', '--yes', '--json')
    expect(ended(ran)).toEqual([14, 'applied'])
    expect(ran.json).toMatchObject({ revision: { from: 1, to: 2 }, pending: ['web'] })
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 2, pendingDeletes: ['web'], resources: 0 })
    expect((await p.run('plan', '--json')).json.pending).toEqual(['web'])
    expect((await p.run('plan', '--json', '--exit-code')).code).toBe(7)
    p.behave({})
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
    expect(boxes(p)).toBe('')
    expect((await p.run('status', '--json')).json.pendingDeletes).toEqual([])
  })
})

describe('Ctrl-C', () => {
  const slow = `
    const a = Box('a', { name: 'a' })
    const web = Box('web', { name: 'web', after: a.id })
    Box('last', { name: 'last', after: web.id })`

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`${signal} once: the running step ends, no other starts, all is taken back, exit 8`, async () => {
      const p = boxProject(slow)
      p.behave({ 'web.create': 'wait' })
      const running = p.start('apply', '--yes', '--json')
      await running.until(() => p.calls().some((c) => c.startsWith('create web')))
      running.kill(signal)
      await running.until(/running steps end first/)
      p.write({ go: '' })
      const ran = await running.ended
      expect([ran.code, ran.json.error?.code]).toEqual([8, 'HF3106'])
      expect(ran.json.revision).toEqual({ from: 0, to: 0 })
      expect(ran.stderr).toContain('running steps end first')
      expect(p.calls().some((c) => c.startsWith('create last'))).toBe(false)
      expect(boxes(p)).toBe('')
      expect((await p.run('status', '--json')).json).toMatchObject({ revision: 0, openRun: null, open: [], leases: [] })
      p.behave({})
      expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
    })
  }

  test('once, with --on-failure keep: what was done is kept, exit 8', async () => {
    const p = boxProject(slow)
    p.behave({ 'web.create': 'wait' })
    const running = p.start('apply', '--yes', '--json', '--on-failure', 'keep')
    await running.until(() => p.calls().some((c) => c.startsWith('create web')))
    running.kill('SIGINT')
    await running.until(/running steps end first/)
    p.write({ go: '' })
    const ran = await running.ended
    expect([ran.code, ran.json.revision]).toEqual([8, { from: 0, to: 1 }])
    expect((await p.run('state', 'ls', '--json')).json.resources.map((r: any) => r.address)).toEqual(['a', 'web'])
    p.behave({})
    expect(ended(await p.run('run', 'resume', '--yes', '--json'))).toEqual([0, 'applied'])
  })

  for (const [answer, outcome] of [['keep\r', { from: 0, to: 1 }], ['revert\r', { from: 0, to: 0 }], ['\r', { from: 0, to: 0 }], ['\u0003', { from: 0, to: 0 }]] as const) {
    test(`once, on a terminal: what became of it is asked, and ${JSON.stringify(answer)} is an answer`, async () => {
      const p = boxProject(slow)
      p.behave({ 'web.create': 'wait' })
      const terminal = onTerminal(p, 'apply', '--yes')
      await terminal.until(() => p.calls().some((c) => c.startsWith('create web')))
      terminal.type('\u0003')
      await terminal.until(() => terminal.screen().includes('running steps end first'))
      p.write({ go: '' })
      await terminal.until(() => terminal.screen().includes('[keep/REVERT]'))
      terminal.type(answer)
      expect(await terminal.ended, terminal.screen()).toBe(8)
      const [run] = (await p.run('run', 'ls', '--json')).json.runs
      expect((await p.run('status', '--json')).json.revision).toBe(outcome.to)
      expect(run.status).toBe(outcome.to === 1 ? 'kept' : 'reverted')
    })
  }

  test('twice: a step that listens ends at once, and nothing is lost', async () => {
    const p = boxProject(slow.replaceAll('Box(', 'Named('))
    p.behave({ 'web.create': 'honour' })
    const running = p.start('apply', '--yes', '--json')
    await running.until(() => p.calls().some((c) => c.startsWith('create web')))
    running.kill('SIGINT')
    await running.until(/running steps end first/)
    running.kill('SIGINT')
    const ran = await running.ended
    expect(ran.code).toBe(8)
    expect(ran.stderr).toContain('Cancelling running steps')
    p.behave({})
    const next = await p.run('apply', '--yes', '--json')
    expect([next.code, next.json.outcome]).toEqual([0, 'applied'])
    expect((await p.run('state', 'ls', '--json')).json.resources).toHaveLength(3)
  })

  test('three times, when a provider never calls back: exit 8 at once, and the next apply goes on', async () => {
    const p = boxProject(slow.replaceAll('Box(', 'Named('))
    p.behave({ 'web.create': 'hang' })
    const running = p.start('apply', '--yes', '--json', { shared: true })
    await running.until(() => p.calls().some((c) => c.startsWith('create web')))
    for (const told of [/running steps end first/, /Cancelling running steps/]) {
      running.kill('SIGINT')
      await running.until(told)
    }
    running.kill('SIGINT')
    const ran = await running.ended.catch((e: Error) => e)
    // Either the second was enough, with a document, or the third left at once without one, or it met a process that had done all and was on its way out.
    if (!(ran instanceof Error)) expect([ran.code, ran.signal]).toEqual(ran.code === null ? [null, 'SIGINT'] : [8, null])
    p.behave({})
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
    expect((await p.run('state', 'doctor', '--json')).json.ok).toBe(true)
  })

  test('while waiting for the lease nothing is changed, exit 8', async () => {
    const p = boxProject(slow)
    p.behave({ 'web.create': 'wait' })
    const first = p.start('apply', '--yes', '--json')
    await first.until(() => p.calls().some((c) => c.startsWith('create web')))
    const second = p.start('apply', '--yes', '--json', '--lock-timeout', '1m')
    await second.until(/waiting/)
    second.kill('SIGINT')
    const ran = await second.ended
    expect(refused(ran)).toEqual([8, 'HF1008'])
    p.write({ go: '' })
    expect((await first.ended).code).toBe(0)
  })
})

describe('two at once', () => {
  const slow = `Box('web', { name: 'web' })`

  test('the second is told who is at work and exits 10, or waits', async () => {
    const p = boxProject(slow)
    p.behave({ 'web.create': 'wait' })
    const first = p.start('apply', '--yes', '--json')
    await first.until(() => p.calls().some((c) => c.startsWith('create web')))
    const waiting = p.start('apply', '--yes', '--json', '--lock-timeout', '1m')
    const begun = performance.now()
    const ran = await p.run('apply', '--yes', '--json', '--lock-timeout', '0s')
    expect(refused(ran)).toEqual([10, 'HF4201'])
    expect(ran.json.error.details).toEqual({ scope: 'shop/default', holder: expect.stringMatching(/^h-/), host: expect.any(String), pid: first.pid, ageMs: expect.any(Number), expiresAt: expect.stringMatching(/Z$/) })
    expect(ran.json.error.message).toContain(`pid ${first.pid} on ${ran.json.error.details.host}`)
    expect(performance.now() - begun).toBeLessThan(10_000)
    expect((await p.run('status', '--json')).json.leases).toEqual([expect.objectContaining({ scope: 'shop/default', pid: first.pid, alive: true })])
    expect((await p.run('plan', '--json')).code).toBe(0) // reading needs no lease
    p.write({ go: '' })
    expect(ended(await first.ended)).toEqual([0, 'applied'])
    const second = await waiting.ended
    expect(ended(second)).toEqual([0, 'unchanged'])
    expect(second.stderr).toMatch(/waiting/)
    expect(p.calls().filter((c) => c.startsWith('create'))).toHaveLength(1)
  })

  test('a dead holder is taken over at once', async () => {
    const p = boxProject(slow.replace('Box(', 'Named('))
    p.behave({ 'web.create': 'hang' })
    const first = p.start('apply', '--yes', { shared: true })
    await first.until(() => p.calls().some((c) => c.startsWith('create web')))
    first.kill('SIGKILL')
    await first.ended
    expect((await p.run('status', '--json', { shared: true })).json.leases).toEqual([expect.objectContaining({ pid: first.pid, alive: false })])
    p.behave({})
    const ran = await p.run('apply', '--yes', '--json', '--lock-timeout', '0s')
    expect(ended(ran)).toEqual([0, 'applied'])
    expect(ran.stderr).toMatch(/was not finished; it is taken over/)
    expect(ran.ms).toBeLessThan(10_000)
  })

  test('the first two applies ever, at the same moment, make one state and one key', async () => {
    const p = makeProject({ 'app.ts': program(`Password('a', { length: 20 })`) })
    const both = await Promise.all([p.run('apply', '--yes', '--json', '--lock-timeout', '1m'), p.run('apply', '--yes', '--json', '--lock-timeout', '1m')])
    expect(both.map((r) => r.code), both.map((r) => r.stderr).join('\n')).toEqual([0, 0])
    expect(both.map((r) => r.json.outcome).sort()).toEqual(['applied', 'unchanged'])
    expect((await p.run('state', 'doctor', '--json')).json.ok).toBe(true)
    expect((await p.run('status', '--json')).json).toMatchObject({ revision: 1, resources: 1 })
  })
})

describe('a resource type of the user', () => {
  test('the example has its type in under 30 lines, and it works', async () => {
    const { cpSync, readFileSync, readlinkSync } = await import('node:fs')
    const source = new URL('../../../../examples/own-type/app.ts', import.meta.url)
    const lines = readFileSync(source, 'utf8').split('\n')
    expect(lines.findIndex((l) => l === '})') - lines.findIndex((l) => l.includes('= resource({'))).toBeLessThan(30)
    const p = makeProject()
    cpSync(source, join(p.root, 'app.ts'))
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
    expect(readlinkSync(join(p.root, 'current'))).toBe('releases-2')
    p.write({ 'app.ts': p.read('app.ts').replace("path: 'releases-2'", "path: 'releases-3'") })
    expect(ended(await p.run('apply', '--yes', '--json'))).toEqual([0, 'applied'])
    expect(readlinkSync(join(p.root, 'current'))).toBe('releases-3')
    rmSync(join(p.root, 'current'))
    writeFileSync(join(p.root, 'current'), 'mine')
    expect((await p.run('drift', '--json')).json.drifted).toEqual([{ address: 'current', kind: 'gone', paths: [] }])
    rmSync(join(p.root, 'current'))
    expect(ended(await p.run('destroy', '--yes', '--json'))).toEqual([0, 'applied'])
    expect([p.has('current'), p.has('releases-3')]).toEqual([false, false])
  })
})

describe('a provider that is careless with a secret', () => {
  test('leaks it neither when it throws it nor when it logs it', async () => {
    const p = makeProject({ 'types.ts': boxTypes, 'app.ts': program(`Box('web', { name: 'web', password: c.secrets.TOKEN })`, { types: true, more: "secrets: ['TOKEN']," }) })
    p.secrets.add('s3cr3t-token/+=')
    await p.run('secret', 'set', 'TOKEN', { stdin: 's3cr3t-token/+=' })
    p.behave({ 'web.create': 'throw-secret' })
    const thrown = await p.run('apply', '--yes', '--json', '--events', 'events.ndjson')
    expect(ended(thrown)).toEqual([4, 'reverted'])
    expect(thrown.json.error.message).toMatch(/token .+ was refused/)
    const shown = await p.run('run', 'show', thrown.json.run, '--json')
    expect(shown.json.tasks[0].failure).toMatch(/was refused/)
    p.behave({ 'web.create': 'log-secret' })
    const logged = await p.run('apply', '--yes', '--verbose', '--events', 'events.ndjson')
    expect(logged.code).toBe(0)
    expect(logged.stderr).toMatch(/using /)
    expect(filesWith(p.root, p.secrets)).toEqual([])
  })
})
