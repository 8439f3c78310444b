// 1,000 values in a row, each made from the one before: nothing can be done at the same time, and no two commits can be one.
import { median } from './lib/measure.mjs'
import { createAndPlan } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

export const n = 1_000

export async function run({ repeat }) {
  const { create, noop } = await createAndPlan('chain', n, { create: repeat, plan: Math.max(repeat, 3) })
  return { main: create, measures: { noop }, targets: [atMost('create', median(create.wallMs), 3_000, 'ms')] }
}
