import type { ClientDuplexStream } from '@grpc/grpc-js'
import { MultiplexStream } from './multiplex-stream.ts'

/** What streams are opened on. */
export interface MultiplexConnection {
  readonly ready: boolean
  /** Grows with every connection made, so that what was said of one isn't taken for what the next one says. */
  readonly number: number
}

/**
 * The streams to one address: the one that new calls go over, and former ones whose calls are still under way. A stream
 * belongs to the connection that it was opened on; when that has been replaced, new calls use a new one.
 */
export class MultiplexRoute<C extends MultiplexConnection> {
  readonly #begin: (connection: C, token: string | undefined) => ClientDuplexStream<Buffer, Buffer>
  readonly #frameBytesMax: number | undefined
  readonly #streams = new Set<MultiplexStream>()
  #current: MultiplexStream | undefined
  /** The connection that the current stream is on, or on which the sidecar said that it has no Multiplex. */
  #connection: C | undefined
  #number: number | undefined
  #unsupported = false

  /**
   * @param begin opens a stream of frames that shows the token.
   * @param frameBytesMax frames become no larger, unless by one call alone. Default: 1 MiB.
   */
  constructor(
    begin: (connection: C, token: string | undefined) => ClientDuplexStream<Buffer, Buffer>,
    frameBytesMax?: number,
  ) {
    this.#begin = begin
    this.#frameBytesMax = frameBytesMax
  }

  /** The stream for new calls over a connection that is ready; `undefined` when the sidecar has no Multiplex. */
  stream(connection: C, token?: string): MultiplexStream | undefined {
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

  /** New calls don't use a stream any more, if they still would; those under way end on it. */
  replace(stream: MultiplexStream): void {
    if (this.#current !== stream) return
    stream.retire()
    this.#current = undefined
  }

  /** Ends all calls. */
  close(): void {
    for (const stream of [...this.#streams]) stream.close()
  }

  #open(connection: C, token: string | undefined): MultiplexStream {
    const { number } = connection
    const onEnd = (unsupported: boolean) => {
      this.#streams.delete(stream)
      if (this.#current === stream) this.#current = undefined
      if (unsupported && this.#connection === connection && this.#number === number) this.#unsupported = true
    }
    const stream = new MultiplexStream(this.#begin(connection, token), token, onEnd, this.#frameBytesMax)
    this.#streams.add(stream)
    return stream
  }
}
