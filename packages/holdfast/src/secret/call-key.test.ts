import { describe, expect, test } from 'vitest'
import { systemRandom } from '../base/index.ts'
import { codeOf } from '../base/code-of.fixture.ts'
import { callKey, makeKeyring, physicalName } from './index.ts'

const ring = makeKeyring(new Uint8Array(32), 'store-1', systemRandom)
const tx = { token: 't-1', uid: 'u-1', ordinal: 0, epoch: 0 }

describe.each([['with a key', ring], ['without a key', undefined]] as const)('a call key %s', (_, r) => {
  test('is 64 hex characters and the same on every retry', () => {
    const retry = { ...tx, attempt: 3 }
    expect(String(callKey(r, 'store-1', tx))).toMatch(/^[0-9a-f]{64}$/)
    expect(String(callKey(r, 'store-1', retry))).toBe(String(callKey(r, 'store-1', tx)))
    expect(callKey(r, 'store-1', tx).step('a')).toBe(callKey(r, 'store-1', { ...tx }).step('a'))
  })

  test('is another for another epoch, transaction, object or step', () => {
    const all = [tx, { ...tx, epoch: 1 }, { ...tx, token: 't-2' }, { ...tx, uid: 'u-2' }, { ...tx, ordinal: 1 }].flatMap((t) => {
      const k = callKey(r, 'store-1', t)
      return [k.toString(), k.step('a'), k.step('b')]
    })
    expect(new Set(all).size).toBe(all.length)
  })

  test('refuses a step without a name, which would be the call itself', () => {
    expect(codeOf(() => callKey(r, 'store-1', tx).step(''))).toBe('HF1107')
  })
})

test('a call key is the token of its parts, and without a key depends on the store', () => {
  expect(String(callKey(ring, 'store-1', tx))).toBe(ring.token('v1', 'u-1', '0', 't-1', '', '0'))
  expect(String(callKey(undefined, 'store-1', tx))).not.toBe(String(callKey(undefined, 'store-2', tx)))
})

describe('a physical name', () => {
  const mark = { store: 's-1', uid: 'u-1', ordinal: 0 }

  test('is readable, ends with the digest of the mark, and stays within its limits', () => {
    expect(physicalName({ maxLength: 63 }, 'db/Main Data', mark)).toMatch(/^db-main-data-[a-z2-7]{10}$/)
    expect(physicalName({ maxLength: 63, scope: 'global' }, 'db', mark)).toMatch(/^db-[a-z2-7]{13}$/)
    expect(physicalName({ maxLength: 63, scope: 'parent' }, 'é_ü', mark)).toMatch(/^e-u-[a-z2-7]{10}$/)
    expect(physicalName({ maxLength: 63, charset: 'A-Za-z0-9_' }, 'db/Main-Data', mark)).toMatch(/^db_Main_Data_[a-z2-7]{10}$/)
    expect(physicalName({ maxLength: 63, charset: 'A-Z0-9' }, 'db/x', mark)).toMatch(/^DBX[A-Z2-7]{10}$/)
    expect(physicalName({ maxLength: 63, charset: '0-9' }, 'db/7', mark)).toMatch(/^7\d{16}$/)
    expect(physicalName({ maxLength: 63 }, '日本', mark)).toMatch(/^[a-z2-7]{10}$/)
  })

  test('cuts the readable part, never the digest', () => {
    const full = physicalName({ maxLength: 200 }, 'orders-database', mark)
    for (let maxLength = 10; maxLength < 40; maxLength++) {
      const name = physicalName({ maxLength }, 'orders-database', mark)
      expect(name.length).toBeLessThanOrEqual(maxLength)
      expect(name.endsWith(full.slice(-10))).toBe(true)
      expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    }
    expect(codeOf(() => physicalName({ maxLength: 9 }, 'x', mark))).toBe('HF1107')
    expect(codeOf(() => physicalName({ maxLength: 63, charset: 'abc' }, 'x', mark))).toBe('HF1107')
    expect(codeOf(() => physicalName({ maxLength: 63, charset: 'z-a' }, 'x', mark))).toBe('HF1107')
  })

  test('is another for another object, and the digest does not hang on the logical name', () => {
    const names = [mark, { ...mark, store: 's-2' }, { ...mark, uid: 'u-2' }, { ...mark, ordinal: 1 }].map((m) => physicalName({ maxLength: 63 }, 'x', m))
    expect(new Set(names).size).toBe(4)
    expect(physicalName({ maxLength: 63 }, 'y', mark).slice(-10)).toBe((names[0] as string).slice(-10))
  })
})
