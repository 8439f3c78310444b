import { resolve } from 'node:path'
import { emptyTrashOf, restoreFromTrash, trashItems } from '../../project/index.ts'
import { confirm } from '../ask.ts'
import { rowsText } from '../screen/rows.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

export const trashList: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const trash = await trashItems(s.opened.home)
  if (call.flags.json) s.print({ trash })
  else io.out(trash.length === 0 ? 'The trash is empty.\n' : rowsText(trash.map((t) => [t.id, t.path, `${t.app}/${t.env}`, t.removedAt, `${t.files} files`, `${t.bytes} bytes`])))
  return 0
})

export const trashRestore: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, async (s) => {
  const id = call.args[0] as string
  const { to } = call.flags.own
  await confirm(io, call.flags, `Move ${id} out of the trash?`)
  const path = await restoreFromTrash(s.opened.home, id, typeof to === 'string' ? resolve(call.flags.cwd, to) : undefined)
  if (call.flags.json) s.print({ id, path })
  else io.out(`${path}\n`)
  return 0
})

export const trashEmpty: Verb = (io, call) => withProject(io, call, { access: 'write', programOptional: true }, async (s) => {
  const [id] = call.args
  const found = (await trashItems(s.opened.home)).filter((t) => id === undefined || t.id === id)
  if (found.length > 0 || id !== undefined) await confirm(io, call.flags, id === undefined ? `Delete all ${found.length} entries of the trash for good?` : `Delete ${id} for good?`)
  const emptied = await emptyTrashOf(s.cx, id)
  if (call.flags.json) s.print({ emptied })
  else io.out(emptied.length === 0 ? 'The trash is empty.\n' : `${emptied.join('\n')}\n`)
  return 0
})
