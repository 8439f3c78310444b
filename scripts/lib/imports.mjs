// Finds what a TypeScript source imports. Reads the text: comments and strings are skipped, so a specifier in an example does not count.

/** Blanks comments; with `strings`, blanks what stands between quotes too. Line numbers stay. */
export function blank(text, { strings = false } = {}) {
  const hide = (s) => s.replace(/[^\n]/g, ' ')
  let out = ''
  let i = 0
  // A stack of template literals: each entry counts the open braces of its current `${`.
  const templates = []
  const canStartRegex = () => /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\breturn|\btypeof|\bcase)\s*$/.test(out.slice(-60).trimEnd() === '' ? '' : out.slice(-60))
  const takeTemplate = (start) => {
    // From just after a backtick or a closing brace of `${...}`; up to the next `${` or the closing backtick.
    let j = start
    while (j < text.length) {
      if (text[j] === '\\') j += 2
      else if (text[j] === '`') { templates.pop(); return j + 1 }
      else if (text[j] === '$' && text[j + 1] === '{') { templates[templates.length - 1] = 0; return j + 2 }
      else j++
    }
    return j
  }
  while (i < text.length) {
    const c = text[i]
    const two = text.slice(i, i + 2)
    let end
    if (two === '//') { end = text.indexOf('\n', i); if (end < 0) end = text.length; out += hide(text.slice(i, end)) }
    else if (two === '/*') { end = text.indexOf('*/', i + 2); end = end < 0 ? text.length : end + 2; out += hide(text.slice(i, end)) }
    else if (c === '"' || c === "'") {
      end = i + 1
      while (end < text.length && text[end] !== c && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
      end++
      const s = text.slice(i, end)
      out += strings ? c + hide(s.slice(1, -1)) + c : s
    }
    else if (c === '/' && canStartRegex()) {
      end = i + 1
      let inClass = false
      while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
        if (text[end] === '\\') end++
        else if (text[end] === '[') inClass = true
        else if (text[end] === ']') inClass = false
        end++
      }
      end++
      out += hide(text.slice(i, end))
    }
    else if (c === '`' || (c === '}' && templates.length > 0 && templates.at(-1) === 0)) {
      if (c === '`') templates.push(undefined)
      end = takeTemplate(i + 1)
      const s = text.slice(i, end)
      out += strings ? hide(s) : s
    }
    else {
      if (templates.length > 0) {
        if (c === '{') templates[templates.length - 1]++
        if (c === '}') templates[templates.length - 1]--
      }
      end = i + 1
      out += c
    }
    i = end
  }
  return out
}

/** Every import and re-export: `{ specifier, line, typeOnly }`. */
export function importsOf(text) {
  const code = blank(text)
  const found = []
  const add = (specifier, index, typeOnly) => found.push({ specifier, line: code.slice(0, index).split('\n').length, typeOnly })
  for (const m of code.matchAll(/(?:^|\n|;)\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?(['"])([^'"\n]+)\2/g)) add(m[3], m.index + m[0].length, m[1] !== undefined)
  for (const m of code.matchAll(/\bimport\s*\(\s*(['"])([^'"\n]+)\1/g)) add(m[2], m.index + m[0].length, false)
  return found
}
