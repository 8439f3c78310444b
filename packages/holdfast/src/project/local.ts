// What the built-in local types keep beside the state: logs of processes, and the trash. Loaded when somebody asks for it.
import { forgetBound, type EngineContext } from '../engine/index.ts'

export const logLines = async (root: string, logPath: string, options: { readonly since?: number; readonly follow?: boolean; readonly signal?: AbortSignal }): Promise<AsyncGenerator<string>> =>
  (await local()).readLog(root, logPath, options)

const local = () => import('../builtin/local/index.ts')

export interface TrashItem {
  readonly id: string
  readonly path: string
  readonly app: string
  readonly env: string
  readonly removedAt: string
  readonly bytes: number
  readonly files: number
}

export async function trashItems(home: string): Promise<TrashItem[]> {
  const { listTrash, trashSize } = await local()
  return listTrash(home).map((e) => ({ id: e.id, path: e.path, app: e.env.app, env: e.env.name, removedAt: e.removedAt, ...trashSize(e) }))
}

/** Gives where the data is now. Fails HF6006, HF3104. */
export const restoreFromTrash = async (home: string, id: string, to: string | undefined): Promise<string> => (await local()).restoreTrash(home, id, to)

/** Deletes for good, the secrets that were bound to the data too; gives the ids. Fails HF6006. */
export async function emptyTrashOf(cx: EngineContext, id: string | undefined): Promise<string[]> {
  const gone = (await local()).emptyTrash(cx.host.home, id)
  // After the data: a secret without its data harms nobody, data without its secret is lost.
  await forgetBound(cx, gone.map((e) => ({ uid: e.uid, env: e.env.id, path: e.path })))
  return gone.map((e) => e.id)
}
