// What was promised, beside what was measured.

/** One promise: `value` must be at most `limit`, or at least `limit`. */
export const atMost = (what, value, limit, unit) => ({ what, value, limit, unit, compare: 'at most' })
export const atLeast = (what, value, limit, unit) => ({ what, value, limit, unit, compare: 'at least' })

/** Whether a promise is kept when the machine may be `factor` times worse than the one it was made for. */
export function kept({ value, limit, compare }, factor = 1) {
  if (!Number.isFinite(value)) return false
  return compare === 'at most' ? value <= limit * factor : value >= limit / factor
}

export const line = (target, factor = 1) =>
  `${kept(target, factor) ? 'ok  ' : 'over'}  ${target.what.padEnd(42)} ${String(target.value).padStart(9)} ${target.unit.padEnd(3)} (${target.compare} ${target.limit}${factor === 1 ? '' : `, times ${factor}`})`
