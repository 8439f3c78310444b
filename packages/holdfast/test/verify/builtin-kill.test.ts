import { builtinSuites } from '../support/builtin-suites.ts'

await builtinSuites(Number.POSITIVE_INFINITY)
