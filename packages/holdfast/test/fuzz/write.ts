import { writeFileSync } from 'node:fs'
import type { FuzzCase, Violation } from './case.ts'

/** A failing case as a test that can be run as it is. It lies beside the fuzzer, or says where that is. */
export function testOf(fuzz: FuzzCase, { rule, message }: Violation, from = '../fuzz'): string {
  const { programs, ops, ...rest } = fuzz
  const line = (x: unknown) => `    ${literal(x)},`
  return [
    "import { expect, test } from 'vitest'",
    `import { runCase } from '${from}/run.ts'`,
    '',
    `// (${rule}) ${message.split('\n')[0]}`,
    `test('what case ${fuzz.seed} of the fuzzer did', async () => {`,
    '  const { violation } = await runCase({',
    `    ${Object.entries(rest).map(([k, v]) => `${k}: ${literal(v)}`).join(', ')},`,
    '    programs: [',
    ...programs.flatMap((p) => ['      [', ...p.map((n) => `    ${line(n)}`), '      ],']),
    '    ],',
    '    ops: [',
    ...ops.map((o) => `  ${line(o)}`),
    '    ],',
    '  })',
    '  expect(violation).toBeUndefined()',
    '})',
    '',
  ].join('\n')
}

export function writeTest(file: string, fuzz: FuzzCase, violation: Violation): void {
  writeFileSync(file, testOf(fuzz, violation))
}

/** As a person would write it. */
function literal(v: unknown): string {
  if (typeof v === 'string') return `'${v.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  if (Array.isArray(v)) return `[${v.map(literal).join(', ')}]`
  if (typeof v === 'object' && v !== null) return `{ ${Object.entries(v).filter(([, x]) => x !== undefined).map(([k, x]) => `${k}: ${literal(x)}`).join(', ')} }`
  return String(v)
}
