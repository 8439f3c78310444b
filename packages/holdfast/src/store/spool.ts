import { closeSync, constants, existsSync, fdatasyncSync, fsyncSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { assert, makeFolders, sha256hex } from '../base/index.ts'

/**
 * A place beside the store for what a provider has answered when the store cannot take it: its disk is full, its database is gone.
 *
 * Always true: one file per environment and lease, so that two processes never write one file; a record counts only when all of it is there.
 */
export interface Spool {
  /** Takes the room that records may need, while there is some. Never fails: without room a record is written if the disk has place then. */
  reserve(env: string, fence: number): void
  /**
   * Keeps one line of text, sealed already where it holds a secret.
   * Durable  when it resolves.
   */
  put(env: string, fence: number, record: string): Promise<void>
  /** What sessions other than the one of this fence have kept, in the order in which it was written. */
  list(env: string, fence: number): readonly SpoolFile[]
  /** Forgets a file whose records are in the store, or are of no use. Doing it twice does nothing. */
  drop(name: string): Promise<void>
  /** Gives the room back; what was kept stays. */
  end(env: string, fence: number): void
}

export interface SpoolFile {
  readonly name: string
  readonly records: readonly string[]
}

/** Moments at which a test stops the process. */
export type SpoolStep = 'put' | 'put:written' | 'put:durable' | 'drop' | 'drop:gone'

const RESERVED_BYTES = 65_536
const CHECK_CHARS = 16

/**
 * Lines `checksum text` at the beginning of a file whose rest is filled with zeros: written in place, so that a full disk still takes them.
 *
 * Takes    `folder`: made when needed, 0700; removed when nothing is left in it.
 */
export class FileSpool implements Spool {
  readonly #folder: string
  readonly #at: (step: SpoolStep) => void | Promise<void>
  /** Where the next record of a file begins. */
  readonly #ends = new Map<string, number>()

  constructor(folder: string, at: (step: SpoolStep) => void | Promise<void> = () => undefined) {
    this.#folder = folder
    this.#at = at
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }

  reserve(env: string, fence: number): void {
    const name = nameOf(env, fence)
    if (this.#ends.has(name)) return
    this.#ends.set(name, 0)
    try {
      makeFolders(this.#folder, 0o700)
      writeFileSync(this.#path(name), Buffer.alloc(RESERVED_BYTES), { mode: 0o600, flag: 'wx' })
    } catch {
      // Half a reserve is one, too; with none a record takes what the disk has then.
    }
  }

  async put(env: string, fence: number, record: string): Promise<void> {
    assert(!/[\n\0]/.test(record), 'spool: a record is one line')
    await this.#at('put')
    const name = nameOf(env, fence)
    makeFolders(this.#folder, 0o700)
    const line = Buffer.from(`${sha256hex(record).slice(0, CHECK_CHARS)} ${record}\n`)
    const offset = this.#ends.get(name) ?? 0
    this.#ends.set(name, offset + line.length)
    const fd = openSync(this.#path(name), constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      for (let at = 0; at < line.length;) at += writeSync(fd, line, at, line.length - at, offset + at)
      await this.#at('put:written')
      fdatasyncSync(fd)
    } finally {
      closeSync(fd)
    }
    syncFolder(this.#folder)
    await this.#at('put:durable')
  }

  list(env: string, fence: number): readonly SpoolFile[] {
    if (!existsSync(this.#folder)) return []
    const mine = nameOf(env, fence)
    return readdirSync(this.#folder).filter((name) => name.startsWith(`${env}.`) && name !== mine).sort().map((name) => ({ name, records: recordsIn(readFileSync(this.#path(name))) }))
  }

  async drop(name: string): Promise<void> {
    await this.#at('drop')
    rmSync(this.#path(name), { force: true })
    syncFolder(this.#folder)
    this.#removeEmpty()
    await this.#at('drop:gone')
  }

  end(env: string, fence: number): void {
    const name = nameOf(env, fence)
    const used = this.#ends.get(name)
    this.#ends.delete(name)
    if (used !== 0) return
    try {
      rmSync(this.#path(name), { force: true })
      this.#removeEmpty()
    } catch {
      // An empty reserve that stays is found, and removed, by the next run.
    }
  }

  #removeEmpty(): void {
    try {
      rmdirSync(this.#folder)
    } catch {
      // Another session keeps something there.
    }
  }
}

/** Fences are numbers of up to 15 digits; written so that the order of names is theirs. */
const nameOf = (env: string, fence: number): string => `${env}.${String(fence).padStart(15, '0')}`

function recordsIn(bytes: Buffer): string[] {
  const end = bytes.indexOf(0)
  const out: string[] = []
  for (const line of bytes.subarray(0, end < 0 ? bytes.length : end).toString('utf8').split('\n')) {
    const record = line.slice(CHECK_CHARS + 1)
    // A record that broke off is none, and nothing after it was written.
    if (line === '' || sha256hex(record).slice(0, CHECK_CHARS) !== line.slice(0, CHECK_CHARS)) break
    out.push(record)
  }
  return out
}

function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  } catch {
    // Not every file system lets a folder be flushed.
  }
}
