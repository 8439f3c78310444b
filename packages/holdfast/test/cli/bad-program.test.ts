import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endProjects, makeProject, program, type Project } from './support.ts'

/** A program that was applied once; then its text is replaced by a bad one. */
const good = program(`File('kept', { path: 'out/kept', content: 'kept' })\n    return { n: 1 }`)

let p: Project
beforeAll(async () => {
  p = makeProject({ 'app.ts': good })
  expect((await p.run('apply', '--yes', '--json')).code).toBe(0)
})
afterAll(endProjects)

interface Bad {
  readonly source: string
  readonly code: string
  /** Text of the source at whose place the error must point; `^` stands before its first character in `line:column`. */
  readonly at?: string
  readonly message: RegExp
  readonly hint?: RegExp
  readonly files?: Readonly<Record<string, string>>
}

const bad: Readonly<Record<string, Bad>> = {
  'throws while it is loaded': { source: `import { app } from 'holdfast'\nconst port: number = 1\nthrow new TypeError('no ' + port)\nexport default app('shop', { build() {} })\n`, code: 'HF1003', at: "new TypeError('no '", message: /TypeError: no 1/ },
  'throws in a file that it imports': { source: `import './part.ts'\n${good}`, files: { 'part.ts': `type A = string\nexport const a: A = 'a'\n\nundefinedThing()\n` }, code: 'HF1003', at: 'part.ts:4:1', message: /undefinedThing is not defined/ },
  'throws in build': { source: program(`const x = {} as any\n    x.y.z()`), code: 'HF1106', at: 'z()', message: /Cannot read properties of undefined/ },
  'throws something that is no error': { source: program(`throw 'just text'`), code: 'HF1106', message: /just text/ },
  'does not parse': { source: program(`const = 1`), code: 'HF1003', at: '= 1', message: /Expected identifier but found "="/ },
  'imports what is not there': { source: `import { nothing } from 'no-such-package'\nvoid nothing\n${good}`, code: 'HF1003', at: "'no-such-package'", message: /no-such-package/, hint: /npm install no-such-package/ },
  'imports a name that is not exported': { source: `${good.replace('{ app,', '{ nope, app,')}void nope\n`, code: 'HF1003', message: /nope/ },
  'exports no app': { source: `export const a = 1\n`, code: 'HF1004', message: /no default export/, hint: /export default app\(/ },
  'exports something else': { source: `export default { build() {} }\n`, code: 'HF1004', message: /not made by app\(\)/ },
  'declares outside of build': { source: good.replace('export default', "Value('early', { input: 1 })\nexport default"), code: 'HF1101', at: "Value('early'", message: /early/ },
  'uses a name twice': { source: program(`Value('a', { input: 1 })\n    Value('a', { input: 2 })`), code: 'HF1102', at: "Value('a', { input: 2 })", message: /a/ },
  'uses a bad name': { source: program(`Value('a/b', { input: 1 })`), code: 'HF1103', at: "Value('a/b'", message: /a\/b/ },
  'has an async build': { source: good.replace('  build(', '  async build('), code: 'HF1104', message: /promise|async/i },
  'is impure: another name': { source: program(`Value('a-' + String(process.hrtime.bigint()), { input: 1 })`), code: 'HF1105', at: "Value('a-'", message: /a-\d+/ },
  'is impure: another value': { source: program(`Value('a', { input: String(process.hrtime.bigint()) })`), code: 'HF1105', at: "Value('a'", message: /a.*input/s },
  'puts a reference into a template literal': { source: program(`const a = Value('a', { input: 'x' })\n    Value('b', { input: \`\${a.output} y\` })`), code: 'HF1201', at: 'output} y`', message: /a\.output/, hint: /str`/ },
  'concatenates a reference': { source: program(`const a = Password('a', { length: 20 })\n    Value('b', { input: 'x' + a.value })`), code: 'HF1201', message: /a\.value/, hint: /str`/ },
  'reads an output that is not there': { source: program(`const a = Password('a', { length: 20 })\n    Value('b', { input: (a as any).valu })`), code: 'HF1202', message: /valu/ },
  'stringifies a reference': { source: program(`const a = Password('a', { length: 20 })\n    Value('b', { input: JSON.stringify({ a }) })`), code: 'HF1203', message: /JSON\.stringify/, hint: /json\(/ },
  'gives an input of the wrong type': { source: program(`File('a', { path: 7 as any, content: 'x' })`), code: 'HF1206', at: "File('a'", message: /path/ },
  'gives an input that is not known': { source: program(`File('a', { path: 'a', contents: 'x' } as any)`), code: 'HF1206', at: "File('a'", message: /contents/ },
  'gives an option that is not known': { source: program(`Value('a', { input: 1 }, { protectd: true } as any)`), code: 'HF1208', at: "Value('a'", message: /protectd/, hint: /protect/ },
  'names an asset that is not there': { source: program(`File('a', { path: 'a', source: asset('./nothing.txt') })`).replace('{ app,', '{ app, asset,'), code: 'HF1207', message: /nothing\.txt/ },
  'has two nodes that claim one path': { source: program(`File('a', { path: 'out/x', content: 'a' })\n    File('b', { path: './out/../out/x', content: 'b' })`), code: 'HF2104', at: "File('b'", message: /a and b both claim path:.*out\/x/ },
  'has a cycle': { source: program(`const one = component('one', { inputs: z.object({}), build() { return { v: Value('v', { input: 1 }, { dependsOn: [later] }).output } } })
    const later: any = { $path: 'two' }
    const first = one('first', {})
    Value('two', { input: first.v })`), code: 'HF2101', message: /two/ },
}

describe('a program that', () => {
  for (const [what, { source, code, at, message, hint, files }] of Object.entries(bad)) {
    test(`${what} is refused with ${code}, its place and a way out; nothing is lost`, async () => {
      p.write({ 'app.ts': source, ...files })
      const before = readFileSync(p.state)
      for (const words of [['apply', '--yes']]) {
        const ran = await p.run(...words, '--json')
        const { error } = ran.json
        expect([ran.code, error?.code], JSON.stringify(ran.json)).toEqual([2, code])
        expect(error.message).toMatch(message)
        expect(error.hint).toMatch(hint ?? /\w/)
        if (at !== undefined) {
          const [file, line, column] = /:\d+:\d+$/.test(at) ? at.split(':') : ['app.ts', ...placeOf(source, at)]
          expect(`${error.file}:${error.line}:${error.column}`).toBe(`${join(p.root, String(file))}:${line}:${column}`)
        }
        expect(ran.stderr).toContain(`error ${code}  `)
        if (error.file && !error.message.startsWith(error.file)) expect(ran.stderr).toMatch(/^ {2}\S+\.ts:\d+:\d+/m)
        expect(ran.stderr).not.toContain('/dist/') // no frames of ours
      }
      // Once the program builds, an apply takes the lease before it plans: a lease is all that may have been written.
      if (!['HF1206', 'HF1207', 'HF2104'].includes(code)) expect(readFileSync(p.state).equals(before)).toBe(true)
      else expect((await p.run('state', 'doctor', '--json')).json.ok).toBe(true)
      expect(p.read('out/kept')).toBe('kept')
      expect(existsSync(`${p.state}-wal`)).toBe(false)
    })
  }

  test('is broken does not hide the state, nor keep it from being destroyed', async () => {
    p.write({ 'app.ts': 'throw new Error("broken")\n' })
    for (const words of [['status'], ['state', 'ls'], ['outputs'], ['drift'], ['state', 'doctor'], ['run', 'ls']]) {
      const ran = await p.run(...words, '--json')
      expect([ran.code, ran.json.app], words.join(' ')).toEqual([0, 'shop'])
      expect(ran.stderr).toMatch(/^warning HF1003 /)
    }
    p.write({ 'app.ts': good })
    expect((await p.run('plan', '--exit-code', '--json')).code).toBe(0)
  })
})

/** Line and column of a text. */
function placeOf(source: string, text: string): [number, number] {
  const index = source.indexOf(text)
  if (index < 0) throw new Error(`${text} is not in the program`)
  const lines = source.slice(0, index).split('\n')
  return [lines.length, (lines[lines.length - 1] as string).length + 1]
}
