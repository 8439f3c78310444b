import { chmodSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { makeWorld, type World } from './world.ts'

let w: World
afterEach(() => w.end())

const root = process.getuid?.() === 0

describe('user', () => {
  // Changing the account is a privilege of root; the refusal below is what everybody else gets.
  test.runIf(root)('runs the program under that account, with its name and home', async () => {
    w = makeWorld()
    chmodSync(w.root, 0o755)
    await w.create('u1', 'k1', { command: ['sh', '-c', 'echo "$(id -u) $USER $HOME"; sleep 1000'], user: 'nobody', ready: { log: '^\\d+ nobody /' } })
    expect(w.log('u1')).not.toMatch(/Z 0 /)
  })
  test.runIf(root)('that does not exist is a plain failure', async () => {
    w = makeWorld()
    await expect(w.create('u1', 'k1', { command: ['sleep', '9'], user: 'no-such-user-here' })).rejects.toThrow('There is no user no-such-user-here')
  })
  test.runIf(root)('other than the own is refused without root', async () => {
    w = makeWorld()
    const { definitionOf } = await import('../../src/builtin/local/process-definition.ts')
    const { processInputs } = await import('../../src/builtin/local/process-inputs.ts')
    const { hostOf } = await import('./world.ts')
    const getuid = process.getuid
    process.getuid = () => 65_534 // what a child of an ordinary user sees
    try {
      expect(() => definitionOf(processInputs.parse({ command: ['x'], user: 'root' }), { ...hostOf(w.root), root: '/' })).toThrow('Only root can start a program as root.')
    } finally {
      process.getuid = getuid as () => number
    }
  })
})
