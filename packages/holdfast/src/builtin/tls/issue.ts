import 'reflect-metadata' // what @peculiar/x509 is built with wants it there first
import { BasicConstraintsExtension, AuthorityKeyIdentifierExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension, type Extension, KeyUsageFlags, KeyUsagesExtension, Name, SubjectAlternativeNameExtension, SubjectKeyIdentifierExtension, X509Certificate, X509CertificateGenerator } from '@peculiar/x509'
import { createPrivateKey, createPublicKey, randomBytes, webcrypto, X509Certificate as NodeCertificate, type KeyObject } from 'node:crypto'
import { failure, type EpochMs, type Millis } from '../../base/index.ts'
import { newKey, pemOf, type KeyAlgorithm } from './private-key.ts'

export interface Wanted {
  readonly commonName: string
  readonly organization?: string | undefined
  readonly validForMs: Millis
  readonly keyAlgorithm: KeyAlgorithm
  readonly privateKeyPem?: string | undefined
  /** PEM texts of who signs; its own key where there is none. */
  readonly authority?: { readonly certPem: string; readonly keyPem: string } | undefined
  /** It may sign others. */
  readonly ca?: { readonly pathLength: number | undefined }
  readonly leaf?: { readonly dns: readonly string[]; readonly ip: readonly string[]; readonly usages: readonly ('server' | 'client')[] }
}

export interface Issued {
  readonly certPem: string
  readonly chainPem: string
  readonly keyPem: string
  readonly notBefore: string
  readonly notAfter: string
  readonly serial: string
  readonly fingerprint: string
}

/** So much may the clock of whoever looks at a new certificate be behind. */
const SKEW_MS = 300_000
const USAGES = { server: ExtendedKeyUsage.serverAuth, client: ExtendedKeyUsage.clientAuth }

/**
 * Makes a certificate (RFC 5280) and, where none is given, its key.
 *
 * Gives    PEM texts; times as ISO 8601. It ends with its authority at the latest.
 * Fails    HF3130 where a key or a certificate that was given cannot be read, does not fit the other, or may not sign. No text of a key is in the message.
 */
export async function issue(wanted: Wanted, now: EpochMs): Promise<Issued> {
  const key = wanted.privateKeyPem === undefined ? await newKey(wanted.keyAlgorithm) : readKey(wanted.privateKeyPem, 'privateKeyPem')
  const signer = wanted.authority && readAuthority(wanted.authority, wanted.ca !== undefined, now)
  const publicKey = await publicOf(key)
  const issuerKey = signer ? await publicOf(signer.key) : publicKey
  const notBefore = wholeSeconds(now - SKEW_MS)
  const notAfter = Math.min(wholeSeconds(now + wanted.validForMs), signer?.notAfter ?? Number.POSITIVE_INFINITY)
  const subject = nameOf(wanted)
  const made = await X509CertificateGenerator.create({
    serialNumber: newSerial(), subject, issuer: signer?.subject ?? subject,
    notBefore: new Date(Math.max(notBefore, signer?.notBefore ?? 0)), notAfter: new Date(notAfter),
    publicKey, signingKey: await signingKey(signer?.key ?? key), signingAlgorithm: algorithmOf(signer?.key ?? key) as never,
    extensions: [
      ...(wanted.ca ? forAuthority(wanted.ca) : forLeaf(wanted.leaf, key)),
      await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
      await AuthorityKeyIdentifierExtension.create(issuerKey, false, webcrypto),
    ],
  }, webcrypto)
  const certPem = `${made.toString('pem')}\n`
  const cert = new NodeCertificate(certPem)
  return {
    certPem,
    chainPem: [certPem, ...(signer?.chain ?? [])].join(''),
    keyPem: wanted.privateKeyPem ?? pemOf(key),
    notBefore: made.notBefore.toISOString(), notAfter: made.notAfter.toISOString(),
    serial: cert.serialNumber.toLowerCase(), fingerprint: cert.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
}

const refused = (message: string, cause?: unknown) => failure('HF3130', { message, ...(cause === undefined ? {} : { cause }) })
const wholeSeconds = (at: EpochMs): EpochMs => Math.floor(at / 1000) * 1000

/** 128 random bits, above zero, one byte long enough to be positive. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0] as number & 0x3f) | 0x40
  return bytes.toString('hex')
}

/** Given as text, the library would look for its own notation in it. */
const nameOf = (w: Wanted): Name => new Name([{ CN: [{ utf8String: w.commonName }] }, ...(w.organization === undefined ? [] : [{ O: [{ utf8String: w.organization }] }])])

const forAuthority = ({ pathLength }: NonNullable<Wanted['ca']>): Extension[] => [
  new BasicConstraintsExtension(true, pathLength, true),
  new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
]

function forLeaf(leaf: Wanted['leaf'], key: KeyObject): Extension[] {
  const names = [...(leaf?.dns ?? []).map((value) => ({ type: 'dns' as const, value })), ...(leaf?.ip ?? []).map((value) => ({ type: 'ip' as const, value }))]
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | (key.asymmetricKeyType === 'rsa' ? KeyUsageFlags.keyEncipherment : 0), true),
    new ExtendedKeyUsageExtension((leaf?.usages ?? []).map((u) => USAGES[u])),
    ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
  ]
}

interface Signer {
  readonly key: KeyObject
  readonly subject: Name
  readonly notBefore: EpochMs
  readonly notAfter: EpochMs
  /** What stands between a certificate of it and the root, nearest first. */
  readonly chain: readonly string[]
}

function readAuthority(given: NonNullable<Wanted['authority']>, forAnother: boolean, now: EpochMs): Signer {
  const key = readKey(given.keyPem, 'authority.keyPem')
  const texts = given.certPem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  if (texts.length === 0) throw refused('authority.certPem holds no certificate in PEM.')
  let certs: NodeCertificate[]
  try {
    certs = texts.map((text) => new NodeCertificate(text))
  } catch (e) {
    throw refused('authority.certPem cannot be read as a certificate.', e)
  }
  const own = certs[0] as NodeCertificate
  const named = () => own.subject.replaceAll('\n', ', ')
  if (!own.ca) throw refused(`${named()} is no authority: it may not sign certificates.`)
  if (!own.checkPrivateKey(key)) throw refused(`authority.keyPem is not the key of ${named()}.`)
  const parsed = new X509Certificate(own.raw)
  if (parsed.notAfter.getTime() <= now) throw refused(`${named()} has ended at ${parsed.notAfter.toISOString()}.`)
  if (forAnother && parsed.getExtension(BasicConstraintsExtension)?.pathLength === 0) throw refused(`${named()} may not sign another authority: its pathLength is 0.`)
  return {
    key, subject: parsed.subjectName, notBefore: parsed.notBefore.getTime(), notAfter: parsed.notAfter.getTime(),
    chain: certs.filter((c) => c.issuer !== c.subject).map((c) => `${c.toString().trim()}\n`),
  }
}

function readKey(pem: string, what: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw refused(/\bENCRYPTED\b/.test(pem) ? `${what} is encrypted; a key without a passphrase is needed.` : `${what} cannot be read as a private key in PEM.`)
  }
  if (algorithmOf(key) === undefined) throw refused(`${what} is a key of a kind that is not supported: RSA, ECDSA on P-256, P-384 or P-521, and Ed25519 are.`)
  return key
}

const CURVES: Readonly<Record<string, { readonly namedCurve: string; readonly hash: string }>> = {
  prime256v1: { namedCurve: 'P-256', hash: 'SHA-256' }, secp384r1: { namedCurve: 'P-384', hash: 'SHA-384' }, secp521r1: { namedCurve: 'P-521', hash: 'SHA-512' },
}

/** How a key signs, in the words of Web Cryptography. */
function algorithmOf(key: KeyObject): { readonly name: string; readonly hash?: string; readonly namedCurve?: string } | undefined {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519' }
  const curve = key.asymmetricKeyType === 'ec' ? CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] : undefined
  return curve && { name: 'ECDSA', ...curve }
}

const signingKey = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), algorithmOf(key) as never, false, ['sign'])
const publicOf = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('spki', createPublicKey(key).export({ type: 'spki', format: 'der' }), algorithmOf(key) as never, true, ['verify'])
