import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = (name: string): string => fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url))

interface Drawn { readonly kind: string; readonly tasks: readonly { readonly name: string; readonly requires: readonly string[] }[] }
const { draw, dice } = await import(program('shapes')) as { draw: (seed: number) => Drawn; dice: (seed: number) => (n: number) => number }
/** Bugs that can be planted, with what each does wrong. */
export const { bugs } = await import(program('planted')) as { bugs: Readonly<Record<string, string>> }

/** What became of some flows. */
export interface Tally {
  flows: number
  kills: number
  /** Calls of a body, and how many of them came again under a key that was called before: the token absorbs those. */
  calls: number
  repeated: number
  undos: number
  /** Killed before anything of the flow was begun, while bodies ran, while it was taken back. */
  before: number
  during: number
  back: number
  /** From the birth of a process that goes on to its first body, and from the opening of its journal, in ms. */
  readonly resumed: number[]
  readonly engine: number[]
  /** Each begins with the seed. */
  readonly wrong: string[]
}
export const emptyTally = (): Tally => ({ flows: 0, kills: 0, calls: 0, repeated: 0, undos: 0, before: 0, during: 0, back: 0, resumed: [], engine: [], wrong: [] })

/** Kills of one flow; after that it is let go on. */
const KILLS_MAX = 40

/**
 * Runs the flow of a seed in processes of its own, each killed with SIGKILL at a moment that the seed draws, until one comes to the end; then looks at what is
 * left outside. With a planted bug it ends at the first thing that is wrong.
 *
 * Never    two effects of one task at a time; a body of what was stored as done, or of what others have gone on from; an end before everything is done and
 *          its result is that of the effect, or, when the flow was taken back, anything left standing.
 */
export async function hunt(seed: number, tally: Tally, o: { readonly bug?: string } = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-flow-kill-'))
  const drawn = draw(seed)
  const roll = dice(seed + 7)
  const said = new Said(drawn)
  const how = seed % 2 === 0 ? 'run' : 'worker'
  const wrong = (text: string): void => void tally.wrong.push(`seed ${seed} (${drawn.kind}, ${how}): ${text}`)
  try {
    for (let kills = 0; o.bug === undefined || tally.wrong.length === 0; kills++) {
      const mayKill = kills < KILLS_MAX
      // Most die after some bodies have begun; some while they start, open the journal or take the flow over.
      const moment: Moment | undefined = !mayKill ? undefined : roll(8) === 0 ? { afterMs: 40 + roll(160) } : { lines: 1 + roll(16), afterMs: roll(4) }
      const { killed, lines, err, code } = await life([program('killed'), folder, String(seed), how, ...(o.bug ? [o.bug] : [])], moment)
      const began = said.moment
      for (const found of said.hear(lines)) wrong(found)
      if (killed) {
        tally.kills++
        tally[said.moment]++
      } else if (code !== 0) {
        wrong(`ended with ${code}: ${err.slice(-500)}`)
        break
      }
      const first = lines.find((l) => l[0] === 'first')
      if (first && began !== 'before') {
        tally.resumed.push(Number(first[1]))
        tally.engine.push(Number(first[2]))
      }
      if (!killed) {
        for (const found of said.ended(lines, join(folder, 'effects'))) wrong(found)
        break
      }
    }
  } finally {
    tally.flows++
    tally.calls += said.calls
    tally.repeated += said.repeated
    tally.undos += said.undos
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Moment { readonly lines?: number; readonly afterMs: number }
interface Life { readonly killed: boolean; readonly code: number | null; readonly lines: readonly (readonly string[])[]; readonly err: string }

function life(args: readonly string[], moment: Moment | undefined): Promise<Life> {
  const { HOLDFAST_TEST: _a, HOLDFAST_FAILPOINT: _b, NODE_OPTIONS: _c, ...env } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    let [out, err, counted] = ['', '', 0]
    let timer: ReturnType<typeof setTimeout> | undefined
    const soon = () => { timer ??= setTimeout(() => child.kill('SIGKILL'), moment?.afterMs) }
    if (moment && moment.lines === undefined) soon()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
      counted += text.split('\n').filter((l) => l.startsWith('call') || l.startsWith('undo')).length
      if (moment?.lines !== undefined && counted >= moment.lines) soon()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { err += text })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      // Only whole lines were said.
      resolve({ killed: signal === 'SIGKILL', code, err, lines: out.split('\n').slice(0, -1).map((l) => l.split(' ')) })
    })
  })
}

/** Everything that the processes of one flow have said, in order. */
class Said {
  readonly #drawn: Drawn
  /** Task -> tasks that wait for it. */
  readonly #waiting = new Map<string, string[]>()
  /** Task -> key it was begun under, while that was not taken back. */
  readonly #begun = new Map<string, string>()
  /** Tasks that were stored as done when the process that speaks began. */
  #done = new Set<string>()
  readonly #keys = new Set<string>()
  calls = 0
  repeated = 0
  undos = 0

  constructor(drawn: Drawn) {
    this.#drawn = drawn
    for (const { name, requires } of drawn.tasks) for (const r of requires) this.#waiting.set(r, [...(this.#waiting.get(r) ?? []), name])
  }

  get moment(): 'before' | 'during' | 'back' {
    return this.undos > 0 ? 'back' : this.calls > 0 ? 'during' : 'before'
  }

  hear(lines: readonly (readonly string[])[]): string[] {
    const wrong: string[] = []
    for (const [what, name = '', ...rest] of lines) {
      if (what === 'open') this.#done = new Set(rest)
      else if (what === 'call') {
        const key = rest[1] as string
        const before = this.#begun.get(name)
        this.calls++
        if (this.#keys.has(`${name} ${key}`)) this.repeated++
        this.#keys.add(`${name} ${key}`)
        if (before !== undefined && before !== key) wrong.push(`${name} was begun under another key before the first was taken back`)
        if (this.#done.has(name)) wrong.push(`${name} was begun again although it was stored as done`)
        for (const w of this.#waiting.get(name) ?? []) if (this.#begun.has(w)) wrong.push(`${name} was begun again after ${w}, which waits for it`)
        this.#begun.set(name, key)
      } else if (what === 'undo') {
        this.undos++
        this.#done.delete(name)
        this.#begun.delete(name)
      }
    }
    return wrong
  }

  /** What is left outside, against what the flow says of itself. */
  ended(lines: readonly (readonly string[])[], effects: string): string[] {
    const wrong: string[] = []
    const [, state, ...text] = lines.find((l) => l[0] === 'end') ?? []
    const wanted = this.#drawn.kind === 'taken back' ? 'REVERTED' : 'SUCCESS'
    if (state !== wanted) return [`it ended ${state} instead of ${wanted}`]
    const results = JSON.parse(text.join(' ')) as Readonly<Record<string, unknown>>
    const standing = existsSync(effects) ? readdirSync(effects).filter((f) => !f.endsWith('.new')) : []
    for (const { name } of this.#drawn.tasks) {
      const own = standing.filter((f) => f.startsWith(`${name}@`))
      const right = wanted === 'SUCCESS' ? 1 : 0
      if (own.length > right) wrong.push(`${name} has ${own.length} effects instead of ${right}`)
      else if (own.length < right) wrong.push(`${name} was lost: it is done, and has no effect`)
      else if (right === 1 && results[name] !== readFileSync(join(effects, own[0] as string), 'utf8')) wrong.push(`the result of ${name} is not that of its effect`)
    }
    return wrong
  }
}

export const middle = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN

/** Seconds of processor time of every process that this one has waited for. Linux only. */
export function childrenCpu(): number {
  const text = readFileSync('/proc/self/stat', 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / 100
}
