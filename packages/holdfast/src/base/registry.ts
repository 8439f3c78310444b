/** What `holdfast explain CODE` prints, and the exit code of a command that ends with the failure. */
export interface FailureEntry {
  /** Fixed, never changed once released; codes are append-only. */
  readonly summary: string
  readonly exit: number
  readonly causes: readonly string[]
  readonly fixes: readonly string[]
}

const e = (exit: number, summary: string, causes: string | readonly string[], fixes: string | readonly string[]): FailureEntry =>
  ({ summary, exit, causes: typeof causes === 'string' ? [causes] : causes, fixes: typeof fixes === 'string' ? [fixes] : fixes })

/**
 * Every failure Holdfast can report. HF1 program · HF2 plan · HF3 task and provider · HF4 state and lock · HF5 policy and protection · HF9 internal.
 * A test raises each of them (test/errors).
 */
export const registry = {
  // HF10: the command line and the project file
  HF1001: e(2, 'The command line could not be understood.', 'An unknown verb or flag, a missing argument, or a value of the wrong form.', 'Run `holdfast help`, or `holdfast help VERB`.'),
  HF1002: e(2, 'There is no program here.', 'No holdfast.config.ts and no app.ts was found in this folder.', ['Run `holdfast init`, or change to the folder of the program, or name it with --cwd.']),
  HF1003: e(2, 'The program could not be loaded.', ['A syntax error, an import that cannot be resolved, or code that throws while the module is loaded.'], 'Correct the file at the place shown.'),
  HF1004: e(2, 'The program does not export an app.', 'The module has no default export made by app().', "Write `export default app('name', { build() { ... } })`."),
  HF1005: e(2, 'The project file is not valid.', 'holdfast.config.ts does not export defineProject({...}), or an option has the wrong type.', 'Correct the option named in the message.'),
  HF1006: e(2, 'Input is needed, and there is no terminal to ask.', 'A command wants a confirmation, and stdin or stderr is not a terminal.', 'Add --yes. Nothing was changed.'),
  HF1007: e(2, 'This platform is not supported yet.', 'Holdfast runs on Linux, and on macOS with best effort.', 'Run it on Linux, or inside a Linux container or WSL.'),
  HF1008: e(8, 'Cancelled before anything was changed.', 'The question was answered with no, or the command was interrupted.', 'Run the command again when you are ready.'),
  // HF11: declaring
  HF1101: e(2, 'Nodes can only be declared while an app or a component is being built.', 'A resource or component function was called outside build(), or after build() had returned.', 'Move the call into build().'),
  HF1102: e(2, 'Two nodes have the same address.', 'A name was used twice in one app or component.', 'Give one of them another name.'),
  HF1103: e(2, 'A name is not valid.', 'Names are 1 to 128 characters; letters, digits, and . _ - @ inside; no slash, no blank.', 'Choose another name.'),
  HF1104: e(2, 'build() is asynchronous.', 'build() returned a promise.', 'Read what you need before app() with top-level await, or use lookup().'),
  HF1105: e(2, 'build() is not pure: two calls gave different graphs.', 'It depends on the time, on randomness, on a counter, or on something else that changes between two calls.', 'Use Id, Password or Uuid for values that must be made once, and read the world before app().'),
  HF1106: e(2, 'build() threw an error.', 'Code in build() failed.', 'Correct the code at the place shown.'),
  HF1107: e(2, 'The declaration of a resource type is not valid.', 'A member is missing or has the wrong type.', 'Correct the member named in the message.'),
  HF1108: e(2, 'Two resource types have the same name.', 'resource() was called twice with one type and different definitions.', 'Give one of them another type name.'),
  HF1109: e(2, 'The declaration of an app or a component is not valid.', 'A member is missing or has the wrong type, or build() returns something other than an object.', 'Correct the member named in the message.'),
  HF1120: e(2, 'The declaration of a hook is not valid.', ['The second argument is not a function.', 'Two hooks have the same name and different functions.'], 'Give each hook a name of its own and a function, at the top level of a module.'),
  // HF12: expressions and inputs
  HF1201: e(2, 'A reference was used as a string.', 'A reference stands in a template literal, in a concatenation or as a property key; its value is not known before apply.', 'Write str`...${ref}...` instead of `...${ref}...`.'),
  HF1202: e(2, 'There is no such output.', 'A property was read that the type does not declare.', 'Use one of the outputs named in the message.'),
  HF1203: e(2, 'A reference cannot be passed to JSON.stringify.', 'The value is not known before apply.', 'Use json({ ... }).'),
  HF1204: e(2, 'A value cannot be used here.', 'A function, a cycle, NaN, or a reference where only a plain value may stand.', 'Use plain JSON values, or a reference where the type allows one.'),
  HF1205: e(2, 'An expression cannot be computed.', 'A function got a value of the wrong kind.', 'Correct the expression at the place shown.'),
  HF1206: e(2, 'The inputs of a node are not valid.', 'A field is missing, unknown, or has the wrong type.', 'Correct the field named in the message.'),
  HF1207: e(2, 'An asset cannot be read.', 'The file or folder does not exist, or is not readable.', 'Correct the path; it is relative to the program.'),
  HF1208: e(2, 'The options of a node are not valid.', 'An unknown option, or one of the wrong type.', 'Correct the option named in the message.'),
  HF1301: e(2, 'The configuration is not valid.', 'A value of config, of an environment or of --set does not fit the schema.', 'Correct the value named in the message.'),
  HF1302: e(6, 'There is no such environment.', 'The name given with --env is not declared by the app.', 'Use one of the environments named in the message.'),
  HF1303: e(2, 'Which environment is meant?', 'The app has more than one environment, and --env is missing.', 'Add --env NAME.'),
  HF1304: e(2, 'There is no such secret.', 'The name is not declared in the secrets of the app.', 'Declare it in `secrets: [...]`.'),
  HF1305: e(2, 'A name cannot be the name of a target.', 'Targets are named by segments of letters, digits and . _ - with / between them, 1 to 255 bytes in all, none of them . or ..', 'Choose another name.'),
  HF1306: e(2, 'The engine was given something that it cannot take.', 'A part of the engine, an option of a call, or what a provider of targets gave is missing or of another kind.', 'Correct what the message names. Nothing was begun.'),
  HF1307: e(2, 'A function was given something that it cannot take.', 'An argument is missing, or is of another kind.', 'Correct the argument named in the message. Nothing was done.'),
  // HF20: plan
  HF2101: e(2, 'The nodes depend on each other in a circle.', 'Following the references of a node leads back to it.', 'Remove one of the references named in the message.'),
  HF2102: e(2, 'A move is not possible.', 'movedFrom names an address that still exists in the program, or two nodes claim to have been the same one, or the types differ.', 'Correct movedFrom.'),
  HF2103: e(2, 'A node refers to one that does not exist.', 'A reference comes from another app or an earlier build.', 'Use references of nodes of this build only.'),
  HF2104: e(2, 'Two nodes claim the same thing.', 'Two nodes of the program name one path, port or other physical object.', 'Let one of them own it, and refer to that one.'),
  HF2105: e(5, 'The thing is owned by another node.', 'A node of another environment or app claims the same path, port or other physical object.', 'Choose another, or destroy the owner first.'),
  HF2106: e(2, 'A node can only be taken care of by a type that is not declared any more.', 'The program no longer imports the file, and the project no longer names the package, that declares the type of an object that is to go or of a change that is not settled.', ['Keep the type imported until that is done.', 'Or give the object up: `holdfast state forget ADDRESS`; an unsettled change: `holdfast run settle TX --abandon`.']),
  HF2120: e(2, 'An object cannot be taken over.', ['There is no such object, or its type cannot read one by its id.', 'The node has another object already, or would need a new one at once.', 'Two rows name one object or one node, or something the node needs does not exist yet.'], 'Correct the ids; every row that cannot be done is listed in the message and the details. Nothing was changed.'),
  HF2121: e(5, 'The object belongs to somebody else.', 'The type says that another owner looks after it.', 'Let the owner give it up first. Or take it over all the same: --adopt-other'),
  HF2122: e(2, 'A hook is not declared any more.', 'A node that is to be deleted names it, and no module of the program declares a hook of that name.', 'Keep the hook declared until the object is deleted.'),
  HF2107: e(5, 'A restricted plan would break a dependency.', ['A node that is touched needs one that is not, and that does not exist yet or is not as the program describes it.', 'A node that stays refers to one that would go, or be made anew.'], ['Name the other node with --target, too.', 'Take along all that depends on the targets with --target-dependents, or leave out all that depends on what is excluded with --exclude-dependents.']),
  HF2108: e(2, 'Two resources of the state have one address.', 'They were made through `holdfast/backend`, where resources of different types may have one name. A program has one node at an address.', ['Rename one of them there (UPDATE_NAME), or delete it.', 'Or give both up: `holdfast state forget ADDRESS`; their objects stay.']),
  HF2301: e(2, 'A declared secret has no value.', 'The secret was never set in this environment.', 'Run `holdfast secret set NAME` and give the value on stdin.'),
  HF2401: e(11, 'The plan is stale.', 'The state has changed since the plan was made.', 'Plan again.'),
  HF2402: e(2, 'The plan cannot be applied.', 'The file was edited, is not a plan, or was made for another state, environment or program.', 'Plan again.'),
  HF2403: e(11, 'The plan was applied already.', 'A plan is applied exactly once.', 'Plan again.'),
  HF2404: e(6, 'There is no such plan.', 'The id is unknown in this state.', 'Run `holdfast plan ls`.'),
  HF2501: e(5, 'More would be deleted than allowed.', 'The plan deletes more nodes than --allow-deletes permits.', 'Check the program, or raise --allow-deletes.'),
  HF2502: e(5, 'The plan is not approved.', "The project says `approve: 'required'` for this environment, and nobody has approved this plan as it stands.", ['Look at it with `holdfast plan show ID`, approve it with `holdfast plan approve ID`, then `holdfast apply ID`.']),
  // HF30: tasks and providers
  HF3101: e(4, 'A step failed.', 'The provider rejected the change.', 'Read the message of the provider.'),
  HF3102: e(4, 'A provider answered with the wrong shape.', 'The outputs do not fit the schema of the type.', 'Correct the provider, or its outputs schema.'),
  HF3103: e(12, 'The outcome of a step is unknown, and only a person can decide it.', 'The answer of the provider was lost, and the type has no way to find out what happened.', 'Run `holdfast status`, look at the object, then `holdfast run settle TX`.'),
  HF3104: e(4, 'The name is taken by an object that is not ours.', 'Something that Holdfast did not make stands where the node should be.', 'Remove or rename the object, or choose another name.'),
  HF3105: e(4, 'A step took too long.', 'The deadline of the node or type passed.', 'Raise `timeout`, or find out why the step hangs.'),
  HF3106: e(4, 'A step was cancelled.', 'The run was interrupted while the step was running.', 'Run apply again.'),
  HF3107: e(4, 'A process did not become ready.', 'The program ended, or did not pass its readiness check in time.', 'Read its log, correct the program or raise ready.within.'),
  HF3108: e(4, 'A command failed.', 'The program ended with a code other than 0, or could not be started.', 'Read its output in the message.'),
  HF3109: e(4, 'A file operation failed.', 'The operating system refused it.', 'Read the message of the system.'),
  HF3111: e(4, 'The disk is full.', 'No space is left, or a quota is used up.', 'Free some space and run apply again; nothing was lost.'),
  HF3113: e(12, 'What the run did cannot be taken back.', 'A completed step is declared irreversible.', 'Finish the change with `holdfast run resume`.'),
  HF3114: e(4, 'The resource type is not available.', 'The program no longer declares the type, and no provider package of the project has it.', 'Name the package in `providers` of holdfast.config.ts, or keep the type imported.'),
  HF3115: e(4, 'The object is not ours any more, and was left alone.', 'What stands in its place was made by somebody else.', 'Remove it by hand if it should go.'),
  HF3120: e(4, 'A hook failed.', 'The program\'s own function that runs before or after the step threw an error, or took too long.', 'Read its message; correct the hook, or take it out of the options of the node.'),
  HF3130: e(4, 'A key or a certificate cannot be used.', 'It cannot be read, has ended, may not sign, or the key belongs to another certificate.', 'Give the key and the certificate that the message asks for.'),
  HF3131: e(4, 'A request was not answered as expected.', 'The service could not be reached, or its answer is none of those that count as success.', 'Read the answer in the message; correct the request, or name the status in `expect`.'),
  // HF32: flows of the public workflow engine
  HF3201: e(2, 'This is not a flow, a task or an engine of this workflow engine.', 'Nothing was given, or an object that another engine or the program made.', 'Use what buildFlow, createTask and getEngine give.'),
  HF3202: e(2, 'There is no such type of flow.', 'Flows are linear, unordered or graph.', 'Use one of the three.'),
  HF3203: e(2, 'The declaration of a task or a retry controller is not valid.', 'An option is missing, has the wrong type, or contradicts another.', 'Correct the option named in the message.'),
  HF3204: e(2, 'Two tasks of a flow have the same name.', 'Results are kept under the name, so it is unique in the whole flow, nested flows included.', 'Give one of them another name.'),
  HF3205: e(2, 'A task needs a symbol that nobody gives.', 'No task before it provides the symbol, and it is not among the values given from outside.', 'Provide the symbol before the task, give it in `store`, or declare it optional.'),
  HF3206: e(2, 'Two tasks give the same symbol.', 'A task that needs it was added to a graph, and it is not clear which one it means.', 'Rename one of the symbols, or link the tasks yourself.'),
  HF3207: e(2, 'The tasks would wait for each other in a circle.', 'A link, or a symbol that one gives and another needs, closes the circle.', 'Remove one of the links.'),
  HF3208: e(2, 'The tasks cannot be linked.', 'Links exist in graph flows only, and both ends must have been added to that flow.', 'Add both tasks to the graph flow before linking them.'),
  HF3209: e(2, 'A symbol has two sources.', 'It is given from outside, and a task before its consumer provides it, too.', 'Rename one of them.'),
  HF3210: e(6, 'There is no such task or symbol in the flow.', 'The name is wrong, the task has not run yet, or its result was taken back.', 'Use one of the names listed in the message.'),
  HF3211: e(2, 'The flow cannot go from its state to that one.', 'The engine is running, has not begun, or has ended.', 'Look at the state of the engine first.'),
  HF3212: e(10, 'The flow is being run already.', 'Another caller or another process runs it.', 'Wait until it has ended.'),
  HF3213: e(4, 'Several tasks of the flow failed, or one failed in an earlier process.', 'Every failure stands in the details.', 'Correct the causes and run the flow again.'),
  HF3214: e(4, 'What a task returned cannot be stored.', 'It holds a function, a circle, or an object that is no plain data.', 'Return strings, finite numbers, booleans, null, bytes, dates, arrays and plain objects.'),
  HF3215: e(4, 'A task did not return what it announced.', 'A name or a position of `provides` is missing in the result.', 'Return it, or correct `provides`.'),
  HF3216: e(2, 'The flow was changed while it was unfinished.', 'Tasks, links, symbols or versions are not those that the journal knows under this id.', 'Run the flow as it was, reset it, or pass `acceptChanges: true`.'),
  HF3217: e(12, 'The flow is stuck: a task could not be taken back.', 'The undo of a task failed, and is not tried again by itself.', 'Take it back by hand, then reset the flow.'),
  HF3218: e(4, 'A retry controller has nothing to try.', 'Its list of values is empty, or every value was tried.', 'Give it at least one value.'),
  HF3219: e(2, 'The engine or the factory of a flow could not be loaded.', 'The module does not exist, throws, or has no such export.', 'Correct the module and the name of the export.'),
  HF3220: e(2, 'There is no such type of operation.', 'Operations are protect, restore, verify, delete and copy, and a worker runs those that it was given a builder for.', 'Use one of the names listed in the message.'),
  HF3221: e(4, 'No worker took the task in time.', 'No worker that knows the type is running, or all are busy.', 'Start a worker for the type, or raise `claimWithin`.'),
  // HF40: state, keys and locks
  HF4001: e(13, 'The state file is damaged.', 'The file is not a database, or its content contradicts itself.', 'Run `holdfast state doctor`; restore the file from a backup.'),
  HF4002: e(13, 'The state file was written by a newer version.', 'Its schema is newer than this program knows.', 'Use the newer version of Holdfast.'),
  HF4003: e(13, 'The state cannot be written.', 'The file or its folder is read-only, or belongs to another user.', 'Correct the permissions of the file and of its folder, both of which the message names.'),
  HF4004: e(13, 'The state is busy.', 'Another program holds the file for too long.', 'Wait for it, then run the command again.'),
  HF4005: e(13, 'There is no state file, but there was one.', 'The key is there and the state is gone.', 'Restore .holdfast/state.db from a backup; or remove .holdfast to begin anew.'),
  HF4006: e(12, 'The state could not be written.', 'The disk is full or failed while the state was written.', 'Free some space, then run `holdfast apply` again; the journal knows what was done.'),
  HF4007: e(13, 'The SQLite library is too old.', 'Versions below 3.51.3 can damage a file that several processes write.', 'Use a newer Node, or reinstall holdfast with its dependencies.'),
  HF4008: e(13, 'The state is not empty.', 'An import would mix two truths.', 'Import into a folder that has no state, or move .holdfast/state.db away first.'),
  HF4009: e(2, 'The file is not a whole export of a state.', 'It is something else, was cut off, or was edited.', 'Use a file that `holdfast state export` wrote to its end.'),
  HF4011: e(13, 'A snapshot is damaged.', 'What the snapshot provider gave is no snapshot, was changed, or contradicts itself.', 'Restore it from a backup; nothing was written.'),
  HF4101: e(10, 'The resource is busy.', 'An earlier change of it is not settled.', 'Run `holdfast status`.'),
  HF4102: e(10, 'The state is in use.', 'It has resources, components, children or changes that are not settled.', 'Remove what is in it first.'),
  HF4103: e(10, 'Others refer to the resource.', ['A component holds a reference to it, so it may not go.', 'A reference names a resource that is not there.'], 'Remove the references first; the message names who holds them.'),
  HF4104: e(10, 'The request was made already.', 'Two requests carry one id.', 'Ask again: the answer to the first one stands.'),
  HF4105: e(10, 'There is a component of that name already.', 'It was made by another command in the meantime.', 'Choose another name, or use the component that is there.'),
  HF4201: e(10, 'Somebody else is working on this environment.', 'Another apply holds the lease.', 'Wait for it, or add --lock-timeout 5m. When that process is gone and its machine cannot say so: holdfast state unlock.'),
  HF4203: e(10, 'The lease was lost.', 'Another run took over while this one could not renew its lease.', 'The new holder records the outcome. Run `holdfast status`.'),
  HF4204: e(10, 'A mutation of the target is open.', 'Another live process is changing it.', 'Wait until it has ended.'),
  HF4301: e(3, 'The key is missing.', 'The state holds sealed values, and its key file or variable is not there.', 'Restore .holdfast/key, or set HOLDFAST_KEY.'),
  HF4302: e(3, 'The key is wrong.', 'The key does not belong to this state.', 'Use the key that the state was made with.'),
  HF4303: e(13, 'A sealed value cannot be opened.', 'It was changed or moved to another place after it was sealed.', 'Restore the state from a backup.'),
  // HF50: protection
  HF5001: e(5, 'The node is protected.', 'The plan would delete or replace a node with `protect: true`.', ['Keep the node, or remove `protect` and apply that first.', 'Or lift the protection for one plan: `--unprotect PATH`.']),
  HF5101: e(5, 'A policy denies the plan.', 'A rule of the project or of the program does not allow what is planned; nothing was changed.', 'Change the program as the message says, or talk to whoever wrote the policy.'),
  HF5102: e(5, 'A policy could not be asked.', ['It threw an error.', 'It gave something that is no finding, or a promise.'], 'Mend the policy, or take it out of the project; a rule that cannot be asked is not passed.'),
  // HF60: not found
  HF6001: e(6, 'There is no such node.', 'The address is not in the state of this environment.', 'Run `holdfast state ls`.'),
  HF6002: e(6, 'There is no such run.', 'The id is unknown in this state.', 'Run `holdfast run ls`.'),
  HF6003: e(6, 'There is no such change transaction.', 'The token is unknown, or it is settled already.', 'Run `holdfast status`.'),
  HF6004: e(6, 'There is no such output.', 'The app gives no output of that name.', 'Run `holdfast outputs`.'),
  HF6005: e(6, 'There is no run to go on with.', 'The environment is at a committed revision.', 'Run `holdfast apply`.'),
  HF6006: e(6, 'There is nothing of that name in the trash.', 'It was restored or emptied.', 'Run `holdfast trash ls`.'),
  HF6007: e(2, 'The transaction cannot be settled that way.', 'The way does not fit what is known.', 'Use one of the actions that `holdfast status` lists.'),
  HF6008: e(6, 'There is no such code.', 'The code is not in the registry.', 'Codes look like HF3107.'),
  HF6009: e(6, 'The history does not go back that far.', 'Events of so long ago were taken away.', 'Look at the state as it is, then watch from its commit number on.'),
  HF6011: e(6, 'There is no such target.', 'The target provider knows no target of that name.', 'Use one of the names that it knows.'),
  // HF90
  HF9001: e(1, 'Holdfast has a bug.', 'An assertion failed.', 'Please report it with the text above.'),
} as const satisfies Record<string, FailureEntry>

export type FailureCode = keyof typeof registry
