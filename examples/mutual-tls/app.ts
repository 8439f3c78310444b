import { app, asset, json, str } from 'holdfast'
import { Request } from 'holdfast/http'
import { File, Process } from 'holdfast/local'
import { Certificate, CertificateAuthority } from 'holdfast/tls'
import { z } from 'zod'

export default app('registry', {
  config: z.object({
    port: z.number().int().default(8443),
    validFor: z.string().default('90d'),
    renewBefore: z.string().default('30d'),
  }),

  build({ config }) {
    const { validFor, renewBefore } = config

    // Its key signs the other two and is shown to nobody. Services and clients know its certificate.
    const ca = CertificateAuthority('ca', { commonName: 'Registry' })
    const authority = { certPem: ca.chainPem, keyPem: ca.keyPem }
    const server = Certificate('server', { commonName: 'localhost', usages: ['server'], validFor, renewBefore, authority })
    const client = Certificate('client', { commonName: 'billing', usages: ['client'], validFor, renewBefore, authority })

    const settings = File('settings', {
      path: 'run/tls.json',
      mode: 0o600,
      content: json({ cert: server.chainPem, key: server.keyPem, ca: ca.certPem }),
    })

    // Talks only to clients that show a certificate of the authority. When its own is renewed, the new process answers before the old one stops.
    const service = Process('service', {
      command: ['node', asset('./service.mjs'), settings.file],
      listen: config.port,
      ready: { tcp: true },
    })

    // Said again whenever the service begins anew, and taken back when this node goes.
    const url = str`https://localhost:${service.port}/billing`
    Request('billing', {
      url,
      method: 'PUT',
      json: { endpoint: 'http://127.0.0.1:9000' },
      tls: { ca: ca.certPem, certPem: client.chainPem, keyPem: client.keyPem },
      triggers: service.startedAt,
      destroy: { url },
    })

    return { url, ca: ca.certPem, clientCert: client.chainPem, clientKey: client.keyPem, renewAt: server.renewAt }
  },
})
