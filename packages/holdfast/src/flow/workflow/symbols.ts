import { givers, type Compiled, type Vertex } from './compile.ts'
import { failing } from './kinds.ts'
import type { Machine } from './machine.ts'
import type { Atom } from './motion.ts'
import type { Inputs } from './port.ts'
import { readSlot, type Needs } from './task.ts'

/** Where the values of a compiled flow come from. Looks every symbol up once. */
export class Symbols {
  readonly #compiled: Compiled
  readonly #store: Readonly<Record<string, unknown>>
  /** By vertex; most need one symbol. */
  readonly #known: ({ readonly symbol: string; readonly givers: readonly Vertex[] }[] | undefined)[]

  constructor(compiled: Compiled, store: Readonly<Record<string, unknown>>) {
    this.#compiled = compiled
    this.#store = store
    this.#known = new Array(compiled.vertices.length)
  }

  /**
   * Fails HF3205 with every missing symbol of every task, executions and undos alike, and HF3209 where a symbol has two sources: given from outside
   * and by a task before its consumer.
   */
  validate(): void {
    const missing: { readonly task: string; readonly half: string; readonly symbols: readonly string[] }[] = []
    for (const v of this.#compiled.atoms.values()) {
      if (v.needs.required.size === 0 && !v.task?.undoNeeds.required.size) continue
      let known: Set<string> | undefined
      for (const [half, needs] of halves(v)) {
        let symbols: string[] | undefined
        for (const s of needs.required.values()) if (!this.#hasSource(v, s) && !known?.has(s)) (symbols ??= []).push(s)
        if (!symbols) continue
        known = new Set(symbols)
        missing.push({ task: v.name, half, symbols })
      }
    }
    if (missing.length === 0) return
    const texts = missing.map((m) => `${m.task} needs ${m.symbols.join(', ')}${m.half === 'undo' ? ' to be taken back' : ''}`)
    const cause = texts.reduceRight<Error | undefined>((next, text) => new Error(text, next && { cause: next }), undefined)
    throw failing('HF3205', { message: `Nobody gives what is needed: ${texts.join('; ')}.`, details: { missing }, cause })
  }

  #hasSource(v: Vertex, symbol: string): boolean {
    const [nearest] = this.#givers(v, symbol)
    if (!Object.hasOwn(this.#store, symbol)) return nearest !== undefined
    if (nearest) throw failing('HF3209', { message: `${v.name} needs ${symbol}: it is given from outside, and ${nearest.name} gives it, too.`, details: { symbol, task: v.name, provider: nearest.name } })
    return true
  }

  inputs(machine: Machine, atom: Atom, half: 'execute' | 'undo'): Inputs {
    const { v } = atom
    const needs = half === 'undo' ? v.task?.undoNeeds ?? v.needs : v.needs
    const out: Record<string, unknown> = v.task ? { ...v.task.inject } : {}
    for (const [arg, symbol] of needs.required) {
      const found = this.#find(machine, v, symbol)
      if (!found) throw failing('HF3205', { message: `${v.name} needs ${symbol}, and nobody who ran gave it.`, details: { missing: [{ task: v.name, half, symbols: [symbol] }] } })
      out[arg] = found.value
    }
    for (const [arg, symbol] of needs.optional) {
      const found = this.#find(machine, v, symbol)
      if (found) out[arg] = found.value
    }
    return out
  }

  #find(machine: Machine, v: Vertex, symbol: string): { readonly value: unknown } | undefined {
    if (Object.hasOwn(this.#store, symbol)) return { value: this.#store[symbol] }
    for (const g of this.#givers(v, symbol)) {
      const value = given(machine.atom(g), symbol)
      if (value) return value
    }
    return undefined
  }

  #givers(v: Vertex, symbol: string): readonly Vertex[] {
    const known = this.#known[v.i]
    const found = known?.find((k) => k.symbol === symbol)
    if (found) return found.givers
    const list = givers(v, symbol)
    if (known) known.push({ symbol, givers: list })
    else this.#known[v.i] = [{ symbol, givers: list }]
    return list
  }
}

function halves(v: Vertex): (readonly ['execute' | 'undo', Needs])[] {
  return v.task && v.task.undoNeeds !== v.needs && v.task.undoNeeds.required.size > 0 ? [['execute', v.needs], ['undo', v.task.undoNeeds]] : [['execute', v.needs]]
}

/** The value a vertex gives under a symbol, while it stands. */
export function given(a: Atom, symbol: string): { readonly value: unknown } | undefined {
  const slot = a.v.slots.get(symbol)
  return slot && a.state === 'SUCCESS' ? { value: readSlot(slot, symbol, a.result) } : undefined
}

/** Every symbol that a task gives now; a list where several tasks give one. */
export function outputs(machine: Machine): Record<string, unknown> {
  const found = new Map<string, unknown[]>()
  for (const a of machine.atoms) for (const s of a.v.slots.keys()) {
    const value = given(a, s)
    if (value) found.set(s, [...(found.get(s) ?? []), value.value])
  }
  return Object.fromEntries([...found].map(([s, list]) => [s, list.length === 1 ? list[0] : list]))
}

/** One symbol: of several tasks that give it, the first. */
export function output(machine: Machine, symbol: string): { readonly value: unknown } | undefined {
  for (const a of machine.atoms) {
    const value = given(a, symbol)
    if (value) return value
  }
  return undefined
}
