import type { Socket } from 'node:net'
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { TlsFiles } from '../tls/tls-files.ts'

/** One that ends a connection sooner has refused it. */
const REFUSED_WITHIN_MS = 1000

/** How a sidecar is called by TLS. */
export interface PeerTls {
  /** What is shown to it, and whom to trust. */
  readonly files: TlsFiles
  /** The name that is meant, `api.<region>.<domain>`: its certificate is good for that, or for the host that it is called at. */
  readonly name: string
  readonly log: Logger
}

/**
 * Credentials for calls to another sidecar. Each connection is made with what the files hold then, and its socket is shown,
 * which grpc-js keeps to itself.
 */
export function peerCredentials(
  tls: (PeerTls & { readonly host: string }) | undefined,
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
          // Only after the handshake one learns that one's own certificate was refused: by an error, or by an end.
          const soon = performance.now() + REFUSED_WITHIN_MS
          connected.socket.on('error', failed)
          connected.socket.on('close', () => {
            if (performance.now() < soon)
              failed(new Error('it ended the connection: it may not take our certificate'))
          })
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

function newCredentials(tls: (PeerTls & { readonly host: string }) | undefined): ChannelCredentials {
  if (!tls) return credentials.createInsecure()
  return credentials.createFromSecureContext(createSecureContext({ ...tls.files.current }), {
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      checkServerIdentity(tls.name, certificate) && checkServerIdentity(tls.host, certificate),
  })
}
