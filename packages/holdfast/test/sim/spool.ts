import type { Spool, SpoolFile } from '../../src/store/index.ts'

/** What is kept beside the store, in memory. */
export class MemorySpool implements Spool {
  readonly files: Map<string, string[]>
  readonly #onDrop: (records: readonly string[]) => void
  constructor(files: Map<string, string[]>, onDrop: (records: readonly string[]) => void = () => undefined) {
    this.files = files
    this.#onDrop = onDrop
  }
  reserve(): void {}
  async put(env: string, fence: number, record: string): Promise<void> {
    const name = `${env}.${fence}`
    this.files.set(name, [...(this.files.get(name) ?? []), record])
  }
  list(env: string, fence: number): readonly SpoolFile[] {
    return [...this.files].filter(([name]) => name.startsWith(`${env}.`) && name !== `${env}.${fence}`).map(([name, records]) => ({ name, records }))
  }
  async drop(name: string): Promise<void> {
    this.#onDrop(this.files.get(name) ?? [])
    this.files.delete(name)
  }
  end(): void {}
}
