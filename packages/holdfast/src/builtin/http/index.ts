/**
 * Requests over HTTP.
 *
 * Always true: a request that would do harm when it is sent twice is never sent twice unless a person says so; no answer is believed that did not come.
 * May import base, model, secret, provider, program.
 * @module
 */
import { resource } from '../../program/index.ts'
import { requestSpec } from './request.ts'

/**
 * `Request(name, { url, method?, headers?, body? | json?, expect?, idempotent?, tls?, triggers?, destroy? })`: sent once, and again when it or its triggers change.
 * Outputs `status`, `responseHeaders`, `responseBody`, `response` (the body, where it is JSON). `lookup(Request, { url })` reads something with every plan.
 */
export const Request = resource(requestSpec, { provider: 'holdfast#http/Request' })
