import type { Millis } from '../../base/index.ts'
import type { WriterCore } from './core.ts'

/**
 * Renews leases on a timer of the thread it lives in. A lease is given up as lost when somebody else has it, or when it could not be written for its
 * whole life; one failed write is tried again with the next beat.
 */
export class Renewals {
  private readonly core: WriterCore
  private readonly onLost: (scope: string, fence: number, reason: string) => void
  /** By fence: several leases of one process may be of one scope. */
  private readonly timers = new Map<number, NodeJS.Timeout>()

  constructor(core: WriterCore, onLost: (scope: string, fence: number, reason: string) => void) {
    this.core = core
    this.onLost = onLost
  }

  start(scope: string, fence: number, ttlMs: Millis, everyMs: Millis): void {
    this.stop(fence)
    // The first beat comes at once: the thread may have needed a while to start.
    let renewedAt = performance.now()
    const beat = () => {
      const now = performance.now()
      try {
        if (!this.core.renew(scope, fence, Date.now() + ttlMs)) this.lose(scope, fence, 'another process took the lease over')
        else renewedAt = now
      } catch (e) {
        if (now - renewedAt > ttlMs) this.lose(scope, fence, `it could not be renewed: ${(e as Error).message}`)
      }
    }
    this.timers.set(fence, setInterval(beat, everyMs))
    beat()
  }

  stop(fence: number): void {
    clearInterval(this.timers.get(fence))
    this.timers.delete(fence)
  }

  stopAll(): void {
    for (const fence of [...this.timers.keys()]) this.stop(fence)
  }

  private lose(scope: string, fence: number, reason: string): void {
    this.stop(fence)
    this.onLost(scope, fence, reason)
  }
}
