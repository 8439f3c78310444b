import { expect } from 'vitest'
import { readStatus } from '../../src/engine/index.ts'
import { EnvState } from '../../src/resource/index.ts'
import { makeLab, type Lab } from '../support/world.ts'

/** What was protected when a lab was looked at last: ids of objects, by address. */
const guarded = new WeakMap<Lab['cloud'], Map<string, string>>()

/** Runs after which the same program has nothing to do any more, at most. */
const RUNS_MAX = 3

/**
 * The invariants of spec/engine.md 3.13 that a look at a lab can tell, after a run:
 * every object has exactly one record or an open change, every record that is whole has its object, what was protected is there, nothing was deleted
 * under something that refers to it, and the doctor finds nothing.
 *
 * Takes  `lifted`: addresses whose protection the last plan lifted; `retained`: objects that were left on purpose, by name.
 */
export async function holds(lab: Lab, o: { readonly lifted?: readonly string[]; readonly retained?: readonly string[] } = {}): Promise<void> {
  const state = await EnvState.load(lab.cx)
  const recorded = new Map<string, string[]>()
  const protectedNow = new Map<string, string>()
  for (const row of state.current.values()) {
    if (row.type === 'holdfast:Value' || row.meta.lookup) continue
    const { id } = await state.outputsOf(row)
    if (typeof id !== 'string') continue
    recorded.set(id, [...(recorded.get(id) ?? []), row.address])
    if (row.status !== 'deleting' && row.meta.protect) protectedNow.set(row.address, id)
    if (row.status === 'ready') expect(lab.cloud.objects.has(id), `${row.address} has its object ${id}`).toBe(true)
  }
  const { open } = await readStatus(lab.cx)
  for (const object of lab.cloud.objects.values()) {
    if (o.retained?.includes(object.name) && !recorded.has(object.id)) continue
    const owners = recorded.get(object.id) ?? []
    expect(owners.length === 1 || (owners.length === 0 && open.length > 0), `${object.name} (${object.id}) has one record: ${owners.join(', ') || 'none'}`).toBe(true)
  }
  for (const [address, id] of guarded.get(lab.cloud) ?? []) if (!o.lifted?.includes(address)) expect(lab.cloud.deleted, `${address} is protected`).not.toContain(id)
  guarded.set(lab.cloud, protectedNow)
  expect(lab.cloud.broken).toEqual([])
  expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
}

/** {@link holds}, and the same program again converges, after which there is nothing to do. */
export async function settles(lab: Lab, build: () => unknown, o: Parameters<typeof holds>[1] = {}): Promise<void> {
  await holds(lab, o)
  for (let i = 0; ; i++) {
    const doc = await lab.apply(build)
    await holds(lab, o)
    if (doc.outcome === 'unchanged') break
    expect(i, `still something to do: ${doc.outcome} ${JSON.stringify(doc.error)}`).toBeLessThan(RUNS_MAX)
  }
  expect((await lab.plan(build)).empty).toBe(true)
}

/** A process dies in a call: it has happened, or not, and the answer never comes. Resolves when it is dead. */
export async function dies(lab: Lab, call: string, happened: boolean, build: () => unknown): Promise<void> {
  const first = lab.again()
  // One step at a time: a dead process does not go on with another.
  Object.assign(first.cx, { serial: true, parallelism: 1 })
  const { cloud } = lab
  const run = cloud.run.bind(cloud)
  const dead = new Promise<void>((resolve, reject) => {
    cloud.run = (name, signal, act, partial) => {
      if (name !== call) return run(name, signal, act, partial)
      cloud.run = run
      cloud.calls.push(name)
      if (happened) act()
      resolve()
      return new Promise(() => undefined)
    }
    // A dead process that finds out that its lease is lost ends, too; that is of no interest any more.
    first.apply(build).then((doc) => reject(new Error(`${call} was never called: ${JSON.stringify(doc)}`)), reject)
  })
  await dead
  await new Promise((resolve) => setImmediate(resolve))
}

/** A process dies before it writes down that it is about to call, for the n-th time: nothing was sent. Resolves when it is dead. */
export async function diesBefore(lab: Lab, op: 'create' | 'update' | 'delete', address: string, build: () => unknown, times = 1): Promise<void> {
  const first = lab.again()
  let left = times
  const { store } = lab
  const dead = new Promise<void>((resolve, reject) => {
    const dying = new Proxy(store, {
      get(target, key) {
        const member = Reflect.get(target, key, target) as unknown
        if (key !== 'commit') return typeof member === 'function' ? member.bind(target) : member
        return (entries: Parameters<typeof store.commit>[0], options: Parameters<typeof store.commit>[1]) => {
          if (!entries.some((e) => e.t === 'tx.open' && e.row.op === op && e.row.address === address) || --left > 0) return store.commit(entries, options)
          resolve()
          return new Promise(() => undefined)
        }
      },
    })
    Object.assign(first.cx, { serial: true, parallelism: 1, store: dying })
    first.apply(build).then((doc) => reject(new Error(`${op} ${address} was never begun: ${JSON.stringify(doc)}`)), reject)
  })
  await dead
}

/** `replace delete-first a` for every change of a plan. */
export const said = (p: { readonly document: { readonly changes: readonly { readonly address: string; readonly action: string; readonly replace?: string; readonly reasons: readonly string[] }[] } }): string[] =>
  p.document.changes.map((c) => `${c.action}${c.replace ? ` ${c.replace}` : ''} ${c.address}`)

/** Calls since the last look. */
export function calls(lab: Lab): string[] {
  return lab.cloud.calls.splice(0).filter((c) => !c.startsWith('read '))
}

/** A lab in which the objects of a replacement can stand side by side. */
export const freeLab = (more: NonNullable<Parameters<typeof makeLab>[0]>['more'] = {}): Lab => makeLab({ class: 'A', more: { claims: () => [], ...more } })
/** One node, which gets a new object in another zone. */
export const one = (lab: Lab, zone: string, options: NonNullable<Parameters<Lab['Box']>[2]> = {}) => (): void => void lab.Box('a', { name: 'a', zone }, options)
