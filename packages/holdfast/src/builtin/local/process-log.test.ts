import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readLog } from './process-log.ts'

let root: string
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'holdfast-log-'))))
afterEach(() => rmSync(root, { recursive: true, force: true }))

const line = (second: number, text: string): string => `2026-01-01T00:00:0${second}.000Z ${text}\n`
const all = async (o?: Parameters<typeof readLog>[2]): Promise<string[]> => {
  const lines: string[] = []
  for await (const l of readLog(root, 'a.log', o)) lines.push(l.slice(25))
  return lines
}

describe('readLog', () => {
  test('gives nothing when there is no log', async () => expect(await all()).toEqual([]))

  test('gives the older part first, and only lines since a moment', async () => {
    writeFileSync(join(root, 'a.log.1'), line(1, 'one') + line(2, 'two'))
    writeFileSync(join(root, 'a.log'), line(3, 'thrée') + line(4, 'four'))
    expect(await all()).toEqual(['one', 'two', 'thrée', 'four'])
    expect(await all({ since: Date.parse('2026-01-01T00:00:02.000Z') })).toEqual(['two', 'thrée', 'four'])
  })

  test('follows what is written later, over a log that is turned over, until it is told to stop', async () => {
    writeFileSync(join(root, 'a.log'), line(1, 'one'))
    const stop = new AbortController()
    const got: string[] = []
    const reading = (async () => {
      for await (const l of readLog(root, 'a.log', { follow: true, signal: stop.signal })) got.push(l.slice(25))
    })()
    await expect.poll(() => got).toEqual(['one'])
    appendFileSync(join(root, 'a.log'), line(2, 'two').slice(0, 10))
    appendFileSync(join(root, 'a.log'), line(2, 'two').slice(10) + line(3, 'last of the old'))
    renameSync(join(root, 'a.log'), join(root, 'a.log.1'))
    writeFileSync(join(root, 'a.log'), line(4, 'first of the new'))
    await expect.poll(() => got, { timeout: 3_000 }).toEqual(['one', 'two', 'last of the old', 'first of the new'])
    stop.abort()
    await reading
  })
})
