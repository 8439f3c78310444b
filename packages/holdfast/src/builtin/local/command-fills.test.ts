import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callOf, corner, type Corner } from '../../../test/support/corner.ts'
import { commandSpec } from './command.ts'
import { directorySpec } from './directory.ts'

let c: Corner
beforeEach(async () => {
  c = corner()
  await directorySpec.create({ ...callOf(c.host, 'u-data'), inputs: directorySpec.inputs.parse({ path: 'data', data: true }) })
})
afterEach(() => c.dispose())

/** As initdb does: it refuses a folder that is not empty. `$1` is the folder. */
const initialise = (end: string) => `[ -z "$(ls -A "$1")" ] || { echo not empty >&2; exit 9; }; echo 15 > "$1/VERSION"; mkdir "$1/base"; ${end}`
const run = (end: string, more: object = {}) => {
  const inputs = commandSpec.inputs.parse({ command: ['/bin/sh', '-c', initialise(end), 'sh', 'data'], creates: 'data/VERSION', ...more })
  return commandSpec.create({ ...callOf(c.host, 'u-init'), inputs })
}

describe('a command that is told a data folder, and creates a part of it', () => {
  test('leaves the folder empty when it ends badly, so that it can fill it at the next attempt', async () => {
    await expect(run('exit 1')).rejects.toMatchObject({ code: 'HF3108' })
    expect(readdirSync(join(c.root, 'data'))).toEqual([])
    expect(await run('exit 0')).toMatchObject({ exitCode: 0 })
    expect(readdirSync(join(c.root, 'data')).sort()).toEqual(['VERSION', 'base'])
  })

  test('may be told it by an option or as the current folder', async () => {
    const base = ['/bin/sh', '-c', 'd=${1#--data=}; cd "$d"; touch junk VERSION; exit 1', 'sh']
    for (const [command, more] of [[[...base, '--data=data'], {}], [[...base, '.'], { cwd: 'data' }]] as const) {
      await expect(run('', { command, ...more })).rejects.toMatchObject({ code: 'HF3108' })
      expect(readdirSync(join(c.root, 'data'))).toEqual([])
    }
  })

  test('takes nothing of what was there before', async () => {
    writeFileSync(join(c.root, 'data/theirs'), '1')
    await expect(run('', { command: ['/bin/sh', '-c', 'touch "$1/VERSION"; exit 1', 'sh', 'data'] })).rejects.toMatchObject({ code: 'HF3108' })
    expect(readdirSync(join(c.root, 'data'))).toEqual(['theirs'])
  })
})

test('a command that is told only its part of a data folder removes only that part', async () => {
  const inputs = commandSpec.inputs.parse({ command: ['/bin/sh', '-c', 'mkdir data/mine; touch data/neighbour; exit 1', 'sh', 'data/mine'], creates: 'data/mine' })
  await expect(commandSpec.create({ ...callOf(c.host, 'u-part'), inputs })).rejects.toMatchObject({ code: 'HF3108' })
  expect(existsSync(join(c.root, 'data/mine'))).toBe(false)
  expect(existsSync(join(c.root, 'data/neighbour'))).toBe(true)
})
