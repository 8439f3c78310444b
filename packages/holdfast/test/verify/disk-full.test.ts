import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { filesWith, makeProject, program, type Project, type Ran } from '../cli/support.ts'

/**
 * A small file system is full at every 64 KiB of what a command writes: it ends with a code, and when there is space again, the next apply makes everything good.
 * A mount needs root; there is no other way to make a disk full.
 */
const STEP = 65_536
const STEPS_MAX = 64
const DISK_BYTES = 16 * 1_048_576

const mounts: string[] = []
afterAll(() => {
  for (const at of mounts) {
    execFileSync('umount', [at])
    rmSync(at, { recursive: true, force: true })
  }
})

/** Gives the folder, empty: one mount, used again and again. */
function disk(): string {
  const [known] = mounts
  if (known !== undefined) return known
  const at = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-disk-')))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=0755`, 'holdfast-test', at])
  mounts.push(at)
  return at
}

const free = (at: string): number => {
  const s = statfsSync(at)
  return s.bavail * s.bsize
}

/** Leaves this many bytes; gives how to free the rest. */
function fill(at: string, leave: number): () => void {
  const file = join(at, '..fill')
  const fd = openSync(file, 'w')
  const chunk = Buffer.alloc(STEP)
  try {
    for (let left = free(at) - leave; left > 0; left -= chunk.length) writeSync(fd, chunk, 0, Math.min(chunk.length, left))
  } catch {
    ftruncateSync(fd, 0)
    throw new Error('the disk could not be filled')
  } finally {
    closeSync(fd)
  }
  return () => rmSync(file, { force: true })
}

const first = program(`
    const data = Directory('data', { path: 'data' })
    const password = Password('password', { length: 24 })
    const conf = File('conf', { path: 'out/app.conf', content: str\`password=\${password.value} data=\${data.path}\\n\`, mode: 0o600 })
    const text = File('text', { path: 'out/text', content: 'x'.repeat(100_000) })
    for (let i = 0; i < 12; i++) Value('v' + i, { input: { n: i, of: conf.path, text: 'y'.repeat(1_000) } })
    return { conf: conf.path, text: text.path }`)
const second = first.replace("'x'.repeat(100_000)", "'z'.repeat(130_000)").replace("path: 'data' }", "path: 'data-2' }").replace("'y'.repeat(1_000)", "'w'.repeat(1_500)").replace('i < 12', 'i < 16')

function freshProject(source: string): Project {
  const root = join(disk(), 'project')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
  return makeProject({ 'app.ts': source }, root)
}

const codeOf = (ran: Ran): string | undefined => ran.json?.error?.code
/** What a command that met a full disk may say. */
const EXPECTED = ['HF3111', 'HF4006', 'HF3109', 'HF4003', 'HF3110', 'HF3112', 'HF3103']

/** Runs `act` with every amount of space until it succeeds; `after` says what must hold when there is space again. */
async function atEveryStep(prepare: () => Promise<Project>, act: (p: Project) => Promise<Ran>, after: (p: Project) => Promise<void>): Promise<number> {
  let failed = 0
  let fine = 0
  for (let k = 0; fine < 2; k++) {
    if (k > STEPS_MAX) throw new Error('it needs more space than the test has')
    const p = await prepare()
    const clear = fill(disk(), k * STEP)
    const ran = await act(p).finally(clear)
    const said = `${k} * 64 KiB left: exit ${ran.code ?? ran.signal} ${ran.stdout}\n${ran.stderr}`
    if (ran.code === 0) fine++
    else {
      fine = 0
      failed++
      expect([4, 12, 13, 14], said).toContain(ran.code)
      expect(EXPECTED, said).toContain(codeOf(ran))
      expect(ran.json.error.hint, said).toBeTruthy()
      expect(ran.stderr, said).toContain(`error ${codeOf(ran)}`)
    }
    if (existsSync(p.state)) {
      const doctor = await p.run('state', 'doctor', '--json', { shared: true })
      // Before the first commit there is an empty file, which is no damage.
      if (doctor.json.error === undefined) expect(doctor.json, said).toMatchObject({ ok: true })
    }
    await after(p).catch((e: Error) => { throw new Error(`${e.message}\n${said}`) })
  }
  return failed
}

const good = async (p: Project, ...words: string[]): Promise<Ran> => {
  const ran = await p.run(...words, '--json', '--yes')
  expect(ran.code, `${words.join(' ')} when there is space again: ${ran.stdout}\n${ran.stderr}`).toBe(0)
  return ran
}

describe('a disk that is full at every 64 KiB of', () => {
  test('a first apply', async () => {
    const failed = await atEveryStep(async () => freshProject(first), (p) => p.run('apply', '--yes', '--json', { shared: true }), async (p) => {
      await good(p, 'apply')
      expect(readFileSync(join(p.root, 'out/text'), 'utf8')).toBe('x'.repeat(100_000))
      expect((await p.run('plan', '--exit-code', '--json')).json.summary).toEqual({ unchanged: 16 })
      const secret = /password=(\S+)/.exec(p.read('out/app.conf'))?.[1] as string
      expect(filesWith(join(p.root, '.holdfast'), [secret])).toEqual([])
    })
    expect(failed).toBeGreaterThan(4)
  })

  test('an apply of a change', async () => {
    const failed = await atEveryStep(async () => {
      const p = freshProject(first)
      await good(p, 'apply')
      p.write({ 'app.ts': second })
      return p
    }, (p) => p.run('apply', '--yes', '--json', { shared: true }), async (p) => {
      // What the base had is there, whether the run was taken back or is still open.
      expect(p.read('out/app.conf')).toMatch(/^password=\S{24} data=data/)
      await good(p, 'apply')
      expect(readFileSync(join(p.root, 'out/text'), 'utf8')).toBe('z'.repeat(130_000))
      expect([p.has('data'), p.has('data-2')]).toEqual([false, true])
      expect((await p.run('plan', '--exit-code', '--json')).json.summary).toEqual({ unchanged: 20 })
    })
    expect(failed).toBeGreaterThan(2)
  })

  test('a destroy', async () => {
    await atEveryStep(async () => {
      const p = freshProject(first)
      await good(p, 'apply')
      return p
    }, (p) => p.run('destroy', '--yes', '--json', { shared: true }), async (p) => {
      await good(p, 'destroy')
      expect([p.has('out'), p.has('data')]).toEqual([false, false])
      expect((await p.run('status', '--json')).json.resources).toBe(0)
    })
  })

  test('a plan, and of setting a secret', async () => {
    const source = program(`File('f', { path: 'f', content: c.secrets.TOKEN })`, { more: "secrets: ['TOKEN']," })
    for (let k = 0; k < 4; k++) {
      const p = freshProject(source)
      p.secrets.add('a-very-secret-text')
      const clear = fill(disk(), k * STEP)
      const set = await p.run('secret', 'set', 'TOKEN', '--json', { stdin: 'a-very-secret-text', shared: true })
      const plan = await p.run('plan', '--json', { shared: true })
      clear()
      for (const ran of [set, plan]) {
        if (ran.code !== 0) expect([...EXPECTED, 'HF2301', 'HF4301'], `${k}: ${ran.stdout}\n${ran.stderr}`).toContain(codeOf(ran))
      }
      await p.run('secret', 'set', 'TOKEN', { stdin: 'a-very-secret-text' })
      await good(p, 'apply')
      expect(p.read('f')).toBe('a-very-secret-text')
      expect(filesWith(join(p.root, '.holdfast'), p.secrets)).toEqual([])
    }
  })
})
