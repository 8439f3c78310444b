/**
 * The tour of the code, top to bottom: every folder, what it is for, and what it may import.
 *
 * Always true (scripts/layers.mjs, run by `npm test`): a folder imports another only through its `index.ts`, and only if it is named here;
 * `mayImport` names folders that stand above it in this list. Data only.
 * @module
 */
export interface Layer {
  /** Folder of src. */
  readonly name: string
  readonly holds: string
  readonly mayImport: readonly string[] | 'anything'
  /** Inner folders whose `index.ts` is a door of its own: what a user imports by name. */
  readonly doors?: readonly string[]
}

const pure = ['base', 'model'] as const
const stored = [...pure, 'secret', 'state', 'journal', 'store'] as const
const planned = [...stored, 'graph', 'provider', 'program', 'diff', 'flow', 'plan'] as const
const driven = [...planned, 'resource'] as const

export const layers: readonly Layer[] = [
  { name: 'base', holds: 'assert, the failure registry, ports for clock and randomness, ids, canonical text, digests, limits', mayImport: [] },
  { name: 'model', holds: 'addresses, values (known, unknown, secret), expressions, capabilities', mayImport: ['base'] },
  { name: 'secret', holds: 'keyring, seal and open, keyed fingerprints, call keys, the redactor', mayImport: pure },
  { name: 'graph', holds: 'nodes, edges, order, cycles, closure; pure', mayImport: pure },
  { name: 'state', holds: 'every record the store keeps and its legal moves; pure', mayImport: pure },
  { name: 'journal', holds: 'entries, what they mean, and what to do with a change whose end was never written; pure', mayImport: [...pure, 'state'] },
  { name: 'store', holds: 'the store port with its traits and leases; in memory and in SQLite', mayImport: [...pure, 'secret', 'state', 'journal'] },
  { name: 'flow', holds: 'tasks with their ways back: the pure step, the thin loop, retry and undo; the public workflow engine', mayImport: stored, doors: ['workflow'] },
  { name: 'provider', holds: 'the outside world as the engine calls it', mayImport: [...pure, 'secret'] },
  { name: 'program', holds: 'what an author writes: app, component, resource, expressions; evaluated into a graph', mayImport: [...pure, 'secret', 'graph', 'provider'] },
  { name: 'builtin', holds: 'the types that come with the package', mayImport: [...pure, 'secret', 'provider', 'program'], doors: ['value', 'random', 'tls', 'http', 'local'] },
  { name: 'diff', holds: 'how the program and the state differ; pure', mayImport: [...pure, 'graph', 'state'] },
  { name: 'plan', holds: 'order, claims, guards and ways back; the stored plan', mayImport: [...pure, 'secret', 'graph', 'state', 'flow', 'diff'] },
  { name: 'resource', holds: 'the domain of resources: declare, diff, compile, tasks, verify', mayImport: planned },
  { name: 'backend', holds: 'the founding contract 1 as a public interface over the store', mayImport: [...stored, 'diff'] },
  { name: 'engine', holds: 'one run, put together: preview, apply, refresh, destroy, settle', mayImport: driven },
  { name: 'project', holds: 'the composition root: project file, environments, keys, loading TypeScript', mayImport: [...driven, 'builtin', 'engine'] },
  { name: 'embed', holds: 'the founding contract 2 as a public interface: the engine over a provider of targets and a provider of snapshots', mayImport: [...driven, 'engine', 'project'] },
  { name: 'cli', holds: 'the command line: verbs, screens, documents, exit codes', mayImport: [...pure, 'secret', 'state', 'store', 'flow', 'plan', 'engine', 'project', 'backend'] },
  { name: 'testing', holds: 'suites for adapters and providers, virtual clock, traces; imported by tests and by adapters only', mayImport: 'anything' },
]

/** Files of src that belong to no folder. */
export const rootFiles = {
  /** What `import ... from 'holdfast'` gives. */
  'root.ts': ['base', 'model', 'provider', 'program', 'builtin', 'project'],
  'layers.ts': [],
} as const satisfies Record<string, readonly string[]>
