import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { checkArguments, optionKind, systemClock, type EpochMs, type Kind, type Kinds } from '../../base/index.ts'

export interface ReadLogOptions {
  /** Lines from this moment on. */
  readonly since?: EpochMs
  /** Goes on with what is written later, until `signal` is aborted. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

const ARGUMENTS: Kinds = new Map<string, Kind>([['root', optionKind.text], ['logPath', optionKind.text], ['options', optionKind.object]])
const OPTIONS: Kinds = new Map<string, Kind>([['since', optionKind.number], ['follow', optionKind.flag], ['signal', optionKind.signal]])

const CHUNK_BYTES = 65_536
const POLL_MS = 200
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /

/**
 * The lines of a Process's log, oldest first, each with its time stamp, redacted already.
 *
 * Takes  `logPath` as the output of the Process names it. A log that was turned over is read from its older part on.
 * Gives  nothing when there is no log yet; with `follow` it waits for one.
 * Fails  HF1307, with the first line that is asked for.
 */
export async function* readLog(root: string, logPath: string, o: ReadLogOptions = {}): AsyncGenerator<string> {
  checkArguments('readLog', { root, logPath, options: o }, ARGUMENTS, ['root', 'logPath', 'options'])
  checkArguments('readLog', o, OPTIONS, [])
  const path = resolve(root, logPath)
  const wanted = (line: string): boolean => o.since === undefined || !STAMP.test(line) || Date.parse(line.slice(0, 24)) >= o.since
  const aborted = (): boolean => o.signal?.aborted === true
  let file = open(`${path}.1`)
  if (file) {
    for (const line of file.more()) if (wanted(line)) yield line
    file.close()
  }
  file = open(path)
  try {
    while (!aborted()) {
      for (const line of file?.more() ?? []) {
        if (aborted()) return
        if (wanted(line)) yield line
      }
      if (!o.follow) return
      if (file === undefined || file.inode !== statSync(path, { throwIfNoEntry: false })?.ino) {
        const next = open(path)
        if (next) {
          // What was written to the old one between the last look and its end.
          for (const line of file?.more() ?? []) if (wanted(line)) yield line
          file?.close()
          file = next
          continue
        }
      }
      try {
        await systemClock.sleep(POLL_MS, o.signal)
      } catch {
        return
      }
    }
  } finally {
    file?.close()
  }
}

interface OpenLog {
  readonly inode: number
  /** Whole lines since the last call. */
  more(): Generator<string>
  close(): void
}

function open(path: string): OpenLog | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return undefined
  }
  const bytes = Buffer.alloc(CHUNK_BYTES)
  const decoder = new StringDecoder('utf8')
  let rest = ''
  return {
    inode: fstatSync(fd).ino,
    *more() {
      for (let n = readSync(fd, bytes); n > 0; n = readSync(fd, bytes)) {
        const lines = (rest + decoder.write(bytes.subarray(0, n))).split('\n')
        rest = lines.pop() as string
        yield* lines
      }
    },
    close: () => closeSync(fd),
  }
}
