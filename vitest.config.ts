import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const { version } = JSON.parse(readFileSync(new URL('packages/holdfast/package.json', import.meta.url), 'utf8')) as { version: string }
// The long suites run under `npm run verify`, which names them.
const verify = process.env.HOLDFAST_VERIFY === '1'

/** The longest files, by the folder and name they end with: one that came last would run alone, beside an idle worker. */
const long = ['cli/verbs', 'cli/documents', 'test/builtin-suite', 'backend/suite', 'cli/bad-program', 'cli/loader', 'cli/policies', 'backend/one-truth', 'process/restart', 'cli/transfer']
const isLong = ({ moduleId }: TestSpecification): boolean => long.some((name) => moduleId.endsWith(`${name}.test.ts`))

/** Every run shows another order of files, the long ones among the first; the seed is printed, so that a failure can be repeated. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    console.log(`order of files: --sequence.seed=${this.ctx.config.sequence.seed}`)
    const drawn = (f: TestSpecification): string => createHash('sha256').update(`${this.ctx.config.sequence.seed} ${f.moduleId.slice(this.ctx.config.root.length)}`).digest('hex')
    const inOrder = files.map((f) => ({ f, at: drawn(f) })).sort((a, b) => (a.at < b.at ? -1 : 1)).map(({ f }) => f)
    return [...inOrder.filter(isLong), ...inOrder.filter((f) => !isLong(f))]
  }
}

export default defineConfig({
  define: { HOLDFAST_VERSION: JSON.stringify(version) },
  test: {
    include: verify ? ['packages/*/test/verify/**/*.test.ts'] : ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
    exclude: verify ? ['**/node_modules/**'] : ['**/node_modules/**', '**/dist/**', 'packages/*/test/verify/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: verify ? 480_000 : 30_000,
    hookTimeout: verify ? 480_000 : 60_000,
    restoreMocks: true,
    sequence: { seed: Date.now(), shuffle: { files: true, tests: false }, sequencer: LongFirst },
  },
})
