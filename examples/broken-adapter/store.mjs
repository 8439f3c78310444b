// A store with faults planted in it, one at a time: what the suite of the port says about each.
// It wraps the store that keeps nothing; a store of your own would have a database in its place.
import { MemoryStore } from 'holdfast/testing'
import { randomBytes } from 'node:crypto'

const clock = { now: () => Date.now(), mono: () => performance.now(), sleep: (ms) => new Promise((next) => setTimeout(next, ms)) }
const random = { bytes: (n) => new Uint8Array(randomBytes(n)) }
const memory = (options = {}) => new MemoryStore({ clock, random, ...options })

/** A store in which `change` replaces methods; what it does not replace works. */
function changed(store, change) {
  const own = change(store)
  return new Proxy(store, { get: (target, name) => (name in own ? own[name] : typeof target[name] === 'function' ? target[name].bind(target) : target[name]) })
}

/** Fault -> the methods that have it, and the cases of the suite that see it. Every other case passes. */
export const storeFaults = {
  'writes on without its lease': {
    change: (store) => ({ commit: (entries, { fence: _, ...options }) => store.commit(entries, options) }),
    fails: [
      'a writer without its fence writes nothing',
      'a commit takes a lease, checks it, and lets it go',
      'a lease that has ended is taken over by a commit, under a higher fence',
      'a commit under the lease of a component changes that component, and needs that lease',
      'a lease that is handed over goes on without a gap, and who gave it away writes nothing under it',
      'a lease is taken away by force only where it is named, together with what is written about it',
    ],
  },
  'writes over a state that moved on': {
    change: (store) => ({ commit: (entries, { expectSeq: _, ...options }) => store.commit(entries, options) }),
    fails: ['expectSeq refuses what was planned on an older state', 'what a refused commit would have taken is not taken'],
  },
  'keeps half of a refused commit': {
    change: (store) => ({
      async commit(entries, options) {
        const events = entries.filter((entry) => entry.t === 'event')
        try {
          return await store.commit(entries, options)
        } catch (error) {
          if (error.code === 'HF4101') await store.commit(events, options)
          throw error
        }
      },
    }),
    fails: ['a refused commit leaves nothing behind'],
  },
  'leaves out documents that are not there': {
    change: (store) => ({ docs: async (keys) => (await store.docs(keys)).filter((doc) => doc !== undefined) }),
    fails: [
      'documents are found by uid and since, in the order asked for',
      'taking back removes the provisional rows and opens the base again',
      'history is kept below the base, and the oldest goes',
    ],
  },
  'shows an open run to readers': {
    change: (store) => ({ resources: (env, view) => store.resources(env, view === 'committed' ? 'current' : view) }),
    fails: ['an open run shows in the current view, and readers see the base until it is committed', 'runs of parts are seen by nobody, whichever commits first, and each gets the revision of its commit'],
  },
  'forgets resources when it is closed': {
    reopened: (tables) => memory({ tables: { ...tables, resources: new Map(), uidsOf: new Map() } }),
    fails: ['what was acknowledged is there after closing and opening again'],
  },
}

/** It follows random histories: whether it meets a fault depends on the seed. */
export const lacks = { 'an export that is read into an empty store comes out again byte for byte, and the store goes on as the other does': 'its histories are random' }

/** What `storeSuite` asks for: a fresh store, opened again on what it kept, and a second one beside it. */
export function openBroken({ change = () => ({}), reopened }) {
  return async () => {
    const first = memory()
    const over = () => changed(memory({ tables: first.tables }), change)
    return {
      store: changed(first, change),
      async reopen() {
        await first.close()
        return reopened ? reopened(first.tables) : over()
      },
      second: async () => over(),
      close: () => first.close(),
    }
  }
}
