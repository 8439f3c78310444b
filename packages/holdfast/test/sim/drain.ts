/** Originals, taken before {@link forbidTime} puts something else in their place. */
export const immediate = setImmediate
type Ticks = { _tickCallback?: () => void }

/** Runs every continuation that can run now: microtasks and next ticks, synchronously. */
export const drain = (): void => (process as unknown as Ticks)._tickCallback?.()

/** The portable way: one turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => immediate(resolve))

/**
 * Whether {@link drain} works here and now. Must be called from a macrotask: inside a microtask (top-level code of an ES module is one) a drain does nothing.
 * Looks for itself whether the way that this version of Node offers drains a chain of awaits and a next tick.
 */
export function probeDrain(): boolean {
  let reached = 0
  const deep = async (n: number): Promise<void> => {
    if (n === 0) return new Promise((resolve) => process.nextTick(resolve))
    await deep(n - 1)
    await null
  }
  deep(30).then(() => { reached++ }, () => undefined)
  new Promise<void>((resolve) => process.nextTick(resolve)).then(() => { reached++ }, () => undefined)
  try {
    drain()
  } catch {
    reached = 0
  }
  return reached === 2
}

const forbidden = ['setTimeout', 'setInterval', 'setImmediate'] as const

/** While a seed runs, real time and system randomness are out of reach: whoever asks for them is told. Gives the way back. */
export function forbidTime(): () => void {
  const g = globalThis as unknown as Record<string, unknown>
  const kept = forbidden.map((name) => g[name])
  const { now } = Date
  const { random } = Math
  const mono = performance.now
  const refuse = (name: string) => () => {
    throw new Error(`${name} was called inside the simulation`)
  }
  for (const name of forbidden) g[name] = refuse(name)
  Date.now = refuse('Date.now')
  Math.random = refuse('Math.random')
  performance.now = refuse('performance.now')
  return () => {
    forbidden.forEach((name, i) => { g[name] = kept[i] })
    Date.now = now
    Math.random = random
    performance.now = mono
  }
}
