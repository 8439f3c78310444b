import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Forms in which a secret may leak: clear, base64 and base64url at any alignment, hex, URL-encoded, JSON-escaped. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const forms = [secret, JSON.stringify(secret).slice(1, -1), JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1), encodeURIComponent(secret), encodeURIComponent(secret).toLowerCase(), new URLSearchParams({ k: secret }).toString().slice(2)]
  const hex = bytes.toString('hex')
  forms.push(hex, hex.toUpperCase())
  for (let before = 0; before < 3; before++) {
    // Only the characters that the secret alone decides.
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    forms.push(text, text.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return forms
}

export interface SecretScan {
  /** Names of what the text holds, such as `password as hex`; empty when it is clean. */
  in(text: string | Buffer): string[]
}

/** Takes secrets by name, each of at least eight characters. One pass over a text, whatever the number of secrets. */
export function secretScan(secrets: Readonly<Record<string, string>>): SecretScan {
  const names = ['clear', 'JSON', 'JSON in JSON', 'URL', 'URL', 'form', 'hex', 'HEX', 'base64', 'base64url', 'base64', 'base64url', 'base64', 'base64url']
  const byHead = new Map<number, { readonly form: Buffer; readonly name: string }[]>()
  const mayBegin = new Uint8Array(65_536)
  for (const [key, secret] of Object.entries(secrets)) {
    if (secret.length < 8) throw new Error(`${key} is too short to be looked for`)
    formsOf(secret).forEach((text, i) => {
      const form = Buffer.from(text)
      const head = form.readUInt32BE(0)
      byHead.set(head, [...(byHead.get(head) ?? []), { form, name: `${key} as ${names[i]}` }])
      mayBegin[head >>> 16] = 1
    })
  }
  return {
    in(text) {
      const bytes = typeof text === 'string' ? Buffer.from(text) : text
      const found = new Set<string>()
      for (let i = 0; i + 4 <= bytes.length; i++) {
        if (!mayBegin[((bytes[i] as number) << 8) | (bytes[i + 1] as number)]) continue
        for (const { form, name } of byHead.get(bytes.readUInt32BE(i)) ?? []) if (bytes.subarray(i, i + form.length).equals(form)) found.add(name)
      }
      return [...found]
    },
  }
}

/**
 * Looks for secrets in every file under a project's `.holdfast` and in texts, and gives `place: secret as form` for each hit.
 * The user's own data in the trash may hold anything.
 */
export function leaksOf(secrets: Readonly<Record<string, string>>, place: { readonly root: string; readonly texts: readonly string[] }): string[] {
  const home = join(place.root, '.holdfast')
  const scan = secretScan(secrets)
  const leaks = place.texts.flatMap((text, i) => scan.in(text).map((what) => `output ${i}: ${what}`))
  // The key of the state stands in its file and nowhere else: `hf-key-N:BASE64`.
  const keyScan = secretScan({ key: readFileSync(join(home, 'key'), 'utf8').trim().split(':').at(-1) as string })
  for (const [i, text] of place.texts.entries()) leaks.push(...keyScan.in(text).map((what) => `output ${i}: ${what}`))
  for (const file of filesBelow(home)) {
    const name = file.slice(home.length + 1)
    if (/^trash\/[^/]+\/data(\/|$)/.test(name)) continue
    const bytes = readFileSync(file)
    leaks.push(...scan.in(bytes).map((what) => `${name}: ${what}`))
    if (name !== 'key') leaks.push(...keyScan.in(bytes).map((what) => `${name}: ${what}`))
  }
  return leaks
}

export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name))
}
