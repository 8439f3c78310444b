import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDuration, type Millis } from '../../base/index.ts'
import { sensitive } from '../../program/index.ts'
import type { ResourceSpec } from '../../provider/index.ts'
import { keepers, kept } from '../kept.ts'
import type { Issued, Wanted } from './issue.ts'
import { keyAlgorithm } from './private-key.ts'

const DAY = 86_400_000
const LONGEST = 36_500 * DAY
const duration = z.string().refine((text) => (parseDuration(text) ?? 0) >= 1_000 && (parseDuration(text) as Millis) <= LONGEST, { message: 'a duration of at least a second, such as 12h or 90d, is needed' })
const name = z.string().min(1).max(64)

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const HOST = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`)
const isHost = (text: string): boolean => text.length <= 253 && HOST.test(text) && isIP(text) === 0

const common = {
  commonName: name,
  organization: name.optional(),
  validFor: duration.default('90d'),
  /** How long before its end a plan makes a new one. Default: a third of the time it is valid for, at most 365 days. */
  renewBefore: duration.optional(),
  keyAlgorithm: keyAlgorithm.default('ecdsa-p256'),
  /** A key to use instead of a new one: PEM, not encrypted. */
  privateKeyPem: sensitive(z.string().min(1)).optional(),
  keepers,
}
const names = {
  dnsNames: z.array(z.string().refine(isHost, { message: 'is no host name' })).default([]),
  ipAddresses: z.array(z.string().refine((text) => isIP(text) !== 0, { message: 'is no IP address' })).default([]),
  usages: z.array(z.enum(['server', 'client'])).min(1).default(['server', 'client']),
}
/** `certPem`: the certificate that signs, and any between it and the root after it (`chainPem` of a CertificateAuthority). */
const authority = { authority: z.object({ certPem: z.string().min(1), keyPem: sensitive(z.string().min(1)) }).optional() }

interface Times {
  readonly validFor: string
  readonly renewBefore?: string | undefined
}
const renewsInTime = [(i: Times): boolean => i.renewBefore === undefined || (parseDuration(i.renewBefore) ?? 0) < (parseDuration(i.validFor) ?? 0), { message: 'renewBefore must be shorter than validFor' }] as const

const outputs = z.object({
  certPem: z.string(),
  /** The certificate, and those of the authorities that signed it, without a root: what a server sends. */
  chainPem: z.string(),
  keyPem: sensitive(z.string()),
  notBefore: z.string(),
  notAfter: z.string(),
  /** From then on, a plan makes a new one. */
  renewAt: z.string(),
  serial: z.string(),
  /** SHA-256 of the certificate (DER), in hex. */
  fingerprint: z.string(),
})
type Outputs = z.output<typeof outputs>

/** What makes certificates is loaded when one is made. */
const issue = async (wanted: Wanted): Promise<Issued> => (await import('./issue.ts')).issue(wanted, Date.now())

/** Where the end of the authority cut its time so short that `renewBefore` would be at once, it is a third of what is left, as where none is given. */
function renewAt(i: Times, { notBefore, notAfter }: Pick<Outputs, 'notBefore' | 'notAfter'>): string {
  const lives = Math.min(parseDuration(i.validFor) as Millis, Date.parse(notAfter) - Date.parse(notBefore))
  const asked = i.renewBefore === undefined ? lives : parseDuration(i.renewBefore) as Millis
  return new Date(Date.parse(notAfter) - (asked < lives ? asked : Math.min(lives / 3, 365 * DAY))).toISOString()
}

const STABLE = ['certPem', 'chainPem', 'keyPem', 'notBefore', 'notAfter', 'serial', 'fingerprint'] as const
type CommonInputs = z.output<z.ZodObject<typeof common>>

/** What the three types have in common: only `renewBefore` can change without a new certificate. */
function typeOf<I extends z.ZodObject>(type: string, inputs: I, wanted: (i: z.output<I>) => Omit<Wanted, keyof typeof common | 'validForMs'>): ResourceSpec<I, typeof outputs> {
  const times = (i: z.output<I>) => i as unknown as CommonInputs
  return {
    ...kept<Outputs>([...STABLE, 'renewAt']),
    type, inputs, outputs,
    stable: STABLE,
    renewAt: 'renewAt',
    replaceOn: Object.keys(inputs.shape).filter((k) => k !== 'renewBefore') as (keyof z.output<I> & string)[],
    async create({ inputs: i }) {
      const { commonName, organization, validFor, keyAlgorithm: algorithm, privateKeyPem } = times(i)
      const issued = await issue({ ...wanted(i), commonName, organization, validForMs: parseDuration(validFor) as Millis, keyAlgorithm: algorithm, privateKeyPem })
      return { ...issued, renewAt: renewAt(times(i), issued) }
    },
    update: async ({ inputs: i, outputs: o }) => ({ ...(o as unknown as Outputs), renewAt: renewAt(times(i), o as unknown as Outputs) }) as never,
  }
}

/** What a certificate is for. A common name that is a host or an address is one of them: clients look only there (RFC 9525). */
const leaf = (i: { readonly commonName: string; readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[]; readonly usages: readonly ('server' | 'client')[] }) => ({
  leaf: {
    dns: [...new Set([...(isHost(i.commonName) ? [i.commonName] : []), ...i.dnsNames])],
    ip: [...new Set([...(isIP(i.commonName) ? [i.commonName] : []), ...i.ipAddresses])],
    usages: i.usages,
  },
})

export const certificateSpec = typeOf('holdfast:tls/Certificate', z.object({ ...common, ...names, ...authority }).refine(...renewsInTime), (i) => ({ ...leaf(i), authority: i.authority }))
export const selfSignedCertificateSpec = typeOf('holdfast:tls/SelfSignedCertificate', z.object({ ...common, ...names }).refine(...renewsInTime), leaf)
export const certificateAuthoritySpec = typeOf(
  'holdfast:tls/CertificateAuthority',
  z.object({
    ...common, ...authority,
    validFor: duration.default('3650d'),
    /** How many authorities may stand between it and what it signs; any number where it is not given. */
    pathLength: z.number().int().min(0).max(16).optional(),
  }).refine(...renewsInTime),
  (i) => ({ ca: { pathLength: i.pathLength }, authority: i.authority }),
)
