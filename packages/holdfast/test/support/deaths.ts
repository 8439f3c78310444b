import { MemoryStore } from '../../src/store/index.ts'
import { makeLab, type Lab } from './world.ts'

/** A further process over the tables of a lab. `isDead`: what it knows of the process of another. */
export function another(lab: Lab, isDead = true): Lab {
  const { clock, random } = lab.cx
  return makeLab({ store: new MemoryStore({ clock, random, tables: (lab.store as MemoryStore).tables, isDead: () => isDead }), cloud: lab.cloud, Box: lab.Box, clock })
}

/** Applies, and dies at the n-th commit: `before` it is durable, or `after`. Gives false when the run ended without so many. */
export async function dies(lab: Lab, build: () => unknown, n: number, when: 'before' | 'after'): Promise<boolean> {
  const { clock, random } = lab.cx
  let dead = () => {}
  const died = new Promise<true>((r) => { dead = () => r(true) })
  const store: MemoryStore = new MemoryStore({
    clock, random, tables: (lab.store as MemoryStore).tables, isDead: () => true,
    faults: { [when]: async (at: number) => {
      if (at !== n) return
      store.crash()
      dead()
    } },
  })
  const victim = makeLab({ store, cloud: lab.cloud, Box: lab.Box, clock })
  return Promise.race([died, victim.apply(build).then(() => false)])
}
