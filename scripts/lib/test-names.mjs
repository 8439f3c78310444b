// The names of tests in a source file: first argument of test(), it(), describe() and their variants, when it is written as a literal.
import { blank } from './imports.mjs'

export function testNames(text) {
  const code = blank(text)
  return [...code.matchAll(/\b(?:test|it|describe|case_|scenario)(?:\.\w+(?:\([^()]*\))?)*\s*\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)].map((m) => m[2])
}
