import { describe, expect, test } from 'vitest'
import { script, tree } from './tree.ts'

const door = '/** Always true. */\n'
const layers = (files: Record<string, string>) => script('scripts/layers.mjs', '--src', tree({ 'base/index.ts': door, 'base/id.ts': 'export const id = 1\n', 'model/index.ts': door, ...files }))

describe('layers', () => {
  test('the source keeps to layers.ts', () => {
    expect(script('scripts/layers.mjs')).toMatchObject({ code: 0, stderr: '' })
  })

  test('--json lists the folders in order with what each imports', () => {
    const { stdout } = script('scripts/layers.mjs', '--json')
    const { folders } = JSON.parse(stdout) as { folders: { name: string; imports: string[] }[] }
    expect(folders[0]).toEqual({ name: 'base', imports: [] })
    const place = new Map(folders.map((f, i) => [f.name, i]))
    for (const { name, imports } of folders) if (name !== 'testing') for (const other of imports) expect(place.get(other), `${name} imports ${other}`).toBeLessThan(place.get(name) as number)
  })

  test('a folder that is named and imports through doors is fine', () => {
    expect(layers({ 'model/value.ts': "import { id } from '../base/index.ts'\nexport const value = id\n" })).toMatchObject({ code: 0 })
  })

  const red: Record<string, [Record<string, string>, RegExp]> = {
    'an import past the door': [{ 'model/value.ts': "import { id } from '../base/id.ts'\n" }, /^model\/value\.ts:1: imports \.\.\/base\/id\.ts past the door of base$/m],
    'an import of a folder that stands below': [{ 'base/up.ts': "\nexport { x } from '../model/index.ts'\n" }, /^base\/up\.ts:2: base may not import model$/m],
    'a type-only import is an import': [{ 'base/up.ts': "import type { X } from '../model/index.ts'\n" }, /base may not import model/],
    'a dynamic import is an import': [{ 'base/up.ts': "const x = await import('../model/index.ts')\n" }, /base may not import model/],
    'an import over several lines': [{ 'base/up.ts': "import {\n  a,\n  b,\n} from '../model/index.ts'\n" }, /base may not import model/],
    'a file that is not there': [{ 'base/up.ts': "import './gone.ts'\n" }, /does not exist/],
    'an import from outside src': [{ 'base/up.ts': "import '../../x.ts'\n" }, /outside src/],
    'a folder without a line of its own': [{ 'helpers/index.ts': door }, /^helpers: not named in layers\.ts$/m],
    'a file without a line of its own': [{ 'util.ts': '' }, /^util\.ts: not named/m],
  }
  for (const [what, [files, message]] of Object.entries(red)) {
    test(`red: ${what}`, () => {
      const { code, stderr } = layers(files)
      expect(stderr).toMatch(message)
      expect(code).toBe(1)
    })
  }

  test('a test may import anything, and an example in a comment or a string is no import', () => {
    expect(layers({
      'base/up.test.ts': "import '../model/index.ts'\n",
      'base/example.ts': "// import '../model/index.ts'\n/* import '../model/index.ts' */\nexport const text = `\nimport '../model/gone.ts'`.slice(1)\n".replace("`\nimport", '`import'),
    })).toMatchObject({ code: 0 })
  })
})
