import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { failure, makeFolders, type Random } from '../base/index.ts'

const PREFIX = 'hf-key-1:'
const KEY_BYTES = 32
/** What a file system without hard links answers. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/**
 * Makes the key of a store. When two processes race, both get the key of the one that came first.
 *
 * Durable  on return: the whole file, mode 0600; its folder is made 0700 where it is missing.
 * Fails    HF4301 when the folder cannot be written, or what stands there is no key; HF4006 when the disk is full.
 */
export function createKeyFile(path: string, random: Random): Uint8Array {
  const key = random.bytes(KEY_BYTES)
  const folder = dirname(path)
  // Written aside and linked: the name appears with its whole content or not at all, and never replaces another.
  const aside = `${path}.${Buffer.from(random.bytes(8)).toString('hex')}.new`
  try {
    makeFolders(folder, 0o700)
    const text = `${PREFIX}${Buffer.from(key).toString('base64')}\n`
    try {
      writeDurably(aside, text)
      linkSync(aside, path)
    } catch (e) {
      if (!NO_LINKS.has(codeOf(e) ?? '')) throw e
      writeDurably(path, text)
    } finally {
      rmSync(aside, { force: true })
    }
    syncFolder(folder)
    return key
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') {
      const existing = readKeyFile(path)
      if (existing) return existing
    }
    if (codeOf(cause) === 'ENOSPC' || codeOf(cause) === 'EDQUOT') throw failure('HF4006', { message: `The disk is full: the key file ${path} could not be made.`, cause })
    throw failure('HF4301', { message: `The key file ${path} cannot be made (${codeOf(cause) ?? 'unknown error'}).`, hint: `Correct the permissions of ${folder}, or set HOLDFAST_KEY.`, cause })
  }
}

/**
 * Gives    the key, or undefined when there is no such file.
 * Fails    HF4301 when the file cannot be read or holds no key.
 */
export function readKeyFile(path: string): Uint8Array | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw failure('HF4301', { message: `The key file ${path} cannot be read (${codeOf(cause) ?? 'unknown error'}).`, cause })
  }
  const key = text.startsWith(PREFIX) ? fromBase64(text.slice(PREFIX.length).trim()) : undefined
  if (!key) throw failure('HF4301', { message: `The file ${path} is not a key file of Holdfast.`, hint: 'Restore it from a backup, or set HOLDFAST_KEY.' })
  return key
}

/** Reads a key as a variable holds it: 32 bytes in hex or base64, or the text of a key file. Fails HF4301 for anything else; the text is never repeated. */
export function keyFromText(text: string): Uint8Array {
  const bare = text.trim()
  const key = /^[0-9a-fA-F]{64}$/.test(bare) ? new Uint8Array(Buffer.from(bare, 'hex')) : fromBase64(bare.startsWith(PREFIX) ? bare.slice(PREFIX.length) : bare)
  if (!key) throw failure('HF4301', { message: 'The text given as a key is not 32 bytes in hex or base64.', hint: 'Set HOLDFAST_KEY to 64 hex characters, to 44 characters of base64, or to the text of .holdfast/key.' })
  return key
}

function fromBase64(text: string): Uint8Array | undefined {
  // 43 characters hold 32 bytes; the last one carries two bits that must be zero.
  if (!/^[A-Za-z0-9+/_-]{42}[AEIMQUYcgkosw048]=?$/.test(text)) return undefined
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    fchmodSync(fd, 0o600)
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const codeOf = (e: unknown): string | undefined => (e as { code?: string } | undefined)?.code
