import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { changedValues, mergeValues, setFromFlag, setsFromVariables } from './values.ts'

describe('values of the configuration', () => {
  test('the flag is stronger than the variable, and the variable than the environment', () => {
    const sets = [...setsFromVariables({ HOLDFAST_SET_replicas: '2', HOLDFAST_SET_name: 'var', OTHER: 'x' }), setFromFlag('replicas=3')]
    expect(mergeValues({ replicas: 1, name: 'env', kept: true }, sets)).toEqual({ replicas: 3, name: 'var', kept: true })
  })

  test('a dotted key sets one value of an object and leaves the rest', () => {
    expect(changedValues(undefined, { db: { port: 1, host: 'a' } }, [setFromFlag('db.port=5432')])).toEqual({ db: { port: 5432, host: 'a' } })
    expect(setsFromVariables({ HOLDFAST_SET_db__port: '5' })).toEqual([{ path: ['db', 'port'], text: '5' }])
  })

  test('what is JSON becomes its value, everything else is text', () => {
    const value = (text: string) => mergeValues({}, [setFromFlag(`a=${text}`)]).a
    expect([value('3'), value('true'), value('["x"]'), value('null'), value('plain text'), value(''), value('a=b')]).toEqual([3, true, ['x'], null, 'plain text', '', 'a=b'])
  })

  test('a text stays text where the schema wants one', () => {
    const schema = z.object({ version: z.string(), n: z.number().default(0) })
    expect(changedValues(schema, {}, [setFromFlag('version=1.10'), setFromFlag('n=2')])).toEqual({ version: '1.10', n: 2 })
  })

  test('the values of the environment are not changed', () => {
    const environment = { db: { port: 1 } }
    mergeValues(environment, [setFromFlag('db.port=2')])
    expect(environment).toEqual({ db: { port: 1 } })
  })

  test.each(['novalue', '=x', 'a..b=1', '__proto__.x=1'])('--set %s is refused', (text) => {
    expect(() => setFromFlag(text)).toThrow(expect.objectContaining({ code: 'HF1001' }))
  })
})
