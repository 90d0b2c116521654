import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Access } from './access.ts'
import type { Rights } from './rights.ts'

/** Says what whoever asks by HTTP may do: by the same tokens and certificates as callers of gRPC. */
export class HttpGuard {
  readonly #access: Access

  constructor(access: Access) {
    this.#access = access
  }

  /** @throws StatusError UNAUTHENTICATED */
  async rightsOf({ headers, socket }: IncomingMessage): Promise<Rights> {
    const certificate =
      socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate() : undefined
    const { authorization } = headers
    const { principal } = await this.#access.identify({ authorization, certificate })
    return this.#access.rightsOf(principal)
  }
}
