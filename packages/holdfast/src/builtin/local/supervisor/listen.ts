import net from 'node:net'

/** A bound socket that accepts nothing itself. The programs that get it listen on it; it stays while they come and go. */
export interface BoundSocket {
  readonly fd: number
  readonly port: number
  /** Where a check from this machine connects. */
  readonly address: string
  close(): void
}

interface Handle {
  readonly fd: number
  getsockname(out: { port?: number; address?: string }): number
  close(): void
}

type CreateServerHandle = (address: string, port: number, family: 4 | 6, fd: number) => Handle | number

/**
 * Binds without listening, as Node's own `cluster` does for its workers. A server that listens would also accept, and so take connections from the programs.
 *
 * Fails  with a plain sentence when the port is taken. The system allows a second bind of a port that nobody listens on, and Node reports a refused
 *        bind only when it listens: so the name of the socket is asked, which is empty when the bind was refused.
 */
export function bindSocket(port: number, host?: string): BoundSocket {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle
  if (typeof create !== 'function') throw new Error('this version of Node cannot bind a socket without listening (net._createServerHandle), which `listen` needs; use `port`')
  const addresses: readonly (readonly [string, 4 | 6])[] = host === undefined ? [['::', 6], ['0.0.0.0', 4]] : [[host, net.isIPv6(host) ? 6 : 4]]
  let why = ''
  for (const [address, family] of addresses) {
    const handle = create(address, port, family, -1)
    if (typeof handle === 'number') {
      why = `port ${port} of ${address} cannot be bound (error ${handle})`
      continue
    }
    const name: { port?: number } = {}
    const error = handle.getsockname(name)
    if (error === 0 && name.port !== undefined && name.port > 0 && (port === 0 || name.port === port)) {
      return { fd: handle.fd, port: name.port, address: address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address, close: () => handle.close() }
    }
    handle.close()
    why = `port ${port} is in use by another program`
  }
  throw new Error(why)
}

/** A port that nobody uses now. Between this and its use another program may take it; the start then fails and says so. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** True when somebody accepts connections on the port of this machine. */
export function isTaken(port: number, address = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: address })
    const done = (taken: boolean) => {
      hangUp(socket)
      resolve(taken)
    }
    socket.setTimeout(1_000, () => done(false))
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}

const HANG_UP_MS = 1_000

/** Closes a probe as a polite client does: a reset while the program writes its greeting is an error that some programs do not survive. */
export function hangUp(socket: net.Socket): void {
  socket.on('error', () => {})
  socket.setTimeout(HANG_UP_MS, () => socket.destroy())
  socket.resume()
  socket.end()
}
