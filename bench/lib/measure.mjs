// Runs one command to its end and says what it cost. Linux: the figures come from /proc.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

const TICK_MS = 10 // USER_HZ is 100 on every Linux that Node.js runs on
const POLL_MS = 20
const TMPFS = 0x01021994

/**
 * Gives `{ wallMs, cpuMs, rssMb, writtenMb, stdout }`.
 *
 * cpuMs     user and system time of the command and of every process that it waited for, in steps of 10 ms
 * rssMb     most memory of the command itself at one moment
 * writtenMb bytes it sent to the disk; on a file system without one, bytes it wrote
 * Fails when the command ends with another code than 0.
 */
export async function measure([command, ...args], { cwd, env = {}, timeoutMs = 900_000 } = {}) {
  const out = join(cwd, '.stdout')
  const err = join(cwd, '.stderr')
  const files = [openSync(out, 'w'), openSync(err, 'w')]
  const before = { cpu: childrenCpuMs(), io: ownIo() }
  const startedAt = process.hrtime.bigint()
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', ...files], timeout: timeoutMs, killSignal: 'SIGKILL' })
  let rssKb = 0
  const look = () => {
    try { rssKb = Math.max(rssKb, Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0)) } catch { /* it has just ended */ }
  }
  const poll = setInterval(look, POLL_MS)
  const { code, signal, endedAt } = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (c, s) => resolve({ code: c, signal: s, endedAt: process.hrtime.bigint() }))
  })
  clearInterval(poll)
  files.forEach((fd) => { closeSync(fd) })
  const after = { cpu: childrenCpuMs(), io: ownIo() }
  const stdout = readFileSync(out, 'utf8')
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${readFileSync(err, 'utf8').slice(-2000)}${stdout.slice(-2000)}`)
  const counter = statfsSync(cwd).type === TMPFS ? 'wchar' : 'write_bytes'
  return {
    wallMs: round(Number(endedAt - startedAt) / 1e6), cpuMs: after.cpu - before.cpu, rssMb: round(rssKb / 1024),
    writtenMb: round((after.io[counter] - before.io[counter]) / 1e6, 3), stdout,
  }
}

/** A process inherits what the children that it waited for have used. */
function childrenCpuMs() {
  const text = readFileSync('/proc/self/stat', 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS
}

function ownIo() {
  return Object.fromEntries(readFileSync('/proc/self/io', 'utf8').trim().split('\n').map((line) => line.split(': ')).map(([k, v]) => [k, Number(v)]))
}

export const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b)
  return sorted.length % 2 === 1 ? sorted[(sorted.length - 1) / 2] : round((sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2, 1)
}

export const round = (x, digits = 1) => Number(x.toFixed(digits))

/** Several runs of the same thing as one measure. */
export const gather = (runs) => ({
  wallMs: runs.map((r) => r.wallMs), cpuMs: runs.map((r) => r.cpuMs), rssMb: Math.max(...runs.map((r) => r.rssMb)), writtenMb: Math.max(...runs.map((r) => r.writtenMb)),
})
