import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { endProjects, filesWith, makeProject, type Project } from './support.ts'

const mounts: string[] = []
afterAll(() => {
  for (const at of mounts) execFileSync('umount', [at])
  endProjects()
})

const source = `import { app, resource, sensitive } from 'holdfast'
import { appendFileSync, closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** Nothing finds out what became of a lost create; its create leaves no room on the disk of the state. */
const Filler = resource({
  type: 'test:disk/Filler', inputs: z.object({ name: z.string() }), outputs: z.object({ id: z.string(), token: sensitive(z.string()) }),
  create: async ({ inputs, host }) => {
    appendFileSync(join(host.root, 'calls.log'), 'create ' + inputs.name + '\\n')
    if (!existsSync(join(host.root, 'once'))) {
      appendFileSync(join(host.root, 'once'), '')
      const fd = openSync(join(host.home, 'filler'), 'w')
      try {
        for (const n of [65536, 4096, 512]) for (;;) try { writeSync(fd, Buffer.alloc(n)) } catch { break }
      } finally { closeSync(fd) }
    }
    return { id: 'f-' + inputs.name, token: ['a-token', 'that-nobody-may-see'].join('-') }
  },
  delete: async () => {},
})
export default app('disk', { build() { return { id: Filler('f', { name: 'one' }).id } } })
`

/** A project whose state lies on a small disk. */
function onSmallDisk(): { readonly p: Project; readonly home: string } {
  const p = makeProject({ 'app.ts': source })
  p.secrets.add('a-token-that-nobody-may-see')
  const home = join(p.root, '.holdfast')
  mkdirSync(home, { mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'holdfast-test', home])
  mounts.push(home)
  return { p, home }
}
const dying = (step: string) => ({ env: { HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: `spool:${step}` }, shared: true })

// A mount needs root; there is no other way to make a disk full.
test.runIf(process.getuid?.() === 0)('what a provider answered is not lost when the disk is full: it is kept beside the state, sealed, and needs no person', async () => {
  const { p, home } = onSmallDisk()
  const full = await p.run('apply', '--yes', '--json', { shared: true })
  expect([full.code, full.json.error.code], full.stderr).toEqual([12, 'HF4006'])
  expect(full.stderr).toContain('is kept beside it')
  const spool = join(home, 'state.db.spool')
  const [file, ...more] = readdirSync(spool)
  expect(more).toEqual([])
  expect([statSync(spool).mode & 0o777, statSync(join(spool, file as string)).mode & 0o777]).toEqual([0o700, 0o600])
  expect(filesWith(home, p.secrets)).toEqual([])

  rmSync(join(home, 'filler'))
  const again = await p.run('apply', '--yes', '--json')
  expect([again.code, again.json.outcome, again.json.outputs], again.stderr).toEqual([0, 'applied', { id: 'f-one' }])
  expect(p.calls()).toEqual(['create one'])
  expect(readdirSync(home)).not.toContain('state.db.spool')
  expect((await p.run('status', '--json')).json.open).toEqual([])
}, 60_000)

test.runIf(process.getuid?.() === 0)('SIGKILL at each step of it: what was kept is taken over once, and what was not kept is a question', async () => {
  for (const [first, second] of [['put', undefined], ['put:written', undefined], ['put:durable', 'drop'], [undefined, 'drop:gone']] as const) {
    const { p, home } = onSmallDisk()
    const one = await p.run('apply', '--yes', ...(first ? [dying(first)] : [{ shared: true }]))
    expect(one.signal ?? one.code, one.stderr).toBe(first ? 'SIGKILL' : 12)
    expect(filesWith(home, p.secrets)).toEqual([])
    rmSync(join(home, 'filler'))
    if (second) expect((await p.run('apply', '--yes', dying(second))).signal).toBe('SIGKILL')
    const last = await p.run('apply', '--yes', '--json')
    if (first === 'put') expect([last.code, last.json.error.code]).toEqual([12, 'HF3103'])
    else expect([last.code, last.json.outputs], last.stderr).toEqual([0, { id: 'f-one' }])
    expect(p.calls()).toEqual(['create one'])
    expect(readdirSync(home)).not.toContain('state.db.spool')
  }
}, 120_000)
