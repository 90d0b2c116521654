import type { Http2Server } from 'node:http2'
import { Server as NetServer } from 'node:net'
import type { Server } from '@grpc/grpc-js'

/**
 * The HTTP/2 servers under a gRPC server that listens. grpc-js keeps them to itself and has no limits of connections, of
 * headers, or of what a call may hold; Node has.
 *
 * @throws when there are none: with another version of grpc-js the limits must not be gone in silence.
 */
export function http2Servers(server: Server): readonly Http2Server[] {
  const { http2Servers } = server as unknown as { http2Servers?: unknown }
  const found = http2Servers instanceof Map ? [...http2Servers.keys()] : []
  const all = found.filter((one): one is Http2Server => one instanceof NetServer && 'updateSettings' in one)
  if (all.length === 0)
    throw new Error('This version of grpc-js hides its HTTP/2 servers: no limit can be set')
  return all
}
