import { expect, test } from 'vitest'
import { makePaint, wantsAscii, wantsColor } from './paint.ts'

test.each([
  ['a terminal', 'auto', true, {}, true],
  ['a pipe', 'auto', false, {}, false],
  ['NO_COLOR', 'auto', true, { NO_COLOR: '1' }, false],
  ['an empty NO_COLOR', 'auto', true, { NO_COLOR: '' }, true],
  ['FORCE_COLOR', 'auto', false, { FORCE_COLOR: '1' }, true],
  ['FORCE_COLOR=0', 'auto', true, { FORCE_COLOR: '0' }, false],
  ['TERM=dumb', 'auto', true, { TERM: 'dumb' }, false],
  ['--color always', 'always', false, { NO_COLOR: '1' }, true],
  ['--color never', 'never', true, { FORCE_COLOR: '1' }, false],
] as const)('colour: %s', (_, choice, isTty, variables, wanted) => {
  expect(wantsColor(choice, isTty, variables)).toBe(wanted)
})

test('without colour there is no ESC byte', () => {
  const p = makePaint(false, false)
  expect([p.bold('a'), p.dim('a'), p.red('a'), p.green('a'), p.yellow('a'), p.cyan('a')].join('')).toBe('aaaaaa')
})

test('signs have stand-ins where the locale has none', () => {
  expect(wantsAscii({ LC_ALL: 'C' })).toBe(true)
  expect(wantsAscii({ LANG: 'de_DE.UTF-8' })).toBe(false)
  expect(wantsAscii({})).toBe(false)
  expect(makePaint(false, true).sign('→')).toBe('->')
})
