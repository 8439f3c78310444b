// What every command pays before it does anything: `version` beside an empty `node -e 0`, and the plan of an empty app.
import { gather, measure, median, round } from './lib/measure.mjs'
import { holdfast, withProgram } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

export const n = 0

export function run({ repeat }) {
  return withProgram('empty', async (folder) => {
    const node = []
    const version = []
    const plan = []
    await holdfast(folder, 'plan') // the first one compiles and fills the cache
    // In turn, so that a busy moment of the machine meets all three.
    for (let i = 0; i < Math.max(15, repeat); i++) {
      node.push(await measure([process.execPath, '-e', '0'], { cwd: folder }))
      version.push(await holdfast(folder, 'version'))
      plan.push(await holdfast(folder, 'plan'))
    }
    const measures = { node: gather(node), version: gather(version) }
    return {
      main: gather(plan), measures,
      targets: [
        atMost('version, times node -e 0', round(median(measures.version.wallMs) / median(measures.node.wallMs), 2), 1.5, 'x'),
        atMost('plan of an empty app', median(plan.map((r) => r.wallMs)), 350, 'ms'),
      ],
    }
  })
}
