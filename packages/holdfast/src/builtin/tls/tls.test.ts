import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type ConnectionOptions, type TlsOptions } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { callOf, corner } from '../../../test/support/corner.ts'
import { makeLab } from '../../../test/support/world.ts'
import { systemClock } from '../../base/index.ts'
import { certificateAuthoritySpec, certificateSpec, selfSignedCertificateSpec } from './certificate.ts'
import { Certificate, CertificateAuthority, PrivateKey } from './index.ts'
import { issue } from './issue.ts'
import { keyAlgorithm, privateKeySpec } from './private-key.ts'

const { host, dispose } = corner()
void dispose()
interface Made {
  readonly certPem: string
  readonly chainPem: string
  readonly keyPem: string
  readonly notAfter: string
  readonly renewAt: string
  readonly serial: string
  readonly fingerprint: string
}
const make = async (spec: { inputs: { parse(v: unknown): unknown }; create(a: never): Promise<unknown> }, inputs: unknown) => (await spec.create({ ...callOf(host), inputs: spec.inputs.parse(inputs) } as never)) as Made
const signs = (ca: Made) => ({ certPem: ca.chainPem.includes(ca.certPem) ? ca.chainPem : ca.certPem, keyPem: ca.keyPem })

/** What a client of such a server sees: the text that the server sent, or why there is no connection. */
async function ask(server: TlsOptions, client: ConnectionOptions): Promise<string> {
  const listening = createServer(server, (socket) => socket.on('error', () => {}).end(`hello ${socket.getPeerCertificate().subject?.CN ?? 'stranger'}`)).on('tlsClientError', () => {})
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  try {
    const socket = connect({ host: '127.0.0.1', port: (listening.address() as AddressInfo).port, ...client })
    let text = ''
    socket.on('data', (bytes) => (text += bytes))
    await once(socket, 'close')
    return text
  } catch (e) {
    return (e as NodeJS.ErrnoException).code ?? String(e)
  } finally {
    listening.close()
  }
}

describe('PrivateKey', () => {
  test.each(keyAlgorithm.options)('%s: the public key belongs to the private one', async (algorithm) => {
    const made = (await make(privateKeySpec, { algorithm })) as unknown as { privateKeyPem: string; publicKeyPem: string; fingerprint: string }
    const key = createPrivateKey(made.privateKeyPem)
    expect(createPublicKey(key).export({ type: 'spki', format: 'pem' })).toBe(made.publicKeyPem)
    expect(made.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
    expect(`${key.asymmetricKeyType} ${modulusLength ?? namedCurve ?? ''}`.trim()).toBe({ 'ecdsa-p256': 'ec prime256v1', 'ecdsa-p384': 'ec secp384r1', 'rsa-2048': 'rsa 2048', 'rsa-3072': 'rsa 3072', 'rsa-4096': 'rsa 4096', ed25519: 'ed25519' }[algorithm])
  })
})

describe('Certificate', () => {
  test('a server with a certificate of an authority between it and the root is trusted by who knows the root alone, under each of its names and no other', async () => {
    const root = await make(certificateAuthoritySpec, { commonName: 'Root' })
    const between = await make(certificateAuthoritySpec, { commonName: 'Between, "the" ünd \\ #2', organization: 'Acme, Inc', authority: signs(root), pathLength: 0 })
    const cert = await make(certificateSpec, { commonName: 'db.example', dnsNames: ['*.db.example'], ipAddresses: ['127.0.0.1'], authority: signs(between) })
    expect(cert.chainPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    const server = { cert: cert.chainPem, key: cert.keyPem }
    for (const servername of ['db.example', 'a.db.example']) expect(await ask(server, { ca: root.certPem, servername })).toBe('hello stranger')
    expect(await ask(server, { ca: root.certPem })).toBe('hello stranger') // by address
    expect(await ask(server, { ca: root.certPem, servername: 'other.example' })).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    const another = await make(certificateAuthoritySpec, { commonName: 'Root' })
    expect(await ask(server, { ca: another.certPem, servername: 'db.example' })).toMatch(/UNABLE_TO_GET_ISSUER|SELF_SIGNED|SIGNATURE/)
    expect(new X509Certificate(between.certPem).subject).toContain('Acme\\, Inc')
  })

  test('a client shows its own; one that is for servers only is refused there', async () => {
    const root = await make(certificateAuthoritySpec, { commonName: 'Root' })
    const server = await make(certificateSpec, { commonName: 'db.example', usages: ['server'], authority: signs(root) })
    const client = await make(certificateSpec, { commonName: 'billing', usages: ['client'], authority: signs(root) })
    const asked = { cert: server.chainPem, key: server.keyPem, ca: root.certPem, requestCert: true, rejectUnauthorized: true }
    expect(await ask(asked, { ca: root.certPem, servername: 'db.example', cert: client.chainPem, key: client.keyPem })).toBe('hello billing')
    expect(await ask(asked, { ca: root.certPem, servername: 'db.example', cert: server.chainPem, key: server.keyPem })).not.toContain('hello')
    expect(await ask({ cert: client.chainPem, key: client.keyPem }, { ca: root.certPem, servername: 'billing' })).toBe('INVALID_PURPOSE')
  })

  test.each(['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'ed25519'])('%s signs and serves, by its own key', async (algorithm) => {
    for (const spec of [certificateSpec, selfSignedCertificateSpec]) {
      const own = await make(spec, { commonName: 'localhost', keyAlgorithm: algorithm })
      expect(await ask({ cert: own.chainPem, key: own.keyPem }, { ca: own.certPem, servername: 'localhost' })).toBe('hello stranger')
      const seen = new X509Certificate(own.certPem)
      expect([seen.ca, seen.checkPrivateKey(createPrivateKey(own.keyPem)), seen.verify(seen.publicKey)]).toEqual([false, true, true])
      expect(seen.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(own.fingerprint)
      expect(seen.serialNumber.toLowerCase()).toBe(own.serial)
    }
  })

  test('a key that is given is used, and given back as it was', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
    const pem = privateKey.export({ type: 'sec1', format: 'pem' }) as string
    const made = await make(certificateSpec, { commonName: 'localhost', privateKeyPem: pem })
    expect(made.keyPem).toBe(pem)
    expect(new X509Certificate(made.certPem).checkPrivateKey(privateKey)).toBe(true)
  })

  test('it ends with its authority at the latest, and is renewed a third of its time before', async () => {
    const now = Date.parse('2030-01-01T00:00:00Z')
    const wanted = { commonName: 'a', keyAlgorithm: 'ecdsa-p256' as const, validForMs: 30 * 86_400_000 }
    const root = await issue({ ...wanted, ca: { pathLength: undefined } }, now)
    expect([root.notBefore, root.notAfter]).toEqual(['2029-12-31T23:55:00.000Z', '2030-01-31T00:00:00.000Z'])
    const cert = await issue({ ...wanted, validForMs: 90 * 86_400_000, authority: { certPem: root.certPem, keyPem: root.keyPem } }, now + 86_400_000)
    expect(cert.notAfter).toBe(root.notAfter)
    for (const [inputs, days] of [[{}, 30], [{ validFor: '9d' }, 3], [{ validFor: '36500d' }, 365], [{ renewBefore: '1d' }, 1]] as const) {
      const made = await make(certificateSpec, { commonName: 'a', ...inputs })
      expect((Date.parse(made.notAfter) - Date.parse(made.renewAt)) / 86_400_000).toBe(days)
    }
  })

  test('what may not sign, has ended, belongs to another or cannot be read is refused, and no key is in the message', async () => {
    const now = Date.now()
    const root = await make(certificateAuthoritySpec, { commonName: 'Root', pathLength: 0 })
    const other = await make(certificateAuthoritySpec, { commonName: 'Other' })
    const leaf = await make(certificateSpec, { commonName: 'leaf' })
    const locked = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }) as string
    const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    const cases: readonly [Record<string, unknown>, RegExp][] = [
      [{ authority: { certPem: root.certPem, keyPem: other.keyPem } }, /authority.keyPem is not the key of CN=Root/],
      [{ authority: signs(leaf) }, /CN=leaf is no authority/],
      [{ authority: { certPem: 'nothing', keyPem: root.keyPem } }, /holds no certificate/],
      [{ authority: { certPem: root.certPem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA'), keyPem: root.keyPem } }, /cannot be read as a certificate/],
      [{ authority: { certPem: root.certPem, keyPem: 'AAAA' } }, /authority.keyPem cannot be read/],
      [{ privateKeyPem: locked }, /privateKeyPem is encrypted/],
      [{ privateKeyPem: odd }, /not supported/],
    ]
    for (const [inputs, message] of cases) {
      const e = await make(certificateSpec, { commonName: 'a', ...inputs }).catch((x: unknown) => x)
      expect(e).toMatchObject({ code: 'HF3130', message: expect.stringMatching(message) })
      for (const made of [root, other, leaf]) expect(String((e as Error).message)).not.toContain(made.keyPem.split('\n')[1])
    }
    await expect(make(certificateAuthoritySpec, { commonName: 'a', authority: signs(root) })).rejects.toMatchObject({ code: 'HF3130', message: expect.stringContaining('pathLength') })
    const wanted = { commonName: 'a', keyAlgorithm: 'ed25519' as const, validForMs: 1_000 }
    const past = await issue({ ...wanted, ca: { pathLength: undefined } }, now - 10_000)
    await expect(issue({ ...wanted, authority: past }, now)).rejects.toMatchObject({ code: 'HF3130', message: expect.stringContaining('has ended') })
  })

  test.each([
    [{ dnsNames: ['a b'] }, /host name/], [{ dnsNames: ['127.0.0.1'] }, /host name/], [{ dnsNames: ['a.*.b'] }, /host name/], [{ ipAddresses: ['300.0.0.1'] }, /IP address/], [{ usages: [] }, /./],
    [{ validFor: '90' }, /duration/], [{ validFor: '0s' }, /duration/], [{ validFor: '1d', renewBefore: '1d' }, /shorter/], [{ commonName: '' }, /./], [{ commonName: 'x'.repeat(65) }, /./], [{ keyAlgorithm: 'md5' }, /./],
  ])('%j is refused', (inputs, message) => {
    expect(certificateSpec.inputs.safeParse({ commonName: 'a', ...inputs }).error?.message).toMatch(message)
  })

  test('a plan makes a new one when it is due, and what it signed follows; another time before its end is no new one', async () => {
    const lab = makeLab({ types: [CertificateAuthority, Certificate, PrivateKey] })
    const build = (renewBefore: string) => () => {
      const key = PrivateKey('key')
      const ca = CertificateAuthority('ca', { commonName: 'Root', validFor: '1h', renewBefore })
      const cert = Certificate('cert', { commonName: 'localhost', authority: { certPem: ca.certPem, keyPem: ca.keyPem }, privateKeyPem: key.privateKeyPem })
      return { ca: ca.serial, cert: cert.serial, until: cert.notAfter, authority: ca.notAfter }
    }
    const first = (await lab.apply(build('1m'))).outputs as Record<string, string>
    expect(first.until).toBe(first.authority)
    expect((await lab.plan(build('1m'))).empty).toBe(true)
    const again = await lab.apply(build('2m'))
    expect([again.summary, again.outputs]).toEqual([expect.objectContaining({ update: 1 }), first])
    // The authority is due at once: an hour before the end of its hour, but a second.
    await lab.apply(build('3599s'))
    await systemClock.sleep(1_100)
    expect((await lab.plan(build('3599s'))).document.changes).toMatchObject([{ address: 'ca', action: 'replace', reasons: [expect.stringContaining('to be renewed')] }, { address: 'cert', action: 'maybe' }])
    const renewed = (await lab.apply(build('3599s'))).outputs as Record<string, string>
    expect(renewed.ca).not.toBe(first.ca)
    expect(renewed.cert).not.toBe(first.cert)
    const dump = JSON.stringify([await lab.store.resources(lab.cx.env.id, 'current'), lab.events])
    expect(dump).not.toContain('PRIVATE KEY')
  })
})
