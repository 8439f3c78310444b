import type { Entry } from '../journal/index.ts'
import { MemoryStore, type CommitOptions } from '../store/index.ts'

/** Writes something, and may do more before and after it. */
export interface Around {
  commit(entries: readonly Entry[], write: () => Promise<{ readonly seq: number }>): Promise<{ readonly seq: number }>
}

/** The store of one call: it is filled from a snapshot, and while something is around it, no commit is durable before that says so. */
export class PortStore extends MemoryStore {
  around: Around | undefined

  override commit(entries: readonly Entry[], options: CommitOptions): Promise<{ readonly seq: number }> {
    const write = () => super.commit(entries, options)
    return this.around ? this.around.commit(entries, write) : write()
  }
}
