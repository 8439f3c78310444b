import type { z } from 'zod'
import { defOf } from './shape.ts'

const DEPTH_MAX = 8

/**
 * A value of a schema's shape, for a world that is only imagined: the same one for the same name. It need not pass the schema's refinements.
 *
 * Takes    `name`: what a text is made of, so that two of them differ.
 */
export function sampleOf(schema: z.ZodType, name: string, depth = 0): unknown {
  const def = defOf(schema)
  const inner = () => sampleOf(def.innerType as z.ZodType, name, depth + 1)
  if (depth > DEPTH_MAX) return null
  switch (def.type) {
    case 'string': case 'template_literal': return `simulated ${name}`
    case 'number': case 'int': return 0
    case 'bigint': return 0n
    case 'boolean': return false
    case 'date': return new Date(0)
    case 'object': return Object.fromEntries(Object.entries(def.shape ?? {}).map(([k, s]) => [k, sampleOf(s, `${name}.${k}`, depth + 1)]).filter(([, v]) => v !== undefined))
    case 'array': return []
    case 'tuple': return (def.items ?? []).map((s, i) => sampleOf(s, `${name}.${i}`, depth + 1))
    case 'record': return {}
    case 'enum': return Object.values(def.entries ?? {})[0]
    case 'literal': return def.values?.[0]
    case 'union': return sampleOf((def.options as readonly z.ZodType[])[0] as z.ZodType, name, depth + 1)
    case 'intersection': return { ...(sampleOf(def.left as z.ZodType, name, depth + 1) as object), ...(sampleOf(def.right as z.ZodType, name, depth + 1) as object) }
    case 'optional': case 'undefined': case 'void': return undefined
    case 'default': case 'prefault': case 'catch': case 'nonoptional': case 'nullable': case 'readonly': return inner()
    case 'pipe': return sampleOf(def.out as z.ZodType, name, depth + 1)
    case 'lazy': return sampleOf((def.getter as () => z.ZodType)(), name, depth + 1)
    default: return null
  }
}
