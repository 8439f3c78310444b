import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, utimesSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { limits } from '../../base/index.ts'
import { notOurs, type CallContext, type ResourceSpec } from '../../provider/index.ts'
import { absolutePath, carriesTrace, codeOf, diskFailure, identityOf, kindOf, look, notMadeByUs, placeOf, sameObject, syncFolder, taken, traceMoment, type CallTrace } from './disk.ts'
import { fileMode, ownerName } from './file.ts'
import { completedIn, dropHolder, ensureHolder, isRestored, noteHolder } from './holders.ts'
import { forgetMade, isMade, makeFolders, removeMadeFolders, writeNote } from './made-folders.ts'
import { findTrash, moveToTrash, prepareTakeBack, sweepTrash } from './trash.ts'
import { ownershipOf } from './users.ts'

const inputs = z.object({
  path: z.string().min(1),
  mode: fileMode.default(0o755),
  owner: ownerName.optional(),
  /** It holds data: never simply removed (decisions 12.4). */
  data: z.boolean().default(false),
})
const outputs = z.object({ path: z.string(), mode: z.number(), uid: z.number(), gid: z.number(), inode: z.number(), bornMs: z.number() })
type Inputs = z.output<typeof inputs>
type Outputs = z.output<typeof outputs>

/**
 * A folder.
 *
 * Always true: one that stood there before is never adopted, unless Holdfast made it by the way, for a file below it, or a person took it out of the trash.
 * With `data`, delete moves it to the trash, and the next create of the path in the same environment takes it back, with all that commands had completed in it.
 * Without, only an empty one is removed.
 * Class B: a new folder carries the trace of its call until something is put into it; what comes back from the trash is recorded by `partial` before it stands there.
 */
export const directorySpec: ResourceSpec<typeof inputs, typeof outputs> = {
  type: 'holdfast:local/Directory',
  inputs,
  outputs,
  replaceOn: ['path'],
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 },
  limit: limits.parallelLocal,
  stable: ['path', 'inode', 'bornMs'],
  claims: (i, host) => [`path:${absolutePath(host, i.path)}`],
  predict: (i) => ({ ...(i.path === undefined ? {} : { path: i.path }), ...(i.mode === undefined ? {} : { mode: i.mode }) }),
  holdsData: (i) => i.data,

  async create(a) {
    const { path, trace, shown } = placeOf(a)
    const { home } = a.host
    try {
      const stats = look(path)
      if (stats) return await adopt(a, path, stats, trace)
      const kept = a.inputs.data ? findTrash(home, path, a.host.env.id) : undefined
      if (kept) {
        const back = prepareTakeBack(home, kept, path, trace)
        await a.partial({ path: a.inputs.path, ...back.stats })
        await back.publish()
        a.log(`${shown}: took back the data of ${kept.removedAt} from the trash`)
        setAccess(path, a.inputs)
        return outputsOf(a.inputs.path, lstatSync(path))
      }
      makeTemporary(a, trace)
      if (a.inputs.data) noteHolder(home, path) // nothing is completed in a new folder, whatever a restore that was cut short has noted
      try {
        // Takes the place of an empty folder at most, and only of one that appeared a moment ago.
        renameSync(trace.temporary, path)
      } catch (e) {
        rmdirSync(trace.temporary)
        if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(e) ?? '')) throw e
        if (a.inputs.data) dropHolder(home, path)
        throw taken(shown, 'something')
      }
      await syncFolder(dirname(path))
      return outputsOf(a.inputs.path, lstatSync(path))
    } catch (e) {
      removeMadeFolders(home, dirname(path)) // a rejected call leaves nothing
      throw diskFailure(e, `${shown} cannot be made`)
    }
  },

  async read(a) {
    const { path, trace, shown } = placeOf(a)
    try {
      const stats = look(path)
      if (look(trace.temporary)) rmSync(trace.temporary, { recursive: true }) // the call died before it gave the folder its place
      if (!stats) return undefined
      const now = outputsOf(a.inputs.path, stats)
      if (!stats.isDirectory()) return { ...now, owner: 'other' }
      if (sameObject(a.outputs, stats)) {
        // Recorded, but not complete: it came back from the trash and the call died.
        if (a.outputs?.mode === undefined) {
          setAccess(path, a.inputs)
          own(a.host.home, path)
          sweepTrash(a.host.home, path)
          return { ...outputsOf(a.inputs.path, lstatSync(path)), owner: 'mine' }
        }
        return { ...now, owner: 'mine' }
      }
      if (a.outputs?.inode !== undefined) return { ...now, owner: 'unknown' }
      return { ...now, owner: madeByCall(path, trace, a.inputs.data) ? 'mine' : 'other' }
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be read`)
    }
  },

  async update(a) {
    const { path, trace, shown } = placeOf(a)
    try {
      const stats = look(path)
      if (stats && !stats.isDirectory()) throw taken(shown, kindOf(stats))
      if (!stats) {
        makeTemporary(a, trace)
        renameSync(trace.temporary, path)
        await syncFolder(dirname(path))
      } else setAccess(path, a.inputs)
      if (a.inputs.data) ensureHolder(a.host.home, path)
      else dropHolder(a.host.home, path)
      return outputsOf(a.inputs.path, lstatSync(path))
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be changed`)
    }
  },

  async delete(a) {
    const { path, trace, shown } = placeOf(a)
    const { home } = a.host
    try {
      if (look(trace.temporary)) rmSync(trace.temporary, { recursive: true })
      const stats = look(path)
      if (stats) {
        if (!stats.isDirectory() || !sameObject(a.outputs, stats)) throw notMadeByUs(shown, stats)
        if (a.inputs.data) {
          await moveToTrash(home, { path, mark: a.mark, env: a.host.env, completed: completedIn(home, path) })
          a.log(`${shown}: moved to the trash, as ${a.mark.uid}`)
        } else removeEmpty(home, path, shown)
      }
      dropHolder(home, path)
      sweepTrash(home, path)
      removeMadeFolders(home, dirname(path))
    } catch (e) {
      throw diskFailure(e, `${shown} cannot be removed`)
    }
  },

  async find(a) {
    if (a.inputs?.path === undefined) return undefined
    const stats = look(absolutePath(a.host, a.inputs.path))
    return stats?.isDirectory() ? outputsOf(a.inputs.path, stats) : undefined
  },
}

type Call = CallContext & { readonly inputs: Inputs }

const outputsOf = (path: string, s: Stats): Outputs => ({ path, mode: s.mode & 0o7777, uid: s.uid, gid: s.gid, ...identityOf(s) })

function setAccess(path: string, i: Inputs): void {
  if (i.owner !== undefined) {
    const { uid, gid } = ownershipOf(i.owner)
    chownSync(path, uid, gid)
  }
  chmodSync(path, i.mode)
}

/** The folder under another name, with its mode, its owner and the trace of the call. */
function makeTemporary(a: Call, trace: CallTrace): void {
  rmSync(trace.temporary, { recursive: true, force: true })
  makeFolders(a.host.home, dirname(trace.temporary))
  mkdirSync(trace.temporary, { mode: 0o700 })
  setAccess(trace.temporary, a.inputs)
  const moment = traceMoment(trace)
  utimesSync(trace.temporary, moment, moment)
}

/** Made by an earlier attempt of this call, or by the way for something below it, or put back from the trash by a person; else it is somebody else's. */
async function adopt(a: Call & { partial(outputs: Partial<Outputs>): Promise<void> }, path: string, stats: Stats, trace: CallTrace): Promise<Outputs> {
  const { home } = a.host
  const made = isMade(home, path)
  const restored = a.inputs.data && isRestored(home, path)
  if (!stats.isDirectory() || !(made || restored || madeByCall(path, trace, a.inputs.data))) throw taken(a.host.redact(a.inputs.path), kindOf(stats))
  // Recorded first: once it is owned, nothing else tells that this call took it over.
  if (restored) await a.partial({ path: a.inputs.path, ...identityOf(stats) })
  setAccess(path, a.inputs)
  if (restored) own(home, path)
  else if (a.inputs.data) ensureHolder(home, path)
  if (made) forgetMade(home, path)
  return outputsOf(a.inputs.path, lstatSync(path))
}

/** What was restored by a person has an owner again. */
function own(home: string, path: string): void {
  if (isRestored(home, path)) noteHolder(home, path, completedIn(home, path))
}

/** The trace goes when something is put into the folder. Only what came from the trash has something in it from the beginning. */
const madeByCall = (path: string, trace: CallTrace, data: boolean): boolean => carriesTrace(path, trace) && (data || readdirSync(path).length === 0)

function removeEmpty(home: string, path: string, shown: string): void {
  try {
    rmdirSync(path)
  } catch (e) {
    if (codeOf(e) !== 'ENOTEMPTY' && codeOf(e) !== 'EEXIST') throw e
    // What is declared below it, but not as depending on it, may go after it: the last one takes it along.
    writeNote(home, path)
    throw notOurs(`${shown}: the folder holds something that Holdfast did not make; it was left alone.`)
  }
}
