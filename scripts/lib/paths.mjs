// Where things are in the repository. Every script starts from here, whatever the current folder is.
import { fileURLToPath } from 'node:url'
import { dirname, join } from 'node:path'
import { readdirSync } from 'node:fs'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const holdfast = join(root, 'packages/holdfast')

/** Every file below `folder` whose name passes `keep`, as sorted paths. Does not enter dependencies, build output or hidden folders. */
export function filesBelow(folder, keep = () => true) {
  const found = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name.startsWith('.')) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...filesBelow(path, keep))
    else if (keep(entry.name)) found.push(path)
  }
  return found.sort()
}
