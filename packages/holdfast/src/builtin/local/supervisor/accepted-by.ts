import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../../../base/index.ts'
import { family } from './identity.ts'
import { hangUp } from './listen.ts'

const ACCEPT_WAIT_MS = 500
const POLL_MS = 5

/** `nobody`: it waits in the queue. `closed`: somebody took it and has hung up already. `unknown`: this system does not tell (not Linux, or a program that hides its files). */
export type Acceptor = 'ours' | 'other' | 'nobody' | 'closed' | 'unknown'

/**
 * Connects to a port and finds out which process accepted the connection.
 *
 * Two generations of a program accept on one socket, so an answer alone does not tell whose it was. The kernel lists the accepted end of the connection with
 * its inode (`/proc/net/tcp`; 0 until somebody accepts), and the inode stands among the open files of the process that holds it.
 *
 * Gives  the open connection when `by` is `ours` or `unknown`; else it is closed already. Nothing was sent on it.
 * Fails  with the error of the system when nobody listens.
 */
export async function connectTo(port: number, address: string, pid: number): Promise<{ readonly by: Acceptor; readonly socket?: Socket }> {
  const socket = connect({ port, host: address })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => {})
  const by = await acceptor(port, socket.localPort as number, pid)
  if (by === 'ours' || by === 'unknown') return { by, socket }
  hangUp(socket)
  return { by }
}

async function acceptor(port: number, clientPort: number, pid: number): Promise<Acceptor> {
  if (process.platform !== 'linux') return 'unknown'
  const until = systemClock.mono() + ACCEPT_WAIT_MS
  for (;;) {
    const inode = inodeOf(port, clientPort)
    if (inode === 'closed') return 'closed'
    if (inode !== '0') return holds(pid, inode)
    if (systemClock.mono() > until) return 'nobody'
    await systemClock.sleep(POLL_MS)
  }
}

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')

/** Inode of the server's end. Addresses are not compared: the pair of ports names one connection of this machine to the probe. */
function inodeOf(port: number, clientPort: number): string {
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let text: string
    try {
      text = readFileSync(table, 'utf8')
    } catch {
      continue
    }
    const found = new RegExp(`^ *\\d+: [0-9A-F]+:${hex(port)} [0-9A-F]+:${hex(clientPort)} 0[18] (.*)$`, 'm').exec(text)
    // After the state: tx_queue:rx_queue tr:when retrnsmt uid timeout inode
    if (found) return (found[1] as string).trim().split(/\s+/)[5] ?? 'closed'
  }
  return 'closed'
}

function holds(pid: number, inode: string): Acceptor {
  let hidden = false
  for (const member of family(pid)) {
    let names: string[]
    try {
      names = readdirSync(`/proc/${member}/fd`)
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'EACCES') hidden = true
      continue
    }
    for (const fd of names) {
      try {
        if (readlinkSync(`/proc/${member}/fd/${fd}`) === `socket:[${inode}]`) return 'ours'
      } catch {
        // closed meanwhile
      }
    }
  }
  return hidden ? 'unknown' : 'other'
}

/**
 * Whether a process of the family waits for connections of a socket, as its event loop (epoll) shows it. Linux.
 *
 * Takes  the descriptor of the socket in this process.
 */
export function waitsFor(pid: number, fd: number): boolean {
  if (process.platform !== 'linux') return true
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
  if (inode === undefined) return false
  const entry = new RegExp(`^tfd:.* ino:${Number(inode).toString(16)} `, 'm')
  return family(pid).some((member) => {
    try {
      return readdirSync(`/proc/${member}/fdinfo`).some((n) => entry.test(readFileSync(`/proc/${member}/fdinfo/${n}`, 'utf8')))
    } catch {
      return false
    }
  })
}
