import { afterEach, describe, expect, test } from 'vitest'
import { makeRedactor } from '../secret/index.ts'
import { takeForeign, withTerminal, type Foreign } from './foreign.ts'

const own = [process.stdout.write, process.stderr.write]
let lines: string[] = []
let foreign: Foreign | undefined
afterEach(() => foreign?.end())

const take = (): Foreign => {
  lines = []
  return (foreign = takeForeign((line) => lines.push(line)))
}

describe('what the program and its providers print', () => {
  test('comes as lines, from both streams, and the streams are free again afterwards', async () => {
    const f = take()
    process.stdout.write('one\ntw')
    process.stdout.write(Buffer.from('o\n'))
    process.stderr.write('7468726565', 'hex')
    let told = false
    process.stderr.write('\n', () => (told = true))
    process.stdout.write('no end')
    await Promise.resolve()
    f.end()
    expect(lines).toEqual(['one', 'two', 'three', 'no end'])
    expect(told).toBe(true)
    expect([process.stdout.write, process.stderr.write]).toEqual(own)
  })

  test('holds no secret, also when it is printed in pieces', () => {
    const redactor = makeRedactor()
    redactor.add('correct horse battery')
    const f = take()
    process.stdout.write('before ')
    f.redactWith(redactor.stream)
    process.stdout.write('correct ho')
    process.stderr.write('other correct horse battery\n')
    process.stdout.write('rse battery after\n')
    f.end()
    expect(lines.sort()).toEqual(['before [secret] after', 'other [secret]'])
  })

  test('leaves the terminal alone while a question is asked', async () => {
    take()
    await withTerminal(async () => expect([process.stdout.write, process.stderr.write]).toEqual(own))
    expect(process.stdout.write).not.toBe(own[0])
  })
})
