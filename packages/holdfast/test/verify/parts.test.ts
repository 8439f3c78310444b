import { afterEach, describe, expect, test } from 'vitest'
import { type MutantName, partMutants, plantMutant } from '../../src/base/mutant.ts'
import { life } from '../support/parts.ts'

const LIVES = 1_500
/** Each planted bug shows within so many lives; the last line of its test says in which. */
const FOUND_WITHIN = 400

/** Where nothing is said, 1: the same lives on every machine, as far as what is drawn goes. */
const first = Number(process.env.SEED ?? 1)

describe('runs of parts at the same time', () => {
  test(`${LIVES} random lives from seed ${first}: each part is all or nothing, the whole converges`, async () => {
    for (let seed = first; seed < first + LIVES; seed++) await life(seed)
  }, 480_000)

  afterEach(() => plantMutant(undefined))
  for (const [name, what] of Object.entries(partMutants)) {
    test(`found: ${what} (${name})`, async () => {
      plantMutant(name as MutantName)
      let seed = 1
      let why: unknown
      for (; seed <= FOUND_WITHIN && why === undefined; seed++) why = await within(life(seed), 20_000).catch((e: unknown) => e)
      console.log(`${name}: seed ${seed - 1}, ${String((why as Error | undefined)?.message ?? 'not found').split('\n')[0]}`)
      expect(why).toBeInstanceOf(Error)
    }, 240_000)
  }
})

/** A life that does not come to its end is no better than one that ends wrong. */
function within<T>(act: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`did not end within ${ms} ms`)), ms)
    act.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
