/**
 * Things of the machine: files, folders, links, commands, processes.
 *
 * Always true: what stood there before and is not ours is neither overwritten nor removed; what a crash cuts short is found again by its path and the token of the call.
 * May import base, model, secret, provider, program.
 * @module
 */
import type { z } from 'zod'
import type { NodeOptions } from '../../model/index.ts'
import { resource, type Node, type NodeArgs, type ResourceFn } from '../../program/index.ts'
import { commandSpec } from './command.ts'
import { directorySpec } from './directory.ts'
import { fileSpec } from './file.ts'
import { processSpec } from './process.ts'
import { symlinkSpec } from './symlink.ts'

const origin = (name: string) => ({ provider: `holdfast#local/${name}` })

/** `File(name, { path, content | source, mode?, owner? })`: outputs `path` (a plain name), `file` (path and content). */
export const File = resource(fileSpec, origin('File'))
/** `Symlink(name, { path, target })`. */
export const Symlink = resource(symlinkSpec, origin('Symlink'))
/** `Command(name, { command, env?, cwd?, user?, triggers?, creates?, destroy? })`: outputs `exitCode`, `stdout`. */
export const Command = resource(commandSpec, origin('Command'))
/** `Process(name, { command, ... })`: a program that keeps running. */
export const Process = resource(processSpec, origin('Process'))

export interface DirectoryOptions extends NodeOptions {
  /** It holds data: never simply removed, but moved to the trash, and taken back from there. */
  readonly data?: boolean
}
type DirectorySpec = typeof directorySpec
type DirectoryInputs = DirectorySpec['inputs']
type DirectoryOutputs = DirectorySpec['outputs']
export interface DirectoryFn extends Pick<ResourceFn<DirectoryInputs, DirectoryOutputs>, 'type' | 'spec'> {
  (name: string, ...args: NodeArgs<z.input<DirectoryInputs>, DirectoryOptions>): Node<z.output<DirectoryOutputs>>
}

const directory = resource(directorySpec, origin('Directory'))
/** `Directory(name, { path, mode?, owner? }, { data? })`. */
export const Directory = Object.freeze(
  Object.assign(
    (name: string, inputs: Parameters<typeof directory>[1], options?: DirectoryOptions) => {
      if (typeof options !== 'object' || options === null || !('data' in options)) return directory(name, inputs, options)
      const { data, ...rest } = options
      return directory(name, data === undefined ? inputs : { ...inputs, data }, rest)
    },
    { type: directory.type, spec: directory.spec },
  ),
) as DirectoryFn

export { emptyTrash, listTrash, restoreTrash, trashSize, type TrashEntry } from './trash.ts'
export { readLog, type ReadLogOptions } from './process-log.ts'
