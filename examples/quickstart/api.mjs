// A notes service of ordinary Node.js: it knows nothing about Holdfast.
//
//   GET    /health      open; says that the service can do its work
//   GET    /notes       all notes, newest first
//   POST   /notes       adds the text of the body
//   DELETE /notes/ID    removes one
//
// Everything but /health wants the password of the settings file: `curl -u notes:PASSWORD ...`.
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { access, constants, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'

const { title, password, folder } = JSON.parse(await readFile(process.argv[2], 'utf8'))
const BODY_BYTES_MAX = 65_536
const GOODBYE_MS = 300

const routes = {
  async 'GET /health'() {
    await access(folder, constants.W_OK)
    return { status: 200, body: { ok: true, pid: process.pid } }
  },

  async 'GET /notes'() {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.json'))
    const notes = await Promise.all(names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))))
    return { status: 200, body: { title, notes: notes.sort((a, b) => b.at - a.at) } }
  },

  async 'POST /notes'(request) {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) {
      text += chunk
      if (text.length > BODY_BYTES_MAX) return { status: 413, body: { error: `a note has at most ${BODY_BYTES_MAX} characters` } }
    }
    if (text.trim() === '') return { status: 400, body: { error: 'the note is empty' } }
    const note = { id: randomUUID(), at: Date.now(), text }
    // Written aside and renamed: a reader sees the whole note or none.
    await writeFile(join(folder, `.${note.id}`), JSON.stringify(note))
    await rename(join(folder, `.${note.id}`), join(folder, `${note.id}.json`))
    return { status: 201, body: note }
  },

  async 'DELETE /notes/:id'(_request, id) {
    if (!/^[\da-f-]{36}$/.test(id)) return { status: 404, body: { error: 'no such note' } }
    await rm(join(folder, `${id}.json`), { force: true })
    return { status: 204 }
  },
}

async function answer(request) {
  const [, first, id] = new URL(request.url, 'http://local').pathname.split('/')
  const route = routes[`${request.method} /${first}${id === undefined ? '' : '/:id'}`]
  if (first !== 'health' && !allowed(request.headers.authorization)) return { status: 401, body: { error: 'the password is missing or wrong' } }
  return route ? route(request, id) : { status: 404, body: { error: 'no such thing' } }
}

/** Both sides are digested first, so that the comparison takes the same time whatever was sent. */
function allowed(header = '') {
  const [, given = ''] = Buffer.from(header.replace(/^Basic /, ''), 'base64').toString().match(/^[^:]*:(.*)$/s) ?? []
  const digest = (text) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(password))
}

let stopping = false
const server = createServer((request, response) => {
  answer(request)
    .catch((error) => ({ status: 500, body: { error: error.message } }))
    .then(({ status, body }) => {
      const text = body === undefined ? undefined : `${JSON.stringify(body)}\n`
      if (status === 401) response.setHeader('www-authenticate', 'Basic realm="notes"')
      if (stopping) response.setHeader('connection', 'close')
      response.writeHead(status, text === undefined ? {} : { 'content-type': 'application/json' }).end(text)
    })
})

// The listening socket is handed over as file descriptor 3, as systemd does. Alone, the service opens a port itself.
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : { port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' }, () => {
  console.log(`${title}: ready, process ${process.pid}`)
})

// Asked to stop: for a moment every answer says `connection: close`, so that no client is left with a connection that is about to end.
// Then there are no new connections, what runs is finished, and the process ends.
process.once('SIGTERM', () => {
  console.log(`${title}: stopping, process ${process.pid}`)
  stopping = true
  setTimeout(() => server.close(), GOODBYE_MS)
})
