import { app } from 'holdfast'
import { File } from 'holdfast/local'
import { z } from 'zod'

export default app('files', {
  config: z.object({ n: z.number().int().default(1_000) }),
  build({ config }) {
    for (let i = 0; i < config.n; i++) File(`file-${i}`, { path: `out/file-${i}.txt`, content: `content ${i}\n` })
  },
})
