import { afterAll, expect, test } from 'vitest'
import { endProjects, makeProject, program } from './support.ts'

afterAll(endProjects)

test('a plan keeps its lease for the apply that names it; it can be given up by force; old events are taken away on demand', async () => {
  const p = makeProject({ 'app.ts': program(`File('a', { path: 'out/a', content: 'a' })`) })
  const held = await p.run('plan', '--hold', '10m', '--json')
  expect([held.code, held.json.lease]).toEqual([0, { token: expect.stringMatching(/^shop\/default#\d+$/), expires: expect.stringMatching(/Z$/) }])
  const { id, lease } = held.json as { id: string; lease: { token: string } }
  const out = await p.run('apply', '--yes', '--json')
  expect([out.code, out.json.error.code, out.json.error.hint]).toEqual([10, 'HF4201', expect.stringContaining('holdfast state unlock')])
  expect((await p.run('status')).stdout).toMatch(/^Kept for an apply: until \S+Z, by pid \d+ on /m)
  const applied = await p.run('apply', id, '--lease', lease.token, '--yes', '--json')
  expect([applied.code, applied.json.outcome]).toEqual([0, 'applied'])
  expect((await p.run('apply', '--lease', lease.token, '--yes', '--json')).json.error.code).toBe('HF4203')
  // There is nothing to apply: nothing is kept.
  const none = await p.run('plan', '--hold', '10m')
  expect([none.code, none.stdout.includes('--lease')]).toEqual([0, false])

  p.write({ 'app.ts': program(`File('a', { path: 'out/a', content: 'b' })`) })
  expect((await p.run('plan', '--hold', '1h')).stdout).toMatch(/To apply the plan: holdfast apply p-\w+ --lease 'shop\/default#\d+'\. To give the lease up: holdfast state unlock\.\n$/)
  const asks = await p.run('state', 'unlock')
  expect([asks.code, asks.stderr]).toEqual([2, expect.stringContaining('HF1006')])
  const forced = await p.run('state', 'unlock', '--yes', '--json')
  expect([forced.code, forced.json.unlocked]).toEqual([0, [expect.objectContaining({ scope: 'shop/default', kept: true })]])
  expect((await p.run('state', 'unlock', '--yes')).stdout).toBe('Nobody holds shop/default.\n')
  expect((await p.run('apply', '--yes', '--json')).json.outcome).toBe('applied')

  const compacted = await p.run('state', 'compact', '--keep', '3', '--json')
  expect([compacted.code, compacted.json]).toEqual([0, expect.objectContaining({ events: expect.any(Number), upTo: expect.any(Number), left: expect.any(Number) })])
  expect(compacted.json.events).toBeGreaterThan(3)
  const late = await p.run('state', 'watch', '--from', '0')
  expect([late.code, late.stderr]).toEqual([6, expect.stringContaining('HF6009')])
  expect((await p.run('state', 'compact')).stdout).toMatch(/^Nothing is old enough; there are \d+ events\.\n$/)
  expect((await p.run('state', 'doctor')).code).toBe(0)
}, 120_000)
