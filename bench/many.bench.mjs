// 10,000 independent values at the default parallelism, then a plan with no change; beside OpenTofu or Terraform in the same run.
import { median, round } from './lib/measure.mjs'
import { findPeer, peerMany } from './lib/peer.mjs'
import { createAndPlan } from './lib/program.mjs'
import { atLeast, atMost } from './lib/targets.mjs'

export const n = 10_000

export async function run({ repeat, peer: wanted }) {
  const { create, noop } = await createAndPlan('many', n, { create: repeat, plan: Math.max(repeat, 3) })
  const found = wanted ? findPeer() : undefined
  const peer = found && await peerMany(found, n)
  return {
    main: create, measures: { noop }, peer,
    targets: [
      atMost('create', median(create.wallMs), 4_000, 'ms'),
      atMost('create, memory', create.rssMb, 250, 'MB'),
      atMost('create, written for each', round((create.writtenMb * 1000) / n, 2), 10, 'KB'),
      atMost('plan with no change', median(noop.wallMs), 600, 'ms'),
      ...(peer ? [atLeast(`create, times as fast as ${peer.program}`, round(median(peer.parts.create.wallMs) / median(create.wallMs), 2), 3, 'x')] : []),
    ],
  }
}
