import { describe, expect, test } from 'vitest'
import { approvePlan, beginRun, exitCodeOf, listPlans, makePlan, showPlan, type EngineContext, type RunSession } from '../../src/engine/index.ts'
import { buildGraph } from '../../src/program/index.ts'
import type { PlanRow } from '../../src/state/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { boxes } from '../support/boxes.ts'
import { type Lab, makeLab, never } from '../support/world.ts'

const o = { onFailure: 'revert' as const, stop: never, abort: never }

/** The lab as somebody sees it in an environment that wants every plan approved. */
const as = (lab: Lab, user: string): EngineContext => ({ ...lab.cx, user, approval: 'required' })
async function under<T>(cx: EngineContext, act: (session: RunSession) => Promise<T>): Promise<T> {
  const session = await beginRun(cx, { lockTimeoutMs: 0, stop: never })
  try {
    return await act(session)
  } finally {
    await session.end()
  }
}
const planOf = (lab: Lab, cx: EngineContext, line: string) => makePlan(cx, { graph: buildGraph(lab.app(boxes(lab, line)), {}) }, { save: true })
const applied = (cx: EngineContext, id: string) => under(cx, async (s) => s.apply(await s.load({ id }), o))

describe('an environment that wants plans approved', () => {
  test('refuses a plan that nobody approved, stores it, and names the way; nothing was changed', async () => {
    const lab = makeLab()
    const ann = as(lab, 'ann')
    const error = await under(ann, async (s) => s.apply(await s.plan({ graph: buildGraph(lab.app(boxes(lab, 'a')), {}) }), o)).then(() => undefined, (e) => e)
    expect(error).toMatchObject({ code: 'HF2502', exitCode: 5, hint: expect.stringContaining(`holdfast plan approve ${error.details.plan}`) })
    expect(lab.cloud.calls).toEqual([])
    await approvePlan(as(lab, 'bob'), error.details.plan)
    expect(await applied(ann, error.details.plan)).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['a=1'])
  })

  test('records who approved it, when, whether it was their own plan, and tells it beside the plan and in the journal', async () => {
    const lab = makeLab()
    const ann = as(lab, 'ann')
    const { id } = await planOf(lab, ann, 'a')
    expect(await showPlan(ann, id)).toMatchObject({ madeBy: 'ann', approval: null })
    expect(await approvePlan(ann, id)).toMatchObject({ plan: id, by: 'ann', own: true })
    const by = await approvePlan(as(lab, 'bob'), id)
    expect(by).toMatchObject({ by: 'bob', own: false, at: expect.stringMatching(/^\d{4}-/) })
    expect(await showPlan(ann, id)).toMatchObject({ approval: { by: 'bob', own: false, at: by.at } })
    expect(await listPlans(ann, 5)).toMatchObject([{ id, madeBy: 'ann', approval: { by: 'bob', own: false } }])
    const env = await lab.store.env('lab', 'default')
    const told = (await lab.store.events(env?.id as string, { seq: 0 }, 100)).filter((e) => e.kind === 'plan.approved').map((e) => JSON.parse(e.data))
    expect(told).toMatchObject([{ plan: id, by: 'ann', own: true }, { plan: id, by: 'bob', own: false }])
    await applied(ann, id)
    // Afterwards it still says who wanted it.
    expect(await listPlans(ann, 5)).toMatchObject([{ approval: { by: 'bob' }, usedBy: expect.any(String) }])
    await expect(approvePlan(ann, id)).rejects.toMatchObject({ code: 'HF2403' })
    await expect(approvePlan(ann, 'p-none')).rejects.toMatchObject({ code: 'HF2404' })
  })

  test('a plan that became stale has lost its approval, and cannot be approved', async () => {
    const lab = makeLab()
    const ann = as(lab, 'ann')
    const [one, two] = [await planOf(lab, ann, 'a'), await planOf(lab, ann, 'b')]
    for (const p of [one, two]) await approvePlan(ann, p.id)
    await applied(ann, one.id)
    expect(await showPlan(ann, two.id)).toMatchObject({ approval: null })
    expect((await listPlans(ann, 5)).map((p) => [p.id, p.approval !== null])).toEqual([[two.id, false], [one.id, true]])
    await expect(applied(ann, two.id)).rejects.toMatchObject({ code: 'HF2401' })
    await expect(approvePlan(ann, two.id)).rejects.toMatchObject({ code: 'HF2401' })
  })

  test('a plan that was changed, or an approval that somebody else wrote, counts for nothing', async () => {
    const lab = makeLab()
    const ann = as(lab, 'ann')
    const [one, two] = [await planOf(lab, ann, 'a'), await planOf(lab, ann, 'b')]
    await approvePlan(ann, one.id)
    const env = (await lab.store.env('lab', 'default'))?.id as string
    const [row, other] = [await lab.store.plan(one.id), await lab.store.plan(two.id)] as [PlanRow, PlanRow]
    // Another text under its id; the words of the approval with another name; the approval of another plan.
    for (const forged of [{ ...row, doc: other.doc }, { ...row, approval: { ...row.approval, by: 'boss', own: false } }, { ...other, approval: row.approval }] as PlanRow[]) {
      await lab.store.commit([{ t: 'plan.put', row: forged }], { env })
      expect(await showPlan(ann, forged.id)).toMatchObject({ approval: null })
      await expect(applied(ann, forged.id)).rejects.toMatchObject({ code: expect.stringMatching(/HF2502|HF2402/) })
    }
    expect(lab.cloud.calls).toEqual([])
  })

  test('asks nothing for a plan that does nothing, for going on and for taking back', async () => {
    const lab = makeLab()
    const ann = as(lab, 'ann')
    const { id } = await planOf(lab, ann, 'a b')
    await approvePlan(ann, id)
    lab.cloud.fault('create b', 'reject')
    const doc = await under(ann, async (s) => s.apply(await s.load({ id }), { ...o, onFailure: 'keep' }))
    expect(exitCodeOf(doc)).toBe(12)
    expect(await under(ann, (s) => s.resume(o))).toMatchObject({ outcome: 'applied' })
    const same = await under(ann, async (s) => s.apply(await s.plan({ graph: buildGraph(lab.app(boxes(lab, 'a b')), {}) }), o))
    expect(same).toMatchObject({ outcome: 'unchanged' })
  })

  test('the approval goes along with an export', async () => {
    const lab = makeLab()
    const ann = as(lab, 'ann')
    const { id } = await planOf(lab, ann, 'a')
    await approvePlan(as(lab, 'bob'), id)
    const copy = new MemoryStore({ clock: lab.cx.clock, random: lab.cx.random })
    await copy.import(lab.store.export())
    expect(await copy.plan(id)).toEqual(await lab.store.plan(id))
    expect(await showPlan({ ...ann, store: copy }, id)).toMatchObject({ approval: { by: 'bob' } })
  })
})
