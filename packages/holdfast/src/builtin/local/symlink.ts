import { lstatSync, lutimesSync, readlinkSync, renameSync, symlinkSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { limits } from '../../base/index.ts'
import type { CallContext, ResourceSpec } from '../../provider/index.ts'
import { absolutePath, carriesTrace, codeOf, diskFailure, dropQuietly, identityOf, kindOf, look, placeOf, publishedBefore, publishNew, sameObject, syncFolder, taken, traceMoment, unlinkOurs, type CallTrace } from './disk.ts'
import { makeFolders, removeMadeFolders } from './made-folders.ts'

const inputs = z.object({
  path: z.string().min(1),
  /** As it is written into the link: a relative one is relative to the link. */
  target: z.string().min(1),
})
const outputs = z.object({ path: z.string(), target: z.string(), inode: z.number(), bornMs: z.number() })
type Inputs = z.output<typeof inputs>
type Outputs = z.output<typeof outputs>

/**
 * A symbolic link. Changing the target replaces the link in one step: nobody sees the path without one.
 * Class B, with the trace of the call, as File.
 */
export const symlinkSpec: ResourceSpec<typeof inputs, typeof outputs> = {
  type: 'holdfast:local/Symlink',
  inputs,
  outputs,
  replaceOn: ['path'],
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 },
  identity: 'new',
  limit: limits.parallelLocal,
  stable: ['path'],
  claims: (i, host) => [`path:${absolutePath(host, i.path)}`],
  predict: (i) => ({ ...(i.path === undefined ? {} : { path: i.path }), ...(i.target === undefined ? {} : { target: i.target }) }),

  async create(a) {
    const { path, trace, shown } = placeOf(a)
    try {
      if (!publishedBefore(path, trace)) {
        makeTemporary(a, trace)
        if (!publishNew(trace.temporary, path)) {
          dropQuietly(trace.temporary)
          if (!madeByCall(path, trace, a.inputs.target)) throw taken(shown, kindOf(lstatSync(path)))
        }
      }
      await syncFolder(dirname(path))
      return outputsOf(a.inputs.path, path, lstatSync(path))
    } catch (e) {
      removeMadeFolders(a.host.home, dirname(path)) // a rejected call leaves nothing
      throw diskFailure(e, `${shown} cannot be made`)
    }
  },

  async read(a) {
    const { path, trace, shown } = placeOf(a)
    try {
      const published = publishedBefore(path, trace)
      if (!published) dropQuietly(trace.temporary)
      const stats = look(path)
      if (!stats) return undefined
      if (!stats.isSymbolicLink()) return { path: a.inputs.path, target: '', ...identityOf(stats), owner: 'other' }
      const now = outputsOf(a.inputs.path, path, stats)
      if (published || sameObject(a.outputs, stats) || madeByCall(path, trace, a.inputs.target)) return { ...now, owner: 'mine' }
      if (a.outputs?.inode === undefined) return { ...now, owner: 'other' }
      return { ...now, owner: a.outputs.target === now.target ? 'mine' : 'unknown' }
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be read`)
    }
  },

  async update(a) {
    const { path, trace, shown } = placeOf(a)
    try {
      const stats = look(path)
      if (stats?.isDirectory()) throw taken(shown, 'a folder')
      makeTemporary(a, trace)
      renameSync(trace.temporary, path)
      await syncFolder(dirname(path))
      return outputsOf(a.inputs.path, path, lstatSync(path))
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be changed`)
    }
  },

  async delete(a) {
    const place = placeOf(a)
    const { path, shown } = place
    try {
      // A link is never changed in place: one that leads elsewhere is another.
      await unlinkOurs(place, (stats) => stats.isSymbolicLink() && readlinkSync(path) === (a.outputs.target ?? a.inputs.target))
      removeMadeFolders(a.host.home, dirname(path))
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be removed`)
    }
  },

  async find(a) {
    if (a.inputs?.path === undefined) return undefined
    const path = absolutePath(a.host, a.inputs.path)
    const stats = look(path)
    return stats?.isSymbolicLink() ? outputsOf(a.inputs.path, path, stats) : undefined
  },
}

type Call = CallContext & { readonly inputs: Inputs }

const outputsOf = (shown: string, path: string, s: Stats): Outputs => ({ path: shown, target: readlinkSync(path), ...identityOf(s) })

function makeTemporary(a: Call, trace: CallTrace): void {
  dropQuietly(trace.temporary)
  try {
    symlinkSync(a.inputs.target, trace.temporary)
  } catch (e) {
    if (codeOf(e) !== 'ENOENT') throw e
    makeFolders(a.host.home, dirname(trace.temporary))
    symlinkSync(a.inputs.target, trace.temporary)
  }
  const moment = traceMoment(trace)
  lutimesSync(trace.temporary, moment, moment)
}

const madeByCall = (path: string, trace: CallTrace, target: string): boolean => {
  const stats = look(path)
  return stats?.isSymbolicLink() === true && carriesTrace(path, trace) && readlinkSync(path) === target
}
