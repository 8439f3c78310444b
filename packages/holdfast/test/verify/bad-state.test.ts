import { chmodSync, chownSync, closeSync, copyFileSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endProjects, makeProject, program, type Project, type Ran } from '../cli/support.ts'

const SECRET = 'a-secret-nobody-sees'
const source = program(`
    File('kept', { path: 'out/kept', content: 'kept' })
    const password = Password('password', { length: 24 })
    Value('token', { input: c.secrets.TOKEN })
    return { password: password.value }`, { more: "secrets: ['TOKEN']," })

const NOBODY = 65534
const refused = (ran: Ran) => [ran.code, ran.json.error?.code]

let p: Project
/** The state and key as they are when all is well. */
let saved: string
beforeAll(async () => {
  p = makeProject({ 'app.ts': source })
  p.secrets.add(SECRET)
  await p.run('secret', 'set', 'TOKEN', { stdin: SECRET })
  expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
  saved = mkdtempSync(join(tmpdir(), 'holdfast-saved-'))
  for (const name of ['state.db', 'key']) copyFileSync(join(p.root, '.holdfast', name), join(saved, name))
})
afterAll(() => {
  endProjects()
  rmSync(saved, { recursive: true, force: true })
})
const restore = (): void => {
  for (const name of readdirSync(join(p.root, '.holdfast'))) if (name.startsWith('state.db')) rmSync(join(p.root, '.holdfast', name))
  for (const name of ['state.db', 'key']) {
    copyFileSync(join(saved, name), join(p.root, '.holdfast', name))
    chmodSync(join(p.root, '.holdfast', name), 0o600)
  }
}
const works = async (): Promise<void> => {
  const ran = await p.run('plan', '--exit-code', '--json')
  expect(ran.code, JSON.stringify(ran.json)).toBe(0)
  expect((await p.run('state', 'doctor', '--json')).json.ok).toBe(true)
}

describe('a state file that is damaged', () => {
  const PAGE = 4096
  const overwrite = (at: number, bytes: Buffer): void => {
    const fd = openSync(p.state, 'r+')
    writeSync(fd, bytes, 0, bytes.length, at)
    closeSync(fd)
  }
  const damages: Readonly<Record<string, { readonly act: () => void; readonly readable?: boolean }>> = {
    'garbage': { act: () => writeFileSync(p.state, Buffer.alloc(20_000, 'garbage ')) },
    'a text': { act: () => writeFileSync(p.state, 'hello\n') },
    'cut in the middle': { act: () => truncateSync(p.state, Math.floor(statSync(p.state).size / PAGE / 2) * PAGE) },
    'cut to its first page': { act: () => truncateSync(p.state, PAGE) },
    'cut inside of a page': { act: () => truncateSync(p.state, 1000) },
    'zero bytes': { act: () => truncateSync(p.state, 0) },
    'its first page zeroed': { act: () => overwrite(0, Buffer.alloc(PAGE)) },
    'every other page flipped': {
      act: () => {
        const bytes = readFileSync(p.state)
        for (let at = PAGE; at < bytes.length; at += 2 * PAGE) for (let i = at; i < Math.min(at + PAGE, bytes.length); i++) bytes[i] = (bytes[i] as number) ^ 0xff
        writeFileSync(p.state, bytes)
      },
    },
  }
  for (const [what, { act }] of Object.entries(damages)) {
    test(`S003-14 ${what}: HF4001, exit 13, and the file is left as it is`, async () => {
      restore()
      act()
      const before = readFileSync(p.state)
      for (const words of [['status'], ['plan'], ['apply', '--yes'], ['destroy', '--yes'], ['state', 'ls'], ['state', 'doctor']]) {
        const ran = await p.run(...words, '--json')
        // The doctor itself may still open the file, and then says what is wrong.
        if (words[1] === 'doctor' && !ran.json.error) expect([ran.code, ran.json.ok], JSON.stringify(ran.json)).toEqual([13, false])
        else {
          expect(refused(ran), `${words.join(' ')}: ${JSON.stringify(ran.json)}`).toEqual([13, 'HF4001'])
          expect(ran.json.error.message).toContain(p.state)
          expect(ran.json.error.hint).toMatch(/doctor|backup/)
        }
      }
      expect(readFileSync(p.state).equals(before)).toBe(true)
      expect(p.read('out/kept')).toBe('kept')
      restore()
      await works()
    }, 60_000)
  }

  test('one page flipped somewhere: whatever a command says, the doctor finds it, and nothing is lost', async () => {
    const pages = statSync(join(saved, 'state.db')).size / PAGE
    for (const page of [1, Math.floor(pages / 3), Math.floor(pages / 2), pages - 2]) {
      restore()
      const bytes = readFileSync(p.state)
      for (let i = page * PAGE; i < (page + 1) * PAGE; i++) bytes[i] = (bytes[i] as number) ^ 0xff
      writeFileSync(p.state, bytes)
      const doctor = await p.run('state', 'doctor', '--json')
      expect(doctor.code, `page ${page} of ${pages}: ${JSON.stringify(doctor.json)}`).toBe(13)
      for (const words of [['status'], ['plan'], ['apply', '--yes']]) {
        const ran = await p.run(...words, '--json', { shared: true }) // what could not be written into the file may stay beside it
        expect([0, 13], `page ${page}, ${words.join(' ')}: ${JSON.stringify(ran.json)}`).toContain(ran.code)
        if (ran.code === 13) expect(['HF4001', 'HF4303']).toContain(ran.json.error.code)
      }
      expect(p.read('out/kept')).toBe('kept')
    }
    restore()
    await works()
  }, 60_000)

  test('a database of somebody else is not touched', async () => {
    restore()
    const other = join(p.root, 'other.db')
    const { createRequire } = await import('node:module')
    const { DatabaseSync } = createRequire(import.meta.url)('@photostructure/sqlite') as { DatabaseSync: new (path: string) => { exec(sql: string): void; close(): void } }
    const db = new DatabaseSync(other)
    db.exec('create table notes (text)')
    db.close()
    const before = readFileSync(other)
    const ran = await p.run('apply', '--yes', '--json', { env: { HOLDFAST_STATE: other } })
    expect(refused(ran)).toEqual([13, 'HF4001'])
    expect(readFileSync(other).equals(before)).toBe(true)
  })
})

test('a state file of a newer version is refused: HF4002, exit 13, unchanged', async () => {
  restore()
  const { createRequire } = await import('node:module')
  const { DatabaseSync } = createRequire(import.meta.url)('@photostructure/sqlite') as { DatabaseSync: new (path: string) => { exec(sql: string): void; close(): void; prepare(sql: string): { all(): Record<string, unknown>[] } } }
  const db = new DatabaseSync(p.state)
  const columns = db.prepare('pragma table_info(schema_versions)').all().map((c) => String(c.name))
  db.exec(`insert into schema_versions (${columns.join(', ')}) select ${columns.map((c) => (c === 'version' ? '99' : c)).join(', ')} from schema_versions order by version desc limit 1; pragma wal_checkpoint(truncate)`)
  db.close()
  const before = readFileSync(p.state)
  for (const words of [['status'], ['apply', '--yes'], ['state', 'ls']]) {
    const ran = await p.run(...words, '--json', { shared: true })
    expect(refused(ran), JSON.stringify(ran.json)).toEqual([13, 'HF4002'])
    expect(ran.json.error.details).toMatchObject({ schema: 99 })
    expect(ran.json.error.hint).toMatch(/newer version/)
  }
  expect(readFileSync(p.state).equals(before)).toBe(true)
  restore()
  await works()
})

test('a state file that another program holds: HF4004, exit 13, and it works when it is let go', async () => {
  restore()
  const { createRequire } = await import('node:module')
  const { DatabaseSync } = createRequire(import.meta.url)('@photostructure/sqlite') as { DatabaseSync: new (path: string) => { exec(sql: string): void; close(): void } }
  const db = new DatabaseSync(p.state)
  db.exec('pragma locking_mode = exclusive; begin exclusive; create table if not exists lock_test (x)')
  const ran = await p.run('apply', '--yes', '--json', { shared: true })
  expect(refused(ran), JSON.stringify(ran.json)).toEqual([13, 'HF4004'])
  expect(ran.ms).toBeLessThan(25_000)
  db.exec('rollback')
  db.close()
  await works()
}, 40_000)

describe('a state that cannot be written', () => {
  /** As an unprivileged user: root may write everywhere. */
  const asNobody = async (act: () => Promise<void>): Promise<void> => {
    if (process.getuid?.() !== 0) throw new Error('this case needs root, to run a command as another user')
    chmodSync(p.root, 0o755)
    await act()
  }

  test('the files of another user: HF4003, exit 13', () => asNobody(async () => {
    restore()
    for (const words of [['status'], ['plan'], ['apply', '--yes']]) {
      const ran = await p.run(...words, '--json', { uid: NOBODY })
      expect(refused(ran), `${words.join(' ')}: ${JSON.stringify(ran.json)}`).toEqual([13, 'HF4003'])
      expect(ran.json.error.hint).toMatch(/permissions/)
    }
    await works()
  }))

  test('a read-only file and folder: reading works, writing is HF4003, and the file is as before', () => asNobody(async () => {
    restore()
    const home = join(p.root, '.holdfast')
    const all = (readdirSync(home, { recursive: true }) as string[]).map((n) => join(home, n))
    for (const path of [home, ...all]) chownSync(path, NOBODY, NOBODY)
    chmodSync(p.state, 0o400)
    chmodSync(home, 0o500)
    const before = readFileSync(p.state)
    try {
      for (const words of [['status'], ['state', 'ls'], ['outputs'], ['drift']]) {
        const ran = await p.run(...words, '--json', { uid: NOBODY })
        expect(ran.code, `${words.join(' ')}: ${JSON.stringify(ran.json)}`).toBe(0)
      }
      for (const words of [['plan'], ['apply', '--yes'], ['destroy', '--yes'], ['outputs', '--reveal']]) {
        const ran = await p.run(...words, '--json', { uid: NOBODY })
        expect(refused(ran), `${words.join(' ')}: ${JSON.stringify(ran.json)}`).toEqual([13, 'HF4003'])
      }
      expect(readFileSync(p.state).equals(before)).toBe(true)
    } finally {
      chmodSync(home, 0o700)
      for (const path of [home, ...all]) if (existsSync(path)) chownSync(path, 0, 0)
    }
    restore()
    await works()
  }))

  test('a folder in which .holdfast cannot be made: HF4003, exit 13', () => asNobody(async () => {
    const fresh = makeProject({ 'app.ts': program(`Value('a', { input: 1 })`) })
    chmodSync(fresh.root, 0o755)
    for (const words of [['plan'], ['apply', '--yes']]) expect(refused(await fresh.run(...words, '--json', { uid: NOBODY }))).toEqual([13, 'HF4003'])
    expect((await fresh.run('status', '--json', { uid: NOBODY })).code).toBe(0)
  }))
})

describe('state and key belong together', () => {
  test('the state is gone and the key is there: HF4005, exit 13, and nothing new is begun', async () => {
    restore()
    rmSync(p.state)
    for (const words of [['status'], ['plan'], ['apply', '--yes'], ['destroy', '--yes']]) {
      const ran = await p.run(...words, '--json')
      expect(refused(ran), words.join(' ')).toEqual([13, 'HF4005'])
      expect(ran.json.error.hint).toMatch(/backup/)
    }
    expect(existsSync(p.state)).toBe(false)
    restore()
    await works()
  })

  test('the key of another state: HF4302, exit 3', async () => {
    restore()
    const other = makeProject({ 'app.ts': program(`Password('a', { length: 20 })`) })
    await other.run('plan', '--json')
    copyFileSync(join(other.root, '.holdfast/key'), join(p.root, '.holdfast/key'))
    for (const words of [['plan'], ['apply', '--yes'], ['outputs', '--reveal']]) {
      const ran = await p.run(...words, '--json')
      expect(refused(ran), words.join(' ')).toEqual([3, 'HF4302'])
      expect(ran.json.error.hint).toBeTruthy()
    }
    restore()
    await works()
  })

  test('no key: HF4301, exit 3; no other is made, and what needs no secret still works', async () => {
    restore()
    rmSync(join(p.root, '.holdfast/key'))
    for (const words of [['apply', '--yes'], ['outputs', '--reveal'], ['plan']]) {
      const ran = await p.run(...words, '--json')
      expect(refused(ran), words.join(' ')).toEqual([3, 'HF4301'])
      expect(ran.json.error.hint).toMatch(/HOLDFAST_KEY|key/)
    }
    expect(existsSync(join(p.root, '.holdfast/key'))).toBe(false)
    for (const words of [['status'], ['state', 'ls'], ['run', 'ls'], ['state', 'doctor']]) expect((await p.run(...words, '--json')).code, words.join(' ')).toBe(0)
    const key = readFileSync(join(saved, 'key'), 'utf8').trim()
    expect((await p.run('plan', '--exit-code', '--json', { env: { HOLDFAST_KEY: key } })).code).toBe(0)
    writeFileSync(join(p.root, '.holdfast/key'), 'not a key\n', { mode: 0o600 })
    const broken = await p.run('plan', '--json')
    expect([broken.code, ['HF4301', 'HF4302'].includes(broken.json.error.code)], JSON.stringify(broken.json)).toEqual([3, true])
    restore()
    await works()
  })

  test('without the key, what needs no secret can still be destroyed', async () => {
    const plain = makeProject({ 'app.ts': program(`File('a', { path: 'out/a', content: 'a' })`) })
    await plain.run('apply', '--yes', '--json')
    rmSync(join(plain.root, '.holdfast/key'))
    const ran = await plain.run('destroy', '--yes', '--json')
    expect([ran.code, ran.json.outcome], JSON.stringify(ran.json)).toEqual([0, 'applied'])
    expect(plain.has('out')).toBe(false)
  })
})
