import type { Socket } from 'node:net'
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { TlsFiles } from '../tls/tls-files.ts'

/** How a sidecar is called by TLS. */
export interface PeerTls {
  /** What is shown to it, and whom to trust. */
  readonly files: TlsFiles
  /** The name that its certificate is good for, if not for the address that it is called by. */
  readonly name: string
  readonly log: Logger
}

/**
 * Credentials for calls to another sidecar. Each connection is made with what the files hold then, and its socket is shown,
 * which grpc-js keeps to itself.
 */
export function peerCredentials(
  tls: PeerTls | undefined,
  onSocket: (socket: Socket) => void,
): ChannelCredentials {
  const shown = newCredentials(tls)
  let trouble = ''
  const failed = (error: Error) => {
    if (error.message !== trouble)
      tls?.log.warn({ peer: tls.name, error: error.message }, 'TLS with a sidecar failed')
    trouble = error.message
  }
  shown._createSecureConnector = (...settings) => {
    const connector = newCredentials(tls)._createSecureConnector(...settings)
    return {
      connect: async (socket) => {
        onSocket(socket)
        if (!tls) return connector.connect(socket)
        try {
          const connected = await newCredentials(tls)
            ._createSecureConnector(...settings)
            .connect(socket)
          // In TLS 1.3 one learns only later that one's own certificate was refused.
          connected.socket.on('error', failed)
          return connected
        } catch (error) {
          failed(error as Error)
          throw error
        }
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    }
  }
  return shown
}

function newCredentials(tls: PeerTls | undefined): ChannelCredentials {
  if (!tls) return credentials.createInsecure()
  return credentials.createFromSecureContext(createSecureContext({ ...tls.files.current }), {
    checkServerIdentity: (host: string, certificate: PeerCertificate) =>
      checkServerIdentity(host, certificate) && checkServerIdentity(tls.name, certificate),
  })
}
