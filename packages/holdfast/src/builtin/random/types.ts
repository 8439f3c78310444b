import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { failure } from '../../base/index.ts'
import { sensitive } from '../../program/index.ts'
import type { ResourceSpec } from '../../provider/index.ts'
import { keepers, kept } from '../kept.ts'
import { drawBelow, drawFrom, seededSource, shuffled, systemSource } from './draw.ts'
import { adjectives, adverbs, animals } from './words.ts'

// Password

const SETS = { lower: 'abcdefghijklmnopqrstuvwxyz', upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', digits: '0123456789' } as const
const passwordInputs = z
  .object({
    length: z.number().int().min(8).max(4096).default(32),
    lower: z.boolean().default(true),
    upper: z.boolean().default(true),
    digits: z.boolean().default(true),
    /** Off by default: letters and digits need no quoting, wherever the password goes. */
    symbols: z.boolean().default(false),
    /** Which symbols, when there are any. */
    symbolSet: z.string().min(1).default('!#%*+-.=?@^_~'),
    minLower: z.number().int().min(0).default(0),
    minUpper: z.number().int().min(0).default(0),
    minDigits: z.number().int().min(0).default(0),
    minSymbols: z.number().int().min(0).default(0),
    keepers,
    /** Path of the data it opens: it goes to the trash with it and comes back with it. */
    boundTo: z.string().optional(),
  })
  .refine((i) => i.lower || i.upper || i.digits || i.symbols, { message: 'at least one kind of characters is needed' })
  .refine((i) => i.minLower + i.minUpper + i.minDigits + i.minSymbols <= i.length, { message: 'length is smaller than what minLower, minUpper, minDigits and minSymbols ask for' })
  .refine((i) => !(i.minLower > 0 && !i.lower) && !(i.minUpper > 0 && !i.upper) && !(i.minDigits > 0 && !i.digits) && !(i.minSymbols > 0 && !i.symbols), { message: 'a minimum is asked for of characters that are switched off' })
const passwordOutputs = z.object({ value: sensitive(z.string()) })

/** Characters of each kind that is switched on, with how many of it there must be. */
function passwordText(i: z.output<typeof passwordInputs>): string {
  const kinds = [
    { chars: SETS.lower, on: i.lower, min: i.minLower },
    { chars: SETS.upper, on: i.upper, min: i.minUpper },
    { chars: SETS.digits, on: i.digits, min: i.minDigits },
    { chars: [...new Set(i.symbolSet)].join(''), on: i.symbols, min: i.minSymbols },
  ].filter((k) => k.on)
  const all = [...new Set(kinds.flatMap((k) => [...k.chars]))]
  const chars: string[] = []
  for (const k of kinds) for (let n = 0; n < k.min; n++) chars.push(drawFrom([...k.chars], systemSource))
  while (chars.length < i.length) chars.push(drawFrom(all, systemSource))
  return shuffled(chars, systemSource).join('')
}

export const passwordSpec: ResourceSpec<typeof passwordInputs, typeof passwordOutputs> = {
  ...kept<z.output<typeof passwordOutputs>>(['value']),
  type: 'holdfast:random/Password',
  inputs: passwordInputs,
  outputs: passwordOutputs,
  replaceOn: ['length', 'lower', 'upper', 'digits', 'symbols', 'symbolSet', 'minLower', 'minUpper', 'minDigits', 'minSymbols', 'keepers'],
  create: async ({ inputs }) => ({ value: passwordText(inputs) }),
  /** Only what it is bound to can change. */
  update: async ({ outputs }) => outputs,
  boundTo: (i) => i.boundTo,
}

// Id

const idInputs = z.object({ bytes: z.number().int().min(1).max(1024).default(8), keepers })
const idOutputs = z.object({ hex: z.string(), base64url: z.string(), dec: z.string() })
export const idSpec: ResourceSpec<typeof idInputs, typeof idOutputs> = {
  ...kept<z.output<typeof idOutputs>>(['hex', 'base64url', 'dec']),
  type: 'holdfast:random/Id',
  inputs: idInputs,
  outputs: idOutputs,
  async create({ inputs }) {
    const bytes = Buffer.from(systemSource(inputs.bytes))
    const hex = bytes.toString('hex')
    return { hex, base64url: bytes.toString('base64url'), dec: BigInt(`0x${hex}`).toString() }
  },
}

// Uuid

const uuidInputs = z.object({ keepers })
const uuidOutputs = z.object({ value: z.string() })
/** Version 4: 122 random bits. */
export const uuidSpec: ResourceSpec<typeof uuidInputs, typeof uuidOutputs> = {
  ...kept<z.output<typeof uuidOutputs>>(['value']),
  type: 'holdfast:random/Uuid',
  inputs: uuidInputs,
  outputs: uuidOutputs,
  create: async () => ({ value: randomUUID() }),
}

// Pet

const petInputs = z.object({ words: z.number().int().min(1).max(8).default(2), separator: z.string().default('-'), prefix: z.string().optional(), keepers })
const petOutputs = z.object({ value: z.string() })
/** A name for people. Two words: one of about 23,000 names; not a secret and not unique. */
export const petSpec: ResourceSpec<typeof petInputs, typeof petOutputs> = {
  ...kept<z.output<typeof petOutputs>>(['value']),
  type: 'holdfast:random/Pet',
  inputs: petInputs,
  outputs: petOutputs,
  async create({ inputs: { words, separator, prefix } }) {
    const name = [drawFrom(animals, systemSource)]
    if (words > 1) name.unshift(drawFrom(adjectives, systemSource))
    while (name.length < words) name.unshift(drawFrom(adverbs, systemSource))
    return { value: [...(prefix ? [prefix] : []), ...name].join(separator) }
  },
}

// Integer

const wholeNumber = z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER)
const integerInputs = z
  .object({ min: wholeNumber, max: wholeNumber, seed: z.string().optional(), keepers })
  .refine((i) => i.min <= i.max, { message: 'min is above max' })
  .refine((i) => i.max - i.min < Number.MAX_SAFE_INTEGER, { message: 'the range is too wide' })
const integerOutputs = z.object({ value: z.number() })
/** From `min` to `max`, both included. With a seed the same one each time: then it is no secret. */
export const integerSpec: ResourceSpec<typeof integerInputs, typeof integerOutputs> = {
  ...kept<z.output<typeof integerOutputs>>(['value']),
  type: 'holdfast:random/Integer',
  inputs: integerInputs,
  outputs: integerOutputs,
  create: async ({ inputs: { min, max, seed } }) => ({ value: min + drawBelow(max - min + 1, seed === undefined ? systemSource : seededSource(seed)) }),
}

// Shuffle

const shuffleInputs = z.object({
  input: z.array(z.string()),
  /** How many of them; more than there are: several rounds, so that each comes as often as the other or once more. */
  resultCount: z.number().int().min(0).max(100_000).optional(),
  seed: z.string().optional(),
  keepers,
})
const shuffleOutputs = z.object({ value: z.array(z.string()) })
export const shuffleSpec: ResourceSpec<typeof shuffleInputs, typeof shuffleOutputs> = {
  ...kept<z.output<typeof shuffleOutputs>>(['value']),
  type: 'holdfast:random/Shuffle',
  inputs: shuffleInputs,
  outputs: shuffleOutputs,
  async create({ inputs: { input, resultCount = input.length, seed } }) {
    if (input.length === 0 && resultCount > 0) throw failure('HF1206', { message: 'Shuffle: nothing can be drawn from an empty list.' })
    const source = seed === undefined ? systemSource : seededSource(seed)
    const value: string[] = []
    while (value.length < resultCount) value.push(...shuffled(input, source).slice(0, resultCount - value.length))
    return { value }
  },
}
