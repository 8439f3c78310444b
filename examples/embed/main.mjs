// node main.mjs plan|apply|refresh|status|destroy TARGET
import { Engine, exitCodeOf } from 'holdfast/engine'
import { JsonFile, JsonSnapshots, JsonTargets } from './json-file.mjs'
import { site } from './site.mjs'

const [verb = 'status', target = 'prod'] = process.argv.slice(2)
const dieAt = Number(process.env.DIE_AT ?? 0)
let steps = 0
const file = new JsonFile(process.env.INFRA ?? 'infra.json', () => {
  if (++steps === dieAt) process.kill(process.pid, 'SIGKILL')
})
const snapshots = new JsonSnapshots(file)
const engine = new Engine({ targets: new JsonTargets(file), snapshots, home: process.env.INFRA_HOME ?? '.embed' })
const onEvent = (e) => e.node && e.type.startsWith('task.') && console.error(`${e.type} ${e.node}`)

try {
  switch (verb) {
    case 'plan': {
      const { document } = await engine.preview(target, site)
      for (const c of document.changes) console.log(`${c.action} ${c.address}`)
      if (document.changes.length === 0) console.log('nothing to do')
      break
    }
    case 'apply': case 'destroy': {
      const run = verb === 'apply' ? await engine.apply(target, site, { onEvent }) : await engine.destroy(target, { onEvent })
      console.log(`${run.outcome}, revision ${run.revision.to}${run.error ? `: ${run.error.message}` : ''}`)
      process.exitCode = exitCodeOf(run)
      break
    }
    case 'refresh': {
      const { drifted } = await engine.refresh(target, { onEvent })
      for (const d of drifted) console.log(`${d.kind} ${d.address}`)
      break
    }
    case 'status': {
      const snapshot = await snapshots.getSnapshot(target)
      if (!snapshot) console.log('never deployed')
      else {
        console.log(`revision ${snapshot.revision}, ${snapshot.reliable ? 'reliable' : 'being changed: not reliable'}`)
        for (const c of snapshot.open) console.log(`open: ${c.op} of ${c.address}`)
      }
      break
    }
    default: throw new Error(`there is no ${verb}`)
  }
} catch (e) {
  console.error(e.code ? `${e.code} ${e.message}` : e)
  process.exitCode = e.exitCode ?? 1
}
