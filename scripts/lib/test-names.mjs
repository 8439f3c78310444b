// The names of tests in a source file: first argument of test(), it(), describe() and their variants, when it is written as a literal.
import { blank } from './imports.mjs'

export function testNames(text) {
  // Found where neither a comment nor a text stands, so that a test about tests does not count; read from the source itself.
  const code = blank(text, { strings: true })
  return [...code.matchAll(/\b(?:test|it|describe)(?:\.\w+(?:\([^()]*\))?)*\s*\(/g)].flatMap((m) => {
    const literal = /^\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/.exec(text.slice(m.index + m[0].length))
    return literal ? [literal[2]] : []
  })
}
