import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { makeRedactor, type Redactor } from './index.ts'
import { randomFrom } from './random.fixture.ts'

const { seed, next, pick, text } = randomFrom('redactor.test')
const redactor = (...secrets: string[]): Redactor => {
  const r = makeRedactor()
  for (const s of secrets) r.add(s)
  return r
}
/** Cuts a text into pieces and streams it. */
const streamed = (r: Redactor, s: string, cut: () => number): string => {
  let out = ''
  const stream = r.stream((chunk) => {
    out += chunk
  })
  for (let i = 0; i < s.length; ) {
    const n = cut()
    stream.write(s.slice(i, i + n))
    i += n
  }
  stream.end()
  return out
}

describe('the redactor', () => {
  const nasty = 'pa$$ "w0rd"\\/\'ä€😀\n-second line: 100%'

  test.each<[string, (s: string) => string]>([
    ['as it is', (s) => s], ['in JSON', (s) => JSON.stringify({ a: s })], ['in JSON with ASCII only', (s) => JSON.stringify(s).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)],
    ['in JSON in JSON', (s) => JSON.stringify({ a: JSON.stringify({ s }) })], ['as an error shows it', (s) => inspect({ s })],
    ['in base64', (s) => Buffer.from(s).toString('base64')], ['in base64url', (s) => Buffer.from(s).toString('base64url')],
    ['in base64 behind one byte', (s) => Buffer.from(`u${s}!`).toString('base64')], ['in base64 behind two bytes', (s) => Buffer.from(`u:${s}..`).toString('base64')],
    ['in base64 behind three bytes', (s) => Buffer.from(`usr${s}`).toString('base64url')],
    ['in hex', (s) => Buffer.from(s).toString('hex')], ['in upper hex', (s) => Buffer.from(s).toString('hex').toUpperCase()],
    ['in a URL', (s) => `https://u:${encodeURIComponent(s)}@h/`], ['in a URL in lower case', (s) => encodeURIComponent(s).replace(/%../g, (m) => m.toLowerCase())],
    ['in a form', (s) => new URLSearchParams({ s }).toString()], ['in a URL of the WHATWG', (s) => { const u = new URL('https://h'); u.password = s; return u.href }],
    ['in single quotes of a shell', (s) => `'${s.replaceAll("'", "'\\''")}'`], ['in double quotes of a shell', (s) => `"${s.replace(/[\\"$`]/g, '\\$&')}"`],
  ])('masks a secret %s', (_, form) => {
    for (const s of ['correct-horse', nasty, 'ab+/cd?ef>', "it's", 'Zm9vYmFyYmF6', text('abcXYZ0189!?"\'\\ $&%+/=~ä€😀', 40)]) {
      if (s.length < 6) continue
      const out = redactor(s).text(`before ${form(s)} after`)
      expect(out, `seed ${seed}`).toContain('[secret]')
      const rest = out.replaceAll('[secret]', '')
      // What is left of an encoded secret is at most what its neighbours decide too.
      expect(rest.length, `seed ${seed}: ${out}`).toBeLessThan('before  after'.length + 24)
      expect(rest).not.toContain(s)
    }
  })

  test('masks base64 that is wrapped into lines', () => {
    const s = text('abcdefghijkl', 300)
    for (const columns of [64, 76]) {
      const wrapped = Buffer.from(s).toString('base64').replace(new RegExp(`.{${columns}}`, 'g'), '$&\n')
      expect(redactor(s).text(wrapped).replaceAll('[secret]', '').trim()).toMatch(/^.{0,7}$/)
    }
  })

  test('masks each line of a secret of several lines, but not the armour of PEM', () => {
    const pem = `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkq'.repeat(4)}\n  hkiG9w0BAQEF\nshort\n-----END PRIVATE KEY-----\n`
    const r = redactor(pem)
    expect(r.text(pem)).toBe('[secret]')
    expect(r.text(`> ${pem.split('\n').join('\n> ')}`)).toBe('> -----BEGIN PRIVATE KEY-----\n> [secret]\n>   [secret]\n> short\n> -----END PRIVATE KEY-----\n> ')
    expect(r.text(pem.replaceAll('\n', '\r\n'))).not.toContain('hkiG9w0BAQEF')
    expect(redactor('hunter2-x\n').text('a hunter2-x b')).toBe('a [secret] b')
  })

  test('leaves everything else as it is', () => {
    const r = redactor('correct-horse', 'short', '')
    for (const s of ['', 'short', 'correct-hors', 'orrect-horse', 'a long line without any of it\n', '[secret]']) expect(r.text(s)).toBe(s)
    expect(r.secrets()).toEqual(['correct-horse'])
    expect(makeRedactor().text('anything')).toBe('anything')
  })

  test('takes the longest of several, and covers both of two that overlap', () => {
    expect(redactor('secret-a', 'secret-a-longer').text('<secret-a-longer> <secret-a>')).toBe('<[secret]> <[secret]>')
    expect(redactor('abcdef123456', '123456uvwxyz').text('<abcdef123456uvwxyz>')).toBe('<[secret]>')
    expect(redactor('abcdefgh', 'cdefgh', 'bcdefghijk').text('<abcdefghijk>')).toBe('<[secret]>')
    expect(redactor('abcdef').text('abcdefabcdef')).toBe('[secret][secret]')
  })

  test('knows what is added while a stream is open', () => {
    const r = makeRedactor()
    const out: string[] = []
    const stream = r.stream((c) => out.push(c))
    stream.write('one correct-horse ')
    r.add('correct-horse')
    stream.write('two correct-')
    stream.write('horse three')
    stream.end()
    expect(out.join('')).toBe('one correct-horse two [secret] three')
  })

  test('gives out at once what cannot be the beginning of a secret', () => {
    const out: string[] = []
    const stream = redactor('correct-horse').stream((c) => out.push(c))
    stream.write('a whole line\n')
    expect(out).toEqual(['a whole line\n'])
    stream.write('it is correct')
    expect(out.join('')).toBe('a whole line\nit is ')
    stream.write(' indeed')
    expect(out.join('')).toBe('a whole line\nit is correct indeed')
    stream.write('...correct-horse')
    expect(out.join('')).toBe('a whole line\nit is correct indeed...[secret]')
    stream.write('cor')
    stream.end()
    expect(out.join('')).toBe('a whole line\nit is correct indeed...[secret]cor')
  })

  test('gives the same for a stream as for the whole, wherever it is cut', () => {
    for (let round = 0; round < 400; round++) {
      // Few letters: many overlaps, and many beginnings that come to nothing.
      const alphabet = pick(['ab', 'abc', 'ab\n', 'a"\\', 'xyzäö😀'])
      const secrets = Array.from({ length: 1 + (next() % 5) }, () => text(alphabet, 6 + (next() % 12)))
      const r = redactor(...secrets)
      let s = ''
      while (s.length < 400) s += pick([text(alphabet, next() % 20), pick(secrets), pick(secrets).slice(0, -1), JSON.stringify(pick(secrets)), Buffer.from(pick(secrets)).toString('base64')])
      const whole = r.text(s)
      for (const secret of secrets) expect(whole, `seed ${seed} round ${round}`).not.toContain(secret)
      const most = pick([1, 2, 7, 60])
      expect(streamed(r, s, () => 1 + (next() % most)), `seed ${seed} round ${round}`).toBe(whole)
    }
  })

  test('masks a very long secret, in one piece or in parts, and holds little back', () => {
    const s = text('abcdefghijklmnopqrstuvwxyz0123456789 \n"ä', 50_000)
    const r = redactor(s)
    expect(r.text(`<${s}>`).replaceAll('[secret]', '')).toBe('<>')
    expect(r.text(`<${Buffer.from(s).toString('base64')}>`).replaceAll('[secret]', '').length).toBeLessThan(60)
    expect(streamed(r, `<${s}>`, () => 1000).replaceAll('[secret]', '')).toBe('<>')
  })

  test('reads a megabyte in well under a second, with none and with 1,000 secrets', () => {
    const noise = text('abcdefghijklmnopqrstuvwxyz    \n', 10_000).repeat(100)
    const none = makeRedactor()
    const many = redactor(...Array.from({ length: 1000 }, () => text('abcdefghijklmnopqrstuvwxyz0123456789', 32)))
    many.text('the forms are made with the first text')
    const msOf = (f: () => unknown) => {
      const t = performance.now()
      f()
      return performance.now() - t
    }
    expect(msOf(() => none.text(noise))).toBeLessThan(5)
    const ms = msOf(() => many.text(noise))
    console.log(`1,000 secrets: ${ms.toFixed(0)} ms per MB`)
    expect(ms).toBeLessThan(1000)
    expect(msOf(() => { for (let i = 0; i < 20_000; i++) many.text('a short line of a log, as there are many') })).toBeLessThan(1000)
  })
})
