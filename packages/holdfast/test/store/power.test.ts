import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/index.ts'
import { createEnv, ENV, event, put, resourceRow } from '../../src/testing/store-fixtures.ts'
import { tempFolder } from './child.ts'

/** A disk in a file. What a program has written and not synced is in the memory of the kernel, and not in that file: a copy of it is the disk after the power was lost. */
const folder = tempFolder()
const image = join(folder.path, 'disk.img')
const BYTES = 32 * 1024 * 1024
const mounts: string[] = []
const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })

function mount(file: string): string {
  const place = `${file}.mounted`
  mkdirSync(place)
  run('mount', '-o', 'loop', file, place)
  mounts.push(place)
  return place
}
function unmount(): void {
  run('umount', '-l', mounts.pop() as string)
}
/** Only root can, and only where there are loop devices. */
function disk(): string | undefined {
  try {
    writeFileSync(image, '')
    execFileSync('truncate', ['-s', String(BYTES), image])
    run('mkfs.ext4', '-q', '-F', image)
    return mount(image)
  } catch {
    return undefined
  }
}
const mounted = disk()
afterAll(() => {
  while (mounts.length > 0) unmount()
  folder.remove()
})

describe.runIf(mounted)('the power is lost (a disk of its own)', () => {
  test('B8.9#148 whatever was acknowledged is there, and no commit by half', async () => {
    const path = join(mounted as string, '.holdfast/state.db')
    const store = await openSqliteStore({ path })
    await store.commit([createEnv()], { env: ENV })
    let acked = 0
    const lost: { readonly file: string; readonly acked: number }[] = []
    const commit = async (n: number) => {
      await store.commit([put(resourceRow(`u${n}`)), { ...event(`e${n}`), data: JSON.stringify('x'.repeat(4_000)) } as ReturnType<typeof event>], { env: ENV })
      acked++
    }
    // One after the other, then many at once, through several beginnings of the log.
    for (let n = 0; n < 160;) {
      if (n < 80) await commit(n++)
      else await Promise.all(Array.from({ length: 20 }, () => commit(n++)))
      if (n % 20 !== 0) continue
      const file = `${image}.${n}`
      const before = acked
      copyFileSync(image, file)
      lost.push({ file, acked: before })
    }
    await store.close()
    for (const { file, acked: sure } of lost) {
      const after = await openSqliteStore({ path: join(mount(file), '.holdfast/state.db') })
      const events = (await after.events(ENV, { seq: 0 }, 1_000)).map((e) => e.kind.slice(1))
      const rows = (await after.resources(ENV, 'current')).map((r) => r.uid.slice(1))
      expect({ sure, events: Math.max(events.length, sure) }).toEqual({ sure, events: events.length })
      expect(rows.sort()).toEqual([...events].sort())
      expect((await after.doctor()).filter((c) => !c.ok && c.name !== 'provisional rows belong to an open run')).toEqual([])
      await after.close()
      unmount()
    }
    expect(lost).toHaveLength(8)
  }, 60_000)
})
