import { limits } from '../base/index.ts'
import { failureAt } from './site.ts'

const ASCII = /^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}\p{M}_.@-]*$/u

/** A name as it stands in an address: NFC. Fails HF1103. */
export function nameOf(name: unknown, what: string, above: Function): string {
  if (typeof name !== 'string') throw failureAt('HF1103', above, { message: `${what} needs a name, and got ${name === null ? 'null' : `a ${typeof name}`}.` })
  const nfc = ASCII.test(name) ? name : name.normalize('NFC')
  if (nfc.length > limits.nameChars || !NAME.test(nfc)) throw failureAt('HF1103', above, { message: `${what} cannot be called ${JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}...` : name)}.`, hint: namesAre })
  return nfc
}
const namesAre = `Names are 1 to ${limits.nameChars} characters: letters and digits, and inside also . _ - @; no slash, no blank.`
