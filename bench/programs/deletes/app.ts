import { app, resource, str } from 'holdfast'
import { z } from 'zod'
import { makeGraph } from './graph.mjs'

const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms))

/** Made at once, deleted in its own time. */
const Slow = resource({
  type: 'bench:Slow', inputs: z.object({ ms: z.number(), after: z.string() }), outputs: z.object({ id: z.string() }), limit: 1_000,
  capability: { create: { name: true }, update: 'full' },
  create: async ({ inputs }) => ({ id: String(inputs.ms) }),
  read: async ({ inputs }) => ({ id: String(inputs.ms) }),
  delete: async ({ inputs }) => sleep(inputs.ms),
})

export default app('deletes', {
  config: z.object({ n: z.number().int().default(600) }),
  build({ config }) {
    const made: { id: unknown }[] = []
    for (const [i, node] of makeGraph(config.n).entries()) {
      let after: unknown = ''
      for (const d of node.needs) after = str`${after as string}${(made[d] as { id: string }).id} `
      made.push(Slow(`node-${i}`, { ms: node.ms, after: after as string }))
    }
  },
})
