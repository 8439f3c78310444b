// Bugs that a journal could have, planted on purpose: a hunt that cannot find them proves nothing.
import { setTimeout as sleep } from 'node:timers/promises'

export const bugs = {
  'new-key': 'what was running is begun again under another key',
  'told-early': 'a step counts as stored before it is',
  'done-early': 'a task is stored as done when it begins',
  'undo-forgotten': 'an undo that was cut short counts as done',
  'result-lost': 'a result is not kept',
}

/** The journal with one bug; without a name, the journal. */
export function planted(bug, journal) {
  if (bug === undefined) return journal
  const change = (more) => new Proxy(journal, { get: (j, name) => (Object.hasOwn(more, name) ? more[name] : typeof j[name] === 'function' ? j[name].bind(j) : j[name]) })
  const loaded = (row) => change({
    load: async (id) => {
      const stored = await journal.load(id)
      return stored && { ...stored, tasks: stored.tasks.map(row) }
    },
  })
  switch (bug) {
    case 'new-key': return loaded((t) => (t.state === 'RUNNING' ? { ...t, epoch: t.epoch + 1 } : t))
    case 'undo-forgotten': return loaded((t) => (t.state === 'REVERTING' ? { ...t, state: 'REVERTED' } : t))
    case 'result-lost': return loaded((t) => (t.state === 'SUCCESS' && t.kind === 'task' ? { ...t, result: '"another"' } : t))
    case 'done-early': return change({ commit: (id, fence, c) => journal.commit(id, fence, { ...c, tasks: c.tasks?.map((t) => (t.state === 'RUNNING' && t.kind === 'task' ? { ...t, state: 'SUCCESS' } : t)) }) })
    case 'told-early': {
      let last = Promise.resolve()
      return change({
        commit: async (id, fence, c) => {
          const mine = last.then(() => sleep(5)).then(() => journal.commit(id, fence, c))
          last = mine
          if (c.release) await mine
        },
      })
    }
    default: throw new Error(`there is no bug ${bug}`)
  }
}
