import { chmodSync, closeSync, copyFileSync, fsyncSync, lchownSync, lstatSync, lutimesSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { createHash, type Hash } from 'node:crypto'
import { join } from 'node:path'
import { failure } from '../../base/index.ts'

/**
 * Copies a tree to a place where nothing stands, with modes, owners and times, and proves that the copy is the same.
 * For moves between file systems only; on one file system a rename does it.
 * Fails    HF3109: something that cannot be copied (a socket, a device), or the tree changed meanwhile; the copy is gone then.
 */
export function copyTree(from: string, to: string): void {
  try {
    copyEntry(from, to)
    if (treeDigest(from) !== treeDigest(to)) throw failure('HF3109', { message: `${from} changed while it was copied.`, hint: 'Stop what writes to it, then run the command again.' })
  } catch (e) {
    rmSync(to, { recursive: true, force: true })
    throw e
  }
}

function copyEntry(from: string, to: string): void {
  const s = lstatSync(from)
  if (s.isDirectory()) {
    mkdirSync(to, { mode: 0o700 })
    for (const name of readdirSync(from)) copyEntry(join(from, name), join(to, name))
  } else if (s.isSymbolicLink()) symlinkSync(readlinkSync(from), to)
  else if (s.isFile()) copyFileSync(from, to)
  else throw failure('HF3109', { message: `${from} is no file, folder or link, and cannot be moved to another file system.`, hint: 'Remove it, then run the command again.' })
  if (process.getuid?.() === 0) lchownSync(to, s.uid, s.gid)
  if (!s.isSymbolicLink()) {
    chmodSync(to, s.mode & 0o7777)
    const fd = openSync(to, 'r')
    fsyncSync(fd)
    closeSync(fd)
  }
  lutimesSync(to, s.atimeMs / 1000, s.mtimeMs / 1000)
}

/** Over names, kinds, modes and contents. */
function treeDigest(path: string): string {
  const hash = createHash('sha256')
  addEntry(hash, path, '')
  return hash.digest('hex')
}

function addEntry(hash: Hash, path: string, name: string): void {
  const s = lstatSync(path)
  const kind = s.isDirectory() ? 'd' : s.isSymbolicLink() ? 'l' : 'f'
  hash.update(JSON.stringify([kind, name, s.isSymbolicLink() ? readlinkSync(path) : s.mode & 0o7777]))
  if (s.isDirectory()) for (const child of readdirSync(path).sort()) addEntry(hash, join(path, child), `${name}/${child}`)
  else if (s.isFile()) hash.update(createHash('sha256').update(readFileSync(path)).digest())
}
