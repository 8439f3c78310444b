import type { Checks } from './check.ts'
import type { Outcome } from './run.ts'
import type { Mutation } from './world.ts'

/** What a plan says is what was done: each of its changes, and no other. Where the run began on a clean state and was committed whole. */
export function checkDone(c: Checks, out: Outcome): void {
  const { planned, doc } = out
  if (!planned || !doc || doc.outcome !== 'applied' || !c.clean) return
  const { world } = c.lab
  const byUid = new Map<string, Set<Mutation>>()
  for (const e of world.effects.slice(out.effectsFrom)) {
    const ops = byUid.get(e.uid)
    if (ops) ops.add(e.op)
    else byUid.set(e.uid, new Set([e.op]))
  }
  const names = (uid: string) => new Set([c.before.get(uid), c.rows.get(uid)?.address])
  const changes = planned.plan.changes
  for (const [uid, ops] of byUid) {
    if (c.pendingBefore.has(uid)) continue
    const at = names(uid)
    const change = changes.find((x) => x.uid === uid || at.has(x.doc.address))
    c.must(change !== undefined, 'm', () => `${[...at].join(' ')}: ${[...ops].join(' ')} was done, and the plan does not say so`)
  }
  const madeAt = (address: string) => [...byUid].some(([uid, ops]) => ops.has('create') && c.rows.get(uid)?.address === address)
  for (const x of changes) {
    const { action, address, paths } = x.doc
    const own = x.uid === undefined ? undefined : byUid.get(x.uid)
    const standing = c.current().find((r) => r.uid === x.uid)
    // The old object of a replacement that is retained stays.
    const stays = x.options?.retain === true || (x.uid !== undefined && c.rows.get(x.uid)?.meta.retain === true)
    const say = (holds: boolean) => c.must(holds, 'm', () => `the plan says ${action} ${address}, and what was done is ${[...(own ?? [])].join(' ') || 'nothing'}`)
    switch (action) {
      case 'create': say(madeAt(address)); break
      case 'update':
        say(!own?.has('delete') && !own?.has('create'))
        if (paths?.length) say(own?.has('update') === true)
        break
      case 'replace': say(madeAt(address) && (own?.has('delete') === true || standing?.status === 'deleting' || !c.calm || stays)); break
      case 'delete': say(own?.has('delete') === true || standing?.status === 'deleting' || !c.calm); break
      case 'forget': case 'move': say(own === undefined); break
      default:
    }
  }
}
