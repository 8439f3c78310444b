/** A command that makes one Process and may die at any moment. `argv[2]`: JSON of root, uid, key, inputs. */
import { processInputs } from '../../src/builtin/local/process-inputs.ts'
import { processSpec } from '../../src/builtin/local/process.ts'
import { contextOf, hostOf } from './world.ts'

const { root, uid, key, inputs, secrets = [] } = JSON.parse(process.argv[2] as string)
const host = hostOf(root)
const outputs = await processSpec.create({ ...contextOf({ ...host, secrets: () => secrets }, uid, key), inputs: processInputs.parse(inputs), partial: async () => {} })
console.log(JSON.stringify(outputs))
