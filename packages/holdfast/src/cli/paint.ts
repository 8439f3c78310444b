/** Colours and signs, or none: the only place where an ESC byte is made. */
export interface Paint {
  readonly color: boolean
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
  /** The sign, or its ASCII stand-in where the locale says that it cannot be shown. */
  sign(sign: Sign): string
}

const ASCII = {
  '±': '+-', '·': '-', '→': '->', '⟨': '<', '⟩': '>', '‹': '<', '›': '>', '✓': 'ok', '✗': 'FAIL', '↩': 'back', '◐': '*', '…': '...', '─': '-',
} as const
export type Sign = keyof typeof ASCII

export type ColorChoice = 'auto' | 'always' | 'never'

/** NO_COLOR and FORCE_COLOR as everybody reads them; a pipe and TERM=dumb get no colour unless it is forced. */
export function wantsColor(choice: ColorChoice, isTty: boolean, variables: Readonly<Record<string, string | undefined>>): boolean {
  if (choice !== 'auto') return choice === 'always'
  if (variables.NO_COLOR) return false
  if (variables.FORCE_COLOR !== undefined && variables.FORCE_COLOR !== '') return variables.FORCE_COLOR !== '0' && variables.FORCE_COLOR !== 'false'
  return isTty && variables.TERM !== 'dumb'
}

/** A locale that is named C or POSIX has no signs beyond ASCII; one that is not set says nothing. */
export function wantsAscii(variables: Readonly<Record<string, string | undefined>>): boolean {
  const locale = variables.LC_ALL || variables.LC_CTYPE || variables.LANG
  return locale === 'C' || locale === 'POSIX'
}

export function makePaint(color: boolean, ascii: boolean): Paint {
  const style = (open: number, close: number) => (text: string): string => (color && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text)
  return {
    color,
    bold: style(1, 22), dim: style(2, 22), red: style(31, 39), green: style(32, 39), yellow: style(33, 39), cyan: style(36, 39),
    sign: (s) => (ascii ? ASCII[s] : s),
  }
}
