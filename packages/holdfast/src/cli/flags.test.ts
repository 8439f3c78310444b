import { describe, expect, test } from 'vitest'
import { isFailure } from '../base/index.ts'
import { parseArgs } from './flags.ts'
import { verbs } from './table.ts'
import { settleHow } from './verbs/run.ts'

const parse = (line: string, variables: Record<string, string> = {}) => parseArgs(line.split(' ').filter(Boolean), variables, '/here')
const refused = (line: string): string => {
  try {
    parse(line)
  } catch (e) {
    if (isFailure(e)) return `${e.code} ${e.message}`
    throw e
  }
  return 'accepted'
}

describe('flags', () => {
  test.each([
    ['plan', 'plan', []],
    ['plan ls', 'plan ls', []],
    ['plan show p-1', 'plan show', ['p-1']],
    ['apply', 'apply', []],
    ['apply plan.json', 'apply', ['plan.json']],
    ['run settle t-1 --absent', 'run settle', ['t-1']],
    ['state show db/server', 'state show', ['db/server']],
    ['secret set stripe_key', 'secret set', ['stripe_key']],
    ['help run settle', 'help', ['run', 'settle']],
    ['trash empty', 'trash empty', []],
  ])('%s is read', (line, verb, args) => {
    const { call } = parse(line)
    expect({ verb: call.verb, args: call.args }).toEqual({ verb, args })
  })

  test('a flag is no value of the flag before it, as where a variable of a script is empty', () => {
    for (const line of ['plan --target --json', 'apply --env --yes', 'plan --json --allow-deletes --destroy', 'apply --on-failure --json', 'drift -e --json', 'run settle t-1 --adopt --json', 'plan --target a --target --json']) {
      const [before, flag] = /(-{1,2}\S+) (--\S+)$/.exec(line)?.slice(1) as [string, string]
      expect(refused(line), line).toMatch(new RegExp(`^HF1001 ${before} needs a value.*${flag}`))
    }
    expect(parse('plan --target=--json').call.flags.target).toEqual(['--json'])
    expect(parse('plan --set a=--json').call.flags.set).toEqual(['a=--json'])
    expect(parse('plan --env prod --json').call.flags).toMatchObject({ env: 'prod', json: true })
  })

  test('flags for all verbs stand before or after the verb', () => {
    const before = parse('--json -y -e prod --set a=1 --set b.c=x --target db apply').call.flags
    const after = parse('apply --json -y -e prod --set a=1 --set b.c=x --target db').call.flags
    expect(after).toEqual(before)
    expect(after).toMatchObject({ json: true, yes: true, env: 'prod', set: ['a=1', 'b.c=x'], target: ['db'] })
    expect(parse('run resume --json').call.flags.json).toBe(true)
    expect(parse('--json run resume').call.flags.json).toBe(true)
  })

  test('a repeated parse begins with empty lists', () => {
    parse('plan --set a=1')
    expect(parse('plan').call.flags.set).toEqual([])
  })

  test('durations, counts and choices are checked', () => {
    expect(parse('apply --lock-timeout 5m').call.flags.lockTimeoutMs).toBe(300_000)
    expect(parse('apply').call.flags).toMatchObject({ lockTimeoutMs: 0, onFailure: 'revert', concurrency: undefined, allowDeletes: undefined, input: true })
    expect(parse('apply --target a --target b/** --target-dependents --exclude c --exclude-dependents --on-failure continue').call.flags).toMatchObject({ target: ['a', 'b/**'], targetDependents: true, exclude: ['c'], excludeDependents: true, onFailure: 'continue' })
    expect(parse('apply --allow-deletes 0 --concurrency 8 --on-failure keep --no-input').call.flags).toMatchObject({ allowDeletes: 0, concurrency: 8, onFailure: 'keep', input: false })
  })

  test('variables stand where no flag is given', () => {
    const variables = { HOLDFAST_ENV: 'prod', HOLDFAST_CONCURRENCY: '3', HOLDFAST_NO_INPUT: '1' }
    expect(parse('plan', variables).call.flags).toMatchObject({ env: 'prod', concurrency: 3, input: false })
    expect(parse('plan -e dev --concurrency 5', variables).call.flags).toMatchObject({ env: 'dev', concurrency: 5 })
  })

  test('the folder is resolved from the current one', () => {
    expect(parse('plan -C sub').call.flags.cwd).toBe('/here/sub')
    expect(parse('plan').call.flags.cwd).toBe('/here')
  })

  test('flags of one verb stand apart', () => {
    expect(parse('plan --out p.json').call.flags.own).toEqual({ out: 'p.json' })
    expect(parse('logs web -f --since 5m').call.flags.own).toEqual({ follow: true, since: '5m' })
    expect(parse('graph --format dot').call.flags.own).toEqual({ format: 'dot' })
    expect(parse('state ls --with-outputs --tag k=v').call.flags.own).toEqual({ withOutputs: true, tag: 'k=v' })
  })

  test.each([
    ['bogus', /HF1001 Unknown command 'bogus'/],
    ['aply', /Did you mean apply\?/],
    ['plan --nope', /HF1001 Unknown option '--nope'\./],
    ['apply a b', /HF1001 Too many arguments/],
    ['explain', /HF1001 Missing required argument/],
    ['run', /HF1001 run needs one more word/],
    ['run bogus', /HF1001 There is no run bogus/],
    ['plan --json --events -', /HF1001 --json and --events - both write to stdout/],
    ['apply --lock-timeout 5', /HF1001 --lock-timeout 5: a duration/],
    ['apply --concurrency 0', /HF1001 --concurrency 0: a whole number from 1/],
    ['apply --allow-deletes x', /HF1001 --allow-deletes x: a whole number/],
    ['apply --on-failure maybe', /HF1001 .*on-failure/],
    ['graph --format svg', /HF1001 .*format/],
  ])('%s is refused', (line, why) => {
    expect(refused(line)).toMatch(why)
  })

  test('help is given also where an argument is missing', () => {
    expect(parse('explain --help')).toMatchObject({ help: true, spec: { name: 'explain' } })
    expect(parse('run settle -h')).toMatchObject({ help: true, spec: { name: 'run settle' } })
    expect(parse('run settle -h --json')).toMatchObject({ help: true, spec: { name: 'run settle' }, call: { flags: { json: true } } })
  })

  test('flags without a verb are a question for help', () => {
    for (const line of ['--env x -h', '--env x', '-v']) expect(parse(line), line).toMatchObject({ spec: { name: 'help' }, call: { args: [], flags: { json: false } } })
  })

  test('help is given for a group of verbs', () => {
    expect(parse('run --help --json')).toMatchObject({ help: true, spec: { name: 'help' }, call: { args: ['run'], flags: { json: true } } })
    expect(refused('run nonsense --help')).toMatch(/HF1001 There is no run nonsense/)
  })

  test('help shows ten verbs', () => {
    expect(verbs.filter((v) => v.daily)).toHaveLength(10)
  })

  test('run settle takes exactly one way', () => {
    const how = (line: string) => settleHow(parse(`run settle t-1 ${line}`).call.flags)
    expect(how('--retry')).toEqual({ kind: 'retry' })
    expect(how('--adopt i-1')).toEqual({ kind: 'adopt', id: 'i-1' })
    expect(how('--absent')).toEqual({ kind: 'absent' })
    expect(how('--to previous')).toEqual({ kind: 'to', state: 'previous' })
    expect(how('--abandon')).toEqual({ kind: 'abandon' })
    expect(() => how('')).toThrow(/exactly one/)
    expect(() => how('--retry --absent')).toThrow(/exactly one/)
  })
})
