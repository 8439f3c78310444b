// OpenTofu or Terraform, where one is installed: the same work in the same run, so that the machine cannot be blamed.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { gather, measure } from './measure.mjs'
import { withProgram } from './program.mjs'

const places = [
  ...['tofu'].flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))),
  '/usr/local/lib/tofu-bench/tofu',
  ...['terraform'].flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))),
]
const env = { TF_CLI_CONFIG_FILE: '/dev/null', TF_IN_AUTOMATION: '1', CHECKPOINT_DISABLE: '1' }

/** Gives `{ command, program }`, or undefined when none is installed. */
export function findPeer() {
  const command = places.find((path) => existsSync(path))
  if (!command) return undefined
  return { command, program: execFileSync(command, ['version'], { env: { ...process.env, ...env }, encoding: 'utf8' }).split('\n').find((line) => /^(OpenTofu|Terraform) v/.test(line)) ?? command }
}

/** `n` times terraform_data with the same input, created at the default parallelism, then planned with no change. */
export function peerMany({ command, program }, n) {
  return withProgram('tofu-many', async (folder) => {
    const tofu = (...args) => measure([command, ...args], { cwd: folder, env: { ...env, TF_VAR_n: String(n) } })
    await tofu('init', '-no-color')
    const create = await tofu('apply', '-auto-approve', '-no-color')
    if (!create.stdout.includes(`${n} added`)) throw new Error(`${program} did not create ${n}`)
    const noop = await tofu('plan', '-no-color')
    if (!noop.stdout.includes('No changes.')) throw new Error(`${program}: the plan is not empty`)
    return { program, n, parts: { create: gather([create]), 'plan with no change': gather([noop]) } }
  })
}
