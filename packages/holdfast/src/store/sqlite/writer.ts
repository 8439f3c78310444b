/**
 * The writer thread: the only place of a process that commits once it has started. It also renews leases, so that a provider that blocks the
 * main thread does not lose them.
 * @module
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/index.ts'
import { WriterCore } from './core.ts'
import { failpointSetting, makeFailpoint, useCounter } from './failpoint.ts'
import { sendError, sendResult, type FromWriter, type ToWriter, type WriterData } from './messages.ts'
import { connect } from './open.ts'
import { Renewals } from './renewals.ts'

assert(parentPort, 'the writer runs as a thread')
const port = parentPort
const { path, counter } = workerData as WriterData
const send = (message: FromWriter) => port.postMessage(message)

useCounter(counter)
// A short command has ended before its thread has begun: then nothing is opened.
const early: ToWriter[] = []
for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) early.push(next.message as ToWriter)
const closing = early.find((m) => m.t === 'close')
if (closing) {
  send({ t: 'done', id: closing.id })
  port.close()
} else begin()

function begin(): void {
  const core = new WriterCore(path, connect(path, 'write'), makeFailpoint(failpointSetting(process.env)))
  const renewals = new Renewals(core, (scope, fence, reason) => send({ t: 'lost', scope, fence, reason }))
  const take = (m: ToWriter): void => {
    switch (m.t) {
      case 'commit': return send({ t: 'committed', id: m.id, results: core.commit(m.cells).map(sendResult) })
      case 'acquire': return answer(m.id, () => send({ t: 'acquired', id: m.id, result: core.acquire(m.request) }))
      case 'transfer':
        renewals.stop(m.wish.fence)
        return answer(m.id, () => send({ t: 'transferred', id: m.id, granted: core.transfer(m.wish) }))
      case 'leave': return answer(m.id, () => {
        core.leave(m.ticket)
        send({ t: 'done', id: m.id })
      })
      case 'release':
        renewals.stop(m.fence)
        return answer(m.id, () => {
          core.release(m.scope, m.fence)
          send({ t: 'done', id: m.id })
        })
      case 'keep': return renewals.start(m.scope, m.fence, m.ttlMs, m.everyMs)
      case 'unkeep': return renewals.stop(m.fence)
      case 'close':
        renewals.stopAll()
        core.close()
        send({ t: 'done', id: m.id })
        return port.close()
      default: m satisfies never
    }
  }
  for (const m of early) take(m)
  port.on('message', take)
  send({ t: 'ready' })
}

function answer(id: number, act: () => void): void {
  try {
    act()
  } catch (e) {
    send({ t: 'failed', id, error: sendError(e) })
  }
}
