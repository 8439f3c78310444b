import { createHash } from 'node:crypto'
import { sha256hex, type Random } from '../base/index.ts'
import { loneRun, type Entry } from '../journal/index.ts'
import type { CommitOptions } from '../store/index.ts'
import { PART_TAGS, txMoves, type PlanApproval, type TxStatus } from '../state/index.ts'
import { claimRow, commitRevision, createEnv, ENV, event, planRow, put, putRowOnly, resourceRow, runRow, taskRow, txRow } from './store-fixtures.ts'

/** A stream of numbers from a seed: the same on every machine. */
export function seeded(seed: number): Random & { int(below: number): number; pick<T>(items: readonly T[]): T } {
  let counter = 0
  let pool: Uint8Array = new Uint8Array(0)
  const bytes = (n: number): Uint8Array => {
    while (pool.length < n) {
      const more = createHash('sha256').update(`${seed}:${counter++}`).digest()
      pool = Buffer.concat([pool, more])
    }
    const out = pool.slice(0, n)
    pool = pool.slice(n)
    return out
  }
  const int = (below: number) => {
    const [a, b, c, d] = bytes(4) as unknown as [number, number, number, number]
    return Math.floor(((a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32) * below)
  }
  return { bytes, int, pick: (items) => items[int(items.length)] as (typeof items)[number] }
}

type Dice = ReturnType<typeof seeded>

const UIDS = ['u1', 'u2', 'u3', 'u4', 'u5']
const TOKENS = Array.from({ length: 12 }, (_, i) => `t-${i}`)
const RUNS = ['r-1', 'r-2', 'r-3']

/**
 * Random lists of entries that know nothing of the state: many are refused or are bugs, and a store must say so at the same place and in the same
 * words as every other. Few names, so that they meet.
 */
export function randomCommit(dice: Dice): { readonly entries: Entry[]; readonly options: CommitOptions } {
  const env = dice.int(5) === 0 ? 'e-2' : ENV
  const entries: Entry[] = []
  for (let n = dice.int(5); n >= 0; n--) entries.push(randomEntry(dice, env))
  if (dice.int(6) === 0) entries.push(...loneEnd(dice, env))
  const options: CommitOptions = {
    env, ...(dice.int(12) === 0 ? { expectSeq: dice.int(40) } : {}), ...(dice.int(10) === 0 ? { fence: { scope: dice.pick(['s1', 's2']), fence: dice.int(4), ...(dice.int(3) === 0 ? { also: [{ scope: dice.pick(['s1', 's2']), fence: dice.int(4) }] } : {}) } } : {}),
  }
  return { entries, options }
}

/** What must be there first, so that the lists have something to work on. */
export const firstCommits: readonly { readonly entries: Entry[]; readonly options: CommitOptions }[] = [
  { entries: [createEnv()], options: { env: ENV } },
  { entries: [createEnv({ id: 'e-2', name: 'prod', app: 'other' })], options: { env: 'e-2' } },
]

const approval = (dice: Dice): PlanApproval => {
  const [by, of] = [dice.pick(['ann', 'bob']), dice.pick(['ann', 'bob'])]
  return { by, at: dice.int(9), own: by === of, digest: sha256hex(`{"n":${dice.int(4)}}`), mac: 'm' }
}

function randomEntry(dice: Dice, env: string): Entry {
  const uid = `${env === ENV ? '' : 'x'}${dice.pick(UIDS)}`
  const since = dice.int(6) === 0 ? PART_TAGS + 1 + dice.int(2) : 1 + dice.int(4)
  const loneToken = `t-${env}-${dice.int(3)}`
  const text = () => `{"n":${dice.int(4)}}`
  const maybe = <T>(value: T): T | undefined => (dice.int(2) === 0 ? value : undefined)
  const tag = PART_TAGS + 1 + dice.int(2)
  switch (dice.int(34)) {
    case 0: return { ...commitRevision(dice.int(6), 0), env, to: dice.int(6) + 1 + dice.int(30) } as Entry
    case 32: return { t: 'part.open', env, part: { tag, run: dice.pick(RUNS), scopes: [dice.pick(['s1', 's2'])] } }
    case 33: return { t: 'part.close', env, tag, ...(dice.int(2) === 0 ? { to: dice.int(30) + 1 } : {}) }
    case 1: return { t: 'env.open', env, run: maybe(dice.pick(RUNS)) }
    case 2: return { t: 'run.put', row: runRow({ id: `${env}-${dice.pick(RUNS)}`, env, status: dice.pick(['running', 'running', 'committed', 'incomplete']), startedAt: dice.int(5), to: maybe(3), endedAt: maybe(9), result: maybe(text()) }) }
    case 3: return { t: 'plan.put', row: planRow({ id: `${env}-${dice.pick(['p-1', 'p-2'])}`, env, createdAt: dice.int(5), doc: text(), ...(dice.int(2) === 0 ? { madeBy: dice.pick(['ann', 'bob']) } : {}), ...(dice.int(3) === 0 ? { approval: approval(dice) } : {}) }) }
    case 4: return { t: 'plan.use', id: `${env}-${dice.pick(['p-1', 'p-2', 'p-3'])}`, run: dice.pick(RUNS) }
    case 27: return { t: 'plan.approve', id: `${env}-${dice.pick(['p-1', 'p-2', 'p-3'])}`, approval: approval(dice) }
    case 5:
    case 6: return {
      t: 'tx.open',
      row: txRow(`${env}-${dice.pick(TOKENS)}`, uid, {
        env, run: dice.pick(RUNS), status: dice.pick(['open', 'sent']), op: dice.pick(['create', 'update', 'delete']), ordinal: dice.int(3), undo: dice.int(2) === 0, firstSentAt: maybe(dice.int(9)),
        target: { inputs: text(), ...(dice.int(3) === 0 ? { change: dice.int(2) === 0 ? text() : JSON.stringify({ previous: { hash: `f1:${uid}` } }), ...(dice.int(2) === 0 ? { failed: text() } : {}) } : {}), ...(dice.int(2) === 0 ? { row: resourceRow(uid, { env, since, until: maybe(since + 1) }) } : {}), ...(dice.int(2) === 0 ? { prior: { inputs: text(), outputs: text() } } : {}), ...(dice.int(4) === 0 ? { before: [{ t: 'claim.drop', uid: text() }] } : {}), ...(dice.int(4) === 0 ? { also: [{ t: 'claim.drop', uid: text() }] } : {}) },
      }),
    }
    case 7:
    case 8: return {
      t: 'tx.move', token: `${env}-${dice.pick(TOKENS)}`, to: dice.pick(Object.keys(txMoves) as TxStatus[]),
      set: {
        ...(dice.int(3) === 0 ? { applied: dice.pick(['no', 'partly', undefined]) } : {}), ...(dice.int(3) === 0 ? { attempts: dice.int(9), endedAt: maybe(5) } : {}),
        ...(dice.int(4) === 0 ? { evidence: maybe('seen') } : {}), ...(dice.int(6) === 0 ? { target: { inputs: text(), partial: text() } } : {}),
      },
    }
    case 9:
    case 10:
    case 11: {
      const row = resourceRow(uid, { env, since, until: maybe(since + dice.int(3)), status: dice.pick(['ready', 'partial', 'deleting']), address: `app/${dice.pick(UIDS)}`, ordinal: dice.int(3), ...(dice.int(3) === 0 ? { meta: { typeVersion: 1, provider: 'test@1.0.0#Thing', deps: [], claims: [], protect: false, retain: false, tags: { [dice.pick(['k', 'l'])]: dice.pick(['v', 'w']) } } } : {}) })
      return dice.int(5) === 0 ? putRowOnly(row) : put(row, { inputs: text(), outputs: text() })
    }
    case 12: return { t: 'resource.until', uid, since, until: maybe(since + 1 + dice.int(3)) }
    case 13: return { t: 'resource.drop', uid, since }
    case 14: return { t: 'claim.put', row: claimRow(dice.pick(['a', 'b', 'c']), uid, { env, until: maybe(1 + dice.int(5)) }) }
    case 15: return { t: 'claim.drop', uid, ...(dice.int(2) === 0 ? { key: dice.pick(['a', 'b', 'c']) } : {}) }
    case 16: return { t: 'task.put', row: taskRow(dice.pick(['a', 'b']), { run: `${env}-${dice.pick(RUNS)}`, state: dice.pick(['running', 'success']), tx: maybe('t'), startedAt: dice.int(5), note: maybe('n') }) }
    case 17: return dice.int(2) === 0 ? { t: 'outputs.put', row: { env, since: dice.int(30), doc: text() } } : { t: 'meta.keyCheck', value: text() }
    case 18: return dice.int(2) === 0 ? { t: 'secret.put', row: { env, name: dice.pick(['x', 'y']), fp: text(), sealed: text(), at: dice.int(9) } } : { t: 'secret.drop', env, name: dice.pick(['x', 'y']) }
    case 20:
    case 21: return { t: 'component.put', row: { env, uid: `${env}-${dice.pick(['c1', 'c2', 'c3'])}`, name: dice.pick(['app', 'db', 'web']), seed: text(), declared: dice.int(2) === 0, exports: maybe(text()) } }
    case 22: return { t: 'component.drop', env, uid: `${env}-${dice.pick(['c1', 'c2', 'c3'])}` }
    case 23: return { t: 'reference.put', row: { env, component: `${env}-${dice.pick(['c1', 'c2'])}`, targetEnv: dice.pick([ENV, 'e-2']), targetUid: dice.int(2) === 0 ? dice.pick(UIDS) : `x${dice.pick(UIDS)}`, address: `app/${dice.pick(UIDS)}`, type: 'test.Thing' } }
    case 24: return dice.int(2) === 0 ? { t: 'reference.drop', env, component: `${env}-${dice.pick(['c1', 'c2'])}`, targetUid: uid } : dice.int(6) === 0 ? { t: 'env.drop', env } : event('k3')
    case 25: return dice.int(3) === 0 ? { t: 'resolved.drop', env, uid } : { t: 'resolved.put', row: { env, uid, doc: text() } }
    case 26: return { t: 'request.put', row: { scope: dice.pick(['', env]), id: `q-${dice.int(40)}`, method: 'm', digest: 'd', result: text(), at: dice.int(3) * 400_000_000 } }
    // Changes that no run plans, in pieces and in any order.
    case 28: return { t: 'tx.open', row: txRow(loneToken, uid, { env, run: loneRun(loneToken), status: dice.pick(['open', 'sent']), target: { inputs: text() } }) }
    case 29: return moveLone(dice, loneToken)
    case 30: return putLoneRun(dice, env, loneToken)
    case 31: return putLoneTask(dice, loneToken)
    default: return dice.int(3) === 0 ? { t: 'trash.put', row: { id: `${env}-1`, env, address: 'a', type: 'b', at: dice.int(9), doc: text() } } : dice.int(3) === 0 ? { t: 'trash.drop', id: `${env}-1` } : event(dice.pick(['k1', 'k2']))
  }
}

/** The end of a change that no run plans, as one commit tells it. */
function loneEnd(dice: Dice, env: string): Entry[] {
  const token = `t-${env}-${dice.int(3)}`
  return [moveLone(dice, token), putLoneTask(dice, token), event('ended'), putLoneRun(dice, env, token)]
}

const moveLone = (dice: Dice, token: string): Entry => ({ t: 'tx.move', token, to: dice.pick(['sent', 'completed', 'failed']), set: { endedAt: dice.int(2) === 0 ? 5 : undefined } })
const putLoneTask = (dice: Dice, token: string): Entry =>
  ({ t: 'task.put', row: taskRow(dice.pick(['a', 'a', 'a', 'b']), { run: loneRun(token), state: dice.pick(['running', 'success']), tx: dice.int(5) === 0 ? undefined : token, startedAt: dice.int(5), note: dice.int(2) === 0 ? 'n' : undefined }) })
const putLoneRun = (dice: Dice, env: string, token: string): Entry => ({
  t: 'run.put',
  row: runRow({
    id: loneRun(token), env, kind: dice.int(9) === 0 ? 'apply' : 'change', plan: '', status: dice.pick(['running', 'running', 'committed']), startedAt: dice.int(5),
    to: dice.int(2) === 0 ? 3 : undefined, endedAt: dice.int(2) === 0 ? 9 : undefined,
  }),
})
