import { describe, expect, test } from 'vitest'
import { app, buildGraph } from '../../program/index.ts'
import { Value } from './index.ts'

const { spec } = Value

describe('Value', () => {
  test('gives back what it was given, whatever it is', async () => {
    for (const input of [null, 0, '', false, [1, { a: null }], { deep: { er: [] } }]) {
      const { input: parsed } = spec.inputs.parse({ input })
      expect(await spec.create({ inputs: { input: parsed } } as never)).toEqual({ output: input })
      expect(await spec.update?.({ inputs: { input: parsed } } as never)).toEqual({ output: input })
      expect(await spec.read?.({ inputs: { input: 'other' }, outputs: { output: input } } as never)).toEqual({ output: input })
      expect(spec.predict?.({ input } as never, undefined as never)).toEqual({ output: input })
    }
  })
  test('predicts nothing while its input is unknown, and reads nothing that was never stored', async () => {
    expect(spec.predict?.({}, undefined as never)).toEqual({})
    expect(await spec.read?.({ inputs: { input: 1 }, outputs: {} } as never)).toBeUndefined()
    expect(await spec.read?.({ inputs: { input: 1 } } as never)).toBeUndefined()
  })
  test('nothing is outside: any answer that was lost is asked for again, and triggers replace', () => {
    expect(spec.capability).toMatchObject({ create: { token: { windowMs: Number.MAX_SAFE_INTEGER } }, update: 'full', maxCallMs: 0 })
    expect(spec.replaceOn).toEqual(['triggers'])
    expect(spec.derived).toEqual({ output: ['input'] })
  })
  test('its output is a reference below which anything may be asked for', () => {
    const g = buildGraph(app('a', {
      build() {
        const v = Value('v', { input: { x: 1, list: ['a', 'b'] }, triggers: [1] })
        return { x: v.output.x, last: v.output.list.at(-1) }
      },
    }))
    expect(g.nodes.get('v')).toMatchObject({ type: 'holdfast:Value', inputs: { k: 'lit', v: { input: { x: 1, list: ['a', 'b'] }, triggers: [1] } } })
    expect(g.outputs).toMatchObject({ args: [{ k: 'ref', node: 'v', path: ['output', 'x'] }, { k: 'call', fn: 'at', args: [{ k: 'ref', path: ['output', 'list'] }, { v: -1 }] }] })
  })
})
