import { closeSync, existsSync, mkdirSync, openSync, rmdirSync, unlinkSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolders as makePlain, sha256hex } from '../../base/index.ts'

/**
 * Folders that had to be made to write something into them. Nobody declared them, so they go when the last thing in them goes.
 *
 * Always true: the note of a folder is written before the folder is made, so that a crash leaves no folder that nobody will remove;
 * a folder with a note is removed only while it is empty.
 */
const noteOf = (home: string, folder: string): string => join(home, 'made', sha256hex(folder).slice(0, 32))

/** Makes a folder and what is missing above it. */
export function makeFolders(home: string, folder: string): void {
  const missing: string[] = []
  for (let at = folder; !existsSync(at); at = dirname(at)) missing.push(at)
  for (const path of missing.reverse()) {
    writeNote(home, path)
    try {
      mkdirSync(path)
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e // a neighbour was faster: it is made all the same
    }
  }
}

/** Removes the folder, and those above it, as far as they were made by the way and are empty now. */
export function removeMadeFolders(home: string, folder: string): void {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const made = isMade(home, at)
    // One that is gone already was removed by a call that died then: what is above it is still to be looked at.
    if (existsSync(at)) {
      if (!made) return
      try {
        rmdirSync(at)
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code !== 'ENOENT') return // not empty, or not allowed: it stays, and so does its note
      }
    }
    if (made) forgetMade(home, at)
  }
}

export const isMade = (home: string, folder: string): boolean => existsSync(noteOf(home, folder))

/** From now on somebody owns the folder. */
export function forgetMade(home: string, folder: string): void {
  try {
    unlinkSync(noteOf(home, folder))
    rmdirSync(join(home, 'made'))
  } catch {
    // It was not noted, or others are: both are fine.
  }
}

/** The folder has no owner any more; whatever empties it takes it along. */
export function writeNote(home: string, folder: string): void {
  for (let attempt = 1; ; attempt++) {
    makePlain(join(home, 'made'), 0o700)
    try {
      const fd = openSync(noteOf(home, folder), 'w', 0o600)
      writeSync(fd, `${folder}\n`)
      closeSync(fd)
      return
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 5) throw e // a neighbour removed the last note, and `made` with it
    }
  }
}
