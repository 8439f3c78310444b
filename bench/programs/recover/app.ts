import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { app, resource } from 'holdfast'
import { z } from 'zod'

const shape = { inputs: z.object({ name: z.string(), size: z.number() }), outputs: z.object({ id: z.string() }) }
const place = (root: string, id: string) => join(root, 'world', id)

/** The object is made; then, when the folder says so, everybody waits until all calls are on their way, and the process is killed before one answers. */
async function make(root: string, id: string, size: number) {
  mkdirSync(join(root, 'world'), { recursive: true })
  writeFileSync(place(root, id), String(size))
  if (!existsSync(join(root, 'die'))) return { id }
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300)
  return new Promise<never>(() => {})
}

/** Class A: an equal key makes an equal object. */
const Keyed = resource({
  type: 'bench:Keyed', ...shape, capability: { create: { token: { windowMs: 86_400_000 } }, update: 'full', maxCallMs: 0 },
  create: ({ inputs, key, host }) => make(host.root, `keyed-${String(key).replace(/\W/g, '')}`, inputs.size),
  update: ({ inputs, outputs, host }) => make(host.root, outputs.id, inputs.size),
  async delete() {},
})
/** Class B: its name finds it. Its updates, class U, may be sent again. */
const Named = resource({
  type: 'bench:Named', ...shape, capability: { create: { name: true }, update: 'full', maxCallMs: 0 },
  create: ({ inputs, host }) => make(host.root, `named-${inputs.name}`, inputs.size),
  async read({ inputs, host }) {
    const id = `named-${inputs.name}`
    return existsSync(place(host.root, id)) && readFileSync(place(host.root, id), 'utf8') !== '' ? { id } : undefined
  },
  update: ({ inputs, outputs, host }) => make(host.root, outputs.id, inputs.size),
  async delete() {},
})

export default app('recover', {
  config: z.object({ n: z.number(), kind: z.enum(['keyed', 'named']), size: z.number() }),
  build({ config }) {
    for (let i = 0; i < config.n; i++) (config.kind === 'keyed' ? Keyed : Named)(`o${i}`, { name: `o${i}`, size: config.size })
    return {}
  },
})
