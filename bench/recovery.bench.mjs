// kill -9 with 20 calls on the wire, then the next apply on the same machine: it takes over, settles every call, and ends where it should.
// Class A: a create with a token; class B: a create whose name finds it; class U: an update that may be sent again.
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gather, median } from './lib/measure.mjs'
import { holdfast, holdfastBin, withProgram } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

/** Most of its time is waiting for the disk. */
export const syncs = true
export const n = 20

function recover(kind, update) {
  return withProgram('recover', async (folder) => {
    const words = (size) => ['apply', '--yes', '--json', '--set', `n=${n}`, '--set', `kind=${kind}`, '--set', `size=${size}`]
    const size = update ? 2 : 1
    if (update) await holdfast(folder, ...words(1))
    else await holdfast(folder, 'plan', ...words(1).slice(3)) // compiles
    writeFileSync(join(folder, 'die'), '')
    const killed = spawnSync(process.execPath, [holdfastBin, ...words(size)], { cwd: folder, encoding: 'utf8' })
    if (killed.signal !== 'SIGKILL') throw new Error(`the first apply was not killed: ${killed.status} ${killed.stderr}`)
    rmSync(join(folder, 'die'))
    const run = await holdfast(folder, ...words(size))
    const document = JSON.parse(run.stdout)
    const objects = readdirSync(join(folder, 'world')).length
    if (document.outcome !== 'applied' || document.revision.to !== (update ? 2 : 1) || objects !== n) throw new Error(`${kind}: ${document.outcome}, ${objects} objects instead of ${n}`)
    return run
  })
}

export async function run({ repeat }) {
  const classes = { a: [], b: [], u: [] }
  for (let i = 0; i < Math.max(3, repeat); i++) {
    classes.a.push(await recover('keyed', false))
    classes.b.push(await recover('named', false))
    classes.u.push(await recover('named', true))
  }
  const { a, b, u } = Object.fromEntries(Object.entries(classes).map(([k, runs]) => [k, gather(runs)]))
  return {
    main: a, measures: { b, u },
    targets: [
      atMost('after kill -9, class A, to the end', median(a.wallMs), 1_000, 'ms'),
      atMost('after kill -9, class B, to the end', median(b.wallMs), 1_000, 'ms'),
      atMost('after kill -9, class U, to the end', median(u.wallMs), 1_000, 'ms'),
    ],
  }
}
