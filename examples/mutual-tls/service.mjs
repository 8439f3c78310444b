// A register of services, of ordinary Node.js. It knows its clients by their certificates: each may change what stands under its own name.
//
//   GET    /        everything
//   PUT    /NAME    says where NAME is
//   DELETE /NAME    it is nowhere any more
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'

const { cert, key, ca } = JSON.parse(await readFile(process.argv[2], 'utf8'))
const services = new Map()
const GOODBYE_MS = 300

const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, async (request, response) => {
  const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const name = request.url.slice(1)
  if (request.method === 'GET' && name === '') return answer(200, Object.fromEntries(services))
  if (name !== request.socket.getPeerCertificate().subject.CN) return answer(403, { error: 'that is not your name' })
  if (request.method === 'DELETE') return answer(services.delete(name) ? 200 : 404, {})
  if (request.method !== 'PUT') return answer(405, { error: 'GET, PUT or DELETE' })
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  services.set(name, JSON.parse(text))
  answer(200, services.get(name))
})

// The socket is open already: it outlives this process, and the next version gets the same one.
server.listen({ fd: 3 })

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  setTimeout(() => server.closeAllConnections(), GOODBYE_MS).unref()
})
