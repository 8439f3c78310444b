/**
 * Secrets at rest, in fingerprints and in what people see.
 *
 * Always true: only sealed text leaves this folder for a store; a redactor knows every secret that was opened in this process.
 * May import base, model.
 * @module
 */
export { makeRedactor, type Redactor } from './redactor.ts'
export { createKeyFile, keyFromText, makeKeyring, readKeyFile, type Keyring, type SealContext } from './keyring.ts'
export { decodeDoc, encodeDoc, type DocContext } from './document.ts'
export { parseSafely } from './schema.ts'
export { callKey, physicalName } from './call-key.ts'
