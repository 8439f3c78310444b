/**
 * The supervisor of one Process object: a program of its own, started detached, which outlives the command that started it.
 *
 * Takes  `argv[2]`: JSON of {@link SupervisorArgs}. Definitions and secrets come over the socket; none of them is ever an argument or in a file.
 * Ends   when it is asked to, and when it has nothing to look after. Exit code 0: done; 3: another supervisor has the folder.
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { systemClock } from '../../../base/index.ts'
import type { Mark } from '../../../model/index.ts'
import { makeRedactor } from '../../../secret/index.ts'
import { claimPlace, leavePlace } from './claim.ts'
import { identify, type ProcessId } from './identity.ts'
import { openLog } from './log-file.ts'
import { liveChildren, removePlace, SOCKET_FILE } from './place.ts'
import { onMessage, PROTOCOL, send, type Answer, type Request } from './protocol.ts'
import { makeSupervisor } from './supervisor.ts'

export interface SupervisorArgs {
  readonly run: string
  readonly log: string
  readonly mark: Mark
}

/** A supervisor that nobody gave anything to do goes after this time. */
const UNUSED_MS_MAX = 10_000
const IDLE_CHECK_MS = 100
const TAKEN = 3

async function main(): Promise<void> {
  const { run, log: logPath, mark } = JSON.parse(process.argv[2] ?? '') as SupervisorArgs
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => {})
  process.chdir(run) // so that the path of the socket is short, however deep the project lies
  if (!(await claimPlace(run, mark))) process.exit(TAKEN)

  const redactor = makeRedactor()
  const log = openLog(logPath)
  process.on('uncaughtException', (e) => log.line(`[holdfast] error: ${redactor.text(String(e?.stack ?? e))}`))
  const supervisor = makeSupervisor({ run, self: identify(process.pid) as ProcessId, log, redactor, orphans: liveChildren(run) })

  let clients = 0
  let used = false
  const since = systemClock.mono()
  const answer = async (request: Request): Promise<Answer> => {
    switch (request.cmd) {
      case 'hello': return { is: 'hello', protocol: PROTOCOL, pid: process.pid, store: mark.store, uid: mark.uid, ordinal: mark.ordinal }
      case 'start': used = true; return supervisor.start(request)
      case 'adjust': return supervisor.adjust(request)
      case 'settle': return supervisor.settle()
      case 'shutdown': used = true; return supervisor.shutdown()
      default: return { is: 'error', why: 'unknown request' }
    }
  }
  rmSync(SOCKET_FILE, { force: true }) // of a dead predecessor: this process holds the folder
  const server = createServer((socket: Socket) => {
    clients++
    socket.once('close', () => clients--)
    socket.on('error', () => {})
    onMessage(socket, (message) => {
      answer(message as Request).then(
        (a) => send(socket, a),
        (e: Error) => send(socket, { is: 'error', why: redactor.text(e.message) }),
      )
    })
  })
  server.listen(SOCKET_FILE, () => chmodSync(SOCKET_FILE, 0o600))

  const leave = (): never => {
    server.close()
    rmSync(SOCKET_FILE, { force: true })
    const stays = supervisor.hasOrphans()
    leavePlace(run)
    if (!stays) {
      process.chdir('/')
      removePlace(run)
    }
    process.exit(0)
  }
  process.on('SIGTERM', () => void supervisor.shutdown().finally(leave))
  setInterval(() => {
    if (clients === 0 && supervisor.idle() && (used || systemClock.mono() - since > UNUSED_MS_MAX)) leave()
  }, IDLE_CHECK_MS)
}

await main()
