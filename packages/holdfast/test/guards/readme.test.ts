import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { repository, tree } from './tree.ts'

const readme = readFileSync(join(repository, 'README.md'), 'utf8')

/** What the first thing of a section is, when it is a block of `sh`. */
function firstBlock(text: string, section: string): string[] | undefined {
  const body = new RegExp(`^## ${section}\\n+([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, 'm').exec(text)?.[1] ?? ''
  const block = /^```sh\n([\s\S]*?)```/.exec(body)?.[1]
  return block?.trimEnd().split('\n')
}

test('the sections Quickstart and Tests of the README each begin with one block of sh of one line', () => {
  expect(firstBlock(readme, 'Quickstart')).toEqual(['npm ci && npm run build && npm run --silent quickstart'])
  expect(firstBlock(readme, 'Tests')).toEqual(['npm ci && npm run build && npm test'])
})

test('red: a section that begins with words, or with two lines', () => {
  expect(firstBlock('## Tests\n\nFirst read this.\n\n```sh\nnpm test\n```\n', 'Tests')).toBeUndefined()
  expect(firstBlock('## Tests\n\n```sh\nnpm ci\nnpm test\n```\n', 'Tests')).toHaveLength(2)
})

const readers = /^line=\$\(awk '([^']*)' README\.md\)$/m
test('.ci/run reads the line of section Tests, and only that', () => {
  const program = readers.exec(readFileSync(join(repository, '.ci/run'), 'utf8'))?.[1] as string
  const lineOf = (text: string) => execFileSync('awk', [program, join(tree({ 'README.md': text }), 'README.md')], { encoding: 'utf8' })
  expect(lineOf(readme)).toBe('npm ci && npm run build && npm test\n')
  expect(lineOf('## Quickstart\n```sh\na\n```\n## Tests\n```sh\nb\n```\ntext\n```text\nd\n```\n## More\n```sh\nc\n```\n')).toBe('b\n')
  expect(lineOf('## Quickstart\n```sh\na\n```\n')).toBe('')
})

test('every link of the documentation leads to a file', () => {
  const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/guide.md', 'docs/flow.md', 'docs/engine.md', 'docs/errors.md', 'docs/internals/journal.md', 'docs/internals/state-file.md', 'examples/quickstart/README.md', 'examples/embed/README.md', ...readdirSync(join(repository, 'changelog')).map((f) => `changelog/${f}`)]
  const broken = documents.flatMap((file) => {
    const text = readFileSync(join(repository, file), 'utf8').replace(/```[\s\S]*?```/g, '')
    return [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map((m) => join(dirname(file), m[1] as string)).filter((target) => !existsSync(join(repository, target))).map((target) => `${file}: ${relative('.', target)}`)
  })
  expect(broken).toEqual([])
})

test('every change of the changelog is numbered, without a gap, and says what to do when upgrading', () => {
  const files = readdirSync(join(repository, 'changelog')).filter((f) => f !== 'TEMPLATE.md').sort()
  files.forEach((file, i) => { expect(file).toMatch(new RegExp(`^${String(i + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`)) })
  for (const file of files) expect(readFileSync(join(repository, 'changelog', file), 'utf8'), file).toMatch(/^# \d{4}: .+\n\nKind: (added|changed|fixed|removed)\.[\s\S]*\nUpgrading: /)
})

test('no file that is handed out names this machine, or a host of a package registry', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: repository, encoding: 'utf8' }).trim().split('\n').filter((f) => existsSync(join(repository, f)))
  const here = [repository, join(homedir(), '/')].filter((path) => path !== '/')
  const bad = files.filter((file) => {
    const text = readFileSync(join(repository, file), 'utf8')
    return here.some((path) => text.includes(path)) || /registry\.(?:npmjs|yarnpkg)\.(?:org|com)|"resolved": "https?:/.test(text)
  })
  expect(bad).toEqual([])
})
