import { assert } from '../base/index.ts'
import type { Entry } from './entry.ts'

export const OTHER_ENV = 'belongs to another environment than the commit'

/** What can be seen without the tables: every entry belongs to the environment of the commit, and lies in the scopes of its leases (`app/env:path`); a revision grows. A Bug otherwise. */
export function checkEntries(entries: readonly Entry[], env: string, scopes: readonly string[] = []): void {
  const held = scopes.map((s) => /^[^:]*\/[^:]*:(.+)$/.exec(s)?.[1])
  // The lease of a whole environment covers all of it.
  const within = held.length > 0 && held.every((h) => h !== undefined) ? (held as string[]) : undefined
  for (const e of entries) {
    // The address of a reference is that of its target: who refers has the lease, and not who is referred to.
    const address = 'row' in e && 'address' in e.row && e.t !== 'reference.put' ? e.row.address : undefined
    if (within && address !== undefined) assert(liesIn(address, within), `${e.t}: ${address} does not lie in ${within.join(', ')}, whose lease the commit names`)
    let owner: string | undefined
    if (e.t === 'env.create') owner = e.row.id
    else if ('env' in e) owner = e.env
    else if ('row' in e && 'env' in e.row) owner = e.row.env
    assert(owner === undefined || owner === env, `${e.t}: ${OTHER_ENV}`)
    if (e.t === 'env.commit') assert(e.to > e.from, 'env.commit: the revision must grow')
  }
}

/** `.` stands for the nodes outside of every component, `./a` for one of them. Of a scope that names a node, that is the only one inside. */
const liesIn = (address: string, within: readonly string[]): boolean => {
  const path = address.includes('/') ? address : `./${address}`
  return within.some((w) => path === w || path.startsWith(`${w}/`))
}

/** The scopes that a commit is fenced by. */
export const scopesOf = (fence: { readonly scope: string; readonly also?: readonly { readonly scope: string }[] | undefined } | undefined): readonly string[] =>
  fence ? [fence.scope, ...(fence.also ?? []).map((f) => f.scope)] : []
