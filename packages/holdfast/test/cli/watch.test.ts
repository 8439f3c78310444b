import { afterAll, expect, test } from 'vitest'
import { endProjects, makeProject, program } from './support.ts'

afterAll(endProjects)

const lines = (text: string) => text.split('\n').filter((l) => l !== '').map((l) => JSON.parse(l) as { v: number; app: string; env: string; seq: number; n: number; at: string; kind: string; data: Record<string, unknown> })

test('state watch prints what another command commits, as it happens, and Ctrl-C ends it with 0', async () => {
  const p = makeProject({ 'app.ts': program(`File('a', { path: 'out/a', content: 'a' })\nconst p = Password('p', { length: 24 })\nreturn { p: p.value }`) })
  expect((await p.run('plan')).code).toBe(0)
  const watching = p.start('state', 'watch', '--json', '--from', '0')
  const applied = await p.run('apply', '--yes', '--json', { shared: true })
  expect(applied.code).toBe(0)
  await watching.until(() => watching.stdout().includes('"run.'))
  await watching.until(() => lines(watching.stdout()).some((e) => e.kind.startsWith('run.') && e.kind !== 'run.started'))
  watching.kill('SIGINT')
  const ended = await watching.ended
  expect([ended.code, ended.stderr]).toEqual([0, ''])
  const seen = lines(ended.stdout)
  expect(seen[0]).toMatchObject({ v: 1, app: 'shop', env: 'default' })
  expect(seen.every((e) => /^\d{4}-.*Z$/.test(e.at))).toBe(true)
  // The same as the run tells afterwards, in the same order; none twice.
  const places = seen.map((e) => [e.seq, e.n])
  expect(places).toEqual([...places].sort(([a, b], [c, d]) => (a as number) - (c as number) || (b as number) - (d as number)))
  expect(new Set(places.map(String)).size).toBe(places.length)
  const exported = (await p.run('state', 'export')).stdout.split('\n').filter((l) => l.startsWith('{"table":"events"')).map((l) => (JSON.parse(l) as { row: { seq: number; n: number; kind: string } }).row)
  expect(seen.map((e) => [e.seq, e.n, e.kind])).toEqual(exported.map((e) => [e.seq, e.n, e.kind]))

  // On from the middle, and from now on.
  const middle = (seen[Math.floor(seen.length / 2)] as { seq: number }).seq
  const again = p.start('state', 'watch', '--json', '--from', String(middle))
  const rest = seen.filter((e) => e.seq > middle).length
  await again.until(() => lines(again.stdout()).length >= rest)
  again.kill('SIGTERM')
  expect((await again.ended).code).toBe(0)
  expect(lines(again.stdout())).toEqual(seen.filter((e) => e.seq > middle))
  const plain = p.start('state', 'watch')
  await plain.until(/Watching shop\/default at commit \d+, revision 1; Ctrl-C ends it/)
  expect((await p.run('destroy', '--yes', { shared: true })).code).toBe(0)
  await plain.until(() => plain.stdout().includes('run.'))
  plain.kill('SIGINT')
  expect((await plain.ended).code).toBe(0)
  expect(plain.stdout().split('\n')[0]).toMatch(/^\d+ {2}\S+Z {2}run\.started {2}\{/)
}, 60_000)

test('state watch refuses what it cannot do: no state (HF1302), a place that is none (HF1001)', async () => {
  const p = makeProject({ 'app.ts': program(`Value('a', { input: 1 })`) })
  const none = await p.run('state', 'watch')
  expect([none.code, none.stderr.includes('HF1302')]).toEqual([6, true])
  const bad = await p.run('state', 'watch', '--from', 'monday')
  expect([bad.code, bad.stderr.includes('HF1001')]).toEqual([2, true])
})

test('B8.9#136 who waits for an environment is served in order, and an apply that gives up leaves no place behind', async () => {
  const p = makeProject({ 'app.ts': program(`Command('c', { command: ['sleep', '3'] })`).replace("import { Directory, File }", "import { Command, Directory, File }") })
  expect((await p.run('plan')).code).toBe(0)
  const first = p.start('apply', '--yes')
  await first.until(() => p.has('.holdfast/state.db-wal'))
  await new Promise((next) => setTimeout(next, 500))
  const short = await p.run('apply', '--yes', '--json', '--lock-timeout', '300ms', { shared: true })
  expect([short.code, short.json.error?.code]).toEqual([10, 'HF4201'])
  expect((await p.run('state', 'export', { shared: true })).stdout).not.toContain('"table":"tickets"')
  const waiting = await p.run('apply', '--yes', '--json', '--lock-timeout', '30s', { shared: true })
  expect([waiting.code, waiting.json.outcome]).toEqual([0, 'unchanged'])
  expect((await first.ended).code).toBe(0)
}, 60_000)
