// A resource type of your own, in under 30 lines: a symbolic link. Retries, taking back, recovery after a crash and drift come with it.
import { readlink, rename, rm, symlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { app, resource } from 'holdfast'
import { Directory } from 'holdfast/local'
import { z } from 'zod'

const at = (root: string, path: string) => resolve(root, path)

export const Link = resource({
  type: 'example:fs/Link',
  inputs: z.object({ path: z.string(), target: z.string() }),
  outputs: z.object({ path: z.string(), target: z.string() }),
  replaceOn: ['path'],
  capability: { create: { name: true }, update: 'full', maxCallMs: 0 }, // the path names it, and calls end with the process
  claims: ({ path }, host) => [`path:${at(host.root, path)}`],
  async create({ inputs, host }) {
    await symlink(inputs.target, at(host.root, inputs.path)) // fails when something is there already
    return inputs
  },
  async read({ inputs, host }) {
    const target = await readlink(at(host.root, inputs.path)).catch(() => undefined)
    return target === undefined ? undefined : { path: inputs.path, target }
  },
  async update({ inputs, host, key }) {
    await rm(at(host.root, `.${key}`), { force: true }) // of an earlier attempt
    await symlink(inputs.target, at(host.root, `.${key}`))
    await rename(at(host.root, `.${key}`), at(host.root, inputs.path)) // readers see the old or the new link, never none
    return inputs
  },
  async delete({ inputs, outputs, host }) {
    const target = await readlink(at(host.root, inputs.path)).catch(() => undefined)
    if (target === outputs.target) await rm(at(host.root, inputs.path)) // what somebody else put there is not ours to remove
  },
})

export default app('links', {
  build() {
    const release = Directory('release', { path: 'releases-2' })
    return { current: Link('current', { path: 'current', target: release.path }).path }
  },
})
