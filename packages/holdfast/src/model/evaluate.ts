import { canonical, failure, setOwn, sha256hex, type Plain, type Site } from '../base/index.ts'
import { callFunction } from './functions.ts'
import type { ExprNode } from './expr.ts'
import { firstUnknown, hasSecret, isSecret, isUnknown, mapLeaves, SecretValue, UnknownValue, type Value } from './value.ts'

/** What an expression may ask for while it is computed. */
export interface Scope {
  /** All outputs of a node, or an unknown. A node that does not exist is refused before. */
  output(node: string): Value
  secret(name: string): Value
  asset(path: string, ignore: readonly string[], at: Site | undefined): Value
  /** The value as a secret of a field of a type; what is secret or unknown in it stays as it is. */
  hide(value: Value, type: string, field: string): Value
}

/**
 * Computes an expression. Unknown in, unknown out (with the first source); secret in, secret out, opened only when the result is.
 *
 * Fails HF1205 when a function gets a value of the wrong kind, HF1202 when a path leads nowhere.
 */
export function evaluate(e: ExprNode, scope: Scope, vars?: ReadonlyMap<string, Value>): Value {
  switch (e.k) {
    case 'lit': return e.v as Value
    case 'ref': return dig(scope.output(e.node), e.path, e.node, e.at)
    case 'var': return dig(vars?.get(e.name) as Value, e.path, 'the element', undefined)
    case 'secret': return scope.secret(e.name)
    case 'asset': return scope.asset(e.path, e.ignore, e.at)
    case 'hide': return scope.hide(evaluate(e.of, scope, vars), e.type, e.field)
    case 'arr': return e.args.map((a) => evaluate(a, scope, vars))
    case 'obj': {
      const out: Record<string, Value> = {}
      for (let i = 0; i < e.keys.length; i++) setOwn(out, e.keys[i] as string, evaluate(e.args[i] as ExprNode, scope, vars))
      return out
    }
    case 'str': return lift('str', e.args.map((a) => evaluate(a, scope, vars)), (args) => {
      let out = e.parts[0] as string
      for (let i = 0; i < args.length; i++) out += text(args[i] as Plain, e) + (e.parts[i + 1] as string)
      return out
    }, canonical(e.parts))
    case 'each': {
      const list = evaluate(e.list, scope, vars)
      if (isUnknown(list)) return list
      if (isSecret(list)) {
        // The body belongs to the fingerprint: it is computed once on a stand-in that is never opened.
        const shape = evaluate(e.body, scope, new Map(vars).set(e.name, new SecretValue(`${list.fp}[]`, () => null)))
        const u = firstUnknown(shape)
        if (u) return u
        return lift('each', [list], ([l]) => {
          if (!Array.isArray(l)) throw failure('HF1205', { message: 'each() needs a list.' })
          return l.map((x) => open(evaluate(e.body, scope, new Map(vars).set(e.name, x as Plain))))
        }, byFp(shape))
      }
      if (!Array.isArray(list)) throw failure('HF1205', { message: 'each() needs a list.' })
      return list.map((x) => evaluate(e.body, scope, new Map(vars).set(e.name, x as Value)))
    }
    case 'call': {
      const args = e.args.map((a) => evaluate(a, scope, vars))
      // The condition alone decides which branch counts: an unknown or secret branch that is not taken does not spread.
      if (e.fn === 'when') {
        const c = args[0] as Value
        if (typeof c === 'boolean') return (c ? args[1] : args[2]) as Value
      }
      if (e.fn === 'coalesce') {
        for (const a of args) {
          if (isUnknown(a) || isSecret(a)) return a
          if (a !== null && a !== undefined) return a
        }
        return null
      }
      return lift(e.fn, args, (plain) => callFunction(e.fn, plain, e.at), '')
    }
  }
}

function lift(name: string, args: readonly Value[], f: (plain: Plain[]) => Plain, extra: string): Value {
  let secret = false
  for (const a of args) {
    const u = firstUnknown(a)
    if (u) return u
    if (!secret && hasSecret(a)) secret = true
  }
  if (!secret) return f(args as Plain[])
  const fp = `x:${sha256hex(`${name}\0${extra}\0${byFp(args)}`).slice(0, 32)}`
  let memo: { v: Plain } | undefined
  return new SecretValue(fp, () => {
    memo ??= { v: f(args.map(open)) }
    return memo.v
  })
}

/** Canonical text in which a secret stands as its fingerprint. */
const byFp = (v: Value): string => canonical(v, (leaf) => (isSecret(leaf) ? `{"$s":${JSON.stringify(leaf.fp)}}` : undefined))

const open = (v: Value): Plain => mapLeaves(v, (leaf) => {
  if (isSecret(leaf)) return SecretValue.reveal(leaf)
  throw failure('HF1205', { message: `${leaf.source} is not known yet.` })
}) as Plain

function text(v: Plain, e: ExprNode): string {
  if (typeof v === 'string') return v
  if (typeof v === 'number' || typeof v === 'boolean' || typeof v === 'bigint') return String(v)
  throw failure('HF1205', { message: `${showExpr(e)}: only strings, numbers and booleans can stand in str\`...\`.`, hint: 'Use json(...) for objects and lists.' })
}

function dig(v: Value, path: readonly (string | number)[], from: string, at: Site | undefined): Value {
  let x: Value = v
  for (let i = 0; i < path.length; i++) {
    const key = path[i] as string | number
    if (isUnknown(x)) return x.source === from ? new UnknownValue(`${from}.${path.slice(i).join('.')}`) : x
    if (isSecret(x)) {
      const rest = path.slice(i)
      const s = x
      return new SecretValue(`${s.fp}.${rest.join('.')}`, () => rest.reduce<Plain>((y, k) => member(y, k) as Plain, SecretValue.reveal(s)))
    }
    if (x === null || x === undefined) return null
    if (typeof x !== 'object') throw failure('HF1202', { message: `${from}.${path.slice(0, i + 1).join('.')} does not exist.`, site: at })
    x = member(x, key)
  }
  return x
}

/** Own members only: `constructor` and the like are no data. */
const member = (v: Value, key: string | number): Value =>
  typeof v === 'object' && v !== null && Object.hasOwn(v, key) ? ((v as Record<string, Value>)[key] ?? null) : null

/** Every node an expression refers to, each once, in order of appearance. */
export function refsOf(e: ExprNode, out: Set<string> = new Set()): Set<string> {
  switch (e.k) {
    case 'ref': out.add(e.node); break
    case 'str': case 'call': case 'obj': case 'arr': for (const a of e.args) refsOf(a, out); break
    case 'each': refsOf(e.list, out); refsOf(e.body, out); break
    case 'hide': refsOf(e.of, out); break
    case 'lit': case 'secret': case 'asset': case 'var': break
  }
  return out
}

/** Whether a part of it is hidden: then it is not stored in clear. */
export function hides(e: ExprNode): boolean {
  switch (e.k) {
    case 'hide': return true
    case 'str': case 'call': case 'obj': case 'arr': return e.args.some(hides)
    case 'each': return hides(e.list) || hides(e.body)
    case 'lit': case 'ref': case 'secret': case 'asset': case 'var': return false
  }
}

/** The expression as a person would write it. */
export function showExpr(e: ExprNode): string {
  switch (e.k) {
    case 'lit': return JSON.stringify(e.v) ?? 'undefined'
    case 'ref': return [e.node, ...e.path].join('.')
    case 'var': return [e.name, ...e.path].join('.')
    case 'secret': return `secrets.${e.name}`
    case 'hide': return '[secret]'
    case 'asset': return `asset('${e.path}')`
    case 'str': return e.parts.map((p, i) => p + (e.args[i] ? `\${${showExpr(e.args[i] as ExprNode)}}` : '')).join('')
    case 'obj': return `{ ${e.keys.map((k, i) => `${k}: ${showExpr(e.args[i] as ExprNode)}`).join(', ')} }`
    case 'arr': return `[${e.args.map(showExpr).join(', ')}]`
    case 'each': return `each(${showExpr(e.list)}, (${e.name}) => ${showExpr(e.body)})`
    case 'call': return `${e.fn}(${e.args.map(showExpr).join(', ')})`
  }
}
