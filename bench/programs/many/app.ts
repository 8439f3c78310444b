import { app, Value } from 'holdfast'
import { z } from 'zod'

export default app('many', {
  config: z.object({ n: z.number().int().default(10_000) }),
  build({ config }) {
    for (let i = 0; i < config.n; i++) Value(`value-${i}`, { input: `input ${i}` })
  },
})
