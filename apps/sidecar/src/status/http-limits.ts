import type { Server, ServerOptions } from 'node:http'

/** What each connection to the HTTP port may take of this process, and for how long. */
export const HTTP_LIMITS: ServerOptions = {
  headersTimeout: 5000,
  requestTimeout: 10_000,
  // Node looks whether these have passed this often, and by default every 30 s.
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 10_000,
  maxHeaderSize: 16 * 1024,
}

/** A connection on which nothing was sent or taken for so long is closed, in the middle of an answer as well. */
const SILENT_MS = 10_000

/** Bounds a server that was made with {@link HTTP_LIMITS}. */
export function limitHttp(server: Server, connectionsMax: number): void {
  server.maxConnections = connectionsMax
  server.setTimeout(SILENT_MS)
}
