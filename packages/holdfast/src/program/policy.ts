import { failure, isFailure, textOf, type HoldfastError } from '../base/index.ts'
import type { Address } from '../model/index.ts'
import { nameOf } from './names.ts'
import { failureAt } from './site.ts'

const POLICY: unique symbol = Symbol.for('holdfast.policy') as never

/** A node as a policy sees it. Frozen; secrets are `{ secret: true }`, what is not known yet `{ unknown: 'db.id' }`. */
export interface PolicyNode {
  readonly address: Address
  readonly type: string
  /** As the type understands them, with its defaults. */
  readonly inputs: Readonly<Record<string, unknown>>
  readonly tags: Readonly<Record<string, string>>
  readonly protect: boolean
  readonly retain: boolean
  readonly dependsOn: readonly Address[]
  /** What the plan would do with it; `unchanged`: nothing. */
  readonly action: string
}

/** What is planned. */
export interface PolicyGraph {
  readonly app: string
  readonly env: string
  /** Every node of the program; none when everything is to go. */
  readonly nodes: readonly PolicyNode[]
  node(address: Address): PolicyNode | undefined
  /** What would leave: nodes that the program does not have any more. */
  readonly deletes: readonly { readonly address: Address; readonly type: string }[]
}

export interface PolicyFinding {
  readonly message: string
  /** The node it is about. */
  readonly address?: Address
  /** `deny`, the default, refuses the plan; `warn` is shown with it. */
  readonly level?: 'deny' | 'warn'
}

/** What a policy found, as it stands in a plan. */
export interface Verdict {
  readonly policy: string
  readonly level: 'deny' | 'warn'
  readonly message: string
  readonly address?: Address
}

export interface Policy {
  readonly [POLICY]: true
  readonly name: string
  check(graph: PolicyGraph): readonly PolicyFinding[] | PolicyFinding | undefined | void
}

export const isPolicy = (v: unknown): v is Policy => typeof v === 'object' && v !== null && (v as { [POLICY]?: unknown })[POLICY] === true

/**
 * A rule about every plan. Synchronous and pure: it sees what is planned and says what is wrong with it.
 *
 * A package that exports some is a policy pack; `policies` of `defineProject` (for whoever runs the program) and of `app` (for the program itself) name those that hold.
 * Fails HF1103, HF1109.
 */
export function policy(name: string, check: Policy['check']): Policy {
  const own = nameOf(name, 'A policy', policy)
  if (typeof check !== 'function') throw failureAt('HF1109', policy, { message: `policy(${JSON.stringify(name)}): the second argument must be a function.` })
  return Object.freeze({ [POLICY]: true as const, name: own, check })
}

/**
 * Asks every policy.
 *
 * Gives    what they found, denials first.
 * Fails    HF5102 when one throws, gives a promise or something that is no finding: a rule that cannot be asked is not passed.
 */
export function askPolicies(policies: readonly Policy[], graph: PolicyGraph): Verdict[] {
  const found = policies.flatMap((p) => {
    let answer: unknown
    try {
      answer = p.check(graph)
    } catch (cause) {
      throw broken(p, isFailure(cause) ? cause.message : cause instanceof Error ? cause.message : textOf(cause), cause)
    }
    const list = Array.isArray(answer) ? answer : answer === undefined || answer === null ? [] : [answer]
    return list.map((f: PolicyFinding): Verdict => {
      if (typeof f !== 'object' || f === null || typeof f.message !== 'string' || f.message === '') throw broken(p, 'it gave something that is no finding; a finding has a message, and perhaps an address and a level')
      if (f.level !== undefined && f.level !== 'deny' && f.level !== 'warn') throw broken(p, `the level of a finding is 'deny' or 'warn', not ${JSON.stringify(f.level)}`)
      if (f.address !== undefined && typeof f.address !== 'string') throw broken(p, 'the address of a finding is a text')
      return { policy: p.name, level: f.level ?? 'deny', message: f.message, ...(f.address === undefined ? {} : { address: f.address }) }
    })
  })
  return [...found.filter((f) => f.level === 'deny'), ...found.filter((f) => f.level === 'warn')]
}

const broken = (p: Policy, why: string, cause?: unknown): HoldfastError => failure('HF5102', { message: `The policy ${p.name} could not be asked: ${why}.`, ...(cause === undefined ? {} : { cause }) })
