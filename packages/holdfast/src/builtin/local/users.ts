import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { failure } from '../../base/index.ts'

export interface Account {
  readonly uid: number
  readonly gid: number
  readonly name: string
  readonly home: string | undefined
}

/**
 * An account by name or number, from /etc/passwd, else from the system's directory.
 * Fails HF3109: there is none.
 */
export function accountOf(user: string): Account {
  const own = userInfo()
  if (own.username === user) return { uid: own.uid, gid: own.gid, name: own.username, home: own.homedir }
  const line = passwdLine(user)
  if (line) {
    const [name = user, , uid, gid, , home] = line.split(':')
    return { uid: Number(uid), gid: Number(gid), name, home }
  }
  if (/^\d+$/.test(user)) return { uid: Number(user), gid: Number(user), name: user, home: undefined }
  throw failure('HF3109', { message: `There is no user ${user} on this machine.`, hint: 'Create the user, or name another.' })
}

/** `user`, or `user:group`. */
export function ownershipOf(owner: string): { readonly uid: number; readonly gid: number } {
  const [user = '', group] = owner.split(':')
  const { uid, gid } = accountOf(user)
  return { uid, gid: group === undefined ? gid : groupOf(group) }
}

function groupOf(group: string): number {
  if (/^\d+$/.test(group)) return Number(group)
  const line = read('/etc/group').find((l) => l.startsWith(`${group}:`)) ?? directory('group', group)
  const gid = Number(line?.split(':')[2])
  if (line && Number.isInteger(gid)) return gid
  throw failure('HF3109', { message: `There is no group ${group} on this machine.`, hint: 'Create the group, or name another.' })
}

function passwdLine(user: string): string | undefined {
  const byNumber = /^\d+$/.test(user)
  return read('/etc/passwd').find((l) => (byNumber ? l.split(':')[2] === user : l.startsWith(`${user}:`))) ?? directory('passwd', user)
}

function read(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** Accounts that are kept elsewhere (LDAP and the like). */
function directory(kind: 'passwd' | 'group', name: string): string | undefined {
  const { status, stdout } = process.getBuiltinModule('node:child_process').spawnSync('getent', [kind, '--', name], { encoding: 'utf8' })
  return status === 0 && stdout ? stdout.split('\n')[0] : undefined
}
