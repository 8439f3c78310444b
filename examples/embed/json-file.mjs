// Two providers over one JSON file: { targets: { NAME: {...} }, snapshots: { NAME: { snapshot, mutations } } }.
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { damagedSnapshot, holderLives, MutationOpen, packSnapshot, TargetNotFound, unpackSnapshot, withOpen } from 'holdfast/engine'

let numbers = 0

/** One JSON document. It is always whole: a new one is written beside it, flushed, and takes its place by a rename. */
export class JsonFile {
  #path
  #at
  /** `at(step)`: moments at which a test ends the process. */
  constructor(path, at = () => {}) {
    this.#path = path
    this.#at = at
  }

  read() {
    if (!existsSync(this.#path)) return { targets: {}, snapshots: {} }
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8'))
    } catch (e) {
      throw damagedSnapshot(this.#path, e.message)
    }
  }

  /** Changes the document as one step. `change` gets it as it is now, and nobody else changes it meanwhile. */
  async update(change) {
    const unlock = await this.#lock()
    try {
      const doc = this.read()
      const result = change(doc)
      const next = `${this.#path}.next`
      this.#at('write')
      write(next, `${JSON.stringify(doc, null, 1)}\n`)
      this.#at('written')
      renameSync(next, this.#path)
      this.#at('renamed')
      flush(dirname(this.#path))
      this.#at('flushed')
      return result
    } finally {
      unlock()
    }
  }

  /** A file that says who changes the document. It is held for a moment only; of a process that died in that moment it is taken away. */
  async #lock() {
    const lock = `${this.#path}.lock`
    const mine = `${this.#path}.${process.pid}.${++numbers}.lock`
    write(mine, String(process.pid))
    for (;;) {
      try {
        linkSync(mine, lock)
        rmSync(mine)
        return () => rmSync(lock, { force: true })
      } catch (e) {
        if (e.code !== 'EEXIST') throw e
        this.#takeFromTheDead(lock, `${mine}.old`)
        await sleep(1)
      }
    }
  }

  #takeFromTheDead(lock, aside) {
    try {
      if (alive(readFileSync(lock, 'utf8'))) return
      renameSync(lock, aside)
      // Somebody was faster, and this is a new one: it goes back.
      if (alive(readFileSync(aside, 'utf8'))) linkSync(aside, lock)
      rmSync(aside)
    } catch (e) {
      if (e.code !== 'ENOENT' && e.code !== 'EEXIST') throw e
    }
  }
}

function alive(pid) {
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (e) {
    return e.code !== 'ESRCH'
  }
}

function write(path, text) {
  const fd = openSync(path, 'w', 0o600)
  try {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function flush(folder) {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

export class JsonTargets {
  #file
  constructor(file) {
    this.#file = file
  }

  async getTarget(name) {
    const { targets } = this.#file.read()
    if (!Object.hasOwn(targets, name)) throw new TargetNotFound(name)
    const { config = {}, tags = {}, secretVariables = {} } = targets[name]
    // The file names variables; the secrets themselves are not in it.
    return { name, config, tags, secrets: { get: async (secret) => (Object.hasOwn(secretVariables, secret) ? process.env[secretVariables[secret]] : undefined) } }
  }
}

export class JsonSnapshots {
  #file
  constructor(file) {
    this.#file = file
  }

  async getSnapshot(name) {
    const kept = entryOf(this.#file.read(), name)
    return withOpen(name, kept.snapshot && unpackSnapshot(name, kept.snapshot), kept.mutations)
  }

  async beginMutation(name, about, by) {
    const id = await this.#file.update((doc) => {
      const kept = entryOf(doc, name)
      const other = kept.mutations.find((m) => m.by.id !== by.id && holderLives(m.by))
      if (other) throw new MutationOpen(name, other.by)
      const same = about && kept.mutations.find((m) => m.about?.id === about.id)
      const mutation = { id: same?.id ?? `${by.id}.${++numbers}`, by, about }
      // A run that nobody lives for is over; what it had begun is not.
      const mutations = kept.mutations.filter((m) => m.id !== mutation.id && (m.about || m.by.id === by.id))
      doc.snapshots[name] = { ...kept, mutations: [...mutations, mutation] }
      return mutation.id
    })
    return {
      id,
      end: async (given) => {
        const snapshot = await packSnapshot(given)
        // The snapshot and the end of the mutation: one rename.
        await this.#file.update((doc) => {
          doc.snapshots[name] = { snapshot, mutations: entryOf(doc, name).mutations.filter((m) => m.id !== id) }
        })
      },
    }
  }
}

const entryOf = (doc, name) => (Object.hasOwn(doc.snapshots, name) ? doc.snapshots[name] : { mutations: [] })
