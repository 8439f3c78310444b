import { chmodSync, chownSync, lstatSync, readFileSync, renameSync, statSync, type Stats } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { z } from 'zod'
import { failure, limits } from '../../base/index.ts'
import type { CallContext, Host, ResourceSpec } from '../../provider/index.ts'
import { absolutePath, carriesTrace, codeOf, diskFailure, dropQuietly, identityOf, kindOf, look, placeOf, publishedBefore, publishNew, sameObject, syncFolder, taken, unlinkOurs, writeTemporary, type CallTrace } from './disk.ts'
import { removeMadeFolders } from './made-folders.ts'
import { ownershipOf } from './users.ts'

/** A file or tree with its content: what `asset()` gives, and the output `file` of a File. */
export const contentRef = z.object({ path: z.string(), digest: z.string() })
export const fileMode = z.number().int().min(0).max(0o7777)
/** `user` or `user:group`, by name or number. Giving a file away needs root. */
export const ownerName = z.string().regex(/^[^:\s]+(:[^:\s]+)?$/, 'must be user or user:group')

const inputs = z
  .object({
    path: z.string().min(1),
    // The name of what instanceof() gives came with zod 4.1; the oldest zod 4 must read our declarations.
    content: z.union([z.string(), z.instanceof(Uint8Array) as z.ZodType<Uint8Array>]).optional(),
    source: contentRef.optional(),
    mode: fileMode.default(0o644),
    owner: ownerName.optional(),
  })
  .refine((i) => (i.content === undefined) !== (i.source === undefined), { message: 'exactly one of content and source is needed' })

const outputs = z.object({
  /** As given: a relative path stays relative. */
  path: z.string(),
  /** Path and content: a consumer of it changes when the content does. */
  file: contentRef,
  size: z.number(),
  mode: z.number(),
  uid: z.number(),
  gid: z.number(),
  inode: z.number(),
  bornMs: z.number(),
})
type Inputs = z.output<typeof inputs>
type Outputs = z.output<typeof outputs>

/** A bigger source is read beside other work. */
const READ_AT_ONCE_BYTES = 1_048_576

/**
 * A file with a content.
 *
 * Always true: whoever reads the path sees nothing, the old content or the new one, whole; what stood there before and is not ours is never overwritten by a create.
 * Class B: the path names it. After a lost create the temporary object and the trace of the call tell whether it is ours (disk.ts).
 * An update gives a new object under the name, since replacing is the only way to change a file in one step: `identity` says so.
 * Costs    two fsyncs per file, the one of the folder shared by all that are written at the same time.
 */
export const fileSpec: ResourceSpec<typeof inputs, typeof outputs> = {
  type: 'holdfast:local/File',
  inputs,
  outputs,
  replaceOn: ['path'],
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 },
  identity: 'new',
  limit: limits.parallelLocal,
  derived: { file: ['content'], size: ['content'] },
  stable: ['path'],
  claims: (i, host) => [`path:${absolutePath(host, i.path)}`],
  predict: (i) => predicted(i),

  async create(a) {
    const { path, trace, shown } = placeOf(a)
    try {
      const bytes = await bytesOf(a)
      const digest = digestOf(bytes)
      let stats = await writeTemporary(a.host.home, path, trace, bytes, a.inputs.mode, a.inputs.owner === undefined ? undefined : ownershipOf(a.inputs.owner))
      const published = stats ? publishNew(trace.temporary, path) : 'same'
      if (published !== 'same') stats = undefined
      if (published === false) {
        dropQuietly(trace.temporary)
        if (!madeByCall(path, trace, digest)) throw taken(shown, kindOf(lstatSync(path)))
      }
      return await finish(a, path, digest, stats)
    } catch (e) {
      removeMadeFolders(a.host.home, dirname(path)) // a rejected call leaves nothing
      throw diskFailure(e, `${shown} cannot be written`)
    }
  },

  async read(a) {
    const { path, trace, shown } = placeOf(a)
    try {
      const published = publishedBefore(path, trace)
      // A temporary object of this very call: the call died before it was published.
      if (!published) dropQuietly(trace.temporary)
      const stats = look(path)
      if (!stats) return undefined
      if (!stats.isFile()) return { ...outputsOf(a.inputs.path, stats, `none:${kindOf(stats)}`), owner: 'other' }
      const digest = digestOf(readFileSync(path))
      const now = outputsOf(a.inputs.path, stats, digest)
      if (published || sameObject(a.outputs, stats)) return { ...now, owner: 'mine' }
      if (madeByCall(path, trace, await wantedDigest(a))) return { ...now, owner: 'mine' }
      if (a.outputs?.inode === undefined) return { ...now, owner: 'other' }
      return { ...now, owner: a.outputs.file?.digest === digest ? 'mine' : 'unknown' }
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be read`)
    }
  },

  async update(a) {
    const { path, trace, shown } = placeOf(a)
    const owner = a.inputs.owner === undefined ? undefined : ownershipOf(a.inputs.owner)
    try {
      const bytes = await bytesOf(a)
      const digest = digestOf(bytes)
      const stats = look(path)
      if (stats?.isDirectory()) throw taken(shown, 'a folder')
      if (stats?.isFile() && a.outputs.file.digest === digest && sameObject(a.outputs, stats) && digestOf(readFileSync(path)) === digest && (owner === undefined) === (a.prior.inputs.owner === undefined)) {
        if (owner) chownSync(path, owner.uid, owner.gid)
        chmodSync(path, a.inputs.mode)
        return await finish(a, path, digest)
      }
      const written = await writeTemporary(a.host.home, path, trace, bytes, a.inputs.mode, owner)
      renameSync(trace.temporary, path)
      return await finish(a, path, digest, written)
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be written`)
    }
  },

  async delete(a) {
    const place = placeOf(a)
    const { path, shown } = place
    try {
      await unlinkOurs(place, async (stats) => stats.isFile() && (await isOurs(a, path, stats)))
      removeMadeFolders(a.host.home, dirname(path))
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be removed`)
    }
  },

  async find(a) {
    if (a.inputs?.path === undefined) return undefined
    const path = absolutePath(a.host, a.inputs.path)
    try {
      return outputsOf(a.inputs.path, statSync(path), digestOf(readFileSync(path)))
    } catch (e) {
      if (codeOf(e) === 'ENOENT') return undefined
      throw diskFailure(e, `${a.inputs.path} cannot be read`)
    }
  },
}

type Call = CallContext & { readonly inputs: Inputs }

const digestOf = (bytes: string | Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function bytesOf(a: { readonly inputs: Inputs; readonly host: Host }): Promise<Uint8Array> {
  const { content, source } = a.inputs
  if (content !== undefined) return typeof content === 'string' ? Buffer.from(content) : content
  if (!source) throw failure('HF1206', { message: `File ${a.inputs.path}: exactly one of content and source is needed.` })
  const from = a.host.assetPath(source)
  const stats = statSync(from)
  if (stats.isDirectory()) throw failure('HF1206', { message: `File ${a.inputs.path}: ${source.path} is a folder; source takes one file.` })
  const bytes = stats.size > READ_AT_ONCE_BYTES ? await readFile(from) : readFileSync(from)
  if (digestOf(bytes) !== source.digest) throw failure('HF1207', { message: `The asset ${source.path} changed while it was applied.`, hint: 'Plan again.' })
  return bytes
}

const wantedDigest = async (a: { readonly inputs: Inputs; readonly host: Host }): Promise<string> => a.inputs.source?.digest ?? digestOf(await bytesOf(a))

function predicted(i: Partial<Inputs>): Partial<Outputs> {
  const out: { -readonly [K in keyof Outputs]?: Outputs[K] } = {}
  if (i.path !== undefined) out.path = i.path
  if (i.mode !== undefined) out.mode = i.mode
  const digest = i.content !== undefined ? digestOf(i.content) : i.source?.digest
  if (i.path !== undefined && digest !== undefined) out.file = { path: i.path, digest }
  if (i.content !== undefined) out.size = typeof i.content === 'string' ? Buffer.byteLength(i.content) : i.content.length
  return out
}

const outputsOf = (path: string, s: Stats, digest: string): Outputs => ({ path, file: { path, digest }, size: s.size, mode: s.mode & 0o7777, uid: s.uid, gid: s.gid, ...identityOf(s) })

/** `written`: the object as it was before it got its name, which changes nothing that is told of it. */
async function finish(a: Call, path: string, digest: string, written?: Stats): Promise<Outputs> {
  const stats = written ?? lstatSync(path)
  await syncFolder(dirname(path))
  return outputsOf(a.inputs.path, stats, digest)
}

/** An earlier attempt of this call made it, and nobody changed it since. */
function madeByCall(path: string, trace: CallTrace, digest: string): boolean {
  const stats = look(path)
  return stats?.isFile() === true && carriesTrace(path, trace) && digestOf(readFileSync(path)) === digest
}

/** The same object, or a copy of it: what an editor or a restore put there with the same content is no loss. */
async function isOurs(a: Call & { readonly outputs: Partial<Outputs> }, path: string, stats: Stats): Promise<boolean> {
  if (sameObject(a.outputs, stats)) return true
  return digestOf(readFileSync(path)) === (a.outputs.file?.digest ?? (await wantedDigest(a)))
}
