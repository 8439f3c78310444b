import { Agent, request } from 'node:http'

export interface Answer {
  readonly status: number | undefined
  readonly text: string
  // `any`: a test names what it expects of a body
  json(): any
}
export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const ANSWER_MS_MAX = 10_000

/** Asks the service at a port of this machine, on a connection of its own. */
export function ask(port: number, path: string, q: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method: q.method ?? 'GET', headers: { ...q.headers }, agent: false, timeout: ANSWER_MS_MAX }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => resolve({ status: response.statusCode, text, json: () => JSON.parse(text) as unknown })).on('error', reject)
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${ANSWER_MS_MAX} ms`)))
    outgoing.on('error', reject)
    outgoing.end(q.body)
  })
}

export interface Asked<T> {
  readonly result: T
  readonly asked: number
  /** Path and status or error of every request that was not answered with 200. */
  readonly failed: readonly string[]
  /** Which processes answered, by what their /health says. */
  readonly pids: readonly number[]
}

/** Asks 100 times a second, half on kept connections and half on new ones, while `act` goes on and a moment longer. */
export async function whileAsking<T>(port: number, headers: Readonly<Record<string, string>>, act: () => Promise<T>): Promise<Asked<T>> {
  const kept = new Agent({ keepAlive: true, maxSockets: 8 })
  const failed: string[] = []
  const pids = new Set<number>()
  const pending = new Set<Promise<void>>()
  let asked = 0
  const one = (turn: number, path: string): Promise<void> => new Promise((resolve) => {
    const outgoing = request({ host: '127.0.0.1', port, path, agent: turn % 4 < 2 ? kept : false, headers: { ...headers }, timeout: ANSWER_MS_MAX }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('error', (e) => { failed.push(`${path} ${e.message}`); resolve() }).on('end', () => {
        if (response.statusCode !== 200) failed.push(`${path} ${response.statusCode} ${text}`)
        else if (path === '/health') pids.add((JSON.parse(text) as { pid: number }).pid)
        resolve()
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${ANSWER_MS_MAX} ms`)))
    outgoing.on('error', (e) => {
      // A kept connection that the server closed while it was idle: every client sends such a request again (RFC 9110 9.2.2).
      if (outgoing.reusedSocket && (e as NodeJS.ErrnoException).code === 'ECONNRESET') return void one(turn, path).then(resolve)
      failed.push(`${path} ${e.message}`)
      resolve()
    })
    outgoing.end()
  })
  const timer = setInterval(() => {
    const turn = asked++
    const running = one(turn, turn % 2 === 0 ? '/health' : '/notes').finally(() => pending.delete(running))
    pending.add(running)
  }, 10)
  try {
    const result = await act()
    await new Promise((resolve) => setTimeout(resolve, 300))
    clearInterval(timer)
    await Promise.all(pending)
    return { result, asked, failed, pids: [...pids] }
  } finally {
    clearInterval(timer)
    kept.destroy()
  }
}
