/** A broken promise of ours. It stops the program; it is never caught to go on. */
export class Bug extends Error {
  override readonly name = 'Bug'
}

/** Checks what the program promised itself. Use a {@link failure} for what the world or the user may do wrong. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message)
}

/** The branch that cannot be reached: the compiler proves it, and this says so if it was wrong. */
export function unreachable(value: never, what: string): never {
  throw new Bug(`${what}: unexpected ${JSON.stringify(value)}`)
}
