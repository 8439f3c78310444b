// Starting other programs from scripts: inherits the terminal, resolves with the exit code, never throws for it.
import { spawn } from 'node:child_process'
import { root } from './paths.mjs'

/** Runs `command` and shows what it prints (`quiet`: keeps its stdout in `out`; `echo`: shows it too). Gives its exit code (128 + n for a signal). */
export function run(command, args, { cwd = root, env = process.env, timeoutMs, quiet = false, echo = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'], detached: timeoutMs !== undefined })
    let out = ''
    child.stdout?.on('data', (chunk) => { out += chunk; if (echo) process.stdout.write(chunk) })
    child.stderr?.on('data', (chunk) => { if (echo) process.stderr.write(chunk) })
    let timedOut = false
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
      timedOut = true
      // The whole group: a test runner has workers, and workers have children.
      try { process.kill(-child.pid, 'SIGKILL') } catch { /* already gone */ }
    }, timeoutMs)
    // A group of its own does not hear the Ctrl-C of the terminal.
    const forward = timeoutMs === undefined ? undefined : (signal) => {
      try { process.kill(-child.pid, 'SIGKILL') } catch { /* already gone */ }
      process.exit(signal === 'SIGINT' ? 130 : 143)
    }
    if (forward) for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (forward) for (const name of ['SIGINT', 'SIGTERM']) process.off(name, forward)
      resolve({ code: code ?? 128 + (signal === 'SIGKILL' ? 9 : 1), out, timedOut })
    })
  })
}

const COUNTS = /^(\d+) passed, (\d+) failed$/

/** Runs a script of a suite. Its last line is `N passed, N failed`; without one, and when its exit code contradicts the line, it has failed. */
export async function runScript([command, ...args], { timeoutMs, env }) {
  const { code, out, timedOut } = await run(command === 'node' ? process.execPath : command, args, { timeoutMs, quiet: true, echo: true, ...(env ? { env } : {}) })
  const counts = COUNTS.exec(out.trimEnd().split('\n').at(-1) ?? '')
  if (timedOut) return { passed: 0, failed: 1, note: `stopped after ${Math.round(timeoutMs / 1000)} s` }
  if (!counts) return { passed: 0, failed: 1, note: `exit ${code}, and no count in its last line` }
  const [passed, failed] = [Number(counts[1]), Number(counts[2])]
  return code !== 0 && failed === 0 ? { passed, failed: 1, note: `exit ${code}` } : { passed, failed: failed + (passed + failed === 0 ? 1 : 0) }
}
