import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** A neighbour may take away what was just found or made; a place where nothing can be made says the same each time. */
const ATTEMPTS_MAX = 5

/**
 * Makes a folder and what is missing above it, each with `mode` where it is given. One by one: what Node does with `recursive` never returns where a system
 * says of an existing folder that it is not there (/proc, some automounters).
 *
 * Gives    the topmost folder that was not there; undefined when all were.
 * Fails    as the system does; EEXIST when something else stands there.
 */
export function makeFolders(folder: string, mode?: number): string | undefined {
  for (let attempt = 1; ; attempt++) {
    try {
      return makeMissing(folder, mode)
    } catch (e) {
      if (codeOf(e) !== 'ENOENT' || attempt === ATTEMPTS_MAX) throw e
    }
  }
}

function makeMissing(folder: string, mode: number | undefined): string | undefined {
  const missing: string[] = []
  for (let at = folder; !statSync(at, { throwIfNoEntry: false })?.isDirectory(); at = dirname(at)) {
    missing.unshift(at)
    if (dirname(at) === at) break
  }
  for (const each of missing) {
    try {
      mkdirSync(each, mode)
    } catch (e) {
      // Another process was faster, or what stands there is no folder.
      if (codeOf(e) !== 'EEXIST' || !statSync(each, { throwIfNoEntry: false })?.isDirectory()) throw e
    }
  }
  return missing[0]
}

const codeOf = (e: unknown): string | undefined => (e as NodeJS.ErrnoException | undefined)?.code
