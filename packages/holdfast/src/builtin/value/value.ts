import { z } from 'zod'
import { limits } from '../../base/index.ts'
import type { NodeOptions } from '../../model/index.ts'
import { resource, type Node, type Resolved, type ResourceFn } from '../../program/index.ts'

const inputs = z.object({
  /** Any JSON value; references may stand in it. */
  input: z.any(),
  /** A change of any of it makes a new object. */
  triggers: z.any().optional(),
})
const outputs = z.object({ output: z.any() })

/** `Value(name, { input, triggers? })`: `output` is what `input` was at apply, typed like it. */
export interface ValueFn extends Pick<ResourceFn<typeof inputs, typeof outputs>, 'type' | 'spec'> {
  <T>(name: string, inputs: { readonly input: T; readonly triggers?: unknown }, options?: NodeOptions): Node<{ output: Resolved<T> }>
}

/** Keeps a value from one apply to the next: what was computed once stands until its inputs change. Makes nothing outside. */
export const Value = resource({
  type: 'holdfast:Value',
  inputs,
  outputs,
  replaceOn: ['triggers'],
  create: async ({ inputs }) => ({ output: inputs.input }),
  read: async ({ outputs }) => (outputs && 'output' in outputs ? { output: outputs.output } : undefined),
  update: async ({ inputs }) => ({ output: inputs.input }),
  delete: async () => {},
  predict: (given) => ('input' in given ? { output: given.input } : {}),
  derived: { output: ['input'] },
  // Nothing outside is made, so sending it again gives the same for ever.
  capability: { create: { token: { windowMs: Number.MAX_SAFE_INTEGER } }, update: 'full', settleMs: 0, maxCallMs: 0 },
  limit: limits.parallelLocal,
}, { provider: 'holdfast#Value' }) as unknown as ValueFn
