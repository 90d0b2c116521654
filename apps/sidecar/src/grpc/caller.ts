import type { PeerCertificate } from 'node:tls'
import type { Metadata } from '@grpc/grpc-js'
import type { Caller } from '../security/caller.ts'

/** What grpc-js tells of whoever makes a call. */
export interface AuthenticatedCall {
  readonly metadata: Metadata
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate }
}

/** Who makes a call, looked at only as far as somebody asks. */
export class GrpcCaller implements Caller {
  readonly #call: AuthenticatedCall

  constructor(call: AuthenticatedCall) {
    this.#call = call
  }

  get authorization(): string | undefined {
    const values = this.#call.metadata.get('authorization')
    return values.length === 0 ? undefined : values.join(', ')
  }

  get certificate(): PeerCertificate | undefined {
    return this.#call.getAuthContext().sslPeerCertificate
  }
}
