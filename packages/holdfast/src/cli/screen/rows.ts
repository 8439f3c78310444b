/** Columns as wide as their widest cell, two blanks between them. */
export function rowsText(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows.map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] as number)).join('  ').trimEnd()}\n`).join('')
}

/** `310ms`, `10.0s`, `3m 12s`. */
export function msText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`
  return `${Math.floor(ms / 60_000)}m ${Math.round((ms % 60_000) / 1000)}s`
}
