import { constants } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import type { TlsFiles } from './tls-files.ts'

/** How long a caller may take for its part of the handshake; Node's own limit is two minutes. */
export const HANDSHAKE_TIMEOUT_MS = 5000

/**
 * What a server speaks TLS with now. Sessions aren't resumed: in one that is, nobody looks at the client's certificate again, and
 * one that has run out would go on for ever.
 */
export function serverContext({ current }: TlsFiles): SecureContextOptions {
  return { ...current, secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION }
}
