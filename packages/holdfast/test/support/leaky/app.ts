import { app, asset, outcomeUnknown, resource, sensitive, str } from 'holdfast'
import { Command, File, Process } from 'holdfast/local'
import { Password } from 'holdfast/random'
import { z } from 'zod'

const ways = ['good', 'throws', 'throws-text', 'partly', 'unknown', 'wrong-shape', 'command-fails', 'process-ends'] as const

/** Says its secret wherever it can. */
const Talker = resource({
  type: 'leaky:Talker',
  inputs: z.object({ way: z.enum(ways), secret: sensitive(z.string()), round: z.number() }),
  outputs: z.object({ id: z.string(), echo: sensitive(z.string()) }),
  capability: { update: 'full', maxCallMs: 0 },
  async create({ inputs, log, progress, partial }) {
    const { secret } = inputs
    progress(`waiting with ${secret}`)
    for (const said of [secret, Buffer.from(secret).toString('base64'), Buffer.from(`user:${secret}`).toString('base64'), Buffer.from(secret).toString('base64url'), Buffer.from(secret).toString('hex'), encodeURIComponent(secret), JSON.stringify({ secret })]) log(said)
    console.log('out', secret)
    console.error('err', secret)
    process.stdout.write(secret.slice(0, 5))
    await new Promise((resolve) => setTimeout(resolve, 20))
    process.stdout.write(`${secret.slice(5)}\n`)
    switch (inputs.way) {
      case 'throws': throw Object.assign(new Error(`no access with ${secret}`, { cause: new Error(JSON.stringify({ secret })) }), { secret, request: { headers: { authorization: `Basic ${Buffer.from(`user:${secret}`).toString('base64')}` } } })
      case 'throws-text': throw secret
      case 'partly':
        await partial({ id: 'half', echo: secret })
        throw new Error(`broke off with ${secret}`)
      case 'unknown': throw outcomeUnknown(new Error(`connection reset, sent ${secret}`))
      case 'wrong-shape': return { id: 7, echo: { nested: secret } } as never
      default: return { id: 'talker', echo: secret }
    }
  },
  async read({ outputs }) {
    return outputs?.id === undefined ? undefined : { id: outputs.id, echo: outputs.echo as string }
  },
  async update({ outputs, inputs, log }) {
    log(`updated with ${inputs.secret}`)
    return outputs
  },
  async delete({ inputs, log }) {
    log(`deleted with ${inputs.secret}`)
  },
})

/** Prints a text in pieces, so that it never stands whole in one write. */
const inPieces = `
const [text, ends] = process.argv.slice(1)
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
for (const stream of [process.stdout, process.stderr]) {
  for (const form of [text, Buffer.from(text).toString('base64'), encodeURIComponent(text)]) {
    stream.write('is ' + form.slice(0, 7))
    await wait(15)
    stream.write(form.slice(7) + '\\n')
  }
}
`

export default app('leaky', {
  config: z.object({ way: z.enum(ways).default('good'), round: z.number().default(1) }),
  secrets: ['token'],
  build({ config, secrets }) {
    const { way, round } = config
    const password = Password('password', { length: 24, symbols: true })
    const both = str`${secrets.token}:${password.value}`
    const file = File('file', { path: 'out/secret.txt', content: str`${both} ${round}\n`, mode: 0o600 })
    const command = Command('command', { command: ['node', '--input-type=module', '-e', `${inPieces}; process.exit(${way === 'command-fails' ? 3 : 0})`, secrets.token], env: { PASSWORD: password.value }, triggers: [round, way] })
    const talker = Talker('talker', { way, secret: secrets.token, round }, { dependsOn: [command] })
    const program = Process('process', {
      command: ['node', asset('./talk.mjs'), way, String(round), secrets.token], env: { PASSWORD: password.value, TOKEN: both },
      ready: { log: 'ready', within: '5s' },
    }, { dependsOn: [talker] })
    return { both, echo: talker.echo, printed: command.stdout, file: file.path, pid: program.pid }
  },
})
