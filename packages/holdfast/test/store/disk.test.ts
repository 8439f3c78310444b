import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import { createEnv, ENV, event } from '../../src/testing/store-fixtures.ts'
import { tempFolder } from './child.ts'

const folder = tempFolder()
const disk = join(folder.path, 'disk')
const mounted = mount()
afterAll(() => {
  if (mounted) execFileSync('umount', ['-l', disk])
  folder.remove()
})

/** A file system of 4 MB; only root can make one. */
function mount(): boolean {
  mkdirSync(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const big = (n: number) => ({ ...event(`e${n}`), data: JSON.stringify('x'.repeat(8000)) }) as ReturnType<typeof event>

async function fillUntilRefused(store: Store): Promise<{ readonly acked: number; readonly codes: unknown[]; readonly message: string }> {
  let acked = 0
  const codes = new Set<unknown>()
  let message = ''
  for (let round = 0; round < 200 && codes.size === 0; round++) {
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => store.commit([big(round * 20 + i)], { env: ENV })))
    for (const r of results) {
      if (r.status === 'fulfilled') acked++
      else {
        codes.add((r.reason as { code: unknown }).code)
        message = (r.reason as Error).message
      }
    }
  }
  return { acked, codes: [...codes], message }
}

describe.runIf(mounted)('a full disk', () => {
  test('is said (HF4006), loses nothing that was acknowledged, and writing goes on when there is space again', async () => {
    const path = join(disk, 'state.db')
    const ballast = join(disk, 'ballast')
    writeFileSync(ballast, Buffer.alloc(1_500_000))
    const store = await openSqliteStore({ path })
    await store.commit([createEnv()], { env: ENV })
    const { acked, codes, message } = await fillUntilRefused(store)
    expect(codes).toEqual(['HF4006'])
    expect(message).toContain('disk is full')
    expect(acked).toBeGreaterThan(20)
    expect((await store.events(ENV, { seq: 0 }, 1e6)).length).toBe(acked)

    rmSync(ballast)
    await store.commit([event('again')], { env: ENV })
    await store.close()
    const reopened = await openSqliteStore({ path })
    expect((await reopened.events(ENV, { seq: 0 }, 1e6)).length).toBe(acked + 1)
    expect((await reopened.doctor()).filter((c) => !c.ok && c.name !== 'only the owner can read the files')).toEqual([])
    await reopened.close()
  }, 60_000)

  test('before there is a state is said, too', async () => {
    const ballast = join(disk, 'all')
    try {
      writeFileSync(ballast, Buffer.alloc(8_000_000))
    } catch {
      // Full now, as it should be.
    }
    await expect(openSqliteStore({ path: join(disk, 'new', 'state.db') })).rejects.toMatchObject({ code: 'HF4006' })
    rmSync(ballast)
  })
})
