import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeRedactor } from '../../../secret/index.ts'
import { openLog, outputSink } from './log-file.ts'

let dir: string
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'holdfast-log-'))))
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('a log is turned over at its bound, and only its owner may read it', () => {
  const path = join(dir, 'a.log')
  const log = openLog(path, 1_000)
  for (let i = 0; i < 100; i++) log.line(`line ${i} ${'x'.repeat(50)}`)
  log.close()
  for (const p of [path, `${path}.1`]) {
    expect(statSync(p).size).toBeLessThanOrEqual(1_000)
    expect(statSync(p).mode & 0o777).toBe(0o600)
  }
  expect(readFileSync(path, 'utf8')).toContain('line 99 ')
})

test('half lines of two streams do not mix, characters are not cut, and lines without an end are', () => {
  const path = join(dir, 'a.log')
  const log = openLog(path)
  const seen: string[] = []
  const sink = outputSink(log, makeRedactor(), (l) => seen.push(l))
  const [out, err] = [sink.open(), sink.open()]
  const euro = Buffer.from('€uro\n')
  out.write(Buffer.from('out '))
  err.write(Buffer.from('err '))
  out.write(euro.subarray(0, 2))
  err.write(euro)
  out.write(euro.subarray(2))
  out.write(Buffer.from('y'.repeat(70_000)))
  out.end()
  err.end()
  log.close()
  expect(seen).toEqual(['err €uro', 'out €uro', 'y'.repeat(65_536), 'y'.repeat(70_000 - 65_536)])
  expect(sink.tail()).toEqual(seen)
  expect(readFileSync(path, 'utf8').split('\n').slice(0, 2).map((l) => l.slice(25))).toEqual(['err €uro', 'out €uro'])
})

test('a secret is masked over the borders of pieces and of lines', () => {
  const path = join(dir, 'a.log')
  const log = openLog(path)
  const redactor = makeRedactor()
  redactor.add('first line\nsecond line')
  const sink = outputSink(log, redactor, () => {})
  const out = sink.open()
  for (const c of 'before first line\nsecond line after\n') out.write(Buffer.from(c))
  out.end()
  log.close()
  expect(sink.tail()).toEqual(['before [secret] after'])
})
