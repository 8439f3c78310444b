import { builtinSuites } from './support/builtin-suites.ts'

// Spread over all steps; every single step is killed by test/verify/builtin-kill.test.ts.
await builtinSuites(3)
