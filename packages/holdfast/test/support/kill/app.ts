import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { app, resource, sensitive, str, Value, type Expr } from 'holdfast'
import { Directory, File } from 'holdfast/local'
import { Password } from 'holdfast/random'
import { z } from 'zod'
import { wantedNodes } from './wanted.ts'

/** A thing of a service that knows keys: an equal key makes an equal object, and every other key another one, so that a call sent twice would show. It talks too much. */
const Box = resource({
  type: 'kill:Box',
  inputs: z.object({ label: z.string(), size: z.number(), text: z.string(), password: sensitive(z.string()) }),
  outputs: z.object({ id: z.string() }),
  replaceOn: ['label'],
  capability: { create: { token: { windowMs: 86_400_000 } }, update: 'full', maxCallMs: 0 },
  limit: 32,
  async create({ inputs, key, host, log }) {
    const id = createHash('sha256').update(String(key)).digest('hex').slice(0, 16)
    log(`makes ${inputs.label} with ${inputs.password}`)
    await put(host.root, id, inputs)
    return { id }
  },
  async read({ outputs, host }) {
    if (outputs?.id === undefined) return undefined
    try {
      readFileSync(place(host.root, outputs.id))
      return { id: outputs.id }
    } catch {
      return undefined
    }
  },
  async update({ inputs, outputs, host }) {
    await put(host.root, outputs.id, inputs)
    return outputs
  },
  async delete({ outputs, host }) {
    await pause()
    if (outputs.id !== undefined) rmSync(place(host.root, outputs.id), { force: true })
  },
})

const place = (root: string, id: string) => join(root, 'boxes', `${id}.json`)
const pause = () => new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 5))
async function put(root: string, id: string, { label, size, text, password }: { label: string; size: number; text: string; password: string }) {
  await pause()
  mkdirSync(join(root, 'boxes'), { recursive: true })
  writeFileSync(place(root, id), JSON.stringify({ label, size, text, password }))
  await pause()
}

export default app('kill', {
  config: z.object({ seed: z.number(), version: z.number(), slots: z.number() }),
  secrets: ['token'],
  build({ config, secrets }) {
    const values = new Map<string, Expr<string>>()
    const passwords = new Map<string, Expr<string>>()
    const folders = new Map<string, unknown>()
    const outputs: Record<string, unknown> = {}
    for (const n of wantedNodes(config.seed, config.version, config.slots)) {
      switch (n.kind) {
        case 'value': {
          const input = n.needs === undefined ? n.text : str`${n.text} < ${values.get(n.needs) as Expr<string>}`
          values.set(n.name, Value(n.name, { input, triggers: n.trigger }).output as Expr<string>)
          break
        }
        case 'password':
          passwords.set(n.name, Password(n.name, { length: n.length }).value)
          outputs[n.name] = passwords.get(n.name)
          break
        case 'folder': folders.set(n.name, Directory(n.name, { path: n.path })); break
        case 'file': {
          const parts = [n.text, n.value && values.get(n.value), n.password && passwords.get(n.password), n.token ? secrets.token : undefined].filter((p) => p !== undefined && p !== '')
          const content = parts.reduce<Expr<string> | string>((all, part) => str`${all as string}\n${part as string}`, '')
          File(n.name, { path: n.path, content }, n.folder === undefined ? {} : { dependsOn: [folders.get(n.folder) as never] })
          break
        }
        case 'box':
          Box(n.name, { label: n.label, size: n.size, text: n.value === undefined ? '' : (values.get(n.value) as Expr<string>), password: passwords.get(n.password) as Expr<string> })
          break
      }
    }
    return outputs
  },
})
