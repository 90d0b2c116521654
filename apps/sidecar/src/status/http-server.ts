import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type JsonValue, toJson } from '@bufbuild/protobuf'
import { type GetStatusResponse, GetStatusResponseSchema } from '@perigee/protocol'

export interface HttpServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  /** Whether the sidecar serves. */
  readonly ready: () => boolean
  readonly status: () => GetStatusResponse
  /** Answers with the metrics, in Prometheus's text format. */
  readonly metrics: (request: IncomingMessage, response: ServerResponse) => void
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const HEADERS_TIMEOUT_MS = 5000
const REQUEST_TIMEOUT_MS = 10_000

/** Plain HTTP for probes, scrapers and people: `/livez`, `/readyz`, `/metrics`, `/status.json`. Reading only. */
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
    this.#server = createServer(
      { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
      (...pair) => this.#answer(...pair),
    )
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
