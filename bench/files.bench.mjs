// 1,000 and 5,000 local files, every one durable, then a plan with no change.
import { median } from './lib/measure.mjs'
import { createAndPlan } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

export const n = 5_000

export async function run({ repeat }) {
  const small = await createAndPlan('files', 1_000, { create: repeat, plan: Math.max(repeat, 3) })
  const large = await createAndPlan('files', n, { create: repeat, plan: Math.max(repeat, 3) })
  return {
    main: large.create, measures: { noop: large.noop, create1000: small.create, noop1000: small.noop },
    targets: [
      atMost('create 1,000', median(small.create.wallMs), 1_200, 'ms'),
      atMost('create 5,000', median(large.create.wallMs), 4_500, 'ms'),
      atMost('plan of 1,000 with no change', median(small.noop.wallMs), 400, 'ms'),
      atMost('plan of 5,000 with no change', median(large.noop.wallMs), 600, 'ms'),
    ],
  }
}
