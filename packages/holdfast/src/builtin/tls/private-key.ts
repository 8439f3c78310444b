import { createHash, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { z } from 'zod'
import { sensitive } from '../../program/index.ts'
import type { ResourceSpec } from '../../provider/index.ts'
import { keepers, kept } from '../kept.ts'

export const keyAlgorithm = z.enum(['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-3072', 'rsa-4096', 'ed25519'])
export type KeyAlgorithm = z.output<typeof keyAlgorithm>

const generate = promisify(generateKeyPair) as (type: string, options: object) => Promise<{ readonly privateKey: KeyObject }>

/** A new key, from the generator of the system; RSA keys of 4096 bits take about a second, beside the program. */
export async function newKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const [type, size] = algorithm.split('-') as ['ecdsa' | 'rsa' | 'ed25519', string | undefined]
  const { privateKey } = await (type === 'rsa' ? generate('rsa', { modulusLength: Number(size) }) : type === 'ecdsa' ? generate('ec', { namedCurve: size === 'p384' ? 'P-384' : 'P-256' }) : generate('ed25519', {}))
  return privateKey
}

export const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string

const inputs = z.object({ algorithm: keyAlgorithm.default('ecdsa-p256'), keepers })
const outputs = z.object({
  privateKeyPem: sensitive(z.string()),
  publicKeyPem: z.string(),
  /** SHA-256 of the public key (SubjectPublicKeyInfo), in hex. */
  fingerprint: z.string(),
})
export const privateKeySpec: ResourceSpec<typeof inputs, typeof outputs> = {
  ...kept<z.output<typeof outputs>>(['privateKeyPem', 'publicKeyPem', 'fingerprint']),
  type: 'holdfast:tls/PrivateKey',
  inputs,
  outputs,
  async create({ inputs: { algorithm } }) {
    const key = await newKey(algorithm)
    const publicKey = createPublicKey(key)
    return {
      privateKeyPem: pemOf(key),
      publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
      fingerprint: createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('hex'),
    }
  },
}
