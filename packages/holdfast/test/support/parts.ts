import { expect } from 'vitest'
import { isFailure } from '../../src/base/index.ts'
import { readStatus, type RunDocument } from '../../src/engine/index.ts'
import { component } from '../../src/program/index.ts'
import { MemoryStore, type Store } from '../../src/store/index.ts'
import { seeded } from '../../src/testing/store-fuzz.ts'
import { type Lab, makeLab, resume, revert } from './world.ts'

/** Boxes by component: `{ web: { a: 1 } }` is one box `a` of size 1 in the component `web`; `.` stands for those outside. */
export type Shape = Readonly<Record<string, Readonly<Record<string, number>>>>

/** In the world a box has a name that its size has a part in, so that some changes give a claim up. */
export const nameIn = (component: string, box: string, size: number): string => `${component}-${box}${size > 3 ? '-large' : ''}`

/** Each box reads the name of the one before it in its component. `across`: the first of a component reads that of another. The outputs are the sizes of the first boxes. */
export const parts = (lab: Lab, shape: Shape, across: Readonly<Record<string, string>> = {}) => () => {
  const first: Record<string, ReturnType<Lab['Box']>> = {}
  for (const [name, sizes] of Object.entries(shape)) {
    const build = () => {
      let before = first[across[name] ?? '']
      for (const [box, size] of Object.entries(sizes)) {
        before = lab.Box(box, { name: nameIn(name, box, size), size, secret: before ? before.name : '' })
        first[name] ??= before
      }
      return {}
    }
    if (name === '.') build()
    else component(name, { build })(name, {})
  }
  return Object.fromEntries(Object.entries(first).map(([name, box]) => [name === '.' ? 'root' : name, box.size]))
}

export const inside = (name: string) => ({ targets: [name === '.' ? '*' : `${name}/**`] })

/** Processes over one store and one cloud; who dies is known to be dead. */
export function machine() {
  const { cloud, cx: { clock, random }, Box } = makeLab()
  const { tables } = new MemoryStore({ clock, random })
  const dead = new Set<string>()
  const start = (faults?: { readonly n: number; readonly when: 'before' | 'after' }): { lab: Lab; died: Promise<'died'> } => {
    let die = () => {}
    const died = new Promise<'died'>((r) => { die = () => r('died') })
    const store: MemoryStore = new MemoryStore({
      clock, random, tables, isDead: (h) => dead.has(h.id),
      ...(faults ? { faults: { [faults.when]: async (at: number) => {
        if (at !== faults.n) return
        store.crash()
        dead.add(lab.cx.holder.id)
        die()
      } } } : {}),
    })
    const lab = makeLab({ store, cloud, Box, clock })
    return { lab, died }
  }
  return { start, cloud, tables }
}

const envOf = (lab: Lab) => lab.store.env('lab', 'default')
export const committed = async (lab: Lab): Promise<string[]> => (await lab.store.resources((await envOf(lab))?.id ?? '', 'committed')).map((r) => r.address)
export const sound = async (store: Pick<Store, 'doctor'>, at?: string) => expect((await store.doctor()).filter((c) => !c.ok), at).toEqual([])

const NAMES = ['web', 'db', '.', 'mail'] as const
const BOXES = ['a', 'b', 'c']
/** How a command may end that was not let in: another holds what it needs, or has left something there. */
const TURNED_AWAY = ['HF4201', 'HF2107', 'HF6001']

/** Some commands at the same time, then some more over what they left; at the end the whole is applied. Throws, with all that was done, where something is not as it should be. */
export async function life(seed: number): Promise<void> {
  const dice = seeded(seed)
  const { start, cloud } = machine()
  const across: Readonly<Record<string, string>> = dice.int(2) === 0 ? { mail: 'web', db: 'web' } : {}
  const sizes = () => Object.fromEntries(BOXES.filter((b) => b === 'a' || dice.int(3) > 0).map((b) => [b, 1 + dice.int(4)]))
  const truth: Record<string, Record<string, number>> = Object.fromEntries(NAMES.map((n) => [n, sizes()]))
  const one = start().lab
  await one.apply(parts(one, truth, across))
  cloud.latency = async () => {
    for (let n = dice.int(4); n > 0; n--) await new Promise((r) => setImmediate(r))
  }
  const show = (name: string, shape = truth[name] as Readonly<Record<string, number>>) => Object.entries(shape).map(([b, s]) => `${nameIn(name, b, s)}=${s}`).sort()
  const log: string[] = [Object.keys(across).join()]
  const at = (what: string) => `seed ${seed}: ${what}\n${log.join('\n')}`
  /** Committed content of one component, as the store tells it. */
  const stored = async (name: string): Promise<string[]> => {
    const rows = (await one.store.resources((await envOf(one))?.id ?? '', 'committed')).filter((r) => (name === '.' ? !r.address.includes('/') : r.address.startsWith(`${name}/`)))
    const docs = await one.store.docs(rows)
    return rows.map((_, i) => {
      const o = JSON.parse((docs[i] as { outputs: string }).outputs) as { name: string; size: number }
      return `${o.name}=${o.size}`
    }).sort()
  }
  const goingIn = async (name: string) => (await one.store.resources((await envOf(one))?.id ?? '', 'base')).filter((r) => r.status === 'deleting' && (name === '.' ? !r.address.includes('/') : r.address.startsWith(`${name}/`)))
  const outputs = async () => JSON.parse((await one.store.outputs((await envOf(one))?.id ?? '', (await envOf(one))?.revision ?? 0))?.doc ?? '{}') as Record<string, number>
  const revision = async () => (await envOf(one))?.revision ?? 0
  /** Components of which nobody knows how they stand in the world: somebody has left something there. */
  const left = new Set<string>()
  const outcomeOf = (said: unknown): string => (said === 'died' ? said : isFailure(said) ? said.code : (said as RunDocument).outcome)

  for (let round = 0; round < 3; round++) {
    const before = await revision()
    const commands = NAMES.filter(() => dice.int(3) > 0).flatMap((name) => {
      const wanted = sizes()
      const dies = dice.int(3) === 0 ? { n: 1 + dice.int(26), when: dice.pick(['before', 'after'] as const) } : undefined
      const fails = dice.int(4) === 0 ? `${dice.pick(['create', 'update', 'delete'])} ${name}-${dice.pick(BOXES)}` : undefined
      // A deletion that broke off would have to say so, and this cloud's has no way to.
      const fault = dice.pick(['reject', 'lost', 'lost-applied', 'partly'] as const)
      if (fails) cloud.fault(fails, fault === 'partly' && fails.startsWith('delete') ? 'reject' : fault)
      const command = { name, wanted, dies, fails, request: inside(name) }
      if (dice.int(4) > 0) return [command]
      // Another one wants the same of a piece of it.
      const { c: _, ...rest } = truth[name] as Record<string, number>
      const piece = { ...rest, ...(wanted.c === undefined ? {} : { c: wanted.c }) }
      const twice = { ...command, wanted: piece, dies: undefined, fails: undefined, request: { targets: [name === '.' ? 'c' : `${name}/c`] } }
      return dice.int(2) === 0 ? [command, twice] : [twice, command]
    })
    let commits = 0
    /** It died, and what it wanted was there already. */
    let untold = 0
    await Promise.all(commands.map(async ({ name, wanted, dies, fails, request }) => {
      const was = show(name)
      const process = start(dies)
      const said: unknown = await Promise.race([process.died, process.lab.apply(parts(process.lab, { ...truth, [name]: wanted }, across), { request })]).catch((e: unknown) => e)
      log.push(`round ${round} ${request.targets.join()} ${was} -> ${JSON.stringify(wanted)}${dies ? ` dies ${dies.when} ${dies.n}` : ''}${fails ? ` fails ${fails}` : ''}: ${isFailure(said) ? `${said.code} ${said.message}` : outcomeOf(said)}`)
      const outcome = outcomeOf(said)
      if (TURNED_AWAY.includes(outcome)) return
      if (!['died', 'applied', 'reverted', 'unchanged', 'incomplete'].includes(outcome)) throw Object.assign(new Error(at(`${name}: ${outcome}`)), { cause: said })
      const now = await stored(name)
      const will = show(name, wanted)
      if (outcome === 'applied') expect(now, at(name)).toEqual(will)
      else expect([was.join(), will.join(), show(name).join()], at(name)).toContain(now.join())
      const { from, to } = (said as RunDocument).revision ?? { from: 0, to: 0 }
      if ((outcome === 'applied' && to > from) || (outcome === 'died' && now.join() === will.join() && now.join() !== was.join() && show(name).join() === was.join())) commits++
      else if (outcome === 'died' && show(name).join() === will.join()) untold++
      if (now.join() === will.join()) truth[name] = wanted
      if (outcome === 'applied' || outcome === 'unchanged') {
        const read = across[name] && nameIn(across[name], 'a', (truth[across[name]] as Record<string, number>).a as number)
        if (read !== undefined && 'a' in wanted && request.targets[0]?.endsWith('*')) expect(cloud.byName(nameIn(name, 'a', wanted.a as number))?.secret, at(`what ${name} reads`)).toBe(read)
        if (outcome === 'applied' && request.targets[0]?.endsWith('*') && !(said as RunDocument).pending.length) expect(await goingIn(name), at(`left to delete in ${name}`)).toEqual([])
      }
      if (outcome === 'died' || outcome === 'incomplete' || (said as RunDocument).pending?.length) left.add(name)
      else if ((outcome === 'applied' || outcome === 'reverted') && request.targets[0]?.endsWith('*')) left.delete(name)
      if (!left.has(name)) expect(cloud.content.filter((c) => c.startsWith(`${name}-`)), at(`world of ${name}`)).toEqual(now)
    }))
    const grown = (await revision()) - before
    expect(grown >= commits && grown <= commits + untold, at(`${grown} revisions, and ${commits} to ${commits + untold} commits`)).toBe(true)
    expect(await outputs(), at('outputs')).toEqual(Object.fromEntries(NAMES.map((n) => [n === '.' ? 'root' : n, (truth[n] as Record<string, number>).a])))
    await sound(one.store, at('doctor'))
    if (dice.int(4) > 0) continue
    // Somebody ends what was left.
    const end = dice.pick(['revert', 'resume', 'apply'] as const)
    cloud.faults.clear()
    const { lab } = start()
    const said: unknown = await (end === 'revert' ? revert(lab) : end === 'resume' ? resume(lab) : lab.apply(parts(lab, truth, across))).catch((e: unknown) => e)
    log.push(`round ${round} ${end}: ${isFailure(said) ? `${said.code} ${said.message}` : outcomeOf(said)}`)
    expect(end === 'revert' ? ['reverted', 'HF6005'] : end === 'resume' ? ['applied', 'HF6005', 'HF2401'] : ['applied', 'unchanged'], at(end)).toContain(outcomeOf(said))
    if (end === 'resume' && outcomeOf(said) === 'applied') {
      for (const name of NAMES) {
        const now = await stored(name)
        truth[name] = Object.fromEntries(now.map((c) => [c.split(/[-=]/)[1] as string, Number(c.split('=')[1])]))
      }
    }
    if (!isFailure(said)) left.clear()
    await sound(one.store, at('doctor'))
  }
  cloud.faults.clear()
  const last = start().lab
  expect((await last.apply(parts(last, truth, across))).outcome, at('the whole')).toMatch(/^(?:applied|unchanged)$/)
  expect(cloud.content, at('the world')).toEqual(NAMES.flatMap((n) => show(n)).sort())
  expect(await readStatus(last.cx), at('status')).toMatchObject({ open: [], openRun: null, pendingDeletes: [] })
  expect((await envOf(last))?.parts, at('parts')).toBeUndefined()
  expect(await last.store.leases(), at('leases')).toEqual([])
  await sound(last.store, at('doctor'))
  expect((await last.store.claimsOf((await envOf(last))?.id ?? '')).map((c) => [c.key, c.until]), at('claims')).toEqual(NAMES.flatMap((n) => show(n)).map((c) => [`box:${c.split('=')[0]}`, undefined]).sort())
  const rows = await last.store.resources((await envOf(last))?.id ?? '', 'current')
  const docs = await last.store.docs(rows)
  expect(new Set(docs.map((d) => (JSON.parse((d as { outputs: string }).outputs) as { id: string }).id)), at('ids')).toEqual(new Set(cloud.objects.keys()))
}
