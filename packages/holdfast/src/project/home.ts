import { chmodSync, existsSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { failure, makeFolders } from '../base/index.ts'

/** Creates `.holdfast` with its `.gitignore`, for nobody but the user. Costs two stats when it is there. */
export function ensureHome(home: string): void {
  try {
    if (!existsSync(home)) makeFolders(home, 0o700)
    else if ((statSync(home).mode & 0o077) !== 0) chmodSync(home, 0o700)
    const ignore = join(home, '.gitignore')
    if (!existsSync(ignore)) writeFileSync(ignore, '*\n', { mode: 0o600, flag: 'wx' })
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code
    if (code === 'EEXIST') return // another process made it at the same moment
    throw failure('HF4003', { message: `${home} cannot be created: ${code ?? (e as Error).message}.`, cause: e })
  }
}

let made = 0
/** The whole text or nothing, 0600: a reader never sees a half-written file. */
function writeWhole(path: string, data: string | Uint8Array): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${made++}`)
  makeFolders(dirname(path), 0o700)
  writeFileSync(temporary, data, { mode: 0o600 })
  renameSync(temporary, path)
}

/** For caches: where it cannot be written, it is not. */
export function tryWriteWhole(path: string, data: string | Uint8Array): boolean {
  try {
    writeWhole(path, data)
    return true
  } catch {
    return false
  }
}
