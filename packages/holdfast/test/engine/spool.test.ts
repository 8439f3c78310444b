import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { failure, systemRandom } from '../../src/base/index.ts'
import { readStatus } from '../../src/engine/index.ts'
import { makeKeyring } from '../../src/secret/index.ts'
import { FileSpool, MemoryStore, type SpoolStep } from '../../src/store/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { makeLab, type Class, type Lab } from '../support/world.ts'

const folders: string[] = []
afterAll(() => folders.forEach((f) => rmSync(f, { recursive: true, force: true })))

/** Where a process dies: at a moment of the spool, or around the n-th commit that it makes after its lease. */
type Death = { readonly spool: SpoolStep } | { readonly commit: number; readonly phase: 'before' | 'after' }

/** One store, one cloud and one folder, and processes that come and go. */
function place(cls: Class) {
  const folder = join(mkdtempSync(join(tmpdir(), 'holdfast-spool-')), 'state.db.spool')
  folders.push(join(folder, '..'))
  const clock = new VirtualClock()
  let tables: MemoryStore['tables'] | undefined
  let first: Lab | undefined
  const process = (death?: Death): { readonly lab: Lab; readonly died: Promise<void>; full: boolean } => {
    let die: () => void = () => undefined
    const died = new Promise<void>((resolve) => { die = resolve })
    const at = async (here: boolean): Promise<void> => {
      if (!here) return
      store.crash()
      die()
      await new Promise(() => undefined)
    }
    const is = (n: number, phase: string) => death !== undefined && 'commit' in death && death.commit === n - 1 && death.phase === phase
    const store: MemoryStore = new MemoryStore({ clock, random: systemRandom, isDead: () => true, ...(tables ? { tables } : {}), faults: { before: (n) => at(is(n, 'before')), after: (n) => at(is(n, 'after')) } })
    tables = store.tables
    const lab: Lab = makeLab({ class: cls, clock, store, ...(first ? { cloud: first.cloud, Box: first.Box } : {}) })
    first ??= lab
    Object.assign(lab.cx, { spool: new FileSpool(folder, (step) => at(death !== undefined && 'spool' in death && death.spool === step)) })
    const p = { lab, died, full: false }
    const commit = store.commit.bind(store)
    store.commit = async (entries, options) => {
      // The disk fills up while the provider is at work: nothing is written from the first outcome on.
      if (entries.some((e) => e.t === 'tx.move' && (e.to === 'completed' || e.to === 'failed'))) p.full ||= wantsFull
      if (p.full) throw failure('HF4006', { message: 'database or disk is full' })
      return commit(entries, options)
    }
    return p
  }
  let wantsFull = false
  return { folder, process, fill: (on: boolean) => { wantsFull = on } }
}

const program = (size = 1) => (lab: Lab) => () => void lab.Box('a', { name: 'x', size, secret: 'a-secret-in-the-spool' })
const outcome = async (run: Promise<unknown>): Promise<unknown> => run.then((d) => (d as { error?: { code?: string } }).error?.code, (e: { code?: string }) => e.code)
const count = (lab: Lab, call: string) => lab.cloud.calls.filter((c) => c === call).length

describe('an outcome that the store cannot take', () => {
  for (const cls of ['A', 'B', 'C', 'D'] as const) {
    test(`is kept beside it, sealed, and the next run takes it over before it settles anything: nothing is asked or sent again (class ${cls})`, async () => {
      const at = place(cls)
      const one = at.process()
      at.fill(true)
      expect(await outcome(one.lab.apply(program()(one.lab)))).toBe('HF4006')
      const [file] = readdirSync(at.folder) as [string]
      expect([statSync(at.folder).mode & 0o777, statSync(join(at.folder, file)).mode & 0o777]).toEqual([0o700, 0o600])
      const bytes = readFileSync(join(at.folder, file))
      for (const secret of ['a-secret-in-the-spool', 'token-of-o1']) {
        for (const text of [secret, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64').slice(0, -2)]) expect(bytes.includes(text)).toBe(false)
      }
      at.fill(false)
      const two = at.process()
      expect(await two.lab.apply(program()(two.lab))).toMatchObject({ outcome: 'applied' })
      expect(two.lab.cloud.calls).toEqual(['create x'])
      expect(two.lab.cloud.content).toEqual(['x=1'])
      expect(existsSync(at.folder)).toBe(false)
      const env = await two.lab.store.env('lab', 'default')
      const kinds = (await two.lab.store.events(env?.id as string, { seq: 0 }, 1000)).map((e) => e.kind)
      expect(kinds.filter((k) => k === 'tx.spooled' || k === 'tx.recovered')).toEqual(['tx.spooled', 'tx.recovered'])
    })
  }

  test('of an update, of a delete and of a rejection is taken over the same way', async () => {
    const at = place('D')
    const p = at.process()
    await p.lab.apply(program()(p.lab))
    at.fill(true)
    expect(await outcome(p.lab.apply(program(2)(p.lab)))).toBe('HF4006')
    at.fill(false)
    const q = at.process()
    expect(await q.lab.apply(program(2)(q.lab))).toMatchObject({ outcome: 'applied' })
    expect(count(q.lab, 'update x')).toBe(1)
    at.fill(true)
    q.lab.cloud.fault('create y', 'reject')
    expect(await outcome(q.lab.apply(() => {
      program(2)(q.lab)()
      q.lab.Box('b', { name: 'y' })
    }))).toBe('HF4006')
    at.fill(false)
    const r = at.process()
    // A rejection that is known needs nobody: the create of class D would be a question otherwise.
    expect(await r.lab.apply(program(2)(r.lab))).toMatchObject({ outcome: 'applied' })
    expect((await readStatus(r.lab.cx)).open).toEqual([])
    at.fill(true)
    expect(await outcome(r.lab.destroy())).toBe('HF4006')
    at.fill(false)
    const s = at.process()
    expect(await s.lab.destroy()).toMatchObject({ pending: [] })
    expect(count(s.lab, 'delete x')).toBe(1)
    expect(s.lab.cloud.content).toEqual([])
  })
})

describe('killed at every step, nothing is lost that was kept, and nothing is taken over twice', () => {
  const firstDeaths: readonly (Death | undefined)[] = [{ spool: 'put' }, { spool: 'put:written' }, { spool: 'put:durable' }, undefined]
  const secondDeaths: readonly (Death | undefined)[] = [
    ...[1, 2, 3].flatMap((commit): Death[] => [{ commit, phase: 'before' }, { commit, phase: 'after' }]), { spool: 'drop' }, { spool: 'drop:gone' }, undefined,
  ]
  for (const cls of ['A', 'B', 'C', 'D'] as const) for (const one of firstDeaths) {
    test(`class ${cls}, first process ${one && 'spool' in one ? `dies at ${one.spool}` : 'ends'}; the second dies at each of its steps`, async () => {
      for (const two of secondDeaths) {
        const at = place(cls)
        const p = at.process(one)
        at.fill(true)
        await Promise.race([outcome(p.lab.apply(program()(p.lab))), p.died])
        at.fill(false)
        const q = at.process(two)
        await Promise.race([outcome(q.lab.apply(program()(q.lab))), q.died])
        const r = at.process()
        const doc = await r.lab.apply(program()(r.lab))
        const what = JSON.stringify([one, two])
        expect(r.lab.cloud.content, what).toEqual(['x=1'])
        const kept = !(one && 'spool' in one && one.spool === 'put')
        if (kept) {
          expect(['applied', 'unchanged'], what).toContain(doc.outcome)
          expect(count(r.lab, 'create x'), what).toBe(1)
          expect(count(r.lab, 'find x') + count(r.lab, 'read x'), what).toBe(0)
        } else expect(doc.outcome === 'incomplete', what).toBe(cls === 'D')
        expect((await r.lab.store.doctor()).filter((c) => !c.ok && c.name !== 'provisional rows belong to an open run'), what).toEqual([])
      }
    }, 60_000)
  }
})

describe('a record', () => {
  async function spooled(): Promise<{ readonly at: ReturnType<typeof place>; readonly file: string }> {
    const at = place('B')
    const p = at.process()
    at.fill(true)
    await outcome(p.lab.apply(program()(p.lab)))
    at.fill(false)
    return { at, file: join(at.folder, readdirSync(at.folder)[0] as string) }
  }
  test('that broke off while it was written is none: the change is settled as its type declares', async () => {
    const { at, file } = await spooled()
    truncateSync(file, readFileSync(file).indexOf(0) - 20)
    const q = at.process()
    expect(await q.lab.apply(program()(q.lab))).toMatchObject({ outcome: 'applied' })
    expect(q.lab.cloud.calls).toEqual(['create x', 'read x'])
  })
  test('that somebody without the key made is none', async () => {
    const { at, file } = await spooled()
    const line = readFileSync(file, 'utf8').slice(0, readFileSync(file).indexOf(0)).trim()
    const { token } = JSON.parse(line.slice(line.indexOf(' ') + 1)) as { token: string }
    const other = makeKeyring(new Uint8Array(32).fill(9), 'store', systemRandom)
    const text = JSON.stringify({ token, attempts: 1, epoch: 0, at: 0, outcome: { kind: 'failed', applied: 'no', code: 'HF3101', message: 'no' } })
    rmSync(file)
    const forger = new FileSpool(at.folder)
    await forger.put(file.split('/').at(-1)?.split('.')[0] as string, 999, JSON.stringify({ token, sealed: other.seal(text, { table: 'spool', row: token, field: 'outcome', tx: token }) }))
    await forger.put(file.split('/').at(-1)?.split('.')[0] as string, 999, JSON.stringify({ token, open: text }))
    const q = at.process()
    expect(await q.lab.apply(program()(q.lab))).toMatchObject({ outcome: 'applied' })
    expect(q.lab.cloud.calls).toEqual(['create x', 'read x'])
  })
  test('of a change that was settled meanwhile says nothing any more', async () => {
    const { at, file } = await spooled()
    const copy = readFileSync(file)
    const q = at.process()
    await q.lab.apply(program()(q.lab))
    const r = at.process()
    await r.lab.apply(program(3)(r.lab))
    rmSync(at.folder, { recursive: true, force: true })
    const s = at.process()
    s.lab.cx.spool?.reserve('x', 1)
    writeFileSync(file, copy)
    expect(await s.lab.apply(program(3)(s.lab))).toMatchObject({ outcome: 'unchanged' })
    expect(s.lab.cloud.content).toEqual(['x=3'])
    expect(existsSync(file)).toBe(false)
  })
  test('has room that was taken before, and gives it back when nothing had to be kept', async () => {
    const at = place('B')
    const p = at.process()
    let during: number | undefined
    const run = p.lab.cloud.run.bind(p.lab.cloud)
    p.lab.cloud.run = (...a) => {
      during = statSync(join(at.folder, readdirSync(at.folder)[0] as string)).size
      return run(...a)
    }
    await p.lab.apply(program()(p.lab))
    expect(during).toBe(65_536)
    expect(existsSync(at.folder)).toBe(false)
  })
})
