import { expect, test } from 'vitest'
import { childrenCpu, emptyTally, hunt, middle } from '../flow/hunt.ts'

const KILLS = 600
const seed = Number(process.env.SEED ?? Date.now() % 100_000)

test(`${KILLS} kills of durable flows: no effect is doubled and nothing is lost, first seed ${seed}`, async () => {
  const t = emptyTally()
  const [startedAt, cpu] = [Date.now(), childrenCpu()]
  let next = seed
  // Two at a time: a process mostly waits for its disk. SEED=n runs the one flow.
  const lane = async (): Promise<void> => {
    while (t.kills < KILLS && (process.env.SEED === undefined || next === seed)) await hunt(next++, t)
  }
  await Promise.all([lane(), lane()])
  console.log([
    `${t.kills} kills of ${t.flows} flows (seeds ${seed} to ${next - 1}): ${t.before} before anything had begun, ${t.during} while tasks ran, ${t.back} while they were taken back or tried again`,
    `${t.calls} calls, ${t.repeated} of them again under their key, ${t.undos} undos; ${t.wrong.length} effects doubled or lost`,
    `goes on ${middle(t.resumed)} ms after the start of its process (${Math.max(...t.resumed)} at most), of which ${middle(t.engine)} (${Math.max(...t.engine)}) since the journal is opened`,
    `${Math.round((Date.now() - startedAt) / 1000)} s, ${Math.round(childrenCpu() - cpu)} s of processor time`,
  ].join('\n'))
  expect(t.wrong).toEqual([])
  if (process.env.SEED !== undefined) return
  expect(t.kills).toBeGreaterThanOrEqual(KILLS)
  // A hunt that only ever kills what sleeps proves nothing.
  expect([t.during > KILLS / 4, t.back > KILLS / 40, t.repeated > KILLS / 10]).toEqual([true, true, true])
})
