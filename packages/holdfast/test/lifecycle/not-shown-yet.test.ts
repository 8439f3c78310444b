import { describe, expect, test } from 'vitest'
import { systemRandom } from '../../src/base/index.ts'
import { readDrift, readStatus } from '../../src/engine/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { inSession, makeLab, never, type Lab } from '../support/world.ts'
import { holds } from './holds.ts'

const SETTLE_MS = 10_000

/** Reads are answered by a copy of the cloud that is behind, by as much as the type says it may be. */
function slowLab(): { readonly lab: Lab; readonly clock: VirtualClock } {
  const clock = new VirtualClock()
  const copies: { readonly at: number; readonly sizes: ReadonlyMap<string, number> }[] = []
  const lab: Lab = makeLab({
    clock, store: new MemoryStore({ clock, random: systemRandom, isDead: () => true }), more: {
      capability: { create: { token: { windowMs: 3_600_000 } }, update: 'full', maxCallMs: 0, settleMs: SETTLE_MS },
      read: ({ inputs: i, outputs: prior, signal }) => lab.cloud.run(`read ${i.name}`, signal, () => {
        const id = String(prior?.id)
        const size = copies.findLast((c) => c.at <= clock.now() - SETTLE_MS)?.sizes.get(id)
        return size === undefined ? undefined : { id, name: i.name, size, token: `token-of-${id}` }
      }),
    },
  })
  const run = lab.cloud.run.bind(lab.cloud)
  lab.cloud.run = (call, signal, act, partial) => run(call, signal, () => {
    const out = act()
    if (!call.startsWith('read')) copies.push({ at: clock.now(), sizes: new Map([...lab.cloud.objects].map(([id, o]) => [id, o.size])) })
    return out
  }, partial)
  return { lab, clock }
}

const refresh = (lab: Lab, stop = never) => inSession(lab, (s) => s.refresh({}, { stop }))
const looks = (lab: Lab) => lab.cloud.calls.splice(0).filter((c) => c.startsWith('read'))
const box = (lab: Lab, size: number) => () => void lab.Box('a', { name: 'a', size })

describe('what was changed a moment ago, and does not show yet', () => {
  test('is not taken for gone: nothing is made a second time', async () => {
    const { lab, clock } = slowLab()
    await lab.apply(box(lab, 1))
    looks(lab)
    const began = clock.now()
    expect(await refresh(lab)).toMatchObject({ outcome: 'unchanged', drifted: [] })
    expect(clock.now() - began).toBeGreaterThanOrEqual(SETTLE_MS)
    expect(looks(lab)).toEqual(['read a', 'read a'])
    expect(await lab.apply(box(lab, 1))).toMatchObject({ outcome: 'unchanged' })
    expect(lab.cloud.content).toEqual(['a=1'])
    await holds(lab)
  })

  test('is not taken for changed, nor shown as drift', async () => {
    const { lab, clock } = slowLab()
    await lab.apply(box(lab, 1))
    clock.pass(SETTLE_MS)
    await lab.apply(box(lab, 2))
    expect(await readDrift(lab.cx)).toEqual({ drifted: [] })
    await lab.apply(box(lab, 3))
    expect(await refresh(lab)).toMatchObject({ outcome: 'unchanged', drifted: [] })
    await holds(lab)
  })

  test('what somebody else has taken away is seen when it is looked at twice; what is as recorded, once', async () => {
    const { lab, clock } = slowLab()
    const program = () => {
      lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b' })
    }
    await lab.apply(program)
    const a = lab.cloud.byName('a')?.id as string
    await lab.cloud.run('away', never, () => lab.cloud.objects.delete(a))
    clock.pass(SETTLE_MS)
    looks(lab)
    expect(await refresh(lab)).toMatchObject({ outcome: 'applied', drifted: [{ address: 'a', kind: 'gone' }] })
    expect(looks(lab)).toEqual(['read a', 'read b', 'read a'])
    await holds(lab)
  })

  test('whoever does not want to wait stops it, and nothing was changed', async () => {
    const { lab } = slowLab()
    await lab.apply(box(lab, 1))
    const control = new AbortController()
    const { emit } = lab.cx
    Object.assign(lab.cx, { emit: (e: Parameters<typeof emit>[0]) => (e.message?.startsWith('looking again in 10 s at 1 object') ? control.abort() : emit(e)) })
    await expect(refresh(lab, control.signal)).rejects.toMatchObject({ code: 'HF1008' })
    expect(await readStatus(lab.cx)).toMatchObject({ revision: 1, open: [] })
    await holds(lab)
  })
})
