import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { describeSchema, isSensitive, SecretValue, sensitivePaths, shapeOf, wrapSensitive, type Value } from './index.ts'

const secret = <S extends z.ZodType>(s: S): S => s.meta({ sensitive: true }) as S
const wrapped = (schema: z.ZodType, value: unknown): unknown => {
  const paths: string[] = []
  const out = wrapSensitive(schema, value as Value, (plain, path) => {
    paths.push(path.join('.'))
    return new SecretValue(String(plain), () => plain as never)
  })
  return { out: JSON.parse(JSON.stringify(out)), paths }
}

describe('shapeOf', () => {
  test('looks through optional, nullable, default, readonly, catch and lazy', () => {
    for (const s of [z.string().optional(), z.string().default('x'), z.string().catch('x'), z.string().prefault('x'), z.string().nullable().optional()]) expect(shapeOf(s)).toEqual({ kind: 'leaf', optional: true })
    for (const s of [z.string().nullable(), z.string().readonly(), z.lazy(() => z.string()), z.string().optional().nonoptional(), z.string().min(3).refine(() => true)]) expect(shapeOf(s)).toEqual({ kind: 'leaf', optional: false })
  })
  test('objects have fields, records any key, arrays elements, any everything', () => {
    const s = shapeOf(z.object({ a: z.array(z.object({ b: z.number() })), r: z.record(z.string(), z.boolean()), x: z.any(), t: z.tuple([z.string()]) }))
    if (s.kind !== 'object') throw new Error('object expected')
    expect(s.fields).toEqual(['a', 'r', 'x', 't'])
    expect(s.field('nope')).toBeUndefined()
    expect(s.field('toString')).toBeUndefined()
    const a = s.field('a')
    expect(a?.kind === 'array' && a.element()).toMatchObject({ kind: 'object', fields: ['b'] })
    expect(s.field('r')).toMatchObject({ kind: 'record' })
    expect(s.field('x')).toMatchObject({ kind: 'any' })
    expect(s.field('t')).toMatchObject({ kind: 'array' })
    const open = shapeOf(z.looseObject({ a: z.string() }))
    expect(open.kind === 'object' && open.field('other')).toMatchObject({ kind: 'any' })
    const strict = shapeOf(z.strictObject({ a: z.string() }))
    expect(strict.kind === 'object' && strict.field('other')).toBeUndefined()
  })
  test('a transforming schema has two sides', () => {
    const s = z.codec(z.string(), z.object({ n: z.number() }), { decode: (x) => ({ n: Number(x) }), encode: (x) => String(x.n) })
    expect(shapeOf(s, 'in').kind).toBe('leaf')
    expect(shapeOf(s, 'out').kind).toBe('object')
    expect(shapeOf(z.string().transform((x) => x.length), 'in').kind).toBe('leaf')
  })
  test('a union of objects has the keys of each; mixed with plain values it has none', () => {
    const u = shapeOf(z.discriminatedUnion('k', [z.object({ k: z.literal('a'), x: z.string() }), z.object({ k: z.literal('b'), y: z.object({ z: z.string() }) })]))
    expect(u).toMatchObject({ kind: 'object', fields: ['k', 'x', 'y'] })
    expect(shapeOf(z.union([z.string(), z.object({ path: z.string() })])).kind).toBe('leaf')
    expect(shapeOf(z.object({ a: z.string() }).and(z.object({ b: z.string() })))).toMatchObject({ kind: 'object', fields: ['a', 'b'] })
  })
  test('a schema may contain itself', () => {
    const Tree: z.ZodType = z.lazy(() => z.object({ name: secret(z.string()), children: z.array(Tree) }))
    expect(shapeOf(Tree)).toMatchObject({ kind: 'object', fields: ['name', 'children'] })
    expect(sensitivePaths(Tree)).toEqual(['name'])
    expect(wrapped(Tree, { name: 'a', children: [{ name: 'b', children: [] }] })).toEqual({ out: { name: { secret: true }, children: [{ name: { secret: true }, children: [] }] }, paths: ['name', 'children.0.name'] })
    expect(describeSchema(Tree)).toContain('@')
  })
})

describe('wrapSensitive', () => {
  test('finds every secret place, through every kind of schema', () => {
    const s = z.object({
      plain: z.string(), password: secret(z.string()).min(1), maybe: secret(z.string()).optional(), none: secret(z.string()).nullable(), filled: secret(z.string()).default('d'),
      users: z.array(z.object({ token: secret(z.string()), name: z.string() })), byName: z.record(z.string(), secret(z.string())), pair: z.tuple([z.string(), secret(z.string())]),
      whole: secret(z.object({ a: z.string() })), both: z.object({ a: z.string() }).and(z.object({ b: secret(z.string()) })), piped: z.string().transform((x) => x).pipe(secret(z.string())),
    })
    expect(sensitivePaths(s)).toEqual(['password', 'maybe', 'none', 'filled', 'users.*.token', 'byName.*', 'pair.1', 'whole', 'both.b', 'piped'])
    const x = { secret: true }
    expect(wrapped(s, { plain: 'p', password: 's', none: null, filled: 'f', users: [{ token: 't', name: 'n' }], byName: { a: 'b' }, pair: ['p', 's'], whole: { a: 'b' }, both: { a: 'p', b: 's' }, piped: 's' })).toEqual({
      out: { plain: 'p', password: x, none: null, filled: x, users: [{ token: x, name: 'n' }], byName: { a: x }, pair: ['p', x], whole: x, both: { a: 'p', b: x }, piped: x },
      paths: ['password', 'filled', 'users.0.token', 'byName.a', 'pair.1', 'whole', 'both.b', 'piped'],
    })
  })
  test('in a union, secret in one option is secret', () => {
    const s = z.union([z.object({ k: z.literal(1), v: z.string() }), z.object({ k: z.literal(2), v: secret(z.string()) })])
    expect(wrapped(s, { k: 1, v: 'x' })).toMatchObject({ out: { k: 1, v: { secret: true } } })
    expect(isSensitive(z.union([z.number(), secret(z.string())]))).toBe(true)
  })
  test('without a secret place the value itself comes back; secrets in it are left alone', () => {
    const value = { a: [{ b: 1 }] }
    expect(wrapSensitive(z.object({ a: z.array(z.object({ b: z.number() })) }), value, () => 'never')).toBe(value)
    const already = { a: new SecretValue('f', () => 'x') }
    expect(wrapSensitive(z.object({ a: secret(z.string()) }), already, () => 'never')).toEqual(already)
  })
})
