import type { PeerCertificate } from 'node:tls'

/** What a caller brings to show who it is. */
export interface Caller {
  /** The `authorization` of the call. */
  readonly authorization: string | undefined
  /** Of its connection, checked in the handshake. */
  readonly certificate: PeerCertificate | undefined
}
