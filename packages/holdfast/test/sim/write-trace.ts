import type { KindName } from './kinds.ts'
import { usualNode } from './relive.ts'
import { isConverge, type Command, type Scenario, type Step, type Try } from './scenario.ts'
import type { LifeResult } from './seed.ts'
import type { NodeSpec } from './workload.ts'

/** A failing life as a test: a file for vitest that lives it again, readable from top to bottom. `from`: the folder of the simulation as the file sees it. */
export function traceTest(s: Scenario, r: LifeResult, from: string, mutant: string | undefined): string {
  const { violation } = r
  const title = `seed ${s.seed}: ${violation?.invariant}`
  const said = (violation?.message ?? '').split('\n')[0] ?? ''
  const kinds = [...new Set(Object.values(s.programs).flatMap((p) => p.map((n) => n.kind)))].sort()
  const set = (name: string, on: boolean) => (on ? [`  ${name}: true,`] : [])
  return [
    `// Written by the simulation. ${violation?.invariant}: ${said}`,
    ...(mutant === undefined ? [] : [`// The bug was planted: HOLDFAST_MUTANT=${mutant} makes the test fail, and without it it passes.`]),
    "import { test } from 'vitest'",
    `import { relive } from ${quoted(`${from}/relive.ts`)}`,
    '',
    `test(${quoted(title)}, () => relive({`,
    `  seed: ${s.seed}, sameHost: ${s.sameHost}, parallelism: ${s.parallelism},`,
    ...set('calm', s.calm), ...set('slowReads', s.slowReads), ...set('realKey', s.realKey), ...set('secrets', s.secrets),
    ...(s.foreign === undefined ? [] : [`  foreign: ${quoted(s.foreign)},`]),
    '  kinds: {',
    ...kinds.map((k: KindName) => `    ${k}: ${literal(s.kinds[k])},`),
    '  },',
    '  programs: {',
    ...Object.entries(s.programs).flatMap(([name, nodes]) => [`    ${quoted(name)}: [`, ...nodes.map((n) => `      ${literal(unusual(n))},`), '    ],']),
    '  },',
    '  steps: [',
    ...s.steps.flatMap(stepLines),
    '  ],',
    '  faults: [',
    ...(s.faults ?? []).map((f) => `    ${literal(f)},`),
    '  ],',
    '}))',
    '',
  ].join('\n')
}

/** What is not as usual. */
function unusual(n: NodeSpec): object {
  return Object.fromEntries(Object.entries(n).filter(([k, v]) => JSON.stringify(v) !== JSON.stringify((usualNode as Record<string, unknown>)[k])))
}

function stepLines(s: Step): string[] {
  if (isConverge(s)) return [`    ${literal({ name: s.name, to: s.to, ...(s.once ? { once: true } : {}) }, true)},`]
  return [`    { name: ${quoted(s.name)}, command: ${literal(s.command satisfies Command)}, tries: [`, ...s.tries.map((t: Try) => `      ${literal(t)},`), '    ] },']
}

const quoted = (s: string): string => `'${JSON.stringify(s).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`

function literal(v: unknown, undefinedToo = false): string {
  if (typeof v === 'string') return quoted(v)
  if (typeof v === 'number') return Number.isInteger(v) && v >= 10_000 ? String(v).replace(/\B(?=(\d{3})+$)/g, '_') : String(v)
  if (typeof v !== 'object' || v === null) return String(v)
  if (Array.isArray(v)) return `[${v.map((x) => literal(x)).join(', ')}]`
  const entries = Object.entries(v).filter(([, x]) => undefinedToo || x !== undefined)
  return `{ ${entries.map(([k, x]) => `${/^[A-Za-z_]\w*$/.test(k) ? k : quoted(k)}: ${literal(x)}`).join(', ')} }`
}
