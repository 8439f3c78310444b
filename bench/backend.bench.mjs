// The founding contract: 1,000 changes one after another on SQLite, each opened and completed with a durable commit of its own, then look-ups among them.
// Nothing can share a flush here, so a pair takes two. `bare flushes` is what as many cost on this disk at this moment when each holds one byte: less, no program can
// take or write. Ours write whole pages of the log, one for every table and index that the change touches, 12 and 14 of 512 bytes (docs/internals/state-file.md).
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gather, measure, median, round } from './lib/measure.mjs'
import { withProgram } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

/** Most of its time is waiting for the disk. */
export const syncs = true
export const n = 1_000

const program = join(dirname(fileURLToPath(import.meta.url)), 'programs/backend/pairs.mjs')

export async function run({ repeat }) {
  const runs = []
  const results = []
  const bare = []
  for (let i = 0; i < repeat; i++) {
    await withProgram('backend', async (folder) => {
      bare.push(bareFlushes(join(folder, 'bare'), 2 * n))
      const ran = await measure([process.execPath, program, join(folder, 'state/state.db'), String(n)], { cwd: folder })
      results.push(JSON.parse(ran.stdout))
      runs.push(ran)
    })
  }
  const of = (pick) => median(results.map(pick))
  const around = (at) => of((r) => median(r.pairs.slice(Math.max(0, at - 10), at + 10)))
  return {
    main: { ...gather(runs), wallMs: results.map((r) => round(r.wallMs)), cpuMs: results.map((r) => round(r.cpuMs)), writtenMb: round(of((r) => r.writtenMb), 3) },
    measures: {
      'bare flushes': { wallMs: bare.map((b) => round(b.wallMs)), cpuMs: [0], rssMb: 0, writtenMb: round(median(bare.map((b) => b.writtenMb)), 3) },
    },
    targets: [
      atMost('1,000 pairs', round(of((r) => r.wallMs)), 1_000, 'ms'),
      atMost('the last pair to the tenth', round(around(n - 10) / around(20), 2), 1.2, 'x'),
      atMost('the state file', round(of((r) => r.fileMb), 2), 5, 'MB'),
      atMost('written for each pair', round((of((r) => r.writtenMb) * 1000) / n, 1), 30, 'KB'),
      ...['name', 'hash', 'value'].map((by) => atMost(`a look-up by ${by === 'value' ? 'name, of one value' : by}`, round(of((r) => r.lookups[by]), 3), 0.1, 'ms')),
      atMost('differences of 1,000, nothing changed', round(of((r) => r.differences.read), 2), 10, 'ms'),
      atMost('  of that, the comparison', round(of((r) => r.differences.compared), 2), 10, 'ms'),
    ],
  }
}

/** So many bytes appended, each on the disk before the next. */
function bareFlushes(path, count) {
  const written = () => Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0)
  const fd = openSync(path, 'w')
  const before = { at: performance.now(), written: written() }
  for (let i = 0; i < count; i++) {
    writeSync(fd, '.')
    fdatasyncSync(fd)
  }
  closeSync(fd)
  return { wallMs: performance.now() - before.at, writtenMb: (written() - before.written) / 1e6 }
}
