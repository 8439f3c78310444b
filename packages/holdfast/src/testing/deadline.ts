import assert from 'node:assert/strict'

export const CASE_MS_MAX = 60_000

/** A case that never ends fails alone: while it waits the process has something to do, so a runner does not take it and all that follow for given up. */
export async function inTime<T>(act: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `it did not end within ${CASE_MS_MAX / 1000} s` })), CASE_MS_MAX)
  })
  try {
    return await Promise.race([act, late])
  } finally {
    clearTimeout(timer)
  }
}
