import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type JsonValue, toJson } from '@bufbuild/protobuf'
import { type GetStatusResponse, GetStatusResponseSchema } from '@perigee/protocol'
import type { TlsFiles } from '../tls/tls-files.ts'

export interface HttpServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  /** Default: without TLS. With a CA, a client may show its certificate, and need not: probes have none. */
  readonly tls?: TlsFiles | undefined
  /** Whether the sidecar serves. */
  readonly ready: () => boolean
  readonly status: () => GetStatusResponse
  /** Answers with the metrics, in Prometheus's text format. */
  readonly metrics: (request: IncomingMessage, response: ServerResponse) => void
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const HEADERS_TIMEOUT_MS = 5000
const REQUEST_TIMEOUT_MS = 10_000

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
      ['/metrics', metrics],
      ['/status.json', (_, response) => sendJson(response, toJson(GetStatusResponseSchema, status()))],
    ])
    const limits = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS }
    const answer: Answer = (...pair) => this.#answer(...pair)
    this.#server = options.tls ? secureServer(options.tls, limits, answer) : createServer(limits, answer)
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
    answer(request, response)
  }
}

function secureServer(tls: TlsFiles, limits: ServerOptions, answer: Answer): SecureServer {
  const { current } = tls
  const asks = { requestCert: current.ca !== undefined, rejectUnauthorized: false }
  const options = { ...limits, ...current, ...asks, handshakeTimeout: HEADERS_TIMEOUT_MS }
  const server = createSecureServer(options, answer)
  tls.onChange((material) => server.setSecureContext({ ...material }))
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
