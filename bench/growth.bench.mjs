// Ten times as many must cost about ten times as much: 10,000 and 100,000 values.
import { median, round } from './lib/measure.mjs'
import { createAndPlan } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

export const n = 100_000

export async function run({ repeat }) {
  const small = await createAndPlan('many', 10_000, { create: repeat, plan: 3 })
  const large = await createAndPlan('many', n, { create: 1, plan: 3 })
  return {
    main: large.create, measures: { noop: large.noop, create10000: small.create, noop10000: small.noop },
    targets: [
      atMost('create, 100,000 to 10,000', round(median(large.create.wallMs) / median(small.create.wallMs), 2), 12, 'x'),
      atMost('plan with no change, 100,000 to 10,000', round(median(large.noop.wallMs) / median(small.noop.wallMs), 2), 12, 'x'),
      atMost('create 100,000, memory', large.create.rssMb, 1_200, 'MB'),
    ],
  }
}
