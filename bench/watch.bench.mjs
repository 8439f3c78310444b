// How long after it was written an event reaches another process: `state watch --json` beside an apply of 400 files. The lag counts from the moment
// that the event carries, which is before its commit, to the moment its line is read from the pipe. One file at a time: with more, an event waits for
// its turn to be committed, and that is not the watcher's time. Its own synced commit is in it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { gather, round } from './lib/measure.mjs'
import { holdfast, holdfastBin, withProgram } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

/** Most of its time is waiting for the disk. */
export const syncs = true
export const n = 400
const IDLE_MS = 3_000
const TICK_MS = 10

function cpuMs(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

export async function run({ repeat }) {
  const runs = []
  const lags = []
  const idle = []
  for (let i = 0; i < repeat; i++) await withProgram('files', async (folder) => {
    await holdfast(folder, 'plan', '--set', `n=${n}`)
    const watcher = spawn(process.execPath, [holdfastBin, 'state', 'watch', '--json'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    const seen = []
    createInterface({ input: watcher.stdout }).on('line', (line) => {
      const e = JSON.parse(line)
      seen.push(e)
      lags.push(Date.now() - Date.parse(e.at))
    })
    await new Promise((next) => setTimeout(next, 1_500)) // it waits by now, and looks less often
    const before = cpuMs(watcher.pid)
    await new Promise((next) => setTimeout(next, IDLE_MS))
    idle.push(round(((cpuMs(watcher.pid) - before) * 100) / IDLE_MS, 2))
    const apply = await holdfast(folder, 'apply', '--yes', '--json', '--concurrency', '1', '--set', `n=${n}`)
    const until = Date.now() + 5_000
    while (!seen.some((e) => e.kind === 'run.committed' || e.kind === 'run.ended') && Date.now() < until) await new Promise((next) => setTimeout(next, 5))
    watcher.kill('SIGINT')
    const [code] = await once(watcher, 'exit')
    if (code !== 0) throw new Error(`state watch ended with ${code}`)
    const places = new Set(seen.map((e) => `${e.seq}.${e.n}`))
    if (places.size !== seen.length || seen.length < n) throw new Error(`${seen.length} events were seen, ${places.size} of them different`)
    runs.push(apply)
  })
  lags.sort((a, b) => a - b)
  return {
    main: gather(runs),
    targets: [
      atMost('lag of an event, median', lags[Math.floor(lags.length / 2)], 50, 'ms'),
      atMost('lag of an event, p99', lags[Math.floor(lags.length * 0.99)], 50, 'ms'),
      atMost('processor while nothing happens', Math.max(...idle), 2, '%'),
    ],
  }
}
