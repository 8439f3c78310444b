import type { Entry } from '../journal/index.ts'
import type { EngineContext, EnvState } from '../resource/index.ts'
import type { RunRow } from '../state/index.ts'

/** The record of a run that begins. */
export const newRun = (state: EnvState, kind: RunRow['kind'], plan: string): RunRow => ({
  id: state.cx.ids.next('r'), env: state.env.id, kind, plan, status: 'running', phase: 'expand', from: state.env.revision, to: undefined,
  holder: state.cx.holder, startedAt: state.cx.clock.now(), endedAt: undefined, result: undefined,
})

/** Runs that died have no end on record: it is now. */
export async function endedNow(cx: EngineContext, runs: readonly string[]): Promise<Entry[]> {
  const entries: Entry[] = []
  for (const id of runs) {
    const old = await cx.store.run(id)
    if (old?.status === 'running') entries.push({ t: 'run.put', row: { ...old, status: 'incomplete', endedAt: cx.clock.now() } })
  }
  return entries
}
