import { main } from './main.ts'

const code = await main(process.argv.slice(2))
// What was written must have left the process; a handle that somebody forgot must not keep it.
await Promise.all([process.stdout, process.stderr].map((s) => new Promise<void>((resolve) => { s.write('', () => resolve()) })))
process.exit(code)
