// TaskFlow, where Python has it: the same flows in the same run, so that the machine cannot be blamed.
import { spawnSync } from 'node:child_process'
import { gather, measure, round } from './measure.mjs'
import { withProgram } from './program.mjs'

const ASK = "import importlib.metadata, platform, taskflow.engines, taskflow.persistence.backends.impl_sqlalchemy; print('TaskFlow', importlib.metadata.version('taskflow'), 'on Python', platform.python_version())"

/**
 * Gives `{ command, program }`, or `{ missing }` with the reason.
 * Takes HOLDFAST_TASKFLOW_PYTHON, a Python that can import it together with its SQL backend; default `python3`.
 */
export function findTaskFlow({ HOLDFAST_TASKFLOW_PYTHON: command = 'python3' } = process.env) {
  const { status, stdout, stderr, error } = spawnSync(command, ['-W', 'ignore', '-c', ASK], { encoding: 'utf8' })
  if (status === 0) return { command, program: stdout.trim() }
  return { missing: `TaskFlow is not measured: ${command}: ${error?.code ?? stderr.trim().split('\n').at(-1)}. HOLDFAST_TASKFLOW_PYTHON names a Python that has taskflow and SQLAlchemy.` }
}

/** One flow, once: an engine that takes a minute is not asked three times. The seconds are those of the flow, the rest is that of the process. */
export function taskFlow({ command }, kind, n) {
  return withProgram('flow-taskflow', async (folder) => {
    const run = await measure([command, '-W', 'ignore', 'flow.py', kind, String(n)], { cwd: folder })
    return { ...gather([run]), seconds: round(JSON.parse(run.stdout).ms / 1_000, 3) }
  })
}
