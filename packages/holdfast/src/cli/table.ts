import type { Verb } from './verb.ts'

export interface FlagSpec {
  /** As commander reads it: `-e, --env <name>`. */
  readonly flags: string
  readonly summary: string
  /** May be given more than once. */
  readonly many?: true
  readonly choices?: readonly string[]
}

export interface VerbSpec {
  /** One or two words. */
  readonly name: string
  readonly args?: string
  readonly summary: string
  /** Shown by `help` without `all`. */
  readonly daily?: true
  readonly own?: readonly FlagSpec[]
  load(): Promise<Verb>
}

export const globalFlags: readonly FlagSpec[] = [
  { flags: '-e, --env <name>', summary: 'environment (HOLDFAST_ENV)' },
  { flags: '-C, --cwd <folder>', summary: 'work in this folder' },
  { flags: '-c, --config <file>', summary: 'the project file (HOLDFAST_CONFIG)' },
  { flags: '--set <key=value>', summary: 'a value of config; a JSON value or text', many: true },
  { flags: '--json', summary: 'one JSON document on stdout' },
  { flags: '--events <file>', summary: 'every event as a line of JSON, to a file or - for stdout' },
  { flags: '-y, --yes', summary: 'do not ask' },
  { flags: '--no-input', summary: 'never ask; what would need an answer fails' },
  { flags: '-q, --quiet', summary: 'no progress' },
  { flags: '-v, --verbose', summary: 'more, and the causes of errors' },
  { flags: '--color <when>', summary: 'auto, always or never', choices: ['auto', 'always', 'never'] },
  { flags: '--concurrency <n>', summary: 'most steps at the same time (HOLDFAST_CONCURRENCY)' },
  { flags: '--lock-timeout <duration>', summary: 'how long to wait for another apply; 0s does not wait' },
  { flags: '--target <address>', summary: 'only this node; * stands for a name, ** for any path', many: true },
  { flags: '--target-dependents', summary: 'and all that depends on the targets' },
  { flags: '--exclude <address>', summary: 'not this node; * and ** as above', many: true },
  { flags: '--exclude-dependents', summary: 'nor what depends on it' },
  { flags: '--replace <address>', summary: 'make this node anew', many: true },
  { flags: '--unprotect <path>', summary: 'let this plan delete or replace this node, or all of this component', many: true },
  { flags: '--allow-deletes <n>', summary: 'refuse a plan that deletes more' },
  { flags: '--exit-code', summary: 'exit 7 when there are changes, or drift; status: 12 while a change is open' },
  { flags: '--on-failure <what>', summary: 'revert (default), keep what succeeded, or continue with what does not wait for it', choices: ['revert', 'keep', 'continue'] },
  { flags: '-h, --help', summary: 'help for a verb' },
]

const adoptOther: FlagSpec = { flags: '--adopt-other', summary: 'take over also what belongs to somebody else' }
const limit: FlagSpec = { flags: '--limit <n>', summary: 'how many, newest first (20)' }

export const verbs: readonly VerbSpec[] = [
  { name: 'init', summary: 'write a first program into this folder', daily: true, load: async () => (await import('./verbs/init.ts')).init },
  { name: 'plan', summary: 'show what an apply would change', daily: true, own: [{ flags: '--out <file>', summary: 'write the plan to a file' }, { flags: '--destroy', summary: 'of deleting everything' }, { flags: '--hold <duration>', summary: 'keep everybody else out so long, for the apply of this plan' }, adoptOther], load: async () => (await import('./verbs/plan.ts')).plan },
  { name: 'apply', args: '[plan]', summary: 'change what differs; a failure takes everything back', daily: true, own: [{ flags: '--lease <word>', summary: 'under the lease that `plan --hold` has kept' }, { flags: '--refresh', summary: 'record the world as it is first' }, adoptOther], load: async () => (await import('./verbs/apply.ts')).apply },
  { name: 'destroy', summary: 'delete everything of an environment', daily: true, load: async () => (await import('./verbs/apply.ts')).destroy },
  { name: 'drift', summary: 'compare the state with the world', daily: true, own: [{ flags: '--repair', summary: 'make the world as the program says' }, { flags: '--accept', summary: 'record the world as it is; what is gone is forgotten' }], load: async () => (await import('./verbs/drift.ts')).drift },
  { name: 'status', summary: 'revision, open changes, who is at work', daily: true, load: async () => (await import('./verbs/status.ts')).status },
  { name: 'outputs', args: '[name]', summary: 'what the app gives', daily: true, own: [{ flags: '--reveal', summary: 'show secrets in clear; it is recorded' }], load: async () => (await import('./verbs/outputs.ts')).outputs },
  { name: 'logs', args: '<address>', summary: 'what a process wrote', daily: true, own: [{ flags: '-f, --follow', summary: 'go on until interrupted' }, { flags: '--since <duration>', summary: 'only the last 5m, 2h, ...' }], load: async () => (await import('./verbs/logs.ts')).logs },
  { name: 'secret set', args: '<name>', summary: 'give a declared secret its value, on stdin', daily: true, load: async () => (await import('./verbs/secret.ts')).secretSet },
  { name: 'explain', args: '<code>', summary: 'what an error means and how to get out of it', daily: true, load: async () => (await import('./verbs/explain.ts')).explain },

  {
    name: 'adopt', args: '[address] [id]', summary: 'plan to take over objects that exist, as nodes of the program; nothing else is done', load: async () => (await import('./verbs/adopt.ts')).adopt,
    own: [{ flags: '--from <file>', summary: 'a JSON file: { "address": "id", ... }; - reads stdin' }, adoptOther],
  },
  { name: 'graph', summary: 'the nodes of the program and what they depend on', own: [{ flags: '--format <format>', summary: 'text, dot or json', choices: ['text', 'dot', 'json'] }], load: async () => (await import('./verbs/graph.ts')).graph },
  { name: 'check', summary: 'build the program, and check its types when it has a compiler', load: async () => (await import('./verbs/check.ts')).check },
  { name: 'secret ls', summary: 'declared secrets, and which are set', load: async () => (await import('./verbs/secret.ts')).secretList },
  { name: 'secret rm', args: '<name>', summary: 'forget the value of a secret', load: async () => (await import('./verbs/secret.ts')).secretRemove },
  { name: 'secret rotate', args: '<address...>', summary: 'make the secrets that these nodes generate anew; what uses them follows in the same run', load: async () => (await import('./verbs/secret.ts')).secretRotate },
  {
    name: 'state ls', summary: 'what the state knows', load: async () => (await import('./verbs/state.ts')).stateList,
    own: [{ flags: '--with-outputs', summary: 'add the outputs, secrets masked' }, { flags: '--tag <key[=value]>', summary: 'only nodes with this tag' }, { flags: '--open', summary: 'as the open run has changed it' }],
  },
  { name: 'state show', args: '<address>', summary: 'one node with inputs, outputs and history', own: [{ flags: '--open', summary: 'as the open run has changed it' }], load: async () => (await import('./verbs/state.ts')).stateShow },
  { name: 'state watch', summary: 'what is committed, as it happens, by whichever command; Ctrl-C ends it', own: [{ flags: '--from <commit>', summary: 'begin after this commit instead of now; 0 is the beginning' }], load: async () => (await import('./verbs/watch.ts')).stateWatch },
  { name: 'state doctor', summary: 'verify the state file', load: async () => (await import('./verbs/state.ts')).stateDoctor },
  {
    name: 'state compact', summary: 'take old events away; a run does it by itself for those of more than 30 days', load: async () => (await import('./verbs/state.ts')).stateCompact,
    own: [{ flags: '--older <duration>', summary: 'all that are older: 7d, 12h' }, { flags: '--keep <n>', summary: 'all but the newest n' }],
  },
  { name: 'state export', summary: 'every table as lines of JSON, secrets sealed', load: async () => (await import('./verbs/state.ts')).stateExport },
  { name: 'state unlock', summary: 'take the lease away from who cannot let go of it, or give up one that is kept', load: async () => (await import('./verbs/unlock.ts')).stateUnlock },
  { name: 'state forget', args: '<address>', summary: 'give a node up; its object stays', load: async () => (await import('./verbs/state.ts')).stateForget },
  { name: 'state taint', args: '<address...>', summary: 'mark nodes: the next plan makes their objects anew', load: async () => (await import('./verbs/state.ts')).stateTaint },
  { name: 'state untaint', args: '<address...>', summary: 'take the marks of `state taint` away', load: async () => (await import('./verbs/state.ts')).stateUntaint },
  { name: 'state import', args: '<file>', summary: 'read what `state export` wrote into a project that has no state yet; - reads stdin', load: async () => (await import('./verbs/import.ts')).stateImport },
  { name: 'run ls', summary: 'runs, newest first', own: [limit], load: async () => (await import('./verbs/run.ts')).runList },
  { name: 'run show', args: '<run>', summary: 'a run with its steps and events', load: async () => (await import('./verbs/run.ts')).runShow },
  { name: 'run resume', summary: 'go on with the run that was not finished', load: async () => (await import('./verbs/run.ts')).runResume },
  { name: 'run revert', summary: 'take the run that was not finished back', load: async () => (await import('./verbs/run.ts')).runRevert },
  {
    name: 'run settle', args: '<tx>', summary: 'say what became of a change whose answer was lost', load: async () => (await import('./verbs/run.ts')).runSettle,
    own: [
      { flags: '--retry', summary: 'send it again' }, { flags: '--adopt <id>', summary: 'it made the object with this id' }, { flags: '--absent', summary: 'it made nothing' },
      { flags: '--to <state>', summary: 'the object is in its previous or new state', choices: ['previous', 'new'] }, { flags: '--abandon', summary: 'give the object up' },
    ],
  },
  {
    name: 'simulate', args: '[plan]', summary: 'what an apply would do and in which order, without doing it', load: async () => (await import('./verbs/simulate.ts')).simulate,
    own: [{ flags: '--fail <address[.op]>', summary: 'let this step fail (create, update or delete; all of them without it)', many: true }],
  },
  { name: 'plan ls', summary: 'stored plans, newest first', own: [limit], load: async () => (await import('./verbs/plan.ts')).planList },
  { name: 'plan show', args: '<id>', summary: 'a stored plan', load: async () => (await import('./verbs/plan.ts')).planShow },
  { name: 'plan approve', args: '<id>', summary: 'say that a stored plan may be applied; who and when is recorded', load: async () => (await import('./verbs/plan.ts')).planApprove },
  { name: 'plan diff', args: '<a> <b>', summary: 'how two stored plans differ', load: async () => (await import('./verbs/plan.ts')).planDiff },
  { name: 'trash ls', summary: 'data that was moved away instead of deleted', load: async () => (await import('./verbs/trash.ts')).trashList },
  { name: 'trash restore', args: '<id>', summary: 'move data back to where it was', own: [{ flags: '--to <path>', summary: 'or to another place' }], load: async () => (await import('./verbs/trash.ts')).trashRestore },
  { name: 'trash empty', args: '[id]', summary: 'delete data in the trash for good', load: async () => (await import('./verbs/trash.ts')).trashEmpty },
  { name: 'version', summary: 'versions of Holdfast, Node.js and SQLite', load: async () => (await import('./verbs/version.ts')).version },
  { name: 'help', args: '[verb...]', summary: 'this; `help all` shows every verb', load: async () => (await import('./verbs/help.ts')).help },
]
