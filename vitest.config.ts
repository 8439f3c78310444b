import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const { version } = JSON.parse(readFileSync(new URL('packages/holdfast/package.json', import.meta.url), 'utf8')) as { version: string }
// The long suites run under `npm run verify`, which names them.
const verify = process.env.HOLDFAST_VERIFY === '1'

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
    // Every run shows another order of files; the seed is printed, so that a failure can be repeated.
    sequence: { shuffle: { files: true, tests: false } },
  },
})
