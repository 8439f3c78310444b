/**
 * Private keys and X.509 certificates, made in this process.
 *
 * Always true: nothing stands outside the state; private keys are secret outputs; a certificate is made anew before it ends, by the first plan after `renewAt`.
 * May import base, model, secret, provider, program.
 * @module
 */
import { resource } from '../../program/index.ts'
import { certificateAuthoritySpec, certificateSpec, selfSignedCertificateSpec } from './certificate.ts'
import { privateKeySpec } from './private-key.ts'

const origin = (name: string) => ({ provider: `holdfast#tls/${name}` })

/** `PrivateKey(name, { algorithm?, keepers? })`: outputs `privateKeyPem` (a secret, PKCS #8), `publicKeyPem`, `fingerprint`. */
export const PrivateKey = resource(privateKeySpec, origin('PrivateKey'))
/**
 * `CertificateAuthority(name, { commonName, organization?, validFor?, renewBefore?, pathLength?, keyAlgorithm?, privateKeyPem?, authority?, keepers? })`: a certificate that may
 * sign others; with `authority`, one between. Outputs as those of `Certificate`.
 */
export const CertificateAuthority = resource(certificateAuthoritySpec, origin('CertificateAuthority'))
/**
 * `Certificate(name, { commonName, dnsNames?, ipAddresses?, organization?, validFor?, renewBefore?, usages?, keyAlgorithm?, privateKeyPem?, authority?: { certPem, keyPem }, keepers? })`:
 * for a server, a client or both; signed by the authority, or by its own key where there is none. Outputs `certPem`, `chainPem` (with the authorities between it and the root),
 * `keyPem` (a secret), `notBefore`, `notAfter`, `renewAt`, `serial`, `fingerprint`.
 */
export const Certificate = resource(certificateSpec, origin('Certificate'))
/** `SelfSignedCertificate(name, inputs)`: as `Certificate`, always signed by its own key. */
export const SelfSignedCertificate = resource(selfSignedCertificateSpec, origin('SelfSignedCertificate'))
