import { readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolders } from '../base/index.ts'
import type { Mark } from '../model/index.ts'

/** What a type keeps of a call under way, one file for each object, for the next process when this one dies. It holds no secret. */
export interface Records<T> {
  read(home: string, mark: Mark): T | undefined
  /** Durable when it returns; whole, or as before. */
  write(home: string, mark: Mark, record: T): void
  drop(home: string, mark: Mark): void
}

/** Records in `.holdfast/FOLDER`. */
export function recordsIn<T>(folder: string): Records<T> {
  const fileOf = (home: string, mark: Mark): string => join(home, folder, `${`${mark.uid}.${mark.ordinal}`.replace(/[^\w.-]/g, '_')}.json`)
  return {
    read(home, mark) {
      try {
        return JSON.parse(readFileSync(fileOf(home, mark), 'utf8')) as T
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw e
      }
    },
    write(home, mark, record) {
      const file = fileOf(home, mark)
      makeFolders(dirname(file), 0o700)
      writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600, flush: true })
      renameSync(`${file}.new`, file)
    },
    drop(home, mark) {
      rmSync(fileOf(home, mark), { force: true })
      try {
        rmdirSync(dirname(fileOf(home, mark)))
      } catch {
        // Others are in it, or it was never made.
      }
    },
  }
}
