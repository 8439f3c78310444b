import { createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemRandom, type Plain, type Random } from '../base/index.ts'
import { codeOf } from '../base/code-of.fixture.ts'
import { createKeyFile, keyFromText, makeKeyring, readKeyFile, type SealContext } from './index.ts'
import { randomFrom } from './random.fixture.ts'

const { seed, next, pick } = randomFrom('keyring.test')
const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)
/** Counts up: the vectors below need known salts. */
const counting = (): Random => {
  let at = 100
  return { bytes: (n) => Uint8Array.from({ length: n }, () => at++ & 255) }
}
const ring = makeKeyring(KEY, 'store-1', systemRandom)
const ctx: SealContext = { table: 'resources', row: 'u-1', field: 'outputs.value', tx: 't-1' }

describe('a sealed value', () => {
  test.each<[string, Plain]>([
    ['a text', 'hunter2'], ['an empty text', ''], ['a long text', 'ä'.repeat(100_000)], ['half a surrogate pair', 'x\ud800y'], ['a text with a NUL', 'a\0b'], ['a number', 1.5], ['null', null], ['a bigint', 10n ** 30n],
    ['bytes', new Uint8Array([0, 255])], ['a date', new Date(5)], ['a tree', { a: ['x', { $b: null }], c: true }],
  ])('opens in its place as it was: %s', (_, plain) => {
    expect(ring.open(ring.seal(plain, ctx), ctx)).toEqual(plain)
  })

  test('differs each time, and holds nothing of the value in clear', () => {
    const sealed = Array.from({ length: 50 }, () => ring.seal('hunter2-hunter2', ctx))
    expect(new Set(sealed).size).toBe(50)
    for (const s of sealed) expect(Buffer.from(s, 'base64').toString('latin1')).not.toContain('hunter2')
  })

  test.each<[keyof SealContext, string]>([['table', 'plans'], ['row', 'u-2'], ['field', 'outputs.other'], ['tx', 't-2']])('does not open when its %s alone is another', (name, other) => {
    const sealed = ring.seal('hunter2', ctx)
    expect(codeOf(() => ring.open(sealed, { ...ctx, [name]: other }))).toBe('HF4303')
  })

  test('does not open in another store, under another key, or when characters move between fields', () => {
    const sealed = ring.seal('hunter2', ctx)
    expect(codeOf(() => makeKeyring(KEY, 'store-2', systemRandom).open(sealed, ctx))).toBe('HF4303')
    expect(codeOf(() => makeKeyring(KEY.map((b) => b ^ 1), 'store-1', systemRandom).open(sealed, ctx))).toBe('HF4303')
    expect(codeOf(() => ring.open(sealed, { ...ctx, table: 'resourcesu', row: '-1' }))).toBe('HF4303')
  })

  test('does not open when any bit, or the length, was changed', () => {
    const record = Buffer.from(ring.seal('hunter2', ctx), 'base64')
    for (let bit = 0; bit < record.length * 8; bit++) {
      const changed = Buffer.from(record)
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(codeOf(() => ring.open(changed.toString('base64'), ctx))).toBe('HF4303')
    }
    for (let n = 0; n < record.length; n++) expect(codeOf(() => ring.open(record.subarray(0, n).toString('base64'), ctx))).toBe('HF4303')
    for (const text of ['', '====', 'not base64 at all', `${record.toString('base64')}\n`, `${record.toString('base64')}AAAA`]) expect(codeOf(() => ring.open(text, ctx))).toBe('HF4303')
  })

  test('does not open in any of 1,000 random places it was swapped to', () => {
    const places = Array.from({ length: 200 }, (_, i): SealContext => ({ table: pick(['resources', 'tx', 'plans', 'secrets']), row: `u-${next() % 40}-${i}`, field: pick(['inputs.a', 'outputs.a', 'value']), tx: `t-${next() % 10}` }))
    const sealed = places.map((p, i) => ring.seal(`secret-${i}`, p))
    let refused = 0
    for (let n = 0; n < 1000; n++) {
      const from = next() % places.length
      const to = (from + 1 + (next() % (places.length - 1))) % places.length
      if (codeOf(() => ring.open(sealed[from] as string, places[to] as SealContext)) === 'HF4303') refused++
      else throw new Error(`seed ${seed}: ${JSON.stringify([places[from], places[to]])}`)
    }
    expect(refused).toBe(1000)
  })

  test('hides the length of a short secret', () => {
    const lengths = new Set([0, 1, 8, 24, 63, 64].map((n) => ring.seal('x'.repeat(n), ctx).length))
    expect(lengths.size).toBe(1)
    expect(ring.seal('x'.repeat(65), ctx).length).toBeGreaterThan([...lengths][0] as number)
  })

  test('refuses in words that hold neither the key nor the text', () => {
    let said = ''
    try {
      ring.open(ring.seal('hunter2', ctx), { ...ctx, row: 'u-9' })
    } catch (e) {
      said = String(e)
    }
    expect(said).toContain('outputs.value of resources u-9')
    expect(said).not.toMatch(/hunter2|AAEC/)
  })
})

describe('the format hf1', () => {
  // Committed once: a change of these lines is a change of the format, and states in the world stop opening.
  const KNOWN = {
    sealed: 'AQAAAAFkZWZnaGlqa2xtbm9wcXJzb08rRzPrl2nN/ZQ8GmjJjv1OB2eSc+5lbzYv9zYxyL6LmceGf6h+YdNieFF0dmyPcE5M8JAyAOs+3yia37Z50ejTfJwSpGJut8DrTyrbk11LQ0lr1fDb1+swFVwyz53ZwTPE+pQ=',
    keyCheck: '45e6645abc121e92',
    fingerprint: 's:347c330144b388b3d32068c015afe87e',
    mac: '463d1db51695979d1d1f3800590084d4a257d251630bd38038f300c68ea0f335',
    token: 'c218a8e8166178850af327719a4d9e8c361a78a054859ec38ea7917822b7ff00',
  }

  test('is what a program without Holdfast can open', () => {
    const record = Buffer.from(KNOWN.sealed, 'base64')
    expect(record.subarray(0, 5)).toEqual(Buffer.from([1, 0, 0, 0, 1]))
    const lp = (parts: string[]) => Buffer.concat(parts.flatMap((p) => [Buffer.from([0, 0, 0, Buffer.byteLength(p)]), Buffer.from(p)]))
    const values = Buffer.from(hkdfSync('sha256', KEY, lp(['store-1']), 'holdfast hf1 values', 32))
    const context = lp(['hf1', 'store-1', 'resources', 'u-1', 'outputs.value', '1', 't-1'])
    const m = createHmac('sha512', values).update(record.subarray(5, 21)).update(context).digest()
    expect(record.subarray(21, 37)).toEqual(m.subarray(44, 60))
    const d = createDecipheriv('aes-256-gcm', m.subarray(0, 32), m.subarray(32, 44), { authTagLength: 16 })
    d.setAAD(context)
    d.setAuthTag(record.subarray(-16))
    const body = Buffer.concat([d.update(record.subarray(37, -16)), d.final()])
    expect(body.toString('latin1', 0, 1)).toBe('s')
    expect(body.toString('utf8', 5, 5 + body.readUInt32BE(1))).toBe('hunter2')
  })

  test('is fixed: known answers', () => {
    const known = makeKeyring(KEY, 'store-1', counting())
    expect({
      sealed: known.seal('hunter2', ctx),
      keyCheck: known.keyCheck,
      fingerprint: known.fingerprint({ b: 1, a: 'x' }, { type: 'random.Password', field: 'outputs.value' }),
      mac: known.mac('plan', '{}'),
      token: known.token('v1', 'u-1', '0', 't-1', '', '0'),
    }).toEqual(KNOWN)
    expect(known.open(KNOWN.sealed, ctx)).toBe('hunter2')
  })
})

describe('a keyring', () => {
  test('tells a wrong key, and a right key of another store, by its check', () => {
    expect(makeKeyring(KEY, 'store-1', counting()).keyCheck).toBe(ring.keyCheck)
    expect(makeKeyring(KEY.map((b) => b ^ 1), 'store-1', systemRandom).keyCheck).not.toBe(ring.keyCheck)
    expect(makeKeyring(KEY, 'store-2', systemRandom).keyCheck).not.toBe(ring.keyCheck)
  })

  test('gives equal fingerprints for equal values in one type and field only', () => {
    const at = { type: 'A', field: 'f' }
    expect(ring.fingerprint({ a: 1, b: 2 }, at)).toBe(ring.fingerprint({ b: 2, a: 1 }, at))
    expect(ring.fingerprint('x', at)).toMatch(/^s:[0-9a-f]{32}$/)
    const all = [ring.fingerprint('x', at), ring.fingerprint('y', at), ring.fingerprint('x', { type: 'B', field: 'f' }), ring.fingerprint('x', { type: 'A', field: 'g' }), ring.fingerprint('x', { type: 'Af', field: '' }), makeKeyring(KEY, 'store-2', systemRandom).fingerprint('x', at)]
    expect(new Set(all).size).toBe(all.length)
  })

  test('keeps purposes and parts apart', () => {
    const all = [ring.mac('a', 'bc'), ring.mac('ab', 'c'), ring.token('a', 'bc'), ring.token('ab', 'c'), ring.token('abc'), ring.token('a', 'bc', '')]
    expect(new Set(all).size).toBe(all.length)
    for (const x of all) expect(x).toMatch(/^[0-9a-f]{64}$/)
  })

  test('does not need the bytes of the key any more once it is made', () => {
    const key = KEY.slice()
    const made = makeKeyring(key, 'store-1', systemRandom)
    key.fill(0)
    expect(made.open(ring.seal('x', ctx), ctx)).toBe('x')
    expect(JSON.stringify(made)).not.toContain('AAEC')
  })
})

describe('a key file', () => {
  let dir = ''
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hf-key-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  test('is made with its folder, readable by its owner only, and read back', () => {
    const path = join(dir, '.holdfast', 'key')
    const before = process.umask(0)
    try {
      const key = createKeyFile(path, systemRandom)
      expect(key.length).toBe(32)
      expect(readKeyFile(path)).toEqual(new Uint8Array(key))
    } finally {
      process.umask(before)
    }
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, '.holdfast')).mode & 0o777).toBe(0o700)
    expect(readFileSync(path, 'utf8')).toMatch(/^hf-key-1:[A-Za-z0-9+/]{43}=\n$/)
    expect(readdirSync(join(dir, '.holdfast'))).toEqual(['key'])
  })

  test('is never replaced: who comes second gets the first key', () => {
    const path = join(dir, 'key')
    const first = createKeyFile(path, systemRandom)
    expect(new Uint8Array(createKeyFile(path, systemRandom))).toEqual(new Uint8Array(first))
    expect(readdirSync(dir)).toEqual(['key'])
  })

  test('that is absent is undefined; one that is cut, empty, foreign or a folder is refused', () => {
    const path = join(dir, 'key')
    expect(readKeyFile(path)).toBeUndefined()
    for (const text of ['', 'hf-key-1:', 'hf-key-1:AAAA\n', `hf-key-2:${Buffer.from(KEY).toString('base64')}\n`, `${Buffer.from(KEY).toString('base64')}\n`, `hf-key-1:${Buffer.from(KEY).toString('base64').slice(0, 40)}`]) {
      writeFileSync(path, text)
      expect(codeOf(() => readKeyFile(path))).toBe('HF4301')
      expect(codeOf(() => createKeyFile(path, systemRandom))).toBe('HF4301')
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
    expect(codeOf(() => readKeyFile(dir))).toBe('HF4301')
  })

  test('cannot be made where no folder can be', () => {
    writeFileSync(join(dir, 'file'), '')
    expect(codeOf(() => createKeyFile(join(dir, 'file', 'key'), systemRandom))).toBe('HF4301')
  })

  test('may be given as text: hex, base64, base64url, or the text of the file', () => {
    const b64 = Buffer.from(KEY.map((b) => b + 220)).toString('base64')
    const expected = KEY.map((b) => b + 220)
    for (const text of [Buffer.from(expected).toString('hex'), Buffer.from(expected).toString('hex').toUpperCase(), b64, b64.replace('=', ''), Buffer.from(expected).toString('base64url'), `hf-key-1:${b64}\n`, ` ${b64}\n`]) expect(keyFromText(text)).toEqual(expected)
    for (const text of ['', 'correct horse battery staple', b64.slice(1), `${b64}AAAA`, 'ab'.repeat(31), 'zz'.repeat(32)]) {
      expect(codeOf(() => keyFromText(text))).toBe('HF4301')
    }
  })
})
