import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect, createSecureContext, type SecureContext } from 'node:tls'
import { type ChannelCredentials, credentials, type experimental } from '@grpc/grpc-js'

/** How connections to one sidecar are made by TLS. */
export interface TlsWay {
  /** Read anew for each connection. */
  readonly context: SecureContext
  /** Of which the certificate must have one; the first is the one that is meant. */
  readonly names: readonly string[]
  /** Called when a handshake fails, or its end is refused. */
  onFailure(error: Error): void
}

/**
 * Credentials with TLS that show the socket below each connection made with them, as those without TLS do.
 *
 * @param onSocket called with each socket that has just connected, before the handshake.
 */
export function tlsCredentials(way: TlsWay, onSocket: (socket: Socket) => void): ChannelCredentials {
  const secure = credentials.createFromSecureContext(createSecureContext())
  const createConnector = secure._createSecureConnector.bind(secure)
  secure._createSecureConnector = (...settings) => {
    const connector = createConnector(...settings)
    return {
      connect: (socket) => {
        onSocket(socket)
        return handshake(socket, way)
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    }
  }
  return secure
}

function handshake(socket: Socket, way: TlsWay): Promise<experimental.SecureConnectResult> {
  const [name = ''] = way.names
  return new Promise((resolve, reject) => {
    const secured = connect({
      socket,
      secureContext: way.context,
      ALPNProtocols: ['h2'],
      ...(isIP(name) === 0 && { servername: name }),
      checkServerIdentity: (_, certificate) => {
        const errors = way.names.map((one) => checkServerIdentity(one, certificate))
        return errors.includes(undefined) ? undefined : errors[0]
      },
    })
    // It is the one below that keeps the process alive, or doesn't.
    secured.ref = () => secured
    // Also later: in TLS 1.3 it is after the handshake that one learns of one's own certificate's refusal.
    secured.on('error', (error: Error) => {
      way.onFailure(error)
      reject(error)
    })
    secured.once('close', () => reject(new Error('the connection was closed in the TLS handshake')))
    secured.once('secureConnect', () => {
      if (secured.alpnProtocol === 'h2') resolve({ socket: secured, secure: true })
      else secured.destroy(new Error('it speaks TLS, but not HTTP/2'))
    })
  })
}
