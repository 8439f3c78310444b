import { app, Value } from 'holdfast'
import { z } from 'zod'

export default app('chain', {
  config: z.object({ n: z.number().int().default(1_000) }),
  build({ config }) {
    let last = Value('link-0', { input: 'passed on' })
    for (let i = 1; i < config.n; i++) last = Value(`link-${i}`, { input: last.output })
  },
})
