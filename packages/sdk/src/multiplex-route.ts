import { metadataWith } from './call-token.ts'
import type { Connection } from './connection.ts'
import { MULTIPLEX_PATH } from './multiplex-methods.ts'
import { MultiplexStream } from './multiplex-stream.ts'
import type { PerigeeError } from './perigee-error.ts'

/**
 * The streams to one address: the one that new calls go over, and former ones whose calls are still under way. A stream
 * belongs to the connection that it was opened on; when that has been replaced, new calls use a new one.
 */
export class MultiplexRoute {
  readonly #streams = new Set<MultiplexStream>()
  #current: MultiplexStream | undefined
  /** The connection that the current stream is on, or on which the sidecar said that it has no Multiplex. */
  #connection: Connection | undefined
  #number: number | undefined
  #unsupported = false

  /** The stream for new calls over a connection that is ready; `undefined` when the sidecar has no Multiplex. */
  stream(connection: Connection, token?: string): MultiplexStream | undefined {
    if (this.#connection !== connection || this.#number !== connection.number) {
      this.#current?.retire()
      this.#current = undefined
      // Whoever is there now may be of another version.
      this.#unsupported = false
      this.#connection = connection
      this.#number = connection.number
    }
    if (this.#unsupported) return undefined
    // It speaks for whoever has shown its token.
    if (this.#current && this.#current.token !== token) {
      this.#current.retire()
      this.#current = undefined
    }
    this.#current ??= this.#open(connection, token)
    return this.#current
  }

  /** The stream for new calls, if it would send one at once. */
  openStream(): MultiplexStream | undefined {
    const stream = this.#current
    if (!stream || stream.draining || !stream.hasRoom) return undefined
    const connection = this.#connection
    return connection?.ready && connection.number === this.#number ? stream : undefined
  }

  /** From now on calls use a new stream; those under way end on the old one, or fail if they may be made elsewhere. */
  renew(giveUp: boolean): void {
    this.#current?.retire()
    this.#current = undefined
    this.#connection = undefined
    if (giveUp) for (const stream of this.#streams) stream.failReads()
  }

  /** Ends all calls with `why`. */
  close(why: () => PerigeeError): void {
    for (const stream of [...this.#streams]) stream.close(why)
  }

  #open(connection: Connection, token: string | undefined): MultiplexStream {
    const { number } = connection
    const call = connection.client.makeBidiStreamRequest<Buffer, Buffer>(
      MULTIPLEX_PATH,
      asIs,
      asIs,
      metadataWith(token),
    )
    const stream = new MultiplexStream(call, token, (unsupported) => {
      this.#streams.delete(stream)
      if (this.#current === stream) this.#current = undefined
      if (unsupported && this.#connection === connection && this.#number === number) this.#unsupported = true
    })
    this.#streams.add(stream)
    return stream
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}
