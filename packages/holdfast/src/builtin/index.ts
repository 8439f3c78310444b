/**
 * The types that come with the package, each behind its own door: http/, local/, random/, tls/, value/.
 *
 * Always true: every type is idempotent, declares how a lost answer is settled, and passes the exported provider suite.
 * May import base, model, secret, provider, program.
 * @module
 */
import { completeType, type ResourceSpec, type ResourceType } from '../provider/index.ts'
import { Request } from './http/index.ts'
import { Command, Directory, File, Process, Symlink } from './local/index.ts'
import { Id, Integer, Password, Pet, Shuffle, Uuid } from './random/index.ts'
import { Certificate, CertificateAuthority, PrivateKey, SelfSignedCertificate } from './tls/index.ts'
import { Value } from './value/index.ts'

export { Value } from './value/index.ts'
export { emptyTrash, listTrash, restoreTrash, trashSize, type TrashEntry } from './local/index.ts'

const provided = { 'http/Request': Request, 'local/File': File, 'local/Directory': Directory, 'local/Symlink': Symlink, 'local/Command': Command, 'local/Process': Process, 'random/Password': Password, 'random/Id': Id, 'random/Uuid': Uuid, 'random/Pet': Pet, 'random/Integer': Integer, 'random/Shuffle': Shuffle, 'tls/PrivateKey': PrivateKey, 'tls/CertificateAuthority': CertificateAuthority, 'tls/Certificate': Certificate, 'tls/SelfSignedCertificate': SelfSignedCertificate, Value }

/** Every built-in type, as the engine knows it: also for state whose program no longer imports them. */
export const builtinTypes = (): ResourceType[] => Object.entries(provided).map(([name, fn]) => completeType(fn.spec as unknown as ResourceSpec, `holdfast#${name}`))
