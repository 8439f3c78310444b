import { app, Value } from 'holdfast'
import { z } from 'zod'

/** `chain`: each node reads the one before; `fan`: each reads the first. Every hundredth node takes `edition`; what the others read stays as it is. */
export default app('lifecycle', {
  config: z.object({ n: z.number().int().default(10_000), shape: z.enum(['chain', 'fan']).default('chain'), edition: z.number().int().default(1) }),
  build({ config: { n, shape, edition } }) {
    const first = Value('node-0', { input: { own: 1, kept: 'k' } })
    let last = first
    for (let i = 1; i < n; i++) {
      const read = shape === 'chain' ? last : first
      last = Value(`node-${i}`, { input: { own: i % 100 === 50 ? edition : 1, kept: read.output.kept } })
    }
  },
})
