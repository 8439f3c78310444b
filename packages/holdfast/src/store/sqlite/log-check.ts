import { existsSync, readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { failure } from '../../base/index.ts'

/**
 * SQLite reads its log up to the first frame that does not add up, and takes that for the end: it cannot tell a write that was cut off from a byte that changed on
 * the disk, and says nothing of what was committed after it. Here the difference is seen, before SQLite begins the log anew.
 *
 * Format: https://sqlite.org/fileformat2.html#the_write_ahead_log
 */
const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const MAGIC = 0x377f0682
/** A commit is synced before the next one begins, so one that was cut off is the last. Two that follow a frame that does not add up had been acknowledged. */
const COMMITS_THAT_PROVE = 2
/** A frame whose own sum has changed spoils the look at the one after it, too. */
const SPOILT_FRAMES_MAX = 2

const LOOK_AGAIN_MS = 50

type Sum = readonly [number, number]

/** The log as numbers of the machine that wrote it. */
function wordsOf(log: Buffer, littleEndian: boolean): Int32Array {
  const native = littleEndian === (endianness() === 'LE')
  const bytes = native && log.byteOffset % 4 === 0 ? log : Buffer.from(log)
  if (!native) bytes.subarray(0, bytes.length & ~3).swap32()
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
}

/** Where the log of a state file is damaged; undefined where it is not, or is only cut off. Pure. */
function damagedAt(log: Buffer): number | undefined {
  if (log.length < HEADER_BYTES) return undefined
  const littleEndian = (log.readUInt32BE(0) & 1) === 0
  const words = wordsOf(log, littleEndian)
  const sum = (from: number, to: number, start: Sum): Sum => {
    let [a, b] = start
    for (let i = from >> 2; i < to >> 2; i += 2) {
      a = (a + (words[i] as number) + b) | 0
      b = (b + (words[i + 1] as number) + a) | 0
    }
    return [a, b]
  }
  const stored = (at: number): Sum => [log.readInt32BE(at), log.readInt32BE(at + 4)]
  const same = (x: Sum, y: Sum) => x[0] === y[0] && x[1] === y[1]

  const pageBytes = log.readUInt32BE(8) === 1 ? 65_536 : log.readUInt32BE(8)
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return undefined
  const headerHolds = (log.readUInt32BE(0) & ~1) >>> 0 === MAGIC && same(sum(0, 24, [0, 0]), stored(24))
  let bad = headerHolds ? undefined : 0
  let spoilt = headerHolds ? 0 : 1
  let commits = 0
  let before = stored(24)
  for (let at = HEADER_BYTES; at + FRAME_HEADER_BYTES + pageBytes <= log.length; at += FRAME_HEADER_BYTES + pageBytes) {
    const data = at + FRAME_HEADER_BYTES
    const ours = log.readUInt32BE(at + 8) === log.readUInt32BE(16) && log.readUInt32BE(at + 12) === log.readUInt32BE(20)
    const fits = same(sum(data, data + pageBytes, sum(at, at + 8, before)), stored(at + 16))
    if (!ours || !fits) {
      bad ??= at
      if (commits > 0 || ++spoilt > SPOILT_FRAMES_MAX) return undefined
    } else if (bad !== undefined && log.readUInt32BE(at + 4) !== 0 && ++commits === COMMITS_THAT_PROVE) return bad
    before = stored(at + 16)
  }
  return undefined
}

/** Fails HF4001. Costs a look at the log, where one was left or another process has it open: 8 MB take some 20 ms. */
export async function refuseDamagedLog(path: string): Promise<void> {
  const log = `${path}-wal`
  const look = (): number | undefined => (existsSync(path) && existsSync(log) ? damagedAt(readFileSync(log)) : undefined)
  const at = look()
  if (at === undefined) return
  // Another process may have begun the log anew while it was read: what is damaged stays as it is.
  await sleep(LOOK_AGAIN_MS)
  if (look() !== at) return
  throw failure('HF4001', {
    message: `${log} is damaged at byte ${at}: what was committed after that cannot be read.`,
    hint: `Restore both files from a backup. Without ${log} the state opens as it was before, and what was committed since then is lost.`,
  })
}
