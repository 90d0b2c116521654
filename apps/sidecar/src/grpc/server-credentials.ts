import { ServerCredentials } from '@grpc/grpc-js'
import { HANDSHAKE_TIMEOUT_MS, serverContext } from '../tls/server-context.ts'
import type { TlsFiles } from '../tls/tls-files.ts'

/**
 * What a server speaks with: TLS by files, whose changes new connections are made with, or none. With a CA, callers without a
 * certificate by it are refused in the handshake.
 */
export function serverCredentials(files: TlsFiles | undefined): ServerCredentials {
  return files ? new FileCredentials(files) : ServerCredentials.createInsecure()
}

/** grpc-js's own that reload know neither the time that a handshake may take, nor tickets. */
class FileCredentials extends ServerCredentials {
  constructor(files: TlsFiles) {
    const demands = files.current.ca !== undefined
    const constant = {
      requestCert: demands,
      rejectUnauthorized: demands,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    }
    super(constant, serverContext(files))
    files.onChange(() => this.updateSecureContextOptions(serverContext(files)))
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this
  }
}
