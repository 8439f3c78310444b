import { app, asset, json, str } from 'holdfast'
import { Directory, File, Process } from 'holdfast/local'
import { Password } from 'holdfast/random'
import { z } from 'zod'

export default app('notes', {
  config: z.object({
    port: z.number().int().default(8080),
    title: z.string().default('Notes'),
  }),

  build({ config }) {
    // Made once, kept sealed in the state, and never shown unless you ask for it.
    const password = Password('password', { length: 32 })

    // Holds data: when it leaves the program it goes to the trash and can be taken back.
    const notes = Directory('notes', { path: 'notes' }, { data: true })

    const settings = File('settings', {
      path: 'run/settings.json',
      mode: 0o600,
      content: json({ title: config.title, password: password.value, folder: notes.path }),
    })

    // Runs on after the command has ended. When its code or its settings change, the new version
    // must answer /health before the old one stops; both share the listening socket.
    const api = Process('api', {
      command: ['node', asset('./api.mjs'), settings.file],
      listen: config.port,
      ready: { http: '/health', within: '10s' },
    })

    return {
      url: str`http://127.0.0.1:${api.port}`,
      password: password.value,
    }
  },
})
