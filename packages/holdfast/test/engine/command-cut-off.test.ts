import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readStatus } from '../../src/engine/index.ts'
import { commandSpec } from '../../src/builtin/local/command.ts'
import { Command } from '../../src/builtin/local/index.ts'
import { buildGraph } from '../../src/program/index.ts'
import { corner } from '../support/corner.ts'
import { how, inSession, makeLab } from '../support/world.ts'

/** A command that is cut off while it runs, and of which only a person knows whether it may run again. */
async function cutOff() {
  const c = corner()
  const lab = makeLab({ types: [{ type: commandSpec.type, spec: commandSpec }] })
  Object.assign(lab.cx.host, c.host, { env: lab.cx.host.env })
  const log = join(c.root, 'log')
  const build = () => void Command('it', { command: ['/bin/sh', '-c', 'echo begun >> log; if [ -e go ]; then exit $(cat go); else sleep 60; fi'] })
  const abort = new AbortController()
  await inSession(lab, async (session) => {
    const planned = await session.plan({ graph: buildGraph(lab.app(build), {}) })
    const running = session.apply(planned, { ...how, abort: abort.signal })
    while (!existsSync(log) || readFileSync(log, 'utf8') === '') await sleep(5)
    abort.abort(new Error('cut off'))
    expect(await running).toMatchObject({ outcome: 'incomplete' })
  })
  // Another process would find the record of a process that is gone.
  const records = join(c.home, 'commands')
  for (const name of readdirSync(records)) writeFileSync(join(records, name), readFileSync(join(records, name), 'utf8').replace(/"by":"[^"]*"/, '"by":"gone"'))
  const runs = () => readFileSync(log, 'utf8').trim().split('\n').length
  expect(await lab.apply(build)).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
  const { open } = await readStatus(lab.cx)
  expect(open).toMatchObject([{ address: 'it', status: 'unknown', actions: expect.arrayContaining(['--retry']) }])
  expect(runs()).toBe(1)
  const retry = () => inSession(lab, (s) => s.settle(open[0]?.tx as string, { kind: 'retry' }))
  return { c, lab, build, runs, retry, go: (code: number) => writeFileSync(join(c.root, 'go'), String(code)) }
}

test('a command that was cut off runs once more when a person says so', async () => {
  const { c, lab, build, runs, retry, go } = await cutOff()
  go(0)
  expect(await retry()).toMatchObject({ status: 'completed' })
  expect(runs()).toBe(2)
  expect(await lab.apply(build)).toMatchObject({ outcome: 'applied' })
  expect([runs(), (await readStatus(lab.cx)).open, (await lab.plan(build)).empty]).toEqual([2, [], true])
  await c.dispose()
})

test('one that ends badly then has failed, and does not run a third time by itself', async () => {
  const { c, lab, build, runs, retry, go } = await cutOff()
  go(3)
  expect(await retry()).toMatchObject({ status: 'failed' })
  expect(runs()).toBe(2)
  go(0)
  expect(await lab.apply(build)).toMatchObject({ outcome: 'applied' })
  expect(runs()).toBe(3)
  await c.dispose()
})
