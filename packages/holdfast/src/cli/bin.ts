import { setFlagsFromString } from 'node:v8'
import { main } from './main.ts'

// Until the next full collection the heap grows by four fifths at most: the garbage of a large run does not pile up until memory is short. It makes
// `many` (bench/) a sixth smaller, and no slower.
setFlagsFromString('--heap-growing-percent=80')

const code = await main(process.argv.slice(2))
// What was written must have left the process; a handle that somebody forgot must not keep it.
await Promise.all([process.stdout, process.stderr].map((s) => new Promise<void>((resolve) => { s.write('', () => resolve()) })))
process.exit(code)
