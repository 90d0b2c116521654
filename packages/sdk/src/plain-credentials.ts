import type { Socket } from 'node:net'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'

/**
 * Credentials without TLS that show the socket of each connection made with them. grpc-js keeps it to itself, and it is
 * the only thing that knows whether anything at all still comes from the other side.
 *
 * @param onSocket called with each socket that has just connected.
 */
export function plainCredentials(onSocket: (socket: Socket) => void): ChannelCredentials {
  const plain = credentials.createInsecure()
  const createConnector = plain._createSecureConnector.bind(plain)
  plain._createSecureConnector = (...settings) => {
    const connector = createConnector(...settings)
    return {
      connect: (socket) => {
        onSocket(socket)
        return connector.connect(socket)
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    }
  }
  return plain
}
