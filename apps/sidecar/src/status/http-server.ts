import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type JsonValue, toJson } from '@bufbuild/protobuf'
import { type GetStatusResponse, GetStatusResponseSchema } from '@perigee/protocol'
import type { HttpGuard } from '../security/http-guard.ts'
import { ALL_RIGHTS, type Rights } from '../security/rights.ts'
import { StatusError } from '../status-error.ts'
import { HANDSHAKE_TIMEOUT_MS, serverContext } from '../tls/server-context.ts'
import type { TlsFiles } from '../tls/tls-files.ts'
import { HTTP_LIMITS, limitHttp } from './http-limits.ts'

export interface HttpServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  /** Default: without TLS. With a CA, a client may show its certificate, and need not: probes have none. */
  readonly tls?: TlsFiles | undefined
  /** Whether the sidecar serves. */
  readonly ready: () => boolean
  /** The status as somebody with those rights may see it. */
  readonly status: (rights: Rights) => GetStatusResponse
  /** Says who may see metrics and status. Default: everybody. */
  readonly guard?: HttpGuard | undefined
  /** How many connections there may be. Default 500. */
  readonly connectionsMax?: number
  /** Answers with the metrics, in Prometheus's text format. */
  readonly metrics: (request: IncomingMessage, response: ServerResponse) => void
}

type Answer = (request: IncomingMessage, response: ServerResponse, rights: Rights) => void

const CONNECTIONS_MAX = 500

/** HTTP, or HTTPS, for probes, scrapers and people: `/livez`, `/readyz`, `/metrics`, `/status.json`. Reading only. */
export class HttpServer {
  readonly #options: HttpServerOptions
  readonly #server: Server
  readonly #paths: ReadonlyMap<string, Answer>

  constructor(options: HttpServerOptions) {
    const { ready, status, metrics } = options
    this.#options = options
    this.#paths = new Map<string, Answer>([
      ['/livez', (_, response) => sendText(response, 200, 'live')],
      [
        '/readyz',
        (_, response) =>
          ready()
            ? sendText(response, 200, 'ready')
            : sendText(response, 503, 'neither the data Redis nor a fallback answers, or the sidecar drains'),
      ],
      [
        '/metrics',
        (request, response, rights) =>
          rights.mayEverywhere('read')
            ? metrics(request, response)
            : sendText(response, 403, 'metrics are for those who may read every namespace'),
      ],
      [
        '/status.json',
        (_, response, rights) => sendJson(response, toJson(GetStatusResponseSchema, status(rights))),
      ],
    ])
    const answer: RequestListener = (...pair) => this.#answer(...pair)
    this.#server = options.tls ? secureServer(options.tls, answer) : createServer(HTTP_LIMITS, answer)
    limitHttp(this.#server, options.connectionsMax ?? CONNECTIONS_MAX)
  }

  /**
   * Listens.
   *
   * @returns the port.
   * @throws when the address can't be bound.
   */
  start(): Promise<number> {
    const { host, port } = splitAddress(this.#options.listen)
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => resolve((this.#server.address() as AddressInfo).port))
    })
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const answer = this.#paths.get(path)
    if (!answer) {
      sendText(response, 404, `no such page; there are ${[...this.#paths.keys()].join(', ')}`)
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      sendText(response, 405, 'read only: use GET')
      return
    }
    response.setHeader('cache-control', 'no-store')
    const { guard } = this.#options
    if (!guard || OPEN_PATHS.has(path)) answer(request, response, ALL_RIGHTS)
    else {
      guard.rightsOf(request).then(
        (rights) => answer(request, response, rights),
        (error) => refuse(response, error),
      )
    }
  }
}

/** What probes ask: it says nothing but whether the sidecar serves. */
const OPEN_PATHS = new Set(['/livez', '/readyz'])

function refuse(response: ServerResponse, error: unknown): void {
  if (!(error instanceof StatusError) || error.status !== 'UNAUTHENTICATED') {
    sendText(response, 503, "who asks can't be told just now; try again shortly")
    return
  }
  response.setHeader('www-authenticate', 'Bearer')
  sendText(response, 401, error.message)
}

function secureServer(tls: TlsFiles, answer: RequestListener): SecureServer {
  const asks = { requestCert: tls.current.ca !== undefined, rejectUnauthorized: false }
  const options = { ...HTTP_LIMITS, ...serverContext(tls), ...asks, handshakeTimeout: HANDSHAKE_TIMEOUT_MS }
  const server = createSecureServer(options, answer)
  tls.onChange(() => server.setSecureContext(serverContext(tls)))
  return server
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}

function sendJson(response: ServerResponse, value: JsonValue): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(value, null, 2)}\n`)
}

function splitAddress(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':')
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) }
}
